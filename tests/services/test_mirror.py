"""The mirror: whatever comes, and however the views are lost or overtaken, its answers are those of the views."""

import asyncio
import threading
from collections.abc import Mapping, Sequence
from string import ascii_letters
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from events.partitions import partition_of
from projections.columnar import layers
from projections.pages import ACCOUNTS
from projections.tables import TABLES
from services import mirror
from services.accounts import Accounts
from services.adoptions import begun_under
from services.details import RANKED
from services.ledgers.port import LedgerUnavailable
from services.mirror import Mirror, Mirrored
from services.projector import Projector
from services.questions import QuestionError, question_of
from services.reports import Answer, Reports
from services.writer import Submitted, Writer
from tests.model.days import Event
from tests.model.histories import FIRST_DAY, arrival_orders, histories
from tests.model.notation import fact, line, retracted
from tests.projections.tabled import answered
from tests.services.audit.test_replaying import PARTITIONS, partitioned_views
from tests.services.books import POLICY, MemoryBooks, parameters, raw_of, text
from tests.services.running import asynchronous

FIGURES = "nrr,grr,customer_churn_rate,ltv_minor,share_top_1,share_top_3,share_top_10,herfindahl"
ANSWERS = ",nps,nps_mrr_weighted,csat,fcr"
COSTS = ",cac_minor,crc_minor,ltv_to_cac,cac_payback_months"
DISCOUNTS = ",discounts_minor,discount_investment_minor,cac_with_discounts_minor"
CONTRACTS = ",acv_minor,tcv_minor,acv_signed_minor,acv_to_cac"
OTHERS = ",mrr_minor,committed_arr_minor,scheduled_churn_minor,accounts,asp_minor,quick_ratio,gross_mrr_churn_rate"
FILTERS: tuple[dict[str, str | list[str]], ...] = (
    {},
    {"where": "plan=pro"},
    {"where": ["product=", "plan=basic"]},
    {"where": "owner=kim"},
    {"where": "account=acme"},
)
SIGNED = [fact("signed", account, "2024-01-01", lines=[line(500)]) for account in ("a1", "b1", "c1")]
LATER = [fact("cancelled", "a1", "2024-02-01"), fact("signed", "d1", "2024-02-01", lines=[line(900)])]
ASKED = {"start": "2024-01-10", "until": "2024-03-01", "currency": "USD", "figures": FIGURES}


def spent(subject: str, amount_minor: int) -> Event:
    """A cost of winning accounts in January."""
    data = {"kind": "acquisition", "amount_minor": amount_minor, "currency": "USD"}
    days = {"from": "2024-01-01", "until": "2024-02-01"}
    event = fact("cost", f"{subject}1", "2024-01-01")
    return event | {"subject": subject, "type": "revledger.cost.recorded.v1", "data": data | days}


class WatchedViews:
    """Views that count how often all accounts are read, and let something happen before records are read."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.loads = 0
        self.meanwhile: list[Any] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    async def snapshot(self, partition: int, keys: Sequence[str]) -> Any:
        self.loads += ACCOUNTS in keys
        return await self.inner.snapshot(partition, keys)

    async def snapshot_with(self, partition: int, keys: Sequence[str], wanted: Mapping[str, Sequence[Any]]) -> Any:
        if self.meanwhile:
            await self.meanwhile.pop(0)()
        return await self.inner.snapshot_with(partition, keys, wanted)


class Watched:
    """Books whose reports have a mirror, beside others on the same views that have none."""

    def __init__(self, books: MemoryBooks) -> None:
        self.books = books
        self.views = WatchedViews(books.views)
        views: Any = self.views
        self.mirror = Mirror(books.ledger, views, (0,))
        self.reports = Reports(books.ledger, views, begun_under(POLICY))
        self.reports.keep_accounts(self.mirror)

    async def check(self, **asked: str | Sequence[str]) -> Answer:
        """The answer, which is that of the views alone but for its age."""
        question = question_of(parameters(asked))
        answer, expected = await self.reports.figures(question), await self.books.reports.figures(question)
        assert {**answer, "as_of": None} == {**expected, "as_of": None}
        assert answer["as_of"]["position"] == expected["as_of"]["position"]
        return answer

    async def check_bridge(self, **asked: str | Sequence[str]) -> None:
        """The same of the bridge."""
        question = question_of(parameters(asked))
        answer, expected = await self.reports.bridge(question), await self.books.reports.bridge(question)
        assert {**answer, "as_of": None} == {**expected, "as_of": None}

    async def check_tables(self, start: str, until: str, **asked: str) -> None:
        """The first rows of the tables that accounts in memory make are those of the views."""
        for name in sorted(RANKED):
            span = {"start": start, "until": until} if TABLES[name].is_window else {"at": until}
            question = question_of(parameters({**span, **asked}))
            answer, expected = await self.reports.table(name, question), await self.books.reports.table(name, question)
            assert {**answer, "as_of": None} == {**expected, "as_of": None}
            assert answer["as_of"]["position"] == expected["as_of"]["position"]

    async def seen(self) -> Mirrored:
        """What the mirror holds now."""
        found = await self.mirror.read([])
        assert found is not None
        return found

    async def names(self) -> list[str]:
        """What the books can be broken down by, and has sums kept."""
        names = [field.split("|")[2] for field in (await self.reports.book()).counts() if field.startswith("names|")]
        return sorted({*names, "plan", "product", "owner", "term_months"} - {""})

    async def begin_anew(self, *, blocks: int | None = None) -> None:
        """Another projector builds the views from nothing, as far as some block."""
        await self.books.views.clear(0)
        self.books.projector = Projector(self.books.ledger, self.books.views)
        await self.books.projector.start()
        await self.books.projector.catch_up(blocks)


async def watched(events: Sequence[Event] = ()) -> Watched:
    """Books with some events in them."""
    found = Watched(await MemoryBooks().start())
    await found.books.book(events)
    return found


@settings(max_examples=30, deadline=None, phases=(Phase.explicit, Phase.generate))
@given(st.data())
@asynchronous
async def test_answers_are_those_of_the_views(data: st.DataObject) -> None:
    """At random positions of a random history, with late and retracted facts; the views may be built anew meanwhile.

    Layers of more than a few accounts are put together while they are asked.
    """
    with patch.object(layers, "AT_ONCE", data.draw(st.sampled_from([layers.AT_ONCE, 2]))):
        await check_answers(data)


async def check_answers(data: st.DataObject) -> None:
    """Of one history."""
    history = data.draw(histories())
    arrived: st.SearchStrategy[list[Event]] = st.one_of(st.just(history), arrival_orders(history))
    events = data.draw(arrived)
    found = await watched()
    if data.draw(st.booleans()):
        await found.mirror.warm()
    while events:
        size = data.draw(st.integers(1, 8))
        await found.books.book(events[:size])
        events = events[size:]
        if data.draw(st.integers(0, 5)) == 0:
            await found.begin_anew(blocks=data.draw(st.none() | st.integers(0, 3)))
        is_silent = data.draw(st.booleans())
        if events and is_silent:
            continue
        start = FIRST_DAY + data.draw(st.integers(0, 300))
        until = start + data.draw(st.integers(1, 300))
        asked = {"start": text(start), "until": text(until), "currency": data.draw(st.sampled_from(["USD", "EUR"]))}
        by = data.draw(st.sampled_from([None, "currency", *await found.names()]))
        groups = {**({} if by is None else {"by": by}), **data.draw(st.sampled_from(FILTERS))}
        some = CONTRACTS + data.draw(st.sampled_from(("", DISCOUNTS)))
        await found.check(**asked, figures=FIGURES + OTHERS + COSTS + ANSWERS + some, **groups)
        await found.check_bridge(**asked, **groups)
        more = {name: value for name, value in groups.items() if isinstance(value, str)}
        await found.check_tables(**asked, **more, limit="3")
    assert found.views.loads, "somebody was asked"


@asynchronous
async def test_all_accounts_are_read_once() -> None:
    """Later on, only those that changed; and none where sums say it all."""
    found = await watched(SIGNED)
    await found.check(**{**ASKED, "figures": "mrr_minor,quick_ratio"})
    assert found.views.loads == 0
    await found.check(**ASKED)
    await found.books.book(LATER)
    answer = await found.check(**ASKED)
    assert answer["rows"][0]["figures"]["nrr"] == "0.66666667"
    await found.check(**ASKED, by="plan")
    loads = found.views.loads
    question = question_of({"on": ["2024-02-01"], "limit": ["2"]})
    table = await found.reports.table("concentration", question)
    assert ([row["account"] for row in table["rows"]], table["more"]) == (["d", "b"], 1)
    assert found.views.loads == loads == 1
    await found.reports.figures(question_of(parameters({**ASKED, "figures": "mrr_minor", "where": "plan=plan"})))
    await found.reports.bridge(question_of(parameters({"by": "currency", "currency": "USD"})))
    assert found.views.loads == loads
    assert (await found.seen()).layers.held == 4


@asynchronous
async def test_costs_are_kept_beside_the_accounts() -> None:
    """Of the book and of accounts, also those that come and are taken back later."""
    found = await watched([*SIGNED, spent("~book", 3_000), spent("a", 600)])
    asked = {"start": "2023-12-01", "until": "2024-03-01", "currency": "USD", "figures": "cac_minor"}
    values = [(await found.check(**asked))["rows"][0]["figures"]["cac_minor"]]
    late = spent("b", 900)
    for event in (late, retracted(late, "2024-02-02")):
        await found.books.book([event])
        values.append((await found.check(**asked))["rows"][0]["figures"]["cac_minor"])
    assert values == [1_200, 1_500, 1_200]
    assert found.views.loads == 1


@asynchronous
async def test_answers_are_kept_beside_the_accounts() -> None:
    """Also those of accounts without revenue, and that come and are taken back later."""
    found = await watched([*SIGNED, answered("a", "2024-01-20", 9), answered("z", "2024-01-20", 3)])
    asked = {**ASKED, "figures": ANSWERS[1:]}
    values = [(await found.check(**asked))["rows"][0]["figures"]["nps"]]
    late = answered("b", "2024-02-20", 10)
    for event in (late, retracted(late, "2024-02-21"), answered("z", "2024-02-20", 10)):
        await found.books.book([event])
        values.append((await found.check(**asked))["rows"][0]["figures"]["nps"])
    assert values == ["0.00000000", "33.33333333", "0.00000000", "33.33333333"]
    await found.check(**asked, by="plan")
    assert found.views.loads == 1


@asynchronous
async def test_discounts_are_kept_beside_the_accounts() -> None:
    """Of all accounts once one of them has any, of what they signed before as well; whenever they are asked for."""
    found = await watched(SIGNED)
    asked = {**ASKED, "figures": DISCOUNTS[1:]}
    off = {"percent": "10"}
    later = [
        fact("upgraded", "a1", "2024-01-20", lines=[line(1_000, discounts=[off])]),
        fact("signed", "e1", "2024-01-25", lines=[line(600, discounts=[{**off, "until": "2024-02-20"}])]),
        fact("cancelled", "a1", "2024-02-10"),
    ]
    values = []
    for events in ([], *([event] for event in later)):
        await found.books.book(events)
        await found.check(**ASKED)
        values.append((await found.check(**asked))["rows"][0]["figures"]["discount_investment_minor"])
        await found.check(**asked, by="plan")
    assert values == [0, 139, 192, 123]
    await found.begin_anew(blocks=2)
    await found.check(**asked)


@asynchronous
async def test_a_filter_that_finds_nothing_is_known_from_the_accounts_in_memory() -> None:
    """Those of a value that nothing has are looked at once more, to be sure."""
    found = await watched(SIGNED)
    asked = {"at": "2023-01-10", "currency": "USD", "figures": "accounts"}
    for value, loads in (("account=a", 1), ("plan=plan", 1), ("contract=b1", 1), ("account=x", 2)):
        question = question_of(parameters({**asked, "where": value}))
        answer = await found.reports.figures(question)
        assert answer["rows"][0]["figures"] == {"accounts": 0}
        if loads == 1:
            assert await found.reports.checked(answer, question) == answer
        else:
            with pytest.raises(QuestionError, match="nothing was ever booked with account 'x'"):
                await found.reports.checked(answer, question)
        assert found.views.loads == loads


@asynchronous
async def test_views_that_move_while_they_are_read() -> None:
    """Once they are still, and also when blocks come that nobody had looked at yet."""
    found = await watched(SIGNED)
    await found.seen()
    more = [fact("signed", f"{letter}1", "2024-01-05", lines=[line(100)]) for letter in ascii_letters[3:43]]

    async def meanwhile() -> None:
        for event in more:
            await found.books.book([event])

    found.views.meanwhile = [meanwhile]
    await found.check(**ASKED)
    assert not found.views.meanwhile
    assert (await found.seen()).layers.held == 43
    assert found.views.loads == 1


@asynchronous
async def test_views_that_never_hold_still_answer_by_themselves() -> None:
    found = await watched(SIGNED)
    await found.seen()
    numbers = iter(range(10_000))

    async def meanwhile() -> None:
        for _ in range(20):
            await found.books.book([fact("signed", f"e{next(numbers)}", "2024-01-05", lines=[line(100)])])

    found.views.meanwhile = [meanwhile] * 10
    assert await found.mirror.read([]) is None
    found.views.meanwhile = []
    await found.check(**ASKED)


@pytest.mark.parametrize("blocks", [None, 1, 0])
@asynchronous
async def test_views_begun_anew(blocks: int | None) -> None:
    """As far as before, or not as far."""
    found = await watched(SIGNED)
    await found.books.book(LATER)
    await found.check(**ASKED)
    await found.begin_anew(blocks=blocks)
    await found.check(**ASKED)
    await found.books.projector.catch_up()
    await found.check(**ASKED)


@asynchronous
async def test_views_of_another_ledger() -> None:
    """As after a ledger was put back from a copy and went on otherwise."""
    found = await watched(SIGNED)
    await found.check(**ASKED)
    other = await watched([fact("signed", "z1", "2024-01-01", lines=[line(7)])])
    found.views.inner = found.books.views = found.books.reports._views = other.books.views
    await found.check(**ASKED)
    assert found.views.loads == 2


@asynchronous
async def test_a_ledger_that_is_away_makes_answers_slow_not_wrong() -> None:
    found = await watched(SIGNED)
    await found.check(**ASKED)

    class AwayLedger:
        def read(self, *_: object) -> Any:
            raise LedgerUnavailable("The ledger is away.", "Try again.")

    away: Any = AwayLedger()
    await found.books.book(LATER)
    found.mirror._parts[0]._ledger = away
    assert await found.mirror.read([]) is None
    await found.check(**ASKED)


@asynchronous
async def test_whoever_asks_may_be_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """While a thread is at work: it goes on by itself, and the next one begins anew."""
    found = await watched(SIGNED)
    await found.seen()
    await found.books.book(LATER)
    began, goes_on = threading.Event(), threading.Event()

    def slow(*arguments: Any) -> Any:
        began.set()
        assert goes_on.wait(10), "it is let go on"
        return changed(*arguments)

    changed = mirror._changed
    monkeypatch.setattr(mirror, "_changed", slow)
    asking = asyncio.create_task(found.mirror.read([]))
    await asyncio.to_thread(began.wait, 10)
    asking.cancel()
    await asyncio.wait([asking])
    assert asking.cancelled()
    goes_on.set()
    monkeypatch.undo()
    await found.check(**ASKED)
    assert (found.views.loads, (await found.seen()).layers.held) == (2, 4)


@asynchronous
async def test_several_partitions_each_at_a_position_of_its_own() -> None:
    more = [fact("signed", f"{letter}1", "2024-01-05", lines=[line(100)]) for letter in ascii_letters[3:43]]
    ledger, reports, views = await partitioned_views([*SIGNED, *more])
    mirrored = Reports(ledger, views, begun_under(POLICY), range(PARTITIONS))
    mirrored.keep_accounts(Mirror(ledger, views, range(PARTITIONS)))
    for by in ({}, {"by": "plan"}):
        question = question_of(parameters({**ASKED, **by}))
        answer, expected = await mirrored.figures(question), await reports.figures(question)
        assert answer["rows"] == expected["rows"]
        assert answer["as_of"]["position"] == expected["as_of"]["position"]
    writer = Writer(ledger, Accounts(None, 1, 100), POLICY, None, partition=1, partitions=PARTITIONS)
    await writer.start()
    projector = Projector(ledger, views, 1)
    await projector.start()
    own = next(letter for letter in ascii_letters if partition_of(letter, PARTITIONS) == 1)
    await writer.write([Submitted(raw_of(fact("signed", f"{own}2", "2024-01-02", lines=[line(5)])))])
    await projector.catch_up()
    answer, expected = await mirrored.figures(question), await reports.figures(question)
    assert answer["rows"] == expected["rows"]
