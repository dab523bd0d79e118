"""Restoring: to the byte what the projector writes, into a store that has nothing to lose."""

from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from redis import Redis

from services.audit.restoring import NotEmpty, WrongPlace, restored, views_at
from services.ledgers.memory import memory_ledger
from services.projector import Projector
from services.settings import settings_from
from services.views.memory import memory_views
from services.views.port import Fenced
from tests.effort import examples
from tests.model.days import Event
from tests.model.notation import fact, line
from tests.servers.redis import SharedRedis
from tests.services.audit.test_comparing import folded
from tests.services.audit.test_replaying import booked_apart, partitioned_views
from tests.services.books import books_of
from tests.services.running import asynchronous
from tests.services.test_reports import arrived

SOME = settings(max_examples=examples(60), deadline=None, phases=(Phase.explicit, Phase.generate))
EVENTS = [fact("signed", f"{name}1", "2024-01-10", lines=[line(1000)]) for name in "abc"]


def content(views: Any) -> Any:
    """All that views in memory hold, and where they stand."""
    return {place: fields for place, fields in views._hashes.items() if fields}, views._positions


@SOME
@given(arrived(), st.data())
@asynchronous
async def test_it_is_what_the_projector_writes(events: list[Event], data: st.DataObject) -> None:
    """Up to any block, in one go or in two; and a projector goes on from there to what a live one has."""
    books, heights = await booked_apart(events)
    first, last = sorted(data.draw(st.tuples(st.sampled_from(heights), st.sampled_from(heights))))
    views: Any = memory_views()
    told = [await restored(books.ledger, views, {0: height}) for height in (first, last, last)]
    assert content(views) == content(await folded(books.ledger, last + 1))
    assert [one.heights for one in told] == [{0: first}, {0: last}, {0: last}]
    assert told[-1].projected == 0
    assert sum(one.projected for one in told) == told[-1].entries == views._positions[0].last_seq + 1
    projector = Projector(books.ledger, views)
    await projector.start()
    await projector.catch_up()
    assert content(views) == content(books.views)


@SOME
@given(arrived())
@asynchronous
async def test_all_partitions_are_restored(events: list[Event]) -> None:
    ledger, _, live = await partitioned_views(events)
    views: Any = memory_views()
    heights = {partition: at.next_height - 1 for partition, at in live._positions.items()}
    told = await restored(ledger, views, heights)
    assert content(views) == content(live)
    assert told.entries == len({(event["source"], event["id"]) for event in events})


@asynchronous
async def test_a_redis_gets_the_same_bytes_as_from_the_projector(redis_server: SharedRedis, prefix: str) -> None:
    """But for the epoch, which counts who has been at work; twice is harmless, and how far it is is told."""
    books = await books_of(EVENTS)
    settings = settings_from({"REVLEDGER_PREFIX": prefix})
    views = views_at(settings, redis_server.url)
    told: list[int] = []
    for _ in range(2):
        await restored(books.ledger, views, {0: 1}, told.append)
    assert told[0] == 0
    other = views_at(settings_from({"REVLEDGER_PREFIX": f"{prefix}-live"}), redis_server.url)
    projector = Projector(books.ledger, other)
    await projector.start()
    await projector.catch_up()
    with Redis.from_url(redis_server.url) as plain:
        found = {key.decode().removeprefix(prefix): key for key in plain.keys(f"{prefix}:*")}
        for name, key in found.items():
            of = f"{prefix}-live{name}"
            if plain.type(key) == b"hash":
                assert plain.hgetall(key) == plain.hgetall(of)
        assert {key.decode().removeprefix(f"{prefix}-live") for key in plain.keys(f"{prefix}-live:*")} == found.keys()
        assert len(found) > 10
    await views.close()
    await other.close()


@asynchronous
async def test_views_that_would_be_lost_are_refused() -> None:
    """Of another ledger, of later blocks, of a version unknown, without a position; nothing is changed or claimed."""
    books, _ = await booked_apart(EVENTS)
    other = await books_of(EVENTS[:2])

    async def refused(views: Any, reason: str, height: int = 3) -> None:
        before = (content(views), dict(views._epochs))
        with pytest.raises(NotEmpty, match=reason):
            await restored(books.ledger, views, {0: height})
        assert (content(views), views._epochs) == before

    await refused(other.views, "are of another ledger, whose block 1")
    await refused(await folded(books.ledger, 4), "reflect block 3, which is newer than block 1", height=1)
    old: Any = await folded(books.ledger, 2)
    old._hashes[0, "book"][b"format"] = b"2"
    await refused(old, "another version of revledger")
    lost: Any = await folded(books.ledger, 2)
    del lost._positions[0]
    await refused(lost, "no position")
    beyond: Any = await folded(books.ledger, 4)
    shorter = await books_of(EVENTS[:1])
    with pytest.raises(NotEmpty, match="another ledger"):
        await restored(shorter.ledger, beyond, {0: 1})


@asynchronous
async def test_views_that_become_those_of_another_ledger_meanwhile_are_kept() -> None:
    books, other = await books_of(EVENTS), await books_of(EVENTS[:2])
    views: Any = memory_views()
    claim = views.claim

    async def taken(partition: int) -> int:
        epoch: int = await claim(partition)
        views._hashes, views._positions = dict(other.views._hashes), dict(other.views._positions)
        return epoch

    views.claim = taken
    with pytest.raises(NotEmpty, match="meanwhile"):
        await restored(books.ledger, views, {0: 1})
    assert content(views) == content(other.views)


@asynchronous
async def test_a_projector_that_takes_over_ends_it() -> None:
    books, _ = await booked_apart(EVENTS)
    views: Any = memory_views()
    commit = views.commit

    async def overtaken(*arguments: Any) -> None:
        views._epochs[0] += 1
        await commit(*arguments)

    views.commit = overtaken
    with pytest.raises(Fenced):
        await restored(books.ledger, views, {0: 3})


@pytest.mark.parametrize(
    ("place", "reason"),
    [("own", "no Redis of its own"), ("http://x", "cannot be"), ("redis://u:p@x", "REVLEDGER_REDIS_PASSWORD")],
)
def test_what_is_no_place_for_views_is_said(place: str, reason: str) -> None:
    with pytest.raises(WrongPlace, match=reason):
        views_at(settings_from({}), place)


@asynchronous
async def test_an_empty_ledger_restores_nothing() -> None:
    views: Any = memory_views()
    told = await restored(memory_ledger(), views, {0: -1})
    assert (told.entries, content(views)) == (0, ({}, {}))
