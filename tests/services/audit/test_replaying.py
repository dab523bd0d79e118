"""Replays: for any history, at any moment, what the model makes of the facts known then, and what is live now."""

import re
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from events.days import moment_of_text
from events.partitions import partition_of
from events.policy import Policy
from projections.figures import CATALOGUE
from services.accounts import Accounts
from services.adoptions import begun_under
from services.audit.alternatives import asking_under
from services.audit.replaying import replayed
from services.compose import genesis_of
from services.ledgers.memory import memory_ledger
from services.ledgers.port import Ledger
from services.moments import known_now
from services.projector import Projector
from services.questions import QuestionError, question_of
from services.reports import Answer, Reports
from services.views.memory import memory_views
from services.writer import Submitted, Writer
from tests.effort import examples
from tests.events.test_switches import CHOICES, policy_of
from tests.model.choices import Choices
from tests.model.days import Event, day_of
from tests.model.notation import fact, line
from tests.model.reports import Asked, Books
from tests.services.books import (
    POLICY,
    MemoryBooks,
    asked_texts,
    books_of,
    check_bridge,
    parameters,
    raw_of,
    text,
)
from tests.services.running import asynchronous
from tests.services.test_reports import arrived, questions, windows

SOME = settings(max_examples=examples(60), deadline=None, phases=(Phase.explicit, Phase.generate))
START = moment_of_text("2024-01-01T00:00:00Z")
MINUTE = 60_000_000
EVERY_FIGURE = ",".join(CATALOGUE)
PARTITIONS = 2


async def replay(ledger: Ledger, /, **asked: str | Sequence[str]) -> Answer:
    """A replay from a ledger; `from` is written `start`."""
    return await replay_under(None, ledger, **asked)


async def replay_under(policy: Policy | None, ledger: Ledger, /, **asked: str | Sequence[str]) -> Answer:
    """The same under another policy."""
    question = question_of(parameters(asked))
    genesis = await genesis_of(ledger)
    assert genesis is not None
    return await replayed(ledger, genesis, question, is_bridge=not question.figures, policy=policy)


def said(answer: Answer) -> Any:
    """What an answer says, whatever it is called."""
    return {name: part for name, part in answer.items() if name != "report"}


def span(window: tuple[int, int, str]) -> dict[str, str]:
    """A window as it is asked."""
    return {"start": text(window[0]), "until": text(window[1])}


async def is_known(reports: Reports, asked: Asked, *, converts: bool = False) -> bool:
    """Whether the books know every name and value that is asked for, and its currency unless it is converted to."""
    known = {name for field in (await reports.book()).counts() for name in field.split("|", 2)[2:]}
    names = {name for name, _ in asked.where} | ({asked.by} if asked.by else set())
    names -= {"account", "contract", "currency", "plan", "product", "owner", "campaign", "channel"}
    question = question_of(parameters(asked_texts(asked) | ({"convert": "closing"} if converts else {})))
    try:
        await reports.checked({"rows": []}, question)
    except QuestionError:
        return False
    return names <= known


async def booked_apart(events: Sequence[Event]) -> tuple[MemoryBooks, list[int]]:
    """Books with a block for each event, a minute apart; and the height after each."""
    books = await MemoryBooks().start()
    heights: list[int] = []
    for number, event in enumerate(events):
        await books.book([event], at=START + number * MINUTE)
        tail = await books.ledger.tail(0)
        assert tail is not None
        heights.append(tail.height)
    return books, heights


@SOME
@given(arrived(), questions(), windows(), st.data())
@asynchronous
async def test_a_replay_is_what_the_facts_known_then_come_to(
    events: list[Event], asked: Asked, window: tuple[int, int, str], data: st.DataObject
) -> None:
    """At the position of any event; and the live reports say the same, to the last byte."""
    books, heights = await booked_apart(events)
    last = data.draw(st.integers(0, len(events) - 1))
    moment = f"0:{heights[last]}"
    is_known_now, refusal = await is_known(books.reports, asked), ""
    try:
        answer = await replay(books.ledger, **span(window), every=window[2], known_at=moment, **asked_texts(asked))
    except QuestionError as error:
        refusal = error.message
    if refusal:
        assert re.match(r"nothing (is labelled|was ever booked with)|no revenue was ever", refusal)
        assert not is_known_now
        return
    check_bridge(answer, Books(events[: last + 1]), asked, *window)
    if not is_known_now:  # it was then, by what was taken back later
        return
    live = await books.bridge(**span(window), every=window[2], known_at=moment, **asked_texts(asked))
    assert said(answer) == said(live)
    for figures in (EVERY_FIGURE, "mrr_minor,accounts"):
        texts = {**span(window), "figures": figures, "known_at": moment, **asked_texts(asked)}
        assert said(await replay(books.ledger, **texts)) == said(await books.figures(**texts))


@SOME
@given(arrived(), questions(), windows())
@asynchronous
async def test_a_final_answer_about_the_past_never_changes(
    events: list[Event], asked: Asked, window: tuple[int, int, str]
) -> None:
    """Asked before and after more events arrived: the same bytes, at a time and at a position."""
    half = len(events) // 2 + 1
    books, heights = await booked_apart(events[:half])
    await books.book([fact("signed", "zzz1", "2024-01-01", lines=[line(1)])], at=START + half * MINUTE)
    if not await is_known(books.reports, asked):
        return
    moments = (f"0:{heights[-1]}", "2024-01-01T00:00:30Z", f"2024-01-01T00:{half - 1:02}:30Z")
    texts = {**span(window), **asked_texts(asked)}
    known = [one for one in moments if one != moments[1] or half == 1]

    async def answers() -> list[bytes]:
        found = [await replay(books.ledger, **texts, every=window[2], known_at=one) for one in known]
        return [msgspec.json.encode(one) for one in found]

    before = await answers()
    for number, event in enumerate(events[half:], half + 1):
        await books.book([event], at=START + number * MINUTE)
    assert await answers() == before
    assert all(msgspec.json.decode(one)["as_of"]["final"] for one in before)


async def partitioned_views(events: Sequence[Event]) -> tuple[Ledger, Reports, Any]:
    """A ledger of several partitions, the live reports on it, and their views."""
    ledger, views = memory_ledger(), memory_views()
    for partition in range(PARTITIONS):
        writer = Writer(
            ledger, Accounts(None, partition, 100), POLICY, None, partition=partition, partitions=PARTITIONS
        )
        await writer.start()
        own = [event for event in events if partition_of(event["subject"], PARTITIONS) == partition]
        for number in range(0, len(own), 2):
            at = START + number * MINUTE
            await writer.write([Submitted(raw_of(event), at) for event in own[number : number + 2]])
        await writer.close()
        projector = Projector(ledger, views, partition)
        await projector.start()
        await projector.catch_up()
    return ledger, Reports(ledger, views, begun_under(POLICY), range(PARTITIONS)), views


async def partitioned(events: Sequence[Event]) -> tuple[Ledger, Reports]:
    """The same without the views."""
    return (await partitioned_views(events))[:2]


@SOME
@given(arrived(), questions(), windows())
@asynchronous
async def test_partitions_are_replayed_as_one(events: list[Event], asked: Asked, window: tuple[int, int, str]) -> None:
    ledger, reports = await partitioned(events)
    if await genesis_of(ledger) is None or not await is_known(reports, asked):
        return
    texts = {**span(window), **asked_texts(asked)}
    answer = await replay(ledger, **texts, every=window[2])
    check_bridge(answer, Books(events), asked, *window)
    live = await reports.bridge(question_of(parameters({**texts, "every": window[2]})))
    assert answer["rows"] == live["rows"]
    assert answer["as_of"]["position"] == live["as_of"]["position"]
    assert answer["as_of"]["newest_event"] == live["as_of"]["newest_event"]


@SOME
@given(arrived(), CHOICES, windows())
@asynchronous
async def test_under_another_policy_it_is_what_that_policy_would_have_booked(
    events: list[Event], choices: Choices, window: tuple[int, int, str]
) -> None:
    """What a ledger under that policy answers; the stamp is that policy's, and the recorded one is told."""
    policy = policy_of(choices)
    events = [*events, fact("signed", "zzz1", "2024-01-01", lines=[line(1)])]  # revenue in USD under either
    books = await books_of(events)
    other = memory_ledger()
    writer = Writer(other, Accounts(None, 0, 100), policy, None)
    await writer.write([Submitted(raw_of(event)) for event in events])
    asked = {**span(window), "every": window[2], "currency": "USD"}
    answer = await replay_under(policy, books.ledger, **asked)
    assert (answer["policy"], answer["recorded_policy"]) == (policy.stamp, POLICY.stamp)
    assert answer["rows"] == (await replay(other, **asked))["rows"]


# ---------------------------------------------------------------- particular questions

EVENTS = [
    fact("signed", "a1", "2024-01-10", lines=[line(1000, plan="pro")], attributes={"segment": "smb"}),
    fact("signed", "b2", "2024-02-10", lines=[line(500, plan="team")]),
    fact("cancelled", "a1", "2024-03-10", reason="price"),
]
SPAN = {"start": "2024-01-01", "until": "2024-04-01"}


@asynchronous
async def test_without_accounts_there_are_the_same_amounts() -> None:
    books = await books_of(EVENTS)
    full = await replay(books.ledger, **SPAN, by="plan")
    lean = await replay(books.ledger, **SPAN, by="plan", accounts="no")
    assert [{**row, "accounts": None} for row in full["rows"]] == [{**row, "accounts": None} for row in lean["rows"]]
    assert not any("accounts" in row for row in lean["rows"])


@asynchronous
async def test_amounts_add_up_beyond_64_bits() -> None:
    """In sums of movements, in levels of one account, and in what is kept of opening accounts."""
    price = 2**60 // 120_000
    lines = [line(price, line_id=f"l{number}") for number in range(30)]
    events = [fact("signed", f"{name}1", "2024-01-01", lines=lines) for name in "abc"]
    books = await books_of([*events, fact("cancelled", "c1", "2024-02-15")])
    groups: list[dict[str, str]] = [{}, {"by": "plan"}, {"by": "account"}]
    for asked in groups:
        for every in ("day", "month"):
            answer = await replay(books.ledger, start="2023-12-15", until="2024-03-10", every=every, **asked)
            live = await books.bridge(start="2023-12-15", until="2024-03-10", every=every, **asked)
            assert answer["rows"] == live["rows"]
        rates = {"start": "2024-01-05", "until": "2024-03-10", "figures": EVERY_FIGURE, **asked}
        assert (await replay(books.ledger, **rates))["rows"] == (await books.figures(**rates))["rows"]
    whole = Books([*events, fact("cancelled", "c1", "2024-02-15")])
    found = await replay(books.ledger, start="2023-12-15", until="2024-03-10", every="month")
    check_bridge(found, whole, Asked("USD"), day_of("2023-12-15"), day_of("2024-03-10"), "month")


@pytest.mark.parametrize(
    ("asked", "parameter", "sentence"),
    [
        ({"by": "segmet"}, "by", "did you mean segment"),
        ({"where": "colour=red"}, "where", "nothing is labelled 'colour'"),
        ({"known_at": "2023-12-31T23:59:59Z"}, "known_at", "before the ledger began, at 2024-01-01T00:00:00Z"),
        ({"known_at": "0:99"}, "known_at", "has no block 99"),
        ({"known_at": "1:0"}, "known_at", "names every partition"),
        ({"start": "1900-01-01", "every": "day"}, "every", "more than 40000 periods"),
        ({"by": "contract", "start": "1950-01-01", "until": "2055-01-01", "every": "day"}, "every", "more than 400000"),
        ({"accounts": "perhaps"}, "accounts", "neither yes nor no"),
        ({"start": "2024-04-01"}, "until", "the window is empty"),
    ],
)
@asynchronous
async def test_what_cannot_be_answered_is_said(asked: dict[str, str], parameter: str, sentence: str) -> None:
    events = [*EVENTS, *(fact("signed", f"c{n}", "2024-01-10", lines=[line(1000)]) for n in range(1, 12))]
    books, _ = await booked_apart(events)
    with pytest.raises(QuestionError, match=sentence) as error:
        await replay(books.ledger, **{**SPAN, **asked})
    assert error.value.parameter == parameter


@asynchronous
async def test_what_is_booked_again_is_told() -> None:
    """So that a terminal can show how far it is."""
    books = await books_of(EVENTS)
    genesis = await genesis_of(books.ledger)
    assert genesis is not None
    told: list[int] = []
    known = await known_now(books.ledger, [0])
    async with asking_under(Policy(name="same"), books.ledger, genesis, known, told.append) as asked:
        assert asked.genesis.policy.name == "same"
        assert await asked.tables.rows("SELECT count(*) FROM entries") == [(3,)]
    assert told == [3]
