"""Ledgers of several eras: in memory, each era under a policy of its own, for tests of what an adoption leaves."""

from collections.abc import Iterable

from events.block import Block
from events.policy import Policy
from services.accounts import Accounts
from services.adopting import worked_out
from services.adoptions import policies_of
from services.ledgers.memory import memory_ledger
from services.ledgers.port import Ledger, StoredBlock
from services.policies import rules_of
from services.projector import Projector
from services.reports import Reports
from services.views.memory import memory_views
from services.views.port import Views
from services.writer import Outcome, Submitted, Writer, stored
from tests.model.days import Event
from tests.services.books import raw_of


class Eras:
    """A ledger that is written under one policy after another."""

    def __init__(self, policy: Policy, ledger: Ledger | None = None) -> None:
        self.ledger = ledger or memory_ledger()
        self.policy = policy

    async def write(self, events: Iterable[Event], a_block: int = 2) -> list[Outcome]:
        """Writes events under the policy in force, by a writer that starts from nothing: it books all again first."""
        writer, _ = await self._writer()
        said, outcomes = [Submitted(raw_of(event)) for event in events], list[Outcome]()
        for start in range(0, len(said), a_block):
            outcomes += await writer.write(said[start : start + a_block])
        await writer.begin()
        await writer.close()
        return outcomes

    async def adopt(self, policy: Policy) -> list[Block]:
        """Goes over to another policy; the blocks that did it."""
        writer, known = await self._writer()
        fresh = Accounts(None, 0, 1)
        _, sealed = await worked_out(self.ledger, rules_of(self.policy), rules_of(policy), known, fresh)
        await writer.close()
        fresh.close()
        await self.ledger.append([stored(block) for block in sealed])
        self.policy = policy
        return sealed

    async def reports(self) -> Reports:
        """Reports from views that were projected from the first block to the last."""
        views = await self.views()
        policies = await policies_of(self.ledger)
        assert policies is not None
        return Reports(self.ledger, views, policies)

    async def views(self, until_height: int | None = None) -> Views:
        """Views that were projected from the first block on."""
        views = memory_views()
        projector = Projector(self.ledger, views)
        await projector.start()
        await projector.catch_up(until_height)
        return views

    async def chain(self) -> list[StoredBlock]:
        """All blocks."""
        return [one async for one in self.ledger.read(0)]

    async def height(self) -> int:
        """The last block."""
        tail = await self.ledger.tail(0)
        assert tail is not None
        return tail.height

    async def _writer(self) -> tuple[Writer, Accounts]:
        accounts = Accounts(None, 0, 1)
        writer = Writer(self.ledger, accounts, self.policy, rules_of(self.policy).zone, keep_every=1)
        await writer.start()
        return writer, accounts
