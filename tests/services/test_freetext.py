"""Free text at the writer: kept with a nonce, or as a hash; an event that was sent before stays a duplicate."""

import json
from typing import Any

import pytest

from events import block as blocks
from events.envelope import EVENT_BYTES_MAX, event_of
from events.freetext import MARK
from events.refusals import Refused
from services.accounts import Accounts
from services.freetext import Mode, as_kept
from services.ledgers.memory import memory_ledger
from services.ledgers.port import Ledger
from services.writer import Submitted, Writer
from tests.events.test_freetext import raw_of, survey
from tests.services.books import POLICY
from tests.services.running import asynchronous

TEXT = "my secret"


async def written(ledger: Ledger, mode: Mode, *events: dict[str, Any]) -> list[str]:
    """What became of events that a writer with a setting was given."""
    writer = Writer(ledger, Accounts(None, 0, 10), POLICY, None, free_text=mode)
    await writer.start()
    outcomes = await writer.write([Submitted(raw_of(event)) for event in events])
    await writer.close()
    return [one.code or one.status for one in outcomes]


async def events_in(ledger: Ledger) -> list[dict[str, Any]]:
    read = [blocks.block_of(one.data) async for one in ledger.read(0)]
    return [json.loads(entry.event) for block in read for entry in block.entries]


@asynchronous
async def test_kept_text_gets_a_nonce_and_nothing_else_does() -> None:
    ledger = memory_ledger()
    assert await written(ledger, "keep", survey(TEXT), survey(id="s2")) == ["accepted", "accepted"]
    first, second = await events_in(ledger)
    assert len(bytes.fromhex(first.pop("textnonce"))) == 16
    assert (first, second) == (survey(TEXT), survey(id="s2"))


@asynchronous
async def test_a_hash_takes_the_place_of_a_text_before_it_is_booked() -> None:
    ledger = memory_ledger()
    assert await written(ledger, "hash", survey(TEXT), survey(TEXT, id="s2")) == ["accepted", "accepted"]
    marks = [event["data"]["comment"] for event in await events_in(ledger)]
    assert all(mark.startswith(MARK) for mark in marks)
    assert marks[0] != marks[1], "each has a nonce of its own"
    assert TEXT not in json.dumps(await events_in(ledger))


@pytest.mark.parametrize(("first", "second"), [("keep", "keep"), ("hash", "hash"), ("keep", "hash"), ("hash", "keep")])
@asynchronous
async def test_the_same_event_again_is_a_duplicate_whatever_the_setting_is(first: Mode, second: Mode) -> None:
    ledger = memory_ledger()
    assert await written(ledger, first, survey(TEXT), survey(TEXT)) == ["accepted", "duplicate"]
    assert await written(ledger, second, survey(TEXT)) == ["duplicate"]
    other = {**survey(TEXT)["data"], "score": 9}
    assert await written(ledger, second, survey() | {"data": other}) == ["id_conflict"]
    if (first, second) == ("keep", "keep"):
        assert await written(ledger, second, survey("other")) == ["id_conflict"]


def test_an_event_never_outgrows_what_can_be_read_again() -> None:
    small = survey("x", filler="")
    raw = raw_of({**small, "filler": "f" * (EVENT_BYTES_MAX - len(raw_of(small)))})
    event = event_of(raw)
    assert as_kept(raw, event, "keep") == (raw, event)
    with pytest.raises(Refused, match="with the hashes of its texts"):
        as_kept(raw, event, "hash")
