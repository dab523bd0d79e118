"""An adoption verified: its entries are held to what the events come to under both policies; forgeries are told."""

import asyncio
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from events import block as blocks
from events.account import Booking
from events.adoption import Step, raw_of_change
from events.block import Adopted, Block, Entry
from events.policy import DEFAULT_RULES, Policy, Rules
from services import adopting
from services.audit.verifying.findings import Finding
from services.audit.verifying.partition import Task, verified_partition
from services.audit.verifying.state import State
from services.ledgers.port import StoredBlock
from services.writer import stored
from tests.services.audit.chains import Kept, findings_of, resealed, verified_of
from tests.services.eras import Eras
from tests.services.running import asynchronous
from tests.services.test_adoptions import FULL, NOTICE, life_of, three_eras

ADOPTION = 9
"""The first block of the first adoption of `three_eras`, which has one entry for each of two accounts."""


async def honest() -> list[StoredBlock]:
    """A ledger of three eras."""
    return await (await three_eras()).chain()


def with_header(
    chain: Sequence[StoredBlock], height: int, change: Callable[[Block], dict[str, Any]]
) -> list[StoredBlock]:
    """A chain in which a block says something else, with every hash from there on made good again."""
    before: Block | None = None
    made: list[StoredBlock] = []
    for one in chain:
        block = blocks.block_of(one.data)
        names = ("partition", "recorded_at", "policy", "sources", "genesis", "adopts")
        said = {name: getattr(block.header, name) for name in names}
        changed = change(block) if one.height == height else {}
        before = blocks.seal(before, changed.pop("entries", block.entries), **{**said, **changed})
        made.append(stored(before))
    return made


def half_as_much(entry: Entry) -> Entry:
    """An entry with half of its first posting."""
    booking = blocks.booking_of(entry)
    first = replace(booking.postings[0], amount=booking.postings[0].amount // 2)
    return blocks.entry_of(entry.event, replace(booking, postings=[first, *booking.postings[1:]]))


def renumbered(entries: Sequence[Entry], first_seq: int) -> list[Entry]:
    """Entries with the numbers that they have now."""
    made = []
    for seq, entry in enumerate(entries, first_seq):
        made.append(blocks.entry_of(entry.event, replace(blocks.booking_of(entry), seq=seq)))
    return made


def told(findings: Sequence[Finding]) -> list[tuple[str, int | None]]:
    """Which check found something, and in which entry."""
    return [(one.check, one.seq) for one in findings]


@asynchronous
async def test_adoptions_as_they_were_made_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """In one block or in several; all postings are counted, those of the adoptions too."""
    for entries in (1_000, 1):
        monkeypatch.setattr(adopting, "BLOCK_ENTRIES_MAX", entries)
        chain = await honest()
        verified = await verified_of(chain)
        assert verified.findings == []
        assert verified.policies == [Policy(), FULL, NOTICE]
        bookings = [blocks.booking_of(one) for block in chain for one in blocks.block_of(block.data).entries]
        assert verified.postings == sum(len(one.postings) for one in bookings)


@asynchronous
async def test_a_changed_posting_of_an_adoption_is_found() -> None:
    chain = (await honest())[: ADOPTION + 1]
    changed = resealed(chain, ADOPTION, lambda block: [half_as_much(block.entries[0]), *block.entries[1:]])
    (found,) = await findings_of(changed)
    assert (found.check, found.height, found.seq) == ("booking", ADOPTION, 8)
    assert "is booked otherwise than its event says" in found.sentence


@asynchronous
async def test_an_account_that_changes_and_has_no_entry_is_found() -> None:
    """With the number of entries as it was, and with one that fits."""
    for entries in (2, 1):

        def without_first(block: Block, entries: int = entries) -> dict[str, Any]:
            kept = renumbered(block.entries[1:], block.header.first_seq)
            return {"entries": kept, "adopts": Adopted(FULL, entries)}

        found = await findings_of(with_header((await honest())[: ADOPTION + 1], ADOPTION, without_first))
        (missing,) = [one for one in found if "has no entry of that" in one.sentence]
        assert (missing.check, missing.height) == ("adoption", ADOPTION)
        assert "changes account 'a', and has no entry of that: 2024-02-01 churn" in missing.sentence


@asynchronous
async def test_an_end_in_the_midst_of_an_adoption_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adopting, "BLOCK_ENTRIES_MAX", 1)
    found = await findings_of((await honest())[: ADOPTION + 1])
    assert ["changes account 'b', and has no entry" in one.sentence for one in found] == [True]


@asynchronous
async def test_an_entry_for_an_account_that_does_not_change_is_found() -> None:
    """One that posts nothing does no harm, and is not due either."""
    books = Eras(Policy())
    await books.write(life_of("a") + life_of("b")[:1])
    (first,) = await books.adopt(FULL)
    chain = await books.chain()

    def with_another(block: Block) -> dict[str, Any]:
        seq = block.next_seq
        event = block.entries[0].event.replace(b'"a"', b'"b"').replace(b"-5", f"-{seq}".encode())
        booking = Booking(seq, "b", blocks.booking_of(block.entries[0]).moment, 0, [])
        return {"entries": [*block.entries, blocks.entry_of(event, booking)], "adopts": Adopted(FULL, 2)}

    (found,) = await findings_of(with_header(chain, first.header.height, with_another))
    assert (found.check, found.expected, found.found) == ("adoption", "1 entries", "2 entries")


@asynchronous
async def test_an_entry_of_an_adoption_where_none_goes_on_is_found() -> None:
    chain = await honest()
    adoption = blocks.block_of(chain[ADOPTION].data)
    assert blocks.block_of(chain[-1].data).header.policy == NOTICE.stamp

    def with_one_more(block: Block) -> Sequence[Entry]:
        return [*block.entries, *renumbered(adoption.entries[:1], block.next_seq)]

    found = await findings_of(resealed(chain, len(chain) - 1, with_one_more))
    assert told(found) == [("twice", chain[-1].end_seq)], "its id is taken"
    books = Eras(Policy())
    await books.write(life_of("a"))
    step = Step(DEFAULT_RULES, Rules(FULL), bytes(32), chain[0].recorded_at)

    def with_a_made_up_one(block: Block) -> Sequence[Entry]:
        seq = block.next_seq
        booking = Booking(seq, "a", step.recorded_at, 0, [])
        return [*block.entries, blocks.entry_of(raw_of_change(step, "a", seq), booking)]

    chain = await books.chain()
    found = await findings_of(resealed(chain, len(chain) - 1, with_a_made_up_one))
    assert told(found) == [("adoption", chain[-1].end_seq)]


@asynchronous
async def test_an_event_of_an_adoption_that_says_something_else_is_found() -> None:
    def with_other_stamp(block: Block) -> Sequence[Entry]:
        first = block.entries[0]
        return [Entry(first.event.replace(b"full@1", b"fool@1"), first.booking), *block.entries[1:]]

    found = await findings_of(resealed(await honest(), ADOPTION, with_other_stamp))
    assert told(found)[0] == ("adoption", 8)


@pytest.mark.parametrize(
    ("adopts", "check"),
    [
        (Policy(name="full", paused="full", zone="Asia/Seoul"), "policy"),
        (Policy(), "policy"),
        (Policy(name="other", paused="full"), "policy"),
    ],
)
@asynchronous
async def test_a_policy_that_cannot_be_adopted_is_found(adopts: Policy, check: str) -> None:
    """In another zone, in force before, or another than its blocks are under."""
    chain = with_header(await honest(), ADOPTION, lambda block: {"adopts": Adopted(adopts, len(block.entries))})
    found = await findings_of(chain)
    assert (check, ADOPTION) in [(one.check, one.height) for one in found]


@asynchronous
async def test_a_block_that_changes_the_policy_without_adopting_it_is_found() -> None:
    chain = with_header(await honest(), ADOPTION, lambda _: {"adopts": None})
    found = await findings_of(chain)
    assert ("policy", ADOPTION) in [(one.check, one.height) for one in found]


@asynchronous
async def test_what_was_interrupted_is_resumed_before_and_after_an_adoption(tmp_path: Path) -> None:
    """Also by somebody with room for hardly an account; nothing of the work on an adoption stays behind."""
    chain = await honest()
    for height in (1, ADOPTION - 1, ADOPTION, ADOPTION + 1, len(chain) - 2):
        state = State(tmp_path / "verify-0.db", 0, 1)
        await verified_partition(Kept(chain[: height + 1]), Task(0, keep_every=1), state)
        state.close()
        state = State(tmp_path / "verify-0.db", 0, 1)
        verified = await verified_partition(Kept(chain), Task(0, resume=True, keep_every=1), state)
        state.close()
        assert (verified.findings, verified.policies) == ([], [Policy(), FULL, NOTICE])
        assert verified.resumed_height is not None
        assert not [name for name in os.listdir(tmp_path) if "adopting" in name]  # noqa: PTH208


@asynchronous
async def test_verifying_that_is_ended_in_an_adoption_begins_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adopting, "BLOCK_ENTRIES_MAX", 1)
    chain = await honest()

    class Ending(Kept):
        """A ledger whose reader is ended in the midst of an adoption."""

        async def read(self, partition: int, from_height: int = 0, until_height: int | None = None) -> Any:
            async for one in super().read(partition, from_height, until_height):
                if one.height == ADOPTION + 1:
                    raise asyncio.CancelledError
                yield one

    state = State(tmp_path / "verify-0.db", 0, 1)
    with pytest.raises(asyncio.CancelledError):
        await verified_partition(Ending(chain), Task(0, keep_every=1), state)
    state.close()
    state = State(tmp_path / "verify-0.db", 0, 1)
    verified = await verified_partition(Kept(chain), Task(0, resume=True), state)
    state.close()
    assert (verified.findings, verified.height) == ([], len(chain) - 1)


def test_what_is_kept_of_a_verification_holds_the_policies() -> None:
    from services.audit.verifying.findings import Verified

    verified = Verified(partition=0, policies=[Policy(), NOTICE])
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(verified), type=Verified) == verified
