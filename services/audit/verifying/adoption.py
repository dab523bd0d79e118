"""An adoption verified: what it changes in each account, worked out from the events alone, to hold its entries to."""

import asyncio
from collections.abc import Container, Iterator
from typing import Final

from events import block as blocks
from events.account import book
from events.adoption import Step
from events.block import Block
from events.envelope import recorded_event_of
from events.movements import Posting
from events.policy import Rules
from events.refusals import Refused
from services.accounts import Accounts, Reached
from services.audit.rebooking import changes
from services.ledgers.port import Chains

NO_DIGEST: Final = b""
"""Here an id that comes twice is wrong, whether it comes with the same content or with other."""
Due = tuple[str, list[Posting]]
"""An account that the policy changes, and by what postings."""


class Adopting:
    """An adoption that entries are held to, in order of their accounts; those `doubted` are left out."""

    def __init__(self, step: Step, first: Block, due: Iterator[Due]) -> None:
        assert first.header.adopts is not None, "it is the block that adopts"
        self.step = step
        self.height = first.header.height
        self.entries = first.header.adopts.entries
        self.until_seq = first.header.first_seq + self.entries
        self.count = 0
        self._due = due
        self._next = next(due, None)

    def before(self, account: str) -> Iterator[Due]:
        """What was due for accounts that come before one, and has not come."""
        while self._next is not None and self._next[0] < account:
            yield self._taken()

    def rest(self) -> Iterator[Due]:
        """What was due, and has not come."""
        while self._next is not None:
            yield self._taken()

    def postings_of(self, account: str) -> list[Posting]:
        """What is due for an account, once all before it is out of the way."""
        return self._taken()[1] if self._next is not None and self._next[0] == account else []

    def _taken(self) -> Due:
        assert self._next is not None, "something is due"
        taken, self._next = self._next, next(self._due, None)
        self.count += 1
        return taken


def step_to(first: Block, rules: Rules) -> Step:
    """The step that a block says its partition takes, from some rules."""
    assert first.header.adopts is not None, "it is the block that adopts"
    header = first.header
    return Step(rules, Rules(first.header.adopts.policy, rules.zone), header.prev_hash, header.recorded_at)


async def booked_again(
    ledger: Chains, partition: int, until_height: int, rules: Rules, accounts: Accounts
) -> dict[str, str]:
    """Books all before a block again under other rules; the accounts that an event cannot be booked of, and why.

    What is wrong with an event under any rules was told when it was first met.
    """
    refused: dict[str, str] = {}
    async for stored in ledger.read(partition, 0, until_height):
        block = blocks.block_of(stored.data)
        for seq, entry in enumerate(block.entries, block.header.first_seq):
            try:
                event = recorded_event_of(entry.event)
            except Refused:
                continue
            account = accounts.get_many([event.subject])[event.subject]
            try:
                book(account, event, seq, rules, NO_DIGEST)
            except Refused as error:
                refused.setdefault(event.subject, error.message)
            accounts.changed([event.subject], {})
        if accounts.is_full:
            accounts.keep(Reached())
            accounts.cool()
        await asyncio.sleep(0)
    accounts.keep(Reached())
    return refused


def due_in(step: Step, then: Accounts, now: Accounts, doubted: Container[str]) -> Iterator[Due]:
    """The accounts that a step changes, in order of their names."""
    for change in changes(step, then, now):
        if change.account not in doubted and (postings := change.postings):
            yield change.account, postings
