"""What is left after the crashes, held against books made from scratch out of the ledger's events."""

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from events import block as blocks
from events.block import Block
from services.accounts import Accounts
from services.compose import ACCOUNTS_FILE, owned_books
from services.ledgers.port import Ledger
from services.settings import settings_from
from services.writer import Submitted, Writer
from tests.simulation.checks import chain_of, content_of, folded

HOT = 1_000_000
Identity = tuple[str, str]


def identity_of(raw: bytes) -> Identity:
    """What makes an event the same event."""
    said: dict[str, Any] = json.loads(raw)
    return said["source"], said["id"]


async def check_books(data: Path, expected: Iterable[Identity]) -> list[Block]:
    """Each event once in one chain; accounts and views are what booking it all again from scratch makes."""
    async with owned_books(settings_from({"REVLEDGER_DATA": str(data)}), keep_every=1) as books:
        await books.projector.catch_up()
        chain = await chain_of(books.ledger)
        entries = [entry for block in chain for entry in block.entries]
        assert Counter(identity_of(entry.event) for entry in entries) == Counter(set(expected))
        scratch, accounts = await _booked_again(chain)
        assert [entry for block in await chain_of(scratch) for entry in block.entries] == entries
        await _check_views(books.ledger, books.views, len(chain))
    kept = Accounts(data / ACCOUNTS_FILE, 0, HOT)
    assert kept.reached.height == len(chain) - 1
    names = {blocks.booking_of(entry).account for entry in entries}
    states = {name: account.state() for name, account in kept.get_many(names).items()}
    assert states == {name: account.state() for name, account in accounts.get_many(names).items()}
    kept.close()
    return chain


async def _booked_again(chain: list[Block]) -> tuple[Ledger, Accounts]:
    from services.ledgers.memory import memory_ledger

    genesis = chain[0].header.genesis
    assert genesis is not None
    ledger, accounts = memory_ledger(), Accounts(None, 0, HOT)
    writer = Writer(ledger, accounts, genesis.policy, None)
    await writer.start()
    await writer.write([Submitted(entry.event) for block in chain for entry in block.entries])
    return ledger, accounts


async def _check_views(ledger: Ledger, views: Any, height: int) -> None:
    """All keys of the server and no other, to the byte."""
    scratch = await folded(ledger, height)
    expected = {key: fields for (_, key), fields in content_of(scratch).items()}
    assert await views.position(0) == await scratch.position(0)
    found = dict(zip(expected, await views.read_many(0, list(expected)), strict=True))
    assert found == expected
    prefix = len(views._key(0, ""))
    keys = {name.decode()[prefix:] for name in await views._client.smembers(views._index(0))}
    assert not [key for key in keys - expected.keys() if await views.read(0, key)]
