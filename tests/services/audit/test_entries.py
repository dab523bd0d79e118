"""Where an event is: by the writer's accounts where they know it, else by looking through the blocks."""

import json
from pathlib import Path

import pytest

from services.accounts import Accounts
from services.audit.entries import NoSuchEvent, located
from services.ledgers.memory import memory_ledger
from services.writer import Submitted, Writer
from tests.services.audit.chains import Kept, chain_of
from tests.services.books import POLICY
from tests.services.cli.calling import signed
from tests.services.running import asynchronous


@asynchronous
async def test_an_event_is_found_by_looking() -> None:
    kept = Kept(await chain_of([signed(f"s{number}", subject=f"a{number}") for number in range(20)], a_block=3))
    looked: list[int] = []
    found = await located(kept, [0], "/tests", "s10", looked=lambda _partition, entries: looked.append(entries))
    assert (found.seq, found.index, found.block.header.height) == (10, 1, 4)
    assert looked
    with pytest.raises(NoSuchEvent, match="'/test' and id 's10'"):
        await located(kept, [0], "/test", "s10")


@asynchronous
async def test_an_event_that_the_accounts_know_is_not_looked_for(tmp_path: Path) -> None:
    ledger = memory_ledger()
    accounts = tmp_path / "accounts.db"
    writer = Writer(ledger, Accounts(accounts, 0, 100), POLICY, None, keep_every=5)

    async def write(first: int, last: int) -> None:
        events = [json.dumps(signed(f"s{number}", subject=f"a{number}")).encode() for number in range(first, last)]
        await writer.write([Submitted(raw) for raw in events])

    await writer.start()
    await write(0, 8)
    await write(8, 10)
    looked: list[int] = []

    async def found(event_id: str) -> int:
        note = lambda _partition, entries: looked.append(entries)  # noqa: E731 - a note, not a function
        return (await located(ledger, [0], "/tests", event_id, accounts=accounts, looked=note)).seq

    assert (await found("s3"), looked) == (3, [])
    assert await found("s9") == 9
    assert not [entries for entries in looked if entries <= 8], "only what the accounts do not reflect was looked at"
    accounts.write_bytes(b"no accounts")
    assert await found("s3") == 3
    await writer.close()
