"""One partition of a ledger verified, from its first block or from where a kept state ends, to its last."""

import asyncio
import sqlite3
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Final
from zoneinfo import ZoneInfoNotFoundError

from msgspec import Struct

from events import block as blocks
from events.block import Block, BlockDamaged, Genesis
from events.checkpoint import Head
from events.policy import Policy, Rules
from services.audit.entries import key_of_event
from services.audit.verifying.books import BooksAgain
from services.audit.verifying.chain import Chain
from services.audit.verifying.findings import Finding, Verified, moment_text
from services.audit.verifying.state import State
from services.ledgers.port import Chains, LedgerDamaged, StoredBlock
from services.policies import rules_of

KEEP_EVERY: Final = 1_000_000
"""Entries verified between two times that the state is kept."""
KEEP_SECONDS: Final = 60.0
"""The most work that whoever is killed has to do again."""
TURN_SECONDS: Final = 0.02
"""How long others wait for their turn."""
LAST_SEQ: Final = 2**63
"""A number that no entry has: nothing of an adoption can come any more."""
Progress = Callable[[int, int], None]
"""Told now and then: the partition, and how many of its entries were verified."""


class Task(Struct, frozen=True):
    """What to verify: a partition, by the rules of partition 0 (None: unknown), against what was noted of it before."""

    partition: int
    genesis: Genesis | None = None
    pin: Head | None = None
    resume: bool = False
    keep_every: int = KEEP_EVERY


async def verified_partition(
    ledger: Chains, task: Task, state: State, progress: Progress = lambda _partition, _entries: None
) -> Verified:
    """Verifies a partition; on cancellation the state is kept first.

    Raises LedgerUnavailable if the ledger cannot be asked; damage is a finding.
    """
    verified = await _begun(ledger, task, state)
    chain = Chain(verified, task.genesis)
    books = _books(verified, task, state) if verified.policies else None
    turn = before = kept_at = time.monotonic()
    kept_entries = verified.entries
    try:
        async with aclosing(_stored(ledger, chain, verified)) as reading:
            async for stored in reading:
                is_next = stored.height == verified.height + 1
                block = chain.add(stored)
                _check_pin(verified, task.pin, verified.hash, stored)
                books = books or _books(verified, task, state)
                await _book_again(ledger, state, verified, books if is_next else None, block, stored)
                now = time.monotonic()
                if now - turn > TURN_SECONDS:
                    verified.seconds, before = verified.seconds + now - before, now
                    progress(task.partition, verified.next_seq)
                    await asyncio.sleep(0)
                    turn = time.monotonic()
                is_due = verified.entries - kept_entries >= task.keep_every or now - kept_at > KEEP_SECONDS
                if is_due or state.is_full:
                    state.keep(verified)
                    kept_entries, kept_at = verified.entries, now
    except asyncio.CancelledError:
        state.keep(verified)
        raise
    if books is not None:
        books.is_settled(LAST_SEQ)
    await _finish(ledger, task, state, verified)
    verified.seconds += time.monotonic() - before
    return verified


async def _begun(ledger: Chains, task: Task, state: State) -> Verified:
    """What was kept, if it is to be resumed and is of this ledger; else nothing yet."""
    verified = state.resumed() if task.resume else None
    if verified is None:
        state.forget()
        return Verified(partition=task.partition)
    async for stored in ledger.read(task.partition, verified.height, verified.height + 1):
        if stored.hash == verified.stored_hash:
            verified.resumed_height = verified.height
            if task.pin is not None and task.pin.height <= verified.height:
                await _check_passed_pin(ledger, verified, task.pin)
            return verified
    state.forget()
    return Verified(partition=task.partition, misfit_height=verified.height)


async def _stored(ledger: Chains, chain: Chain, verified: Verified) -> AsyncGenerator[StoredBlock, None]:
    """The blocks there are; one that cannot be read is noted and gone over, two in a row end it."""
    height = verified.height + 1
    has_failed = False
    while True:
        try:
            async for stored in ledger.read(verified.partition, height):
                yield stored
                height, has_failed = stored.height + 1, False
        except (LedgerDamaged, sqlite3.Error) as error:
            chain.lose(height, str(error))
            verified.unbooked_height = height if verified.unbooked_height is None else verified.unbooked_height
            if has_failed:
                return
            height, has_failed = height + 1, True
        else:
            return


def _books(verified: Verified, task: Task, state: State) -> BooksAgain | None:
    """The books made again by the rules of the ledger, if they are known."""
    genesis = task.genesis or verified.genesis
    if genesis is None:
        return None
    policy = verified.policies[-1] if verified.resumed_height is not None else genesis.policy
    return BooksAgain(verified, state.accounts, state.ids, _rules(verified, policy), genesis.partitions)


def _rules(verified: Verified, policy: Policy) -> Rules:
    try:
        return rules_of(policy)
    except (ZoneInfoNotFoundError, ValueError):
        zone = policy.zone
        sentence = f"The ledger's reporting zone {zone!r} is not known here: its books are made again in UTC."
        verified.add(Finding(verified.partition, 0, None, "genesis", "a time zone", zone, sentence))
        return Rules(policy)


async def _book_again(
    ledger: Chains,
    state: State,
    verified: Verified,
    books: BooksAgain | None,
    block: Block | None,
    stored: StoredBlock,
) -> None:
    """Books a block again, unless something before it is lost: then nobody knows what its events did."""
    if verified.unbooked_height is not None:
        return
    if books is None or block is None:
        verified.unbooked_height = stored.height
        return
    if block.header.adopts is not None and block.header.height:
        if books.is_settled(LAST_SEQ):
            books.go_on_with(state.settle(verified))
        await books.adopt(ledger, block, state.branch())
    books.add(block)
    if books.is_settled(block.next_seq):
        books.go_on_with(state.settle(verified))


def _check_pin(verified: Verified, pin: Head | None, found: bytes, stored: StoredBlock) -> None:
    """Whether the block of a checkpoint is the one that was noted in it."""
    if pin is None or stored.height != pin.height:
        return
    verified.is_pinned = True
    if found != pin.hash or stored.recorded_at != pin.recorded_at:
        recorded = moment_text(pin.recorded_at)
        sentence = (
            f"Block {pin.height} of partition {pin.partition} is not the one in the checkpoint, which was recorded at"
            f" {recorded}: the history up to it was rewritten since the checkpoint was taken."
        )
        verified.add(Finding(pin.partition, pin.height, None, "checkpoint", pin.hash.hex(), found.hex(), sentence))


async def _check_passed_pin(ledger: Chains, verified: Verified, pin: Head) -> None:
    async for stored in ledger.read(pin.partition, pin.height, pin.height + 1):
        try:
            found = blocks.block_of(stored.data).hash
        except BlockDamaged:
            found = b""
        _check_pin(verified, pin, found, stored)


async def _finish(ledger: Chains, task: Task, state: State, verified: Verified) -> None:
    """What only the end tells: blocks that a checkpoint has and the ledger has not, and ids of two entries."""
    if task.pin is not None and not verified.is_pinned:
        head = f"the ledger ends with block {verified.height}" if verified.height >= 0 else "the ledger has no block"
        what = f"{head} there" if verified.height < task.pin.height else "the ledger does not have it"
        sentence = (
            f"Block {task.pin.height} of partition {task.partition}, which is in the checkpoint, is missing: {what}."
        )
        found = f"block {verified.height}"
        verified.add(
            Finding(task.partition, task.pin.height, None, "truncated", f"block {task.pin.height}", found, sentence)
        )
    for seqs in (await asyncio.to_thread(state.ids.shared)).values():
        await _check_shared(ledger, verified, seqs)


async def _check_shared(ledger: Chains, verified: Verified, seqs: list[int]) -> None:
    """Entries whose ids have one hash: whether they have one id, and nobody has said so yet."""
    told = {one.seq for one in verified.findings if one.check == "twice"}
    first: dict[str, int] = {}
    for seq in seqs:
        stored = await ledger.block_of(verified.partition, seq)
        key = "" if stored is None else _key_in(stored, seq)
        if stored is None or not key:
            continue  # it is in a damaged block, which was told
        if key not in first:
            first[key] = seq
        elif seq not in told:
            source, _, event_id = key.partition("\n")
            sentence = (
                f"Block {stored.height} of partition {stored.partition}, entry {seq} (source {source!r}, id"
                f" {event_id!r}): has the source and id of entry {first[key]}, of another account."
            )
            due, found = "an id of its own", f"the id of entry {first[key]}"
            verified.add(Finding(stored.partition, stored.height, seq, "twice", due, found, sentence, source, event_id))


def _key_in(stored: StoredBlock, seq: int) -> str:
    """The key of an entry's event; empty where damage hides it."""
    try:
        block = blocks.block_of(stored.data)
    except BlockDamaged:
        return ""
    index = seq - block.header.first_seq
    return key_of_event(block.entries[index].event) if 0 <= index < len(block.entries) else ""
