"""Adopting: a ledger goes over to another policy, all of it in one append, or not at all.

Every event is booked again under the new policy, and what that changes in an account is appended as its entry.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from msgspec import Struct
from msgspec.structs import replace

from events import block as blocks
from events.adoption import Step, booking_of_change, level_on, raw_of_change
from events.block import Adopted, Block, Entry
from events.days import day_of_moment
from events.policy import Policy, Rules
from events.refusals import Refused
from events.vocabulary import BOOK_SUBJECT
from services import clock
from services.accounts import Accounts, Reached
from services.adoptions import PARTITION, Policies, policies_of
from services.audit.opening import NoLedger, require_ledger
from services.audit.rebooking import changes, rebooked_into
from services.batch import BLOCK_BYTES_MAX, BLOCK_ENTRIES_MAX
from services.compose import ACCOUNTS_FILE, LEDGER_FILE, holding
from services.ledgers.port import Ledger
from services.ledgers.sqlite import sqlite_ledger
from services.policies import rules_of
from services.settings import Settings
from services.writer import Writer, stored

Told = Callable[[int], None]
"""Is told how many entries were booked again."""


class AdoptionRefused(Exception):
    """A ledger cannot go over to a policy; the message says what to do instead, and nothing was changed."""


class PolicyInForce(Exception):
    """The policy is the one in force: there is nothing to do."""


class Effect(Struct, frozen=True):
    """What an adoption comes to: accounts that change, their postings, and MRR of today by currency, before and after.

    Levels are in annual_e4; `height` and `settled` are its first and last block, also where it is not taken.
    """

    then: Policy
    now: Policy
    today: int
    accounts: int
    changed: int
    postings: int
    levels: dict[str, tuple[int, int]]
    height: int
    settled: int
    is_adopted: bool = False


class _Made(Struct):
    """Entries, and what they come to so far."""

    entries: list[Entry]
    accounts: int
    postings: int
    levels: dict[str, tuple[int, int]]


async def adopt(settings: Settings, policy: Policy, *, dry_run: bool = False, told: Told = lambda _: None) -> Effect:
    """Goes over to a policy, or (`dry_run`) only works out what that would change.

    Whoever dies in it leaves the old policy in force, or the new one: there is one append.

    Raises:
        PolicyInForce: it is there already.
        AdoptionRefused: it was in force before, is in another zone, or makes an entry that no ledger keeps.
        NotBookable: an event has no booking under the policy.
        NoLedger, DataInUse, LedgerError, BlockDamaged, BooksDiffer: nothing was changed.
    """
    require_ledger(settings.data)
    async with holding(settings.data), _opened(settings.data / LEDGER_FILE) as ledger:
        policies = await policies_of(ledger)
        if policies is None:
            raise NoLedger(settings.data)
        policy = _fitting(policies, policy)
        effect = await _adopted(settings, ledger, policies, policy, dry_run=dry_run, told=told)
        if not dry_run:
            await _caught_up(settings, ledger, policy)
        return effect


def _fitting(policies: Policies, policy: Policy) -> Policy:
    """The policy in the zone of the ledger, which it may leave out; raises AdoptionRefused."""
    zone = policies.in_force.zone
    policy = replace(policy, zone=zone) if policy.zone == "UTC" else policy
    if policy.zone != zone:
        raise AdoptionRefused(
            f"The days of this ledger are those of {zone}, and the policy says zone = {policy.zone!r}: all would"
            " move. Leave the zone out; to keep books in another zone, load their events into a new ledger."
        )
    same = next((span for span in policies.spans if span.policy.stamp == policy.stamp), None)
    if same is None:
        return policy
    if same is policies.spans[-1]:
        raise PolicyInForce(f"Policy {policy.stamp} is in force since block {same.height}.")
    raise AdoptionRefused(
        f"Policy {policy.stamp} was in force before, from block {same.height} on, and a policy comes into force once:"
        " to go back to what it says, give it a higher version."
    )


async def _adopted(
    settings: Settings, ledger: Ledger, policies: Policies, policy: Policy, *, dry_run: bool, told: Told
) -> Effect:
    then, now = rules_of(policies.in_force), rules_of(policy)
    known = Accounts(settings.data / ACCOUNTS_FILE, PARTITION, settings.accounts_hot)
    writer = Writer(ledger, known, then.policy, then.zone, keep_every=1)
    with TemporaryDirectory(prefix="revledger-adopting-", dir=settings.data) as folder:
        fresh = Accounts(Path(folder) / ACCOUNTS_FILE, PARTITION, settings.accounts_hot)
        try:
            await writer.start()
            effect, sealed = await worked_out(ledger, then, now, known, fresh, told)
        finally:
            fresh.close()
            await writer.close()
    if not dry_run:
        await ledger.append([stored(block) for block in sealed])
    return replace(effect, is_adopted=not dry_run)


async def worked_out(
    ledger: Ledger, then: Rules, now: Rules, known: Accounts, fresh: Accounts, told: Told = lambda _: None
) -> tuple[Effect, list[Block]]:
    """What going over from some rules to others comes to, and the blocks that do it, which nobody has appended yet.

    `known` are all accounts at the head of the ledger, in their file; `fresh` are empty. Raises as `adopt` does.
    """
    head: Block | None = None
    async with aclosing(rebooked_into(fresh, ledger, PARTITION, now)) as booked:
        async for head, _ in booked:
            told(head.next_seq)
    assert head is not None, "a ledger that has a policy has a block"
    fresh.keep(Reached())
    step = Step(then, now, head.hash, max(clock.now(), head.header.recorded_at))
    today = day_of_moment(step.recorded_at, now.zone)
    made = await _made(step, head.next_seq, today, known, fresh)
    sealed = _sealed(head, step, made.entries)
    heights = (sealed[0].header.height, sealed[-1].header.height)
    counts = (made.accounts, len(made.entries), made.postings)
    return Effect(then.policy, now.policy, today, *counts, made.levels, *heights), sealed


async def _made(step: Step, first_seq: int, today: int, then: Accounts, now: Accounts) -> _Made:
    """An entry for every account that a step changes; raises AdoptionRefused."""
    made = _Made([], 0, 0, {})
    for change in changes(step, then, now):
        made.accounts += change.account != BOOK_SUBJECT
        old, new = level_on(change.then, today), level_on(change.now, today)
        for currency in {*old, *new}:
            before, after = made.levels.get(currency, (0, 0))
            made.levels[currency] = (before + old.get(currency, 0), after + new.get(currency, 0))
        if postings := change.postings:
            seq = first_seq + len(made.entries)
            booking = booking_of_change(step, change.account, seq, postings)
            entry = blocks.entry_of(raw_of_change(step, change.account, seq), booking)
            try:
                blocks.require_keepable(entry, booking)
            except Refused as refused:
                stamp = step.now.policy.stamp
                raise AdoptionRefused(f"Policy {stamp} cannot be adopted: {refused.message}.") from refused
            made.entries.append(entry)
            made.postings += len(postings)
        if made.accounts % 100 == 0:
            await asyncio.sleep(0)
    return made


def _sealed(head: Block, step: Step, entries: list[Entry]) -> list[Block]:
    """The blocks of an adoption on top of the head; the first says what it is, also where no account changes."""
    sealed: list[Block] = []
    for some in [*_chunks(entries)] or [[]]:
        before = sealed[-1] if sealed else head
        adopts = None if sealed else Adopted(step.now.policy, len(entries))
        block = blocks.seal(
            before,
            some,
            partition=head.header.partition,
            recorded_at=step.recorded_at,
            policy=step.now.policy.stamp,
            sources=head.header.sources,
            adopts=adopts,
        )
        sealed.append(block)
    return sealed


def _chunks(entries: Iterable[Entry]) -> Iterable[list[Entry]]:
    some: list[Entry] = []
    size = 0
    for entry in entries:
        more = len(entry.event) + len(entry.booking)
        if some and (len(some) >= BLOCK_ENTRIES_MAX or size + more > BLOCK_BYTES_MAX):
            yield some
            some, size = [], 0
        some.append(entry)
        size += more
    if some:
        yield some


async def _caught_up(settings: Settings, ledger: Ledger, policy: Policy) -> None:
    """The writer's accounts under the new policy, made now, so that the next start does not have to."""
    rules = rules_of(policy)
    accounts = Accounts(settings.data / ACCOUNTS_FILE, PARTITION, settings.accounts_hot)
    writer = Writer(ledger, accounts, policy, rules.zone, keep_every=1)
    try:
        await writer.start()
    finally:
        await writer.close()


@asynccontextmanager
async def _opened(path: Path) -> AsyncIterator[Ledger]:
    ledger = await sqlite_ledger(path)
    try:
        yield ledger
    finally:
        await ledger.close()
