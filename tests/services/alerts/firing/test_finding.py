"""Finding: whole alerts, from events to the words somebody reads."""

import pytest

from events.block import block_of
from events.policy import Policy
from services.views.port import ViewsUnavailable
from tests.model.notation import fact, line, retracted
from tests.services.alerts.desk import ONLY, desk_of, rule, stopped_clock, survey, two_accounts, unpaid
from tests.services.books import POLICY
from tests.services.eras import Eras
from tests.services.running import asynchronous

ALL = ONLY + "".join(
    [
        rule("gone", "churn"),
        rule("less", "contraction"),
        rule("notice", "notice"),
        rule("low", "score", score_at_most=6, mrr_at_least=500),
        rule("unpaid", "payment_failed", share_at_least='"10%"', where='{ segment = "smb" }'),
    ]
)


@asynchronous
async def test_what_is_told_of_each_kind() -> None:
    with stopped_clock() as clock:
        desk = await desk_of(clock, ALL, *two_accounts())
        await desk.book(
            survey("a", "2024-06-01T01:00:00Z", 3),
            survey("b", "2024-06-01T01:00:00Z", 3),
            unpaid("a1", "2024-06-01T02:00:00Z", attempt=2, reason="card_expired"),
            unpaid("b1", "2024-06-01T02:00:00Z"),
            fact("downgraded", "a1", "2024-06-01T03:00:00Z", lines=[line(80_000)]),
            fact("cancelled", "b1", "2024-06-01T04:00:00Z", reason="price"),
            fact("cancelled", "a1", "2024-06-01T05:00:00Z", effective_at="2024-09-01", reason="merger"),
        )
        assert desk.told() == [
            ("gone", "b has left: 100.00 USD of MRR, 11.11% of all (price)"),
            ("less", "a pays less: 100.00 USD of MRR, 11.11% of all"),
            ("low", "a gave 3 of 10 (nps); it pays 800.00 USD a month, 100.00% of all"),
            ("notice", "a has given notice: 800.00 USD of MRR, 100.00% of all from 2024-09-01 (merger)"),
            ("unpaid", "a payment of a failed, attempt 2 (card_expired); it pays 800.00 USD a month, 100.00% of all"),
        ]


@asynchronous
async def test_an_alert_says_all_that_is_known() -> None:
    with stopped_clock() as clock:
        desk = await desk_of(clock, ALL, *two_accounts(), survey("a", "2024-05-31", 9))
        leaves = fact("cancelled", "a1", "2024-06-01", reason="price", initiative="voluntary")
        await desk.book(leaves)
        (event,) = desk.waiting()
        assert event["time"] == "2024-06-01T00:00:00Z"
        data = event["data"]
        assert len(data.pop("id")) == 30
        assert data == {
            "rule": "gone",
            "kind": "churn",
            "severity": "warning",
            "summary": "a has left: 900.00 USD of MRR, 90.00% of all (price)",
            "position": {"partition": 0, "height": 2, "seq": 3},
            "account": "a",
            "contracts": ["a1"],
            "plans": ["plan"],
            "owner": "kim",
            "attributes": {"segment": "smb"},
            "currency": "USD",
            "mrr_minor": -90_000,
            "arr_minor": -1_080_000,
            "share": "0.90000000",
            "account_mrr_minor": 0,
            "effective": "2024-06-01",
            "reason": "price",
            "initiative": "voluntary",
            "scores": [{"survey": "nps", "score": 9, "time": "2024-05-31T00:00:00Z", "scale_max": 10}],
            "event": {
                "source": "/examples",
                "id": leaves["id"],
                "type": "revledger.contract.cancelled.v1",
                "time": "2024-06-01T00:00:00Z",
            },
            "explain": "revledger explain churn --from 2024-06-01 --until 2024-06-02 --where account=a --currency USD",
        }


@asynchronous
async def test_scores_told_are_those_given_before_and_not_taken_back() -> None:
    with stopped_clock() as clock:
        low = ONLY + rule("low", "score", score_at_most=6)
        wrong, first = survey("a", "2024-05-02", 9, respondent="cfo"), survey("a", "2024-05-01", 9, respondent="ann")
        desk = await desk_of(clock, low, *two_accounts(), wrong, first, retracted(wrong, "2024-05-03"))
        more = survey("a", "2024-05-30", 8, survey="csat", scale_max=10), survey("a", "2024-06-01", 2, respondent="bob")
        later = survey("a", "2024-06-01T01:00:00Z", 10, respondent="eve"), survey("b", "2024-06-01", 8)
        await desk.book(*more, *later)
        (told,) = desk.waiting()
        scores = [(one["survey"], one.get("respondent"), one["score"]) for one in told["data"]["scores"]]
        assert scores == [("nps", "bob", 2), ("csat", None, 8), ("nps", "ann", 9)]


@asynchronous
async def test_a_fall_in_score_is_that_of_one_respondent() -> None:
    with stopped_clock() as clock:
        fell = ONLY + rule("fell", "score", fall_at_least=3)
        desk = await desk_of(clock, fell, *two_accounts(), survey("a", "2024-05-01", 9, respondent="ann"))
        await desk.book(survey("a", "2024-05-02", 2, respondent="bob"))
        assert desk.told() == []
        await desk.book(survey("a", "2024-05-03", 6, respondent="ann"))
        assert [rule for rule, _ in desk.told()] == ["fell"]
        await desk.book(survey("a", "2024-05-01T12:00:00Z", 0, respondent="ann"))
        assert len(desk.told()) == 1, "an answer that came late is no fall"


@asynchronous
async def test_an_account_in_two_currencies_is_told_by_the_one_that_counts() -> None:
    with stopped_clock() as clock:
        rules = ONLY + rule("low", "score", score_at_most=6, mrr_at_least="{ EUR = 50 }")
        euros = fact("signed", "a2", "2024-01-01", currency="EUR", lines=[line(5_000)])
        desk = await desk_of(clock, rules, *two_accounts(), euros)
        await desk.book(survey("a", "2024-06-01", 1))
        assert [summary for _, summary in desk.told()] == [
            "a gave 1 of 10 (nps); it pays 50.00 EUR a month, 100.00% of all"
        ]


@asynchronous
async def test_going_over_to_another_policy_is_nothing_that_happened_to_a_customer() -> None:
    """A notice of yesterday becomes churn of yesterday in the books, and nobody has left."""
    with stopped_clock() as clock:
        ends = fact("cancelled", "a1", "2024-05-31", effective_at="2024-09-01")
        desk = await desk_of(clock, ALL, *two_accounts())
        await desk.book(ends)
        notice = [("notice", "a has given notice: 900.00 USD of MRR, 90.00% of all from 2024-09-01")]
        assert desk.told() == notice
        (block,) = await Eras(POLICY, desk.books.ledger).adopt(Policy(name="notice", churn="notice"))
        assert b"churn" in block_of(block.data).entries[0].booking
        await desk.books.projector.catch_up()
        await desk.alerter.catch_up()
        assert desk.alerter.position.next_height == block.header.height + 1
        assert desk.told() == notice


@asynchronous
async def test_by_views_that_were_just_emptied_nothing_is_told_until_they_know_again() -> None:
    """Who pays nothing, in a book of nothing, is told wrongly or not at all."""
    with stopped_clock() as clock:
        rules = ALL + rule("share", "churn", share_at_least='"5%"')
        desk = await desk_of(clock, rules, *two_accounts())
        events = [survey("a", "2024-06-01", 3), fact("cancelled", "b1", "2024-06-01")]
        await desk.books.book(events, at=clock.now())
        await desk.books.views.clear(0)
        with pytest.raises(ViewsUnavailable, match="have lost what they knew"):
            await desk.alerter.catch_up()
        assert desk.told() == []
        await desk.books.projector.look()
        await desk.books.projector.catch_up()
        await desk.alerter.catch_up()
        assert [one for one, _ in desk.told()] == ["gone", "low", "share"]
