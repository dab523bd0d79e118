"""Happenings: what entries tell of losses, answers, payments and retractions, and of nothing else."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.account import Account, Booking, book
from events.block import Entry, entry_of
from events.days import day_of_text, moment_of_text, text_of_day
from events.envelope import event_of
from events.policy import DEFAULT_RULES
from projections.happenings import Happening, Wanted, happenings_of
from tests.model.days import Event
from tests.model.notation import changed, fact, line, retracted

TODAY = "2024-06-01T12:00:00Z"
SIGNED = fact("signed", "a1", "2024-01-01", lines=[line(900)], attributes={"segment": "smb"}, owner="kim")
SECOND = fact("signed", "a2", "2024-01-01", lines=[line(100)])

ENDED = fact("signed", "a1", "2024-01-01", lines=[line(900)], term={"end": "2024-05-20", "auto_renew": False})
RENEWED = fact("renewed", "a1", "2024-05-19", effective_at="2024-05-20", term={"end": "2025-05-20"})


def entries_of(*events: Event) -> list[Entry]:
    """Events of one account booked one after the other."""
    account, entries = Account("a"), []
    for seq, event in enumerate(events):
        raw = msgspec.json.encode({"specversion": "1.0", **event})
        booking = book(account, event_of(raw), seq, DEFAULT_RULES)
        assert isinstance(booking, Booking)
        entries.append(entry_of(raw, booking))
    return entries


def last_of(*events: Event) -> list[Happening]:
    """What the last of some events tells."""
    return list(happenings_of(entries_of(*events)[-1:], moment_of_text(TODAY)))


def told(happening: Happening) -> tuple[Any, ...]:
    """What matters of a loss."""
    return happening.kind, happening.annual // 120_000, text_of_day(happening.day), happening.contracts


CASES = {
    "the last contract": ([SIGNED, fact("cancelled", "a1", "2024-06-01")], [("churn", 900, "2024-06-01", ("a1",))]),
    "one of two": (
        [SIGNED, SECOND, fact("cancelled", "a2", "2024-06-01")],
        [("contraction", 100, "2024-06-01", ("a2",))],
    ),
    "later": (
        [SIGNED, fact("cancelled", "a1", "2024-06-01", effective_at="2024-09-01")],
        [("notice", 900, "2024-09-01", ("a1",))],
    ),
    "a smaller plan": (
        [SIGNED, fact("downgraded", "a1", "2024-06-01", lines=[line(400)])],
        [("contraction", 500, "2024-06-01", ("a1",))],
    ),
    "a smaller plan later": (
        [SIGNED, fact("downgraded", "a1", "2024-06-01", effective_at="2024-07-01", lines=[line(400)])],
        [("notice", 500, "2024-07-01", ("a1",))],
    ),
    "a pause": ([SIGNED, fact("paused", "a1", "2024-06-01")], [("churn", 900, "2024-06-01", ("a1",))]),
    "a term that ends by itself": (
        [fact("signed", "a1", "2024-06-01", lines=[line(1)], term={"end": "2025-01-01", "auto_renew": False})],
        [],
    ),
    "more until its term ends": (
        [
            fact("signed", "a1", "2024-05-01", lines=[line(1)], term={"end": "2025-01-01", "auto_renew": False}),
            fact("upgraded", "a1", "2024-06-01", lines=[line(900)]),
        ],
        [],
    ),
    "a term that had ended by itself when it was recorded": ([ENDED], []),
    "more until a term ends that had ended": (
        [ENDED, fact("upgraded", "a1", "2024-05-01", lines=[line(1200)])],
        [],
    ),
    "a renewal taken back after the term has ended": (
        [ENDED, RENEWED, retracted(RENEWED, "2024-06-01")],
        [("churn", 900, "2024-05-20", ("a1",)), ("retraction", 0, "2024-06-01", ())],
    ),
    "a cancellation that calls it expired": (
        [SIGNED, fact("cancelled", "a1", "2024-06-01", reason="expired")],
        [("churn", 900, "2024-06-01", ("a1",))],
    ),
    "notice given before the term ends": (
        [
            fact("signed", "a1", "2024-05-01", lines=[line(900)], term={"end": "2025-01-01", "auto_renew": False}),
            fact("cancelled", "a1", "2024-06-01", effective_at="2025-01-01", reason="price"),
        ],
        [("notice", 900, "2025-01-01", ("a1",))],
    ),
    "more": ([SIGNED, fact("upgraded", "a1", "2024-06-01", lines=[line(1000)])], []),
    "another label": ([SIGNED, changed("a", "2024-06-01", segment="big")], []),
    "a cancellation of nobody's contract": ([fact("cancelled", "a9", "2024-06-01")], []),
    "a cancellation moved forward": (
        [
            SIGNED,
            fact("cancelled", "a1", "2024-05-01", effective_at="2024-09-01"),
            fact("cancelled", "a1", "2024-06-01", effective_at="2024-06-01"),
        ],
        [("churn", 900, "2024-06-01", ("a1",))],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_losses(case: str) -> None:
    events, expected = CASES[case]
    assert [told(one) for one in last_of(*events)] == expected


def test_a_loss_says_why_and_whose() -> None:
    leaves = fact("cancelled", "a1", "2024-06-01", reason="price", initiative="voluntary")
    (loss,) = last_of(SIGNED, leaves)
    assert (loss.reason, loss.initiative, loss.movement) == ("price", "voluntary", "churn")
    assert [loss.label(name) for name in ("segment", "owner", "account", "plan", "currency", "contract", "region")] == [
        *("smb", "kim", "a", "plan", "USD", "a1"),
        "",
    ]
    assert (loss.event.id, loss.event.type) == (leaves["id"], leaves["type"])


def test_a_retraction_of_a_loss_is_no_loss_and_names_what_it_takes_back() -> None:
    leaves = fact("cancelled", "a1", "2024-05-01")
    (back,) = last_of(SIGNED, leaves, retracted(leaves, "2024-06-01"))
    assert (back.kind, back.target) == ("retraction", f"/examples\n{leaves['id']}")


def test_a_retraction_of_a_sale_is_one() -> None:
    more = fact("upgraded", "a1", "2024-05-01", lines=[line(1000)])
    kinds = {one.kind for one in last_of(SIGNED, more, retracted(more, "2024-06-01"))}
    assert kinds == {"retraction"}, "what was never there was not lost"


def test_answers_and_payments() -> None:
    answer = fact("answered", "a1", "2024-06-01") | {
        "type": "revledger.survey.answered.v1",
        "data": {"survey": "csat", "score": 2, "respondent": "cfo"},
    }
    (told,) = last_of(SIGNED, answer)
    score = told.score
    assert score is not None
    assert (score.survey, score.score, score.scale_max, score.respondent) == ("csat", 2, 5, "cfo")
    failed = fact("failed", "a1", "2024-06-01", attempt=3, reason="card_expired") | {
        "type": "revledger.payment.failed.v1"
    }
    (unpaid,) = last_of(SIGNED, failed)
    assert (unpaid.kind, unpaid.attempt, unpaid.reason) == ("payment_failed", 3, "card_expired")
    assert unpaid.contracts == ("a1",)
    assert unpaid.day == day_of_text("2024-06-01")


def test_the_type_of_an_event_is_what_counts_however_it_is_written() -> None:
    answer = fact("answered", "a1", "2024-06-01") | {
        "type": "revledger.survey.answered.v1",
        "data": {"survey": "nps", "score": 2, "comment": '{"type":"revledger.contract.signed.v1"}'},
    }
    words = 'see "type":"revledger.payment.failed.v1" and event.retracted'
    attributes = {"type": "revledger.survey.answered.v1", "note": words}
    sale = fact("signed", "a1", "2024-01-01", lines=[line(900)], attributes=attributes)
    for event, kinds in ((answer, ["score"]), (sale, [])):
        for written in (event, dict(reversed(event.items()))):
            whole = {"specversion": "1.0", **written}
            for raw in (msgspec.json.encode(whole), json.dumps(whole, indent=1).encode()):
                booking = book(Account("a"), event_of(raw), 0, DEFAULT_RULES)
                assert isinstance(booking, Booking)
                found = happenings_of([entry_of(raw, booking)], moment_of_text(TODAY))
                assert [one.kind for one in found] == kinds


def answered(at: int, survey: str, score: int | None, said: dict[str, str]) -> Event:
    """An answer, with words in it that may be taken for something else."""
    event = fact("answered", "a1", "2024-06-01") | {"id": f"answer {at}", "type": "revledger.survey.answered.v1"}
    return event | {"data": {"survey": survey, **said} | ({} if score is None else {"score": score})}


ANSWERS = st.tuples(
    st.sampled_from(["nps", "csat", "ces"]),
    st.none() | st.integers(0, 5),
    st.dictionaries(st.sampled_from(["comment", "respondent"]), st.sampled_from(['"score":9', "nps", "score", "é"])),
)
LINES = st.dictionaries(st.sampled_from(["nps", "csat"]), st.none() | st.integers(0, 5))


@given(st.lists(ANSWERS, max_size=4), LINES, st.booleans(), st.booleans(), st.booleans())
def test_what_is_passed_over_is_what_nobody_wants(
    answers: list[Any], lines: dict[str, int | None], losses: bool, payments: bool, is_wide: bool
) -> None:
    """However an answer is written; the rest is told as if everything were wanted, retractions always."""
    events = [SIGNED, *(answered(at, *one) for at, one in enumerate(answers))]
    events += [fact("cancelled", "a1", "2024-06-01"), retracted(SIGNED, "2024-06-01")]
    events += [fact("failed", "a1", "2024-06-01", reason="churn") | {"type": "revledger.payment.failed.v1"}]
    entries = entries_of(*events)
    if is_wide:
        wide = [json.dumps(dict(reversed(json.loads(one.event).items())), indent=1).encode() for one in entries]
        entries = [Entry(event, one.booking) for event, one in zip(wide, entries, strict=True)]
    every = list(happenings_of(entries, moment_of_text(TODAY)))
    assert {"churn", "payment_failed", "retraction"} <= {one.kind for one in every}

    def is_wanted(one: Happening) -> bool:
        if one.kind == "score":
            score = one.score
            line = -1 if score is None else lines.get(score.survey, -1)
            return score is not None and (line is None or score.score <= line)
        return one.kind == "retraction" or (payments if one.kind == "payment_failed" else losses)

    found = happenings_of(entries, moment_of_text(TODAY), None, Wanted(losses, payments, lines))
    assert list(found) == [one for one in every if is_wanted(one)]
