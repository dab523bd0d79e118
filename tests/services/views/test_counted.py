"""Counted views: what became of each commit, and otherwise the views themselves."""

import pytest

from services.metrics import Metrics
from services.views.counted import counted_views
from services.views.memory import memory_views
from services.views.port import START, Fenced, Gap, Position, ViewsUnavailable
from tests.services.running import asynchronous

FIRST = Position(next_height=1, last_hash=b"1", last_seq=-1, recorded_at=0, newest_event_at=0)


class AwayViews:
    """Views that are away."""

    async def commit(self, *_: object) -> None:
        raise ViewsUnavailable("The views are away.", "Try again.")


@asynchronous
async def test_commits_are_counted_by_outcome() -> None:
    metrics = Metrics()
    inner = memory_views()
    views = counted_views(inner, metrics)
    epoch = await views.claim(0)
    await views.commit(0, epoch, 0, FIRST, {"book": {"entries": 1}})
    with pytest.raises(Gap):
        await views.commit(0, epoch, 0, FIRST, {})
    await views.claim(0)
    with pytest.raises(Fenced):
        await views.commit(0, epoch, 1, FIRST, {})
    away: object = AwayViews()
    with pytest.raises(ViewsUnavailable):
        await counted_views(away, metrics).commit(0, epoch, 0, START, {})  # type: ignore[arg-type]
    assert await inner.position(0) == FIRST
    assert await views.read(0, "book") == {b"entries": b"1"}
    found = [line for line in metrics.text().decode().splitlines() if line.startswith("revledger_commits_total{")]
    outcomes = ("done", "gap", "fenced", "unavailable")
    assert found == [f'revledger_commits_total{{outcome="{one}"}} 1.0' for one in outcomes]
