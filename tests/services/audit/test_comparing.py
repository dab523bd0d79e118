"""Comparing: a sound projection differs in nothing, and whatever is changed in one is found and named."""

import asyncio
import random
from collections.abc import Sequence
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from projections.pages import ACCOUNTS, BOOK
from services.audit import holding
from services.audit.comparing import Comparison, comparison, document
from services.audit.holding import NoProjection, held_views
from services.compose import genesis_of
from services.ledgers.port import Ledger
from services.projector import Projector
from services.questions import question_of
from services.views.memory import memory_views
from services.views.port import Position, ViewsUnavailable
from services.views.redis import redis_views
from tests.effort import examples
from tests.model.days import Event
from tests.model.notation import fact, line
from tests.servers.redis import SharedRedis
from tests.services.audit.test_replaying import PARTITIONS, booked_apart, partitioned_views, span
from tests.services.books import books_of, parameters
from tests.services.running import asynchronous
from tests.services.test_reports import arrived, windows

FEW = settings(max_examples=examples(8), deadline=None, phases=(Phase.explicit, Phase.generate))
EVENTS = [
    fact("signed", "a1", "2024-01-10", lines=[line(1000, plan="pro")], attributes={"segment": "smb"}),
    fact("signed", "b2", "2024-02-10", lines=[line(500, plan="team")], owner="kim"),
    fact("cancelled", "a1", "2024-03-10", reason="price"),
]


async def compared(ledger: Ledger, views: Any, **asked: str) -> Comparison:
    """A projection compared with its ledger."""
    genesis = await genesis_of(ledger)
    assert genesis is not None
    return await comparison(ledger, genesis, views, question_of(parameters(asked)))


def places_of(found: Comparison) -> set[str]:
    """Where the differences are."""
    return {one.place for one in found.differences}


async def folded(ledger: Ledger, until_height: int) -> Any:
    """Views of their own, up to a height."""
    views = memory_views()
    projector = Projector(ledger, views)
    await projector.start()
    await projector.catch_up(until_height)
    return views


@FEW
@given(arrived(), windows(), st.sampled_from(("", "plan", "owner", "account")), st.data())
@asynchronous
async def test_a_sound_projection_differs_in_nothing(
    events: list[Event], window: tuple[int, int, str], by: str, data: st.DataObject
) -> None:
    """Wherever it stands in the ledger."""
    books, heights = await booked_apart(events)
    views = await folded(books.ledger, data.draw(st.sampled_from(heights)) + 1)
    asked = {**span(window), "every": window[2], "by": by}
    found = await compared(books.ledger, views, **asked)
    assert found.differences == []
    assert found.heights == {0: views._positions[0].next_height - 1}
    assert found.compared["accounts"] == len(views._hashes[0, ACCOUNTS])
    assert found.compared["pages"] == sum(len(fields) for (_, key), fields in views._hashes.items() if "days:" in key)


@asynchronous
async def test_accounts_with_several_currencies_long_terms_and_rates_are_compared_too() -> None:
    """And what is changed in the rates is found."""
    rate = {"base": "EUR", "quote": "USD", "rate": "1.1"}
    told = {"source": "/fx", "subject": "~book", "time": "2024-01-01T00:00:00Z"}
    events = [
        fact("signed", "a1", "2024-01-10", lines=[line(1000)], term={"end": "2025-01-10"}),
        fact("signed", "a2", "2024-02-10", currency="EUR", lines=[line(500)]),
        fact("cancelled", "a1", "2024-03-10"),
        {**told, "id": "1", "type": "revledger.rate.published.v1", "data": rate},
        {**told, "id": "2", "type": "revledger.event.retracted.v1", "data": {"source": "/b", "id": "3", "reason": "x"}},
    ]
    books = await books_of(events)
    assert (await compared(books.ledger, books.views)).differences == []
    hashes = books.views._hashes
    hashes[0, "rates:EUR:USD"][b"/fx\n1"] = hashes[0, "rates:EUR:USD"][b"/fx\n1"].replace(b"1.1", b"1.2")
    hashes[0, "retracted"] = {}
    assert places_of(await compared(books.ledger, books.views)) == {"rates:EUR:USD", "retracted"}


@FEW
@given(arrived(), windows())
@asynchronous
async def test_partitions_are_compared_each_for_itself(events: list[Event], window: tuple[int, int, str]) -> None:
    """And their answers together."""
    ledger, _, views = await partitioned_views(events)
    if await genesis_of(ledger) is None:
        return
    found = await compared(ledger, views, **span(window))
    assert found.differences == []
    assert set(found.heights) == set(range(PARTITIONS))


def altered(views: Any, dice: random.Random) -> tuple[str, bytes]:
    """Changes one field of views in memory: another value, none at all, or one that nobody wrote."""
    places = sorted((key, field) for (_, key), fields in views._hashes.items() for field in fields)
    key, field = dice.choice(places)
    fields = views._hashes[0, key]
    value = fields[field]
    match dice.choice(("gone", "more", "digit", "cut", "byte")):
        case "gone":
            del fields[field]
        case "more":
            fields[b"1|never"] = value
            field = b"1|never"
        case "digit":
            digits = [place for place, byte in enumerate(value) if 48 <= byte <= 57] or [0]
            place = dice.choice(digits)
            other = dice.choice([byte for byte in b"0123456789" if byte != value[place]])
            fields[field] = value[:place] + bytes([other]) + value[place + 1 :]
        case "cut":
            fields[field] = value[:-1]
        case "byte":
            place = dice.randrange(len(value))
            fields[field] = value[:place] + bytes([value[place] ^ (1 << dice.randrange(8))]) + value[place + 1 :]
    return key, field


@settings(FEW, max_examples=examples(20))
@given(arrived(), st.integers(0, 2**32))
@asynchronous
async def test_whatever_is_changed_in_a_projection_is_found(events: list[Event], seed: int) -> None:
    """A field that is gone, one that nobody wrote, one changed in any byte: the difference names where it is kept."""
    books = await books_of(events)
    key, field = altered(books.views, random.Random(seed))
    found = await compared(books.ledger, books.views)
    assert found.differences, (key, field)
    places = [one for one in found.differences if one.partition == 0]
    told = " ".join(f"{one.place} {one.cell}" for one in places)
    if key == ACCOUNTS:
        assert f"account {field.decode()}" in told
    elif key == BOOK:
        assert field.decode() in told
    else:
        assert key in told
        assert repr(field.decode()) in told or field.decode() in told, (key, field, told)


@asynchronous
async def test_a_difference_says_what_is_live_and_what_was_replayed() -> None:
    """Page, total, figures and bridge alike."""
    books = await books_of(EVENTS)
    hashes = books.views._hashes
    key = next(key for _, key in hashes if key.startswith("days:USD:plan:") and hashes[0, key].get(b"pro"))
    page = hashes[0, key][b"pro"]
    hashes[0, key][b"pro"] = page.replace(b"120000000", b"120000001")
    assert hashes[0, key][b"pro"] != page
    found = await compared(books.ledger, books.views, start="2024-01-02", until="2024-03-01", by="plan")
    (cell,) = [one for one in found.differences if one.partition == 0]
    assert (cell.place, cell.cell) == (f"{key} 'pro'", "2024-01-10 new")
    assert (cell.live, cell.replayed) == (120_000_001, 120_000_000)
    answers = {one.place: one for one in found.differences if one.partition is None}
    assert any(place.startswith("bridge USD 2024-01-02 2024-02-01 plan=pro") for place in answers)
    told = document(found)
    assert (told["equal"], told["differences_count"]) == (False, len(found.differences))
    assert told["differences"][0]["replayed"] == cell.replayed


@asynchronous
async def test_another_reason_for_a_churn_is_a_difference() -> None:
    """The sums are the same, what they say is not."""
    signing = fact("signed", "a1", "2024-01-10", lines=[line(1000)])
    books = await books_of([signing, fact("cancelled", "a1", "2024-03-10", reason="price", initiative="voluntary")])
    accounts = books.views._hashes[0, ACCOUNTS]
    accounts[b"a"] = accounts[b"a"].replace(b"price", b"prize")
    found = await compared(books.ledger, books.views)
    assert {(one.place, one.live, one.replayed) for one in found.differences} == {
        ("account a", -120_000_000, None),
        ("account a", None, -120_000_000),
    }
    assert sorted(one.cell.rpartition(" plan=")[2] for one in found.differences) == [
        "plan reason=price initiative=voluntary",
        "plan reason=prize initiative=voluntary",
    ]


@asynchronous
async def test_figures_are_compared_where_the_formulas_read_what_is_kept() -> None:
    """NRR is worked out from the records: one that is changed changes it too."""
    books = await books_of(EVENTS)
    accounts = books.views._hashes[0, ACCOUNTS]
    accounts[b"b"] = accounts[b"a"]
    found = await compared(books.ledger, books.views, start="2024-02-15", until="2024-04-01")
    assert "account b" in places_of(found)
    assert any(place.startswith("figures USD 2024-02-15 2024-04-01") for place in places_of(found))


@asynchronous
async def test_views_that_stand_elsewhere_are_told_at_once() -> None:
    """Beyond the ledger, at a block that is another one, or with another clock."""
    books = await books_of(EVENTS)
    at = books.views._positions[0]
    for position, cell in (
        (Position(9, at.last_hash, at.last_seq, at.recorded_at, at.newest_event_at), "height"),
        (Position(at.next_height, b"other", at.last_seq, at.recorded_at, at.newest_event_at), "hash of block 1"),
        (Position(at.next_height, at.last_hash, 7, at.recorded_at, at.newest_event_at), "last_seq"),
        (Position(at.next_height, at.last_hash, at.last_seq, 7, at.newest_event_at), "recorded_at"),
        (Position(at.next_height, at.last_hash, at.last_seq, at.recorded_at, 7), "newest_event_at"),
    ):
        books.views._positions[0] = position
        (one,) = (await compared(books.ledger, books.views, start="2024-01-01", until="2024-04-01")).differences
        assert (one.place, one.cell) == ("position", cell)


@asynchronous
async def test_nothing_projected_is_not_called_equal() -> None:
    books = await books_of(EVENTS)
    with pytest.raises(NoProjection, match="no live projection"):
        await compared(books.ledger, memory_views())


@asynchronous
async def test_a_projection_is_compared_while_it_moves(redis_server: SharedRedis, prefix: str) -> None:
    """On a real server: whatever is committed meanwhile, what was held is of one position."""
    days = [f"2024-{month:02}-10" for month in range(1, 13)]
    events = [fact("signed", f"{name}{n}", day, lines=[line(1000)]) for n, day in enumerate(days) for name in "abc"]
    books, heights = await booked_apart(events)
    views = redis_views(redis_server.url, namespace=prefix)
    projector = Projector(books.ledger, views)
    await projector.start()
    await projector.catch_up(heights[2])

    async def move() -> None:
        for height in heights[3:]:
            await projector.catch_up(height + 1)
            await asyncio.sleep(0.02)

    moving = asyncio.create_task(move())
    seen: list[int] = []
    while not seen or seen[-1] < heights[-1]:
        found = await compared(books.ledger, views, start="2024-01-01", until="2025-01-01")
        assert found.differences == []
        seen.append(found.heights[0])
    await moving
    await views.close()
    assert seen == sorted(seen)


@asynchronous
async def test_views_that_get_new_keys_meanwhile_are_held_again() -> None:
    """What is held has all keys of its instant; views that never come to rest are said to be unfinished."""
    books = await books_of(EVENTS)
    views = await folded(books.ledger, 1)
    snapshot, calls = views.snapshot, 0

    async def moved(partition: int, keys: Sequence[str]) -> Any:
        nonlocal calls
        calls += 1
        found = await snapshot(partition, keys)
        if calls == 1:
            projector = Projector(books.ledger, views)
            await projector.start()
            await projector.catch_up()
        return found

    views.snapshot = moved
    held = await held_views(views, [0])
    assert (calls, held.heights) == (2, {0: 1})
    assert {key: fields for key, fields in held.hashes[0].items() if fields} == {
        key: fields for (_, key), fields in views._hashes.items() if fields
    }


@asynchronous
async def test_views_that_are_being_built_are_not_held() -> None:
    books = await books_of(EVENTS)
    counted = iter(range(10**6))

    async def more(_: int) -> list[str]:
        return [f"key {next(counted)}"]

    books.views.keys = more
    with patch.object(holding, "AGAIN_SECONDS", 0), pytest.raises(ViewsUnavailable, match="being built"):
        await held_views(books.views, [0])
