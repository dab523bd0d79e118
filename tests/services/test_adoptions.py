"""Adoptions: which policy each block is under, found by halving; and a position between two policies is none."""

import pytest
from msgspec.structs import replace

from events import block as blocks
from events.block import BlockDamaged
from events.policy import Policy
from services import adopting
from services.accounts import Accounts
from services.adoptions import begun_under, policies_of
from services.audit.asking import genesis_at, known_or_now
from services.audit.comparing import comparison
from services.audit.replaying import replayed
from services.compose import genesis_of
from services.ledgers.memory import memory_ledger
from services.moments import Known
from services.questions import QuestionError, question_of
from services.reports import Reports
from services.views.port import ViewsUnavailable
from services.writer import PolicyChanged, Submitted, Writer, stored
from tests.model.days import Event
from tests.model.notation import fact, line
from tests.services.books import POLICY, parameters, raw_of
from tests.services.eras import Eras
from tests.services.running import asynchronous

FULL = Policy(name="full", paused="full")
NOTICE = Policy(name="notice", churn="notice")


def life_of(name: str) -> list[Event]:
    """A contract that is paused, goes on and ends with a notice."""
    return [
        fact("signed", f"{name}1", "2024-01-01", lines=[line(100)]),
        fact("paused", f"{name}1", "2024-02-01"),
        fact("resumed", f"{name}1", "2024-03-01"),
        fact("cancelled", f"{name}1", "2024-04-01", effective_at="2024-05-01"),
    ]


async def three_eras() -> Eras:
    """Two accounts, two adoptions of two blocks each."""
    books = Eras(Policy())
    await books.write(life_of("a") + life_of("b"), a_block=1)
    await books.adopt(FULL)
    await books.write(life_of("c"), a_block=1)
    await books.adopt(NOTICE)
    await books.write(life_of("d"), a_block=3)
    return books


@asynchronous
async def test_every_block_is_under_the_policy_that_its_header_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adopting, "BLOCK_ENTRIES_MAX", 1)
    books = await three_eras()
    policies = await policies_of(books.ledger)
    assert policies is not None
    told = [(span.policy, span.height, span.settled, span.entries) for span in policies.spans]
    assert told == [(Policy(), 0, 0, 0), (FULL, 9, 10, 2), (NOTICE, 15, 17, 3)]
    for one in await books.chain():
        header = blocks.block_of(one.data).header
        assert policies.at(one.height).stamp == header.policy
        until = await policies_of(books.ledger, one.height)
        assert until is not None
        assert until.in_force.stamp == header.policy
        assert (policies.unsettled(one.height) is not None) == (one.height in (9, 15, 16))


@asynchronous
async def test_a_ledger_without_blocks_has_no_policy_and_one_without_adoptions_its_first() -> None:
    assert await policies_of(memory_ledger()) is None
    books = Eras(NOTICE)
    await books.write(life_of("a"))
    policies = await policies_of(books.ledger)
    assert policies is not None
    assert [span.policy for span in policies.spans] == [span.policy for span in begun_under(NOTICE).spans]


@asynchronous
async def test_a_chain_that_changes_its_policy_without_saying_so_is_damaged() -> None:
    books = Eras(Policy())
    await books.write(life_of("a"))
    (first,) = await books.adopt(NOTICE)
    silent = memory_ledger()
    chain = [one async for one in books.ledger.read(0)]
    head = blocks.block_of(chain[-2].data)
    header = first.header
    sealed = blocks.seal(
        head, first.entries, partition=0, recorded_at=header.recorded_at, policy=header.policy
    )
    await silent.append([*chain[:-1], stored(sealed)])
    with pytest.raises(BlockDamaged, match="does not say so"):
        await policies_of(silent)


@asynchronous
async def test_a_position_in_the_midst_of_an_adoption_is_no_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither to ask about, nor for live figures to stand at: they are told when the projector has passed it."""
    monkeypatch.setattr(adopting, "BLOCK_ENTRIES_MAX", 1)
    books = await three_eras()
    reports = await books.reports()
    genesis = await genesis_of(books.ledger)
    assert genesis is not None
    for text, stamp in (("0:14", FULL.stamp), ("0:15", ""), ("0:16", ""), ("0:17", NOTICE.stamp)):
        question = question_of(parameters({"known_at": text}))
        if stamp:
            assert (await reports.bridge(question))["policy"] == stamp
            assert (await genesis_at(books.ledger, genesis, Known({0: int(text[2:])}))).policy.stamp == stamp
            continue
        with pytest.raises(QuestionError, match="ask for block 14, before it, or 17, after it"):
            await reports.bridge(question)
        with pytest.raises(QuestionError, match="in the midst of the adoption of policy notice@1"):
            await known_or_now(books.ledger, genesis, question.known_at)
    assert (await reports.bridge(question_of({})))["policy"] == NOTICE.stamp
    policies = await policies_of(books.ledger)
    assert policies is not None
    half = await books.views(17)
    with pytest.raises(ViewsUnavailable, match=r"in the midst of going over .* has reached block 17"):
        await Reports(books.ledger, half, policies).bridge(question_of({}))


@asynchronous
async def test_a_writer_that_books_under_another_policy_than_the_ledger_writes_nothing() -> None:
    books = Eras(Policy())
    await books.write(life_of("a"))
    writer = Writer(books.ledger, Accounts(None, 0, 100), POLICY, None)
    await writer.start()
    await books.adopt(NOTICE)
    height = await books.height()
    for _ in range(2):
        with pytest.raises(PolicyChanged, match=f"went over to policy {NOTICE.stamp}"):
            await writer.write([Submitted(raw_of(one)) for one in life_of("b")])
    assert await books.height() == height


@asynchronous
async def test_nobody_sent_an_adoption_so_no_answer_is_of_its_day() -> None:
    """Live, replayed and in what is compared; what is asked without dates goes on to end with the newest event."""
    books = await three_eras()
    genesis, reports = await genesis_of(books.ledger), await books.reports()
    assert genesis is not None
    live = await reports.figures(question_of(parameters({"figures": "accounts"})))
    assert (live["rows"][0]["at"], live["as_of"]["newest_event"]) == ("2024-04-02", "2024-04-01T00:00:00Z")
    question = question_of(parameters({"figures": "accounts"}))
    again = await replayed(books.ledger, genesis, question, is_bridge=False)
    assert (again["rows"], again["as_of"]["newest_event"]) == (live["rows"], "2024-04-01T00:00:00Z")
    found = await comparison(books.ledger, replace(genesis, policy=NOTICE), await books.views(), question)
    assert found.differences == []
