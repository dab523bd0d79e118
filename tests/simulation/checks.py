"""What must hold after any simulation: the chain, each event once, the oracle's movements, the same views."""

import json
from collections import Counter
from random import Random
from typing import Any

from events import block as blocks
from events.block import Block
from events.movements import Posting
from services.adoptions import begun_under
from services.ledgers.port import Ledger
from services.projector import Projector
from services.questions import question_of
from services.reports import Reports
from services.views.memory import memory_views
from services.views.port import Position
from tests.events.booked import model_sums, posted_sums
from tests.model.days import Event
from tests.model.histories import CURRENCIES, FIRST_DAY
from tests.model.reports import Asked, Books
from tests.services.books import asked_texts, check_bridge, check_figures, parameters, text
from tests.simulation.arrivals import identity_of, raw_of
from tests.simulation.world import POLICY, World

Content = dict[tuple[int, str], dict[bytes, bytes]]


async def chain_of(ledger: Ledger) -> list[Block]:
    """All blocks, each checked against the one before and against its own entries."""
    chain: list[Block] = []
    async for stored in ledger.read(0):
        block = blocks.block_of(stored.data)
        blocks.check_next(chain[-1] if chain else None, block)
        blocks.check_entries(block)
        assert (stored.hash, stored.first_seq, stored.entries) == (
            block.hash,
            block.header.first_seq,
            block.header.entries,
        )
        chain.append(block)
    return chain


def check_promises(world: World, chain: list[Block]) -> list[Event]:
    """Every event exactly once, where it was acknowledged; the events in the order of the ledger."""
    entries = [entry.event for block in chain for entry in block.entries]
    found = Counter(identity_of(raw) for raw in entries)
    assert found == Counter({identity_of(raw_of(event)): 1 for event in world.events})
    heights = {
        block.header.first_seq + index: block.header.height for block in chain for index in range(len(block.entries))
    }
    assert set(world.promises.places) == {raw_of(event) for event in world.events}, "not all acknowledged"
    for raw, place in world.promises.places.items():
        assert entries[place.seq] == raw, f"entry {place.seq} is another event"
        assert heights[place.seq] == place.height, f"entry {place.seq} is in block {heights[place.seq]}"
    return [json.loads(raw) for raw in entries]


def check_postings(chain: list[Block], events: list[Event]) -> None:
    """The postings of the ledger are the movements of the model, account by account."""
    postings: dict[str, list[Posting]] = {}
    for block in chain:
        for entry in block.entries:
            booking = blocks.booking_of(entry)
            postings.setdefault(booking.account, []).extend(booking.postings)
    for account, posted in postings.items():
        own = [event for event in events if event["subject"] == account]
        assert posted_sums(account, posted) == (model_sums(own, account) if account != "~book" else {})


async def check_views(ledger: Ledger, views: Any) -> None:
    """The views, wherever they stand, are to the byte what the blocks up to there fold to in one go."""
    position = await views.position(0)
    scratch = await folded(ledger, 0 if position is None else position.next_height)
    expected: Position | None = await scratch.position(0)
    assert (position or None) == expected
    assert content_of(views) == content_of(scratch)


async def check_reports(views: Any, ledger: Ledger, events: list[Event], dice: Random) -> None:
    """A bridge and the figures of some window in every currency are the model's."""
    reports = Reports(ledger, views, begun_under(POLICY))
    model = Books(events)
    start = FIRST_DAY + dice.randrange(-30, 400)
    until = start + dice.randrange(1, 400)
    for currency in CURRENCIES:
        asked = Asked(currency, dice.choice((None, "plan")) if model.moved(Asked(currency), -(10**6), 10**6) else None)
        question = question_of(parameters({"start": text(start), "until": text(until), **asked_texts(asked)}))
        check_bridge(await reports.bridge(question), model, asked, start, until, "month")
        check_figures(await reports.figures(question), model, asked, start, until)


async def folded(ledger: Ledger, until_height: int) -> Any:
    """Views folded from scratch up to a height."""
    views = memory_views()
    projector = Projector(ledger, views)
    await projector.start()
    await projector.catch_up(until_height)
    return views


def content_of(views: Any) -> Content:
    """All fields of all keys of views in memory."""
    return {place: fields for place, fields in views._hashes.items() if fields}
