"""The furthest: views that fell behind where they were answer nothing until they are there again."""

from typing import Any

import pytest
from msgspec.structs import replace

from services import clock
from services.gateway.furthest import Furthest
from services.gateway.problems import Problem
from services.ledgers.memory import memory_ledger
from services.views.port import START
from tests.services.ledgers.blocks import chain
from tests.services.running import asynchronous


def at(*next_heights: int) -> Any:
    return {partition: replace(START, next_height=height) for partition, height in enumerate(next_heights)}


@asynchronous
async def test_views_answer_wherever_they_are_found_and_wherever_they_go_on_to() -> None:
    furthest = Furthest(memory_ledger())
    for positions in (at(3, 0), at(3, 0), at(5, 1)):
        await furthest.require(positions)


@asynchronous
async def test_views_that_fell_back_answer_once_they_are_where_they_were() -> None:
    furthest = Furthest(memory_ledger())
    await furthest.require(at(5, 7))
    for positions, missing in ((at(0, 0), 12), (at(4, 7), 1)):
        with pytest.raises(Problem, match="being built again") as refused:
            await furthest.require(positions)
        assert (refused.value.status, refused.value.members) == (503, {"lag_blocks": missing})
    await furthest.require(at(5, 7))


@asynchronous
async def test_empty_views_beside_a_ledger_with_events_are_being_built() -> None:
    ledger = memory_ledger()
    await ledger.append(chain(2))
    furthest = Furthest(ledger)
    with pytest.raises(Problem, match="2 blocks"):
        await furthest.require(at(0))
    with pytest.raises(Problem):
        await furthest.require(at(1))
    await furthest.require(at(2))


@asynchronous
async def test_views_that_have_not_seen_the_first_event_yet_are_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """It came just now: whoever asks in that moment is answered from empty views, as before it came."""
    ledger = memory_ledger()
    blocks = chain(2)
    await ledger.append(blocks)
    monkeypatch.setattr(clock, "now", lambda: blocks[0].recorded_at + 1_000_000)
    furthest = Furthest(ledger)
    await furthest.require(at(0))
    await furthest.require(at(2))
