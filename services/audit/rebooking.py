"""The ledger booked again: every event from scratch under another policy, whatever was booked then."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from events import block as blocks
from events.account import Booking, book
from events.adoption import Change, Step, change_of
from events.block import Block
from events.envelope import recorded_event_of
from events.policy import Policy, Rules
from events.refusals import Refused
from services.accounts import Accounts, Reached
from services.ledgers.port import Chains
from services.policies import rules_of

HOT_ACCOUNTS: Final = 50_000
"""Accounts in memory at once; the others wait in a file that goes with the replay."""


class NotBookable(Exception):
    """An entry of the ledger cannot be booked under the policy asked for."""

    def __init__(self, partition: int, height: int, seq: int, policy: Policy, problem: str) -> None:
        super().__init__(
            f"entry {seq} (block {height} of partition {partition}) cannot be booked under policy {policy.stamp}:"
            f" {problem}. Choose another policy, or a replay that ends before block {height}."
        )
        self.partition = partition
        self.height = height
        self.seq = seq


async def rebooked(
    ledger: Chains,
    partition: int,
    policy: Policy,
    until_height: int | None = None,
    *,
    hot_accounts: int = HOT_ACCOUNTS,
    directory: Path | None = None,
) -> AsyncGenerator[tuple[Block, list[Booking]]]:
    """Every block of a partition before a height (None: all there are), with its entries booked under a policy.

    There is one booking for each entry of the block, in their order; the block itself says what was booked at the time.
    The ledger is only read. Accounts are kept in a temporary file (in `directory`, by default where the system
    has them), so that memory does not grow with the ledger; close the iterator to be rid of it early.

    Raises:
        BlockDamaged: the blocks are not a chain, or are not what was sealed.
        NotBookable: an event has no booking under this policy, such as a day that its zone does not have.
        LedgerError: the ledger cannot be read.
    """
    with TemporaryDirectory(prefix="revledger-", dir=directory) as folder:
        accounts = Accounts(Path(folder) / "accounts.db", partition, hot_accounts)
        try:
            async for booked in rebooked_into(accounts, ledger, partition, rules_of(policy), until_height):
                yield booked
        finally:
            accounts.close()


async def rebooked_into(
    accounts: Accounts, ledger: Chains, partition: int, rules: Rules, until_height: int | None = None
) -> AsyncGenerator[tuple[Block, list[Booking]]]:
    """The same, into accounts that are empty and stay; raises as it does."""
    before: Block | None = None
    async for one in ledger.read(partition, 0, until_height):
        block = blocks.block_of(one.data)
        blocks.check_next(before, block)
        blocks.check_entries(block)
        yield block, _booked(accounts, block, rules)
        before = block
        await asyncio.sleep(0)  # others have work too


def changes(step: Step, then: Accounts, now: Accounts) -> Iterator[Change]:
    """What a step to another policy does to each account, in order of their names, given all in the files of both."""
    for names in now.pages():
        old, new = then.get_many(names), now.get_many(names)
        for name in names:
            yield change_of(step, old[name], new[name])
        then.cool()
        now.cool()


def _booked(accounts: Accounts, block: Block, rules: Rules) -> list[Booking]:
    events = [recorded_event_of(entry.event) for entry in block.entries]
    found = accounts.get_many({event.subject for event in events})
    bookings: list[Booking] = []
    for seq, event in enumerate(events, block.header.first_seq):
        try:
            booking = book(found[event.subject], event, seq, rules)
        except Refused as refused:
            where = (block.header.partition, block.header.height, seq)
            raise NotBookable(*where, rules.policy, refused.message) from refused
        if not isinstance(booking, Booking):
            raise blocks.BlockDamaged(f"entry {seq} repeats entry {booking.seq}: an event is in a ledger only once")
        bookings.append(booking)
    accounts.changed(found, {})
    if accounts.is_full:
        accounts.keep(Reached(block.header.height, block.hash))
        accounts.cool()
    return bookings
