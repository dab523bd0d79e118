"""Views that count what becomes of commits; all else they leave to the views they stand before."""

from typing import Any, cast

from services.metrics import Metrics
from services.views.port import Fenced, Gap, Position, Views, ViewsUnavailable, Writes


def counted_views(views: Views, metrics: Metrics) -> Views:
    """The views, every commit counted in `metrics.commits`: done, gap, fenced or unavailable."""
    return cast("Views", _CountedViews(views, metrics))


class _CountedViews:
    def __init__(self, views: Views, metrics: Metrics) -> None:
        self._views = views
        self._commits = metrics.commits

    def __getattr__(self, name: str) -> Any:
        return getattr(self._views, name)

    async def commit(self, partition: int, epoch: int, expected_next: int, position: Position, writes: Writes) -> None:
        try:
            await self._views.commit(partition, epoch, expected_next, position, writes)
        except (Gap, Fenced, ViewsUnavailable) as error:
            self._commits.labels(_OUTCOMES[type(error)]).inc()
            raise
        self._commits.labels("done").inc()


_OUTCOMES: dict[type[Exception], str] = {Gap: "gap", Fenced: "fenced", ViewsUnavailable: "unavailable"}
