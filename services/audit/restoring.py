"""Restoring: the projection of a ledger, put into a store that has none of it, as the projector writes it."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

from msgspec import Struct

from projections.pages import BOOK, FORMAT
from services.archive.chunks import block_at
from services.ledgers.port import Chains
from services.projector import Projector
from services.settings import Settings
from services.variables import redis_url
from services.views.port import START, Position, Views
from services.views.redis import redis_views

LOOK_SECONDS: Final = 0.2
OWN: Final = "own"
"""The place that stands for the Redis of the settings."""
Told = Callable[[int], None]
"""Is told how many entries are in the views."""


class NotEmpty(Exception):
    """A store holds views that a restoration would destroy; nothing was changed there."""

    def __init__(self, partition: int, problem: str) -> None:
        super().__init__(
            f"The views of partition {partition} there are not empty: {problem}. Nothing was changed: name an empty"
            " Redis, another database of it, or another REVLEDGER_PREFIX; or remove those views first."
        )
        self.partition = partition


class WrongPlace(Exception):
    """What `--into` names is no place for views."""


def views_at(settings: Settings, place: str) -> Views:
    """The views on the Redis at a URL, or (`own`) on that of the settings; user and password are those of the settings.

    Raises WrongPlace.
    """
    url = settings.redis if place == OWN else place
    if not url:
        raise WrongPlace(
            "there is no Redis of its own in the embedded form, whose views are restored whenever they are needed:"
            " give the URL of another"
        )
    try:
        redis_url(url)
    except ValueError as error:
        raise WrongPlace(f"{url!r} cannot be: write {OWN}, or {error}") from error
    ca = settings.redis_ca if url.startswith("rediss:") else None
    return redis_views(
        url, namespace=settings.prefix, user=settings.redis_user, password=settings.redis_password, ca=ca
    )


class Restored(Struct, frozen=True):
    """Views that reflect a ledger: where they stand, and how many entries were projected now."""

    heights: Mapping[int, int]
    entries: int
    projected: int


async def restored(ledger: Chains, views: Views, heights: Mapping[int, int], told: Told = lambda _: None) -> Restored:
    """Projects the blocks up to some heights into views that are empty, or hold the beginning of the very same.

    All partitions are looked at before the first is claimed. A second call goes on where one was cut off, and changes
    nothing where there is nothing to do.

    Raises:
        NotEmpty: they hold the views of another ledger, of later blocks, or in another form.
        Fenced: a projector has taken a partition over, and restores it itself.
        ViewsUnavailable, LedgerError, BlockDamaged: call again.
    """
    found = {partition: await _checked(ledger, views, partition, height) for partition, height in heights.items()}
    before = {partition: at.last_seq + 1 for partition, at in found.items()}
    done = dict(before)
    for partition, height in heights.items():
        if found[partition].next_height <= height:
            projector = Projector(ledger, cast("Views", _Kept(views)), partition)
            await projector.start()
            async with _Watch(projector, partition, done, told):
                await projector.catch_up(height + 1)
        done[partition] = ((await views.position(partition)) or START).last_seq + 1
    return Restored(dict(heights), sum(done.values()), sum(done.values()) - sum(before.values()))


async def _checked(ledger: Chains, views: Views, partition: int, height: int) -> Position:
    """Where the views of a partition stand, if projecting up to a height destroys nothing; raises NotEmpty."""
    at = await views.position(partition)
    if at is None or not at.next_height:
        keys = await views.keys(partition)
        if keys:
            raise NotEmpty(partition, f"they have {len(keys)} keys, and no position")
        return START
    last = at.next_height - 1
    tail = await ledger.tail(partition)
    if tail is None or last > tail.height or (await block_at(ledger, partition, last)).hash != at.last_hash:
        raise NotEmpty(partition, f"they are of another ledger, whose block {last} is {at.last_hash.hex()}")
    if last > height:
        raise NotEmpty(partition, f"they reflect block {last}, which is newer than block {height}")
    (form,) = await views.read_fields(partition, BOOK, ["format"])
    if form != str(FORMAT).encode():
        raise NotEmpty(partition, "they are in the form of another version of revledger")
    return at


class _Kept:
    """Views that are not cleared, even if they have become those of another ledger since they were looked at."""

    def __init__(self, views: Views) -> None:
        self._views = views

    def __getattr__(self, name: str) -> Any:
        return getattr(self._views, name)

    async def clear(self, partition: int) -> None:
        raise NotEmpty(partition, "somebody else has begun to fill them meanwhile")


class _Watch:
    """Tells meanwhile how far a projector is; a commit at a time."""

    def __init__(self, projector: Projector, partition: int, done: dict[int, int], told: Told) -> None:
        self._projector = projector
        self._partition = partition
        self._done = done
        self._told = told

    async def __aenter__(self) -> None:
        self._task = asyncio.create_task(self._tell())

    async def __aexit__(self, *error: object) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _tell(self) -> None:
        while True:
            self._done[self._partition] = self._projector.position.last_seq + 1
            self._told(sum(self._done.values()))
            await asyncio.sleep(LOOK_SECONDS)
