"""The views in memory: the twin of the ones on a server, for tests and throw-away runs."""

from collections.abc import Mapping, Sequence

from services.views.port import Fenced, Field, Gap, Position, Views, Writes, stored_form


def memory_views() -> Views:
    """An empty store that lives as long as the object."""
    return _MemoryViews()


class _MemoryViews:
    """Nothing here waits, so every call is one instant."""

    def __init__(self) -> None:
        self._epochs: dict[int, int] = {}
        self._positions: dict[int, Position] = {}
        self._hashes: dict[tuple[int, str], dict[bytes, bytes]] = {}

    async def claim(self, partition: int) -> int:
        self._epochs[partition] = self._epochs.get(partition, 0) + 1
        return self._epochs[partition]

    async def position(self, partition: int) -> Position | None:
        return self._positions.get(partition)

    async def commit(
        self, partition: int, epoch: int, expected_next: int, position: Position, writes: Writes
    ) -> None:
        newest = self._epochs.get(partition, 0)
        if epoch < newest:
            raise Fenced(partition, epoch, newest)
        stored = self._positions[partition].next_height if partition in self._positions else 0
        if stored != expected_next:
            raise Gap(partition, expected_next, stored)
        self._epochs[partition] = epoch
        self._positions[partition] = position
        for key, fields in writes.items():
            content = self._hashes.setdefault((partition, key), {})
            for field, value in fields.items():
                if value is None:
                    content.pop(stored_form(field), None)
                else:
                    content[stored_form(field)] = stored_form(value)

    async def read(self, partition: int, key: str) -> dict[bytes, bytes]:
        return dict(self._hashes.get((partition, key), {}))

    async def read_many(self, partition: int, keys: Sequence[str]) -> list[dict[bytes, bytes]]:
        return [await self.read(partition, key) for key in keys]

    async def read_fields(self, partition: int, key: str, fields: Sequence[Field]) -> list[bytes | None]:
        content = self._hashes.get((partition, key), {})
        return [content.get(stored_form(field)) for field in fields]

    async def read_each(
        self, partition: int, wanted: Mapping[str, Sequence[Field]]
    ) -> dict[str, list[bytes | None]]:
        return {key: await self.read_fields(partition, key, fields) for key, fields in wanted.items()}

    async def snapshot(
        self, partition: int, keys: Sequence[str]
    ) -> tuple[Position | None, list[dict[bytes, bytes]]]:
        return self._positions.get(partition), await self.read_many(partition, keys)

    async def snapshot_with(
        self, partition: int, keys: Sequence[str], wanted: Mapping[str, Sequence[Field]]
    ) -> tuple[Position | None, list[dict[bytes, bytes]], dict[str, list[bytes | None]]]:
        position, hashes = await self.snapshot(partition, keys)
        return position, hashes, await self.read_each(partition, wanted)

    async def keys(self, partition: int) -> list[str]:
        return sorted(key for of, key in self._hashes if of == partition)

    async def clear(self, partition: int) -> None:
        self._positions.pop(partition, None)
        self._hashes = {place: content for place, content in self._hashes.items() if place[0] != partition}

    async def close(self) -> None:
        """Holds nothing open."""
