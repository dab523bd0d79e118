"""Restatements: what changed between two moments is what reports say at them, and every event that did it is told."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from events.days import moment_of_text
from services.archive.manifests import ArchiveDamaged
from services.archive.stores import store_of
from services.audit.restating import restatement
from services.compose import genesis_of
from services.questions import QuestionError, question_of
from services.reports import Answer
from services.settings import settings_from
from tests.effort import examples
from tests.model.days import Event
from tests.model.histories import FIRST_DAY, arrival_orders, histories
from tests.model.notation import changed, fact, line, retracted
from tests.services.archive.books import seal_all
from tests.services.books import MemoryBooks, parameters, text
from tests.services.running import asynchronous

SOME = settings(max_examples=examples(40), deadline=None, phases=(Phase.explicit, Phase.generate))
START = moment_of_text("2024-01-01T00:00:00Z")
MINUTE = 60_000_000
NAMES = (None, "plan", "segment", "owner", "account", "contract", "term_months")


async def restated(books: MemoryBooks, **asked: str | Sequence[str]) -> Answer:
    """What changed; `from` is written `start`."""
    genesis = await genesis_of(books.ledger)
    assert genesis is not None
    return await restatement(books.ledger, genesis, question_of(parameters(asked)))


async def recorded(events: Sequence[tuple[Event, str]]) -> MemoryBooks:
    """Books that heard of some events at some times, a block each."""
    books = await MemoryBooks().start()
    for event, at in events:
        await books.book([event], at=moment_of_text(at))
    return books


def by_row(answer: Answer, part: str) -> dict[tuple[Any, ...], Mapping[str, int]]:
    """The rows of an answer by period and group."""
    return {(row["from"], row["until"], str(row.get("group"))): row[part] for row in answer["rows"]}


def difference(now: Answer, then: Answer, part: str) -> dict[tuple[Any, ...], dict[str, int]]:
    """One answer less the other, cell by cell, without what is zero."""
    cells, olds = by_row(now, part), by_row(then, part)
    names = {name for rows in (cells, olds) for row in rows.values() for name in row}
    found = {
        key: {name: cells.get(key, {}).get(name, 0) - olds.get(key, {}).get(name, 0) for name in names}
        for key in {*cells, *olds}
    }
    return without_zeros(found)


def without_zeros(rows: Mapping[tuple[Any, ...], Mapping[str, int]]) -> dict[tuple[Any, ...], dict[str, int]]:
    """Rows that tell something, and only what they tell."""
    found = {key: {name: amount for name, amount in row.items() if amount} for key, row in rows.items()}
    return {key: row for key, row in found.items() if row}


def check_events(answer: Answer, limit: int) -> None:
    """The events of a row and what is told of the others together are its change, movement by movement."""
    for index, row in enumerate(answer["rows"]):
        group = row.get("group")
        is_first = [one.get("group") for one in answer["rows"][: index + 1]].count(group) == 1
        told = [one["changes"] for one in row["events"]]
        assert len(told) <= limit
        sizes = [sum(map(abs, one.values())) for one in told]
        assert sizes == sorted(sizes, reverse=True)
        if "more" in row:
            assert len(told) == limit
            assert row["more"]["events"] > 0
            told.append(row["more"]["changes"])
        for kind, amount in row["annual_e4"].items():
            if kind != "closing" and (kind != "opening" or is_first):
                assert sum(one.get(kind, 0) for one in told) == amount, (row, kind)
        assert not (set().union(*told) - ({*row["annual_e4"]} if is_first else {*row["annual_e4"]} - {"opening"}))
        *parts, closing = row["annual_e4"].values()
        assert sum(parts) == closing


@SOME
@given(st.data())
@asynchronous
async def test_a_restatement_is_what_is_known_less_what_was_known(data: st.DataObject) -> None:
    """Of any history between any two moments: cell by cell, amounts and accounts, of the whole and of every group."""
    events: list[Event] = data.draw(histories().flatmap(arrival_orders))
    books, height = await MemoryBooks().start(), 0
    while events:
        size, at = data.draw(st.integers(1, 5)), START + height * MINUTE
        batch, events = events[:size], events[size:]
        height += 1
        await books.book(batch, at=at)
    by = data.draw(st.sampled_from(NAMES))
    start = FIRST_DAY + data.draw(st.integers(-40, 500))
    span: dict[str, str | Sequence[str]] = {
        "start": text(start),
        "until": text(start + data.draw(st.integers(1, 500))),
        "every": data.draw(st.sampled_from(("month", "quarter"))),
        "currency": data.draw(st.sampled_from(("USD", "USD", "EUR"))),
        **({} if by is None else {"by": by}),
    }
    first = data.draw(st.integers(0, height))
    second = data.draw(st.integers(first, height))
    limit = data.draw(st.sampled_from((0, 1, 3, 100)))
    try:
        now = await books.bridge(known_at=f"0:{second}", **span)
        await books.reports.checked(now, question_of(parameters(span)))
    except QuestionError:
        return  # nothing is labelled with the name, or nothing in the currency
    then = await books.bridge(known_at=f"0:{first}", **span)
    try:
        answer = await restated(books, between=[f"0:{first}", f"0:{second}"], limit=str(limit), **span)
    except QuestionError:
        assert by not in (None, "account", "contract", "plan", "term_months", "owner")
        return  # nothing was labelled with the name by then
    for part in ("annual_e4", "accounts"):
        assert without_zeros(by_row(answer, part)) == difference(now, then, part)
    committed = {key: row["committed"] for key, row in zip(by_row(answer, "committed"), answer["rows"], strict=True)}
    assert all(row["mrr_minor"] or abs(row["annual_e4"]) <= 60_000 for row in committed.values())
    check_events(answer, limit)


# ---------------------------------------------------------------- particular changes


CANCELLED = fact("cancelled", "b1", "2024-03-10", reason="too_expensive")
RESTATED = [
    (fact("signed", "a1", "2024-01-01", lines=[line(1000)], attributes={"segment": "smb"}), "2024-01-01T00:00:00Z"),
    (fact("signed", "b1", "2024-01-01", lines=[line(1000)]), "2024-01-01T00:00:01Z"),
    (CANCELLED, "2024-04-05T09:00:00Z"),
    (fact("upgraded", "c1", "2024-02-10", lines=[line(5000)]), "2024-04-06T09:00:00Z"),
    (fact("signed", "c1", "2024-01-10", lines=[line(2000)]), "2024-04-07T09:00:00Z"),
    (changed("a", "2024-03-15", segment="enterprise"), "2024-04-08T09:00:00Z"),
    (fact("cancelled", "a1", "2024-04-09", effective_at="2024-06-01"), "2024-04-09T09:00:00Z"),
    (retracted(CANCELLED, "2024-05-05"), "2024-05-05T09:00:00Z"),
]
MARCH = {"start": "2024-03-01", "until": "2024-04-01"}
APRIL = "2024-04-01T00:00:00Z"


async def told(books: MemoryBooks, first: str, second: str, **asked: str) -> list[str]:
    """The words of the events of one row."""
    answer = await restated(books, between=[first, second], **asked)
    (row,) = answer["rows"]
    return [event["words"] for event in row["events"]]


@asynchronous
async def test_late_news_is_told_in_an_accountants_words() -> None:
    """A cancellation, a contract after its upgrade, another segment, a notice, and what was taken back."""
    books = await recorded(RESTATED)
    assert await told(books, APRIL, "0:3", **MARCH) == [
        (
            "b1 was cancelled as of 2024-03-10 (reason too_expensive); recorded 2024-04-05, 26 days later, in block 3:"
            " churn of 10.00 in 2024-03"
        )
    ]
    assert await told(books, "0:3", "0:4", **MARCH) == []
    assert await told(books, "0:4", "0:5", start="2024-02-01", until="2024-03-01") == [
        (
            "c1 was signed as of 2024-01-10; the upgrade of c1 as of 2024-02-10, recorded before it, began to count;"
            " recorded 2024-04-07, 88 days later, in block 5: opening MRR higher by 20.00, expansion of 30.00"
            " in 2024-02"
        )
    ]
    assert await told(books, "0:5", "0:6", **MARCH) == []
    assert await told(books, "0:5", "0:6", where="segment=smb", **MARCH) == [
        (
            "account a: segment became enterprise as of 2024-03-15; recorded 2024-04-08, 24 days later, in block 6:"
            " transfer out of 10.00 in 2024-03"
        )
    ]
    assert await told(books, "0:6", "0:7", start="2024-06-01", until="2024-07-01") == [
        (
            "a1 was cancelled as of 2024-06-01, by notice on 2024-04-09; recorded 2024-04-09, 53 days ahead, in block"
            " 7: churn of 10.00 in 2024-06"
        )
    ]
    assert await told(books, "0:7", "now", **MARCH) == [
        (
            "the cancellation of b1 as of 2024-03-10 (event cancelled b1 2024-03-10 of /examples) was retracted"
            " (reason wrong); recorded 2024-05-05, in block 8: 10.00 less churn on 2024-03-10"
        )
    ]


@asynchronous
async def test_what_is_agreed_and_lies_ahead_changes_committed_revenue_alone() -> None:
    """A notice of April for June: April's MRR stays, what it is committed to falls."""
    books = await recorded(RESTATED)
    answer = await restated(books, between=["0:6", "0:7"], start="2024-04-01", until="2024-05-01")
    (row,) = answer["rows"]
    assert (row["annual_e4"]["closing"], row["events"]) == (0, [])
    assert row["committed"]["mrr_minor"] == -1000
    then, now = [
        (await books.figures(at="2024-05-01", known_at=known))["rows"][0]["figures"]["committed_mrr_minor"]
        for known in ("0:6", "0:7")
    ]
    assert now - then == -1000


@asynchronous
async def test_an_answer_says_what_was_known_at_both_moments() -> None:
    """A time is final once something later was recorded; `now` is what there is."""
    books = await recorded(RESTATED)
    answer = await restated(books, between=["2024-04-05T10:00:00Z", "2024-06-01T00:00:00Z"], **MARCH)
    first, second = answer["between"]
    assert (first["position"], first["final"], first["newest_event"]) == ({"0": 3}, True, "2024-03-10T00:00:00Z")
    assert (second["position"], second["final"], second["known_at"]) == ({"0": 8}, False, "2024-06-01T00:00:00Z")
    (event,) = [one for one in answer["rows"][0]["events"] if one["type"] == "revledger.event.retracted.v1"]
    assert (event["contract"], event["account"], event["height"], event["seq"]) == ("b1", "b", 8, 7)
    assert (event["effective"], event["recorded_at"]) == ("2024-05-05", "2024-05-05T09:00:00Z")


@asynchronous
async def test_the_genesis_alone_is_nothing() -> None:
    """Where a ledger has begun and nothing happened yet: no change, and no error."""
    books = await recorded(RESTATED[:1])
    answer = await restated(books, between=["0:0", "0:0"], **MARCH)
    assert not any(answer["rows"][0]["annual_e4"].values())
    with pytest.raises(QuestionError, match="names every partition") as error:
        await restated(books, between=["0:0,1:0", "now"], **MARCH)
    assert error.value.parameter == "between"


@asynchronous
async def test_names_and_values_are_never_read_as_sql() -> None:
    """Quotes, semicolons and the end of a string are what somebody called something."""
    odd = "o'; DROP TABLE--"
    signed = fact("signed", "a1", "2024-01-01", lines=[line(1000)], attributes={odd: odd}, owner=odd)
    books = await recorded([(signed, "2024-01-01T00:00:00Z")])
    span = {"start": "2024-01-01", "until": "2024-02-01"}
    for name in (odd, "owner"):
        answer = await restated(books, between=["0:0", "0:1"], by=name, where=f"{name}={odd}", **span)
        assert [row["group"] for row in answer["rows"]] == [{name: odd}]
        with pytest.raises(QuestionError, match="nothing was ever booked with"):
            await restated(books, between=["0:0", "0:1"], where=f"{name}=\0", **span)


# ---------------------------------------------------------------- from an archive


@asynchronous
async def test_what_is_archived_and_what_is_not_is_one(tmp_path: Path) -> None:
    """The same answer from the ledger alone and with its first blocks sealed; a damaged archive is named."""
    books = await recorded(RESTATED)
    genesis = await genesis_of(books.ledger)
    assert genesis is not None
    asked = {"between": ["0:1", "now"], "start": "2024-01-01", "until": "2024-07-01"}
    settings = settings_from({"REVLEDGER_DATA": str(tmp_path)})
    question = question_of(parameters(asked))
    expected = await restatement(books.ledger, genesis, question)
    (first, *_) = await seal_all(books.ledger, store_of(settings.archive_location), 3)
    await books.book([fact("signed", "z1", "2024-02-01", lines=[line(1)])], at=moment_of_text("2024-06-01T00:00:00Z"))
    then = question_of(parameters({**asked, "between": ["0:1", "0:8"]}))
    assert (await restatement(books.ledger, genesis, then, settings))["rows"] == expected["rows"]
    now = await restatement(books.ledger, genesis, question, settings)
    assert now["rows"] == (await restatement(books.ledger, genesis, question))["rows"] != expected["rows"]
    (tmp_path / "archive" / first.files["postings"].name).write_bytes(b"PAR1")
    with pytest.raises(ArchiveDamaged, match=first.files["postings"].name):
        await restatement(books.ledger, genesis, question, settings)
