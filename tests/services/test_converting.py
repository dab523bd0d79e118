"""Converted reports against the model, live and replayed, with random histories and rates; and worked by hand."""

from collections.abc import Awaitable, Sequence
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from events.partitions import partition_of
from projections.figures import CATALOGUE
from services.questions import QuestionError, question_of
from services.rows import Answer
from tests.effort import examples
from tests.model.asides import COST
from tests.model.conversion import CURRENCIES, MissingError, Period, bridge, figures
from tests.model.days import Event, date_of, day_of
from tests.model.figures import MOVEMENTS, mrr_minor
from tests.model.histories import ACCOUNTS, FIRST_DAY, answers, costs, histories
from tests.model.notation import fact, line
from tests.model.reports import Asked, Books
from tests.services.audit.test_replaying import PARTITIONS, is_known, partitioned, replay, said, span
from tests.services.books import MemoryBooks, asked_texts, books_of, check_groups, group_in, parameters, text
from tests.services.running import asynchronous
from tests.services.test_reports import asked_books, questions, windows

SOME = settings(max_examples=examples(30), deadline=None, phases=(Phase.explicit, Phase.generate))
SAID = ("currency", "policy", "convert", "rates", "rows")
HOW = ("closing", "constant")
RATES = ("1.1", "0.92", "1312.5", "0.0067", "3", "147.31", "1")


@st.composite
def rates(draw: st.DrawFn) -> list[Event]:
    """Rates of some pairs, early ones for most, others on any day; some are taken back."""
    pairs = [(base, quote) for base in CURRENCIES for quote in CURRENCIES if base < quote]
    events: list[Event] = []
    for base, quote in draw(st.lists(st.sampled_from(pairs), min_size=2, max_size=6, unique=True)):
        for early in (True, *draw(st.lists(st.just(False), max_size=3))):
            pair = draw(st.permutations((base, quote)))
            day = FIRST_DAY - 50 if early and draw(st.integers(0, 9)) else FIRST_DAY + draw(st.integers(0, 700))
            events.append(published(len(events), pair, draw(st.sampled_from(RATES)), day))
            if not draw(st.integers(0, 7)):
                events.append(taken_back(len(events), events[-1]))
    return events


def published(number: int, pair: Sequence[str], rate: str, day: int) -> Event:
    """A rate that holds from a day."""
    data = {"base": pair[0], "quote": pair[1], "rate": rate, "effective_at": text(day)}
    return told(number, "revledger.rate.published.v1", day, data)


def taken_back(number: int, event: Event) -> Event:
    """A retraction of a rate."""
    data = {"source": event["source"], "id": event["id"], "reason": "typo"}
    return told(number, "revledger.event.retracted.v1", FIRST_DAY, data)


def told(number: int, kind: str, day: int, data: dict[str, Any]) -> Event:
    """An event of the book."""
    time = f"{date_of(day).isoformat()}T12:{number // 60:02}:{number % 60:02}Z"
    return {"id": f"r{number}", "source": "/rates", "type": kind, "subject": "~book", "time": time, "data": data}


@st.composite
def rated(draw: st.DrawFn) -> list[Event]:
    """A history with rates somewhere among its events."""
    events = draw(histories())
    for event in draw(rates()):
        events.insert(draw(st.integers(0, len(events))), event)
    return events


@st.composite
def attended(draw: st.DrawFn) -> tuple[list[Event], tuple[int, int, str]]:
    """The same with answers and costs on days of a window, in any currency, and rates that are seldom missing."""
    events = draw(histories())
    start, until, _ = window = draw(windows())
    days = st.integers(max(start - 20, FIRST_DAY), max(until, FIRST_DAY) + 20)
    for number in range(draw(st.integers(2, 8))):
        day, account = draw(days), draw(st.sampled_from((*ACCOUNTS[:2], "~book")))
        spends = account == "~book" or draw(st.booleans())
        said = draw(costs(draw(st.sampled_from(CURRENCIES)), [day]) if spends else answers())
        event = told(100 + number, COST if spends else "revledger.survey.answered.v1", day, said)
        events.insert(draw(st.integers(0, len(events))), event | {"subject": account})
    pairs = (("KRW", "USD"), ("KRW", "EUR"), ("JPY", "USD"), ("JPY", "EUR"), ("EUR", "USD"))
    early = [published(200 + at, pair, RATES[at], FIRST_DAY - 100) for at, pair in enumerate(pairs)]
    return [*early, *draw(rates()), *events], window


def check_row(row: dict[str, Any], period: Period) -> None:
    """What is shown adds up, and is the exact amount rounded, but for what the rounding left."""
    shown, exact = row["mrr_minor"], period.amounts
    assert sum(amount for name, amount in shown.items() if name != "closing") == shown["closing"]
    rounded = {name: mrr_minor(amount) for name, amount in exact.items()}
    assert (shown["opening"], shown["closing"]) == (rounded["opening"], rounded["closing"])
    if exact["fx"]:
        assert {name: shown[name] for name in MOVEMENTS} == {name: rounded[name] for name in MOVEMENTS}
        assert abs(shown["fx"] - exact["fx"] / 120_000) < 5
    else:
        assert shown["fx"] == 0
        for name in MOVEMENTS:
            assert abs(shown[name] - exact[name] / 120_000) < 1
            assert shown[name] * exact[name] >= 0
    assert row["accounts"] == {name: period.accounts.get(name, 0) for name in row["accounts"]}
    assert "annual_e4" not in row


async def answered_alike(books: MemoryBooks, **asked: Any) -> Answer | QuestionError:
    """What is live, which the replay says too; or why there is no answer."""
    ask = books.figures if "at" in asked or "figures" in asked else books.bridge
    live = await answer_or_error(ask(**asked))
    replayed = await answer_or_error(replay(books.ledger, **asked))
    if isinstance(live, QuestionError) or isinstance(replayed, QuestionError):
        assert repr(live) == repr(replayed)
        return live
    assert [replayed[name] for name in SAID] == [live[name] for name in SAID]
    return live


async def answer_or_error(asking: Awaitable[Answer]) -> Answer | QuestionError:
    """What is answered, or why nothing is."""
    try:
        return await asking
    except QuestionError as error:
        return error


@SOME
@given(rated(), questions(), windows(), st.sampled_from(HOW))
@asynchronous
async def test_bridges_are_those_of_the_model(
    events: list[Event], asked: Asked, window: tuple[int, int, str], convert: str
) -> None:
    """By any period and group, live and replayed, in amounts and in accounts; or it is said which rate is missing."""
    books = await asked_books(events, asked)
    if books is None or not await is_known(books.reports, asked, converts=True):
        return
    answer = await answered_alike(books, **span(window), every=window[2], convert=convert, **asked_texts(asked))
    try:
        expected = bridge(Books(events), asked, convert, window)
    except MissingError:
        assert isinstance(answer, QuestionError)
        assert "no rate is in force from" in answer.message
        return
    assert not isinstance(answer, QuestionError), answer
    found: dict[str, list[dict[str, Any]]] = {}
    for row in answer["rows"]:
        found.setdefault(group_in(row, asked), []).append(row)
    for group, periods in expected.items():
        if group not in found:
            assert not any(any(period.amounts.values()) or any(period.accounts.values()) for period in periods)
            continue
        for row, period in zip(found[group], periods, strict=True):
            check_row(row, period)
        closed = [row["mrr_minor"]["closing"] for row in found[group]]
        assert [row["mrr_minor"]["opening"] for row in found[group][1:]] == closed[:-1]


@SOME
@given(attended(), questions(), st.sampled_from(HOW))
@asynchronous
async def test_figures_are_those_of_the_model(
    told: tuple[list[Event], tuple[int, int, str]], asked: Asked, convert: str
) -> None:
    """All of them, of a window and of a day, of any group, live and replayed."""
    events, window = told
    books = await asked_books(events, asked)
    if books is None or not await is_known(books.reports, asked, converts=True):
        return
    for start in (window[0], None):
        when = {"at": text(window[1])} if start is None else span(window)
        names = ",".join(name for name, one in CATALOGUE.items() if one.needs == "day" or start is not None)
        answer = await answered_alike(books, **when, figures=names, convert=convert, **asked_texts(asked))
        try:
            expected = figures(Books(events), asked, convert, start, window[1])
        except MissingError:
            assert isinstance(answer, QuestionError)
            continue
        assert not isinstance(answer, QuestionError), answer
        check_groups(answer, expected, asked)


@SOME
@given(attended(), questions(), st.sampled_from(("previous", "year")))
@asynchronous
async def test_what_is_compared_is_what_is_answered_alone(
    told: tuple[list[Event], tuple[int, int, str]], asked: Asked, compare: str
) -> None:
    """At the rates of each window; live and replayed."""
    events, window = told
    books = await asked_books(events, asked)
    if books is None or not await is_known(books.reports, asked, converts=True):
        return
    how = {"figures": ",".join(CATALOGUE), "convert": "closing", **asked_texts(asked)}
    both = await answered_alike(books, **span(window), compare=compare, **how)
    if isinstance(both, QuestionError):
        return
    for side in ("from", "before"):
        rows = [row if side == "from" else row["before"] for row in both["rows"]]
        alone = await books.figures(start=rows[0]["from"], until=rows[0]["until"], **how) if rows else {"rows": []}
        found = {group_in(row, asked): own["figures"] for row, own in zip(both["rows"], rows, strict=True)}
        assert all(found[group_in(row, asked)] == row["figures"] for row in alone["rows"])


@SOME
@given(rated(), windows(), st.sampled_from(HOW))
@asynchronous
async def test_groups_add_up_to_the_whole(events: list[Event], window: tuple[int, int, str], convert: str) -> None:
    """By currency, as exactly as each is rounded; and at every moment they were known at."""
    books = await books_of(events)
    asked = {**span(window), "every": window[2], "currency": "USD", "convert": convert}
    whole = await answered_alike(books, **asked)
    if isinstance(whole, QuestionError):
        return
    groups = await books.bridge(by="currency", **asked)
    for row in whole["rows"]:
        parts = [part["mrr_minor"] for part in groups["rows"] if part["from"] == row["from"]]
        for name, amount in row["mrr_minor"].items():
            assert abs(sum(part[name] for part in parts) - amount) <= 5 * (len(parts) + 1)


# ---------------------------------------------------------------- by hand

SIGNED = [
    fact("signed", "a1", "2024-01-10", currency="EUR", lines=[line(10000)]),
    fact("signed", "b1", "2024-01-10", currency="USD", lines=[line(5000)], attributes={"segment": "smb"}),
]
EURO = published(1, ("EUR", "USD"), "1.1", day_of("2024-02-01"))
YEAR = {"start": "2024-01-01", "until": "2024-04-01"}


@asynchronous
async def test_a_missing_rate_is_told_with_its_pair_and_day_and_never_one() -> None:
    books = await books_of([*SIGNED, EURO])
    with pytest.raises(QuestionError, match=r"from EUR to USD on 2024-01-31 \(the first is of 2024-02-01\)\. Pub"):
        await books.bridge(currency="USD", convert="closing", **YEAR)
    with pytest.raises(QuestionError, match=r"from EUR to KRW on 2024-03-31; USD to KRW on 2024-03-31\. Publish"):
        await books.bridge(currency="KRW", convert="constant", **YEAR)
    only_dollars = await books.bridge(currency="USD", convert="closing", where="segment=smb", **YEAR)
    assert [row["mrr_minor"]["closing"] for row in only_dollars["rows"]] == [5000, 5000, 5000]
    later = await books.bridge(currency="USD", convert="closing", start="2024-03-01", until="2024-04-01")
    assert later["rows"][0]["mrr_minor"]["opening"] == 16000
    assert later["rates"] == [
        {"on": day, "base": "EUR", "quote": "USD", "rate": "1.1", "since": "2024-02-01"}
        for day in ("2024-02-29", "2024-03-31")
    ]


@asynchronous
async def test_mixed_currencies_are_refused_with_the_way_out() -> None:
    books = await books_of([*SIGNED, EURO])
    with pytest.raises(QuestionError, match=r"EUR, USD.*never added up.*convert: closing or constant"):
        await books.figures(at="2024-04-01")
    with pytest.raises(QuestionError, match="say which of them") as error:
        await books.figures(at="2024-04-01", convert="constant")
    assert error.value.parameter == "currency"


@asynchronous
async def test_one_direction_is_the_other_turned_round_exactly() -> None:
    """3 dollars a euro are a third of a euro a dollar: 3 x 50.00 / 3; the direct rate of a day goes before."""
    turned = published(2, ("EUR", "USD"), "3", day_of("2024-01-01"))
    books = await books_of([*SIGNED, turned])
    answer = await books.figures(figures="mrr_minor", at="2024-02-01", currency="EUR", convert="closing")
    assert answer["rows"][0]["figures"]["mrr_minor"] == mrr_minor(Fraction(10000 * 120_000 * 3 + 5000 * 120_000, 3))
    await books.book([published(3, ("USD", "EUR"), "0.4", day_of("2024-01-01"))])
    answer = await books.figures(figures="mrr_minor", at="2024-02-01", currency="EUR", convert="closing")
    assert answer["rows"][0]["figures"]["mrr_minor"] == 12000
    assert answer["rates"][0]["base"] == "USD"


@asynchronous
async def test_of_what_came_and_went_no_rate_is_needed() -> None:
    """Yen that were gone before the window, and yen agreed for later, ask for no rate of the window's end."""
    gone = [
        fact("signed", "c1", "2023-01-10", currency="JPY", lines=[line(900)]),
        fact("cancelled", "c1", "2023-06-10"),
    ]
    books = await books_of([*SIGNED, EURO, *gone])
    asked = {"start": "2024-03-01", "until": "2024-04-01", "currency": "USD", "convert": "closing"}
    assert (await books.bridge(**asked))["rows"][0]["mrr_minor"]["closing"] == 16000
    assert (await books.figures(**asked))["rows"][0]["figures"]["mrr_minor"] == 16000


@asynchronous
async def test_what_is_known_later_does_not_change_what_was_known() -> None:
    """A rate that is taken back: as known at the block before, it still holds."""
    books = await books_of([*SIGNED, EURO])
    height = (await books.figures(at="2024-04-01", currency="USD"))["as_of"]["position"]["0"]
    await books.book([taken_back(5, EURO)])
    asked = {"at": "2024-04-01", "figures": "mrr_minor", "currency": "USD", "convert": "closing"}
    with pytest.raises(QuestionError, match="no rate is in force from EUR to USD on 2024-03-31"):
        await books.figures(**asked)
    before = await books.figures(known_at=f"0:{height}", **asked)
    assert before["rows"][0]["figures"]["mrr_minor"] == 16000
    assert said(await replay(books.ledger, known_at=f"0:{height}", **asked)) == said(before)


@asynchronous
async def test_rates_of_one_partition_hold_for_the_accounts_of_all() -> None:
    """Live and replayed, over accounts that lie in different partitions."""
    events = [fact("signed", f"{name}1", "2024-01-10", currency="EUR", lines=[line(1000)]) for name in "abcdefgh"]
    ledger, reports = await partitioned([*events, EURO])
    assert len({partition_of(event["subject"], PARTITIONS) for event in events}) == PARTITIONS
    asked = {"start": "2024-03-01", "until": "2024-04-01", "currency": "USD", "convert": "closing"}
    live = await reports.bridge(question_of(parameters(asked)))
    assert live["rows"][0]["mrr_minor"]["closing"] == 8 * 1100
    assert live["rows"][0]["accounts"]["closing"] == 8
    assert (await replay(ledger, **asked))["rows"] == live["rows"]


DISCOUNTED = line(20000, discounts=[{"percent": "50"}])
SPENT = {"kind": "acquisition", "amount_minor": 31000, "currency": "EUR", "from": "2024-01-01", "until": "2024-02-01"}
KEPT = {"kind": "retention", "amount_minor": 60000, "currency": "KRW", "from": "2024-01-31", "until": "2024-01-31"}
COMPANY = [
    fact("signed", "a1", "2024-01-10", currency="EUR", lines=[DISCOUNTED]),
    fact("signed", "b1", "2024-01-10", currency="USD", lines=[line(5000)]),
    told(1, COST, day_of("2024-01-01"), SPENT),
    told(2, COST, day_of("2024-01-31"), KEPT),
    *(
        told(3 + score, "revledger.survey.answered.v1", day_of("2024-01-20"), {"survey": "nps", "score": score})
        | {"subject": name}
        for name, score in (("a", 10), ("b", 0))
    ),
]
JANUARY = {"start": "2024-01-01", "until": "2024-02-01", "currency": "USD"}


@asynchronous
async def test_what_is_spent_is_worth_what_it_was_on_its_day() -> None:
    """Euros are 1.10 dollars for 15 days and 1.20 for 16; won are spent without any revenue in won."""
    euros = [
        published(20, ("EUR", "USD"), "1.1", day_of("2024-01-01")),
        published(21, ("EUR", "USD"), "1.2", day_of("2024-01-16")),
        published(22, ("KRW", "USD"), "0.001", day_of("2024-01-31")),
    ]
    books = await books_of([*COMPANY, *euros])
    names = "cac_minor,crc_minor,discounts_minor,discount_investment_minor,acv_minor,nps,nps_mrr_weighted"

    async def figured(convert: str) -> Any:
        answer = await answered_alike(books, figures=names, convert=convert, **JANUARY)
        assert not isinstance(answer, QuestionError), answer
        return answer["rows"][0]["figures"]

    assert await figured("closing") == {
        "cac_minor": (15000 * 11 + 16000 * 12) // 10 // 2,
        "crc_minor": 6000 // 2,
        "discounts_minor": 12000,
        "discount_investment_minor": 8323,  # 100.00 euros a month for 6 days at 1.10 and 16 at 1.20, of 31
        "acv_minor": (144_000 + 60_000) // 2,
        "nps": "0.00000000",
        "nps_mrr_weighted": "41.17647059",  # 120.00 recommend, 50.00 warn
    }
    constant = await figured("constant")
    assert (constant["cac_minor"], constant["discount_investment_minor"]) == (31000 * 12 // 10 // 2, 8516)


@asynchronous
async def test_answers_are_no_money_and_need_no_rate() -> None:
    """Counted in all currencies; what weighs them is money."""
    earlier = fact("signed", "c1", "2023-05-01", currency="EUR", lines=[line(100)])
    books = await books_of([*COMPANY, earlier])
    answer = await answered_alike(books, figures="nps,csat,fcr,accounts", convert="closing", **JANUARY)
    assert not isinstance(answer, QuestionError), answer
    assert (answer["rows"][0]["figures"]["nps"], answer["rates"]) == ("0.00000000", [])
    with pytest.raises(QuestionError, match="no rate is in force from EUR to USD on 2024-01-31"):
        await books.figures(figures="nps_mrr_weighted", convert="closing", **JANUARY)
    with pytest.raises(QuestionError, match="from EUR to USD on 2024-01-01; KRW to USD on 2024-01-31"):
        await books.figures(figures="cac_minor,crc_minor", convert="closing", **JANUARY)


@asynchronous
async def test_no_figure_is_left_out_of_a_converted_answer() -> None:
    books = await books_of([*SIGNED, published(1, ("EUR", "USD"), "1.1", day_of("2024-01-01"))])
    answer = await books.figures(convert="closing", currency="USD", **YEAR)
    assert [*answer["rows"][0]["figures"]] == [*CATALOGUE]


@asynchronous
async def test_compared_at_constant_rates_nothing_but_revenue_changes() -> None:
    """Euros of a month before at the rate as this one ends: 1.20 for both; at closing rates 1.10 before."""
    euros = [published(20 + at, ("EUR", "USD"), f"1.{at}", day_of(f"2024-0{at}-01")) for at in (1, 2)]
    books = await books_of([*SIGNED[:1], *euros])
    asked = {"start": "2024-02-01", "until": "2024-03-01", "currency": "USD", "figures": "mrr_minor"}
    for convert, before in (("closing", 11000), ("constant", 12000)):
        answer = await answered_alike(books, compare="previous", convert=convert, **asked)
        assert not isinstance(answer, QuestionError), answer
        (row,) = answer["rows"]
        assert (row["figures"]["mrr_minor"], row["before"]["figures"]["mrr_minor"]) == (12000, before)
