"""Sealing: archive and tail say what the ledger says, at every height, whoever seals how often."""

import asyncio
import tempfile
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import polars as pl
import pyarrow.dataset
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events.block import BlockDamaged
from services.archive import chunks
from services.archive.catalogue import catalogue_of
from services.archive.columns import BLOCKS, ENTRIES, POSTINGS
from services.archive.manifests import KEY, TABLES, Table
from services.archive.planning import unsealed_ranges
from services.archive.reading import Archive, opened_archive
from services.archive.sealing import sealed
from services.archive.segments import SCHEMAS
from services.archive.stores import store_of
from services.archive.tables import ledger_tables
from services.compose import genesis_of
from services.ledgers.memory import memory_ledger
from services.ledgers.port import Ledger, LedgerUnavailable
from tests.effort import examples
from tests.model.days import Event
from tests.model.histories import histories
from tests.services.archive.books import FOR_EVER, ledger_with, seal_all
from tests.services.running import asynchronous

ROWS = {
    "postings": "SELECT * FROM postings ORDER BY ALL",
    "entries": "SELECT * FROM entries ORDER BY partition, seq",
    "blocks": "SELECT * FROM blocks ORDER BY partition, height",
}


async def rows_of(ledger: Ledger, height: int, archive: Archive | None = None) -> dict[str, list[Any]]:
    """All rows of the three tables up to a height."""
    heights = {0: height}
    files = [] if archive is None else await archive.files(heights)
    async with ledger_tables(ledger, heights, files, names=TABLES) as tables:
        return {table: await tables.rows(ROWS[table]) for table in TABLES}


def contents(folder: Path) -> dict[Path, bytes]:
    """The bytes of all files in a folder."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@settings(max_examples=examples(8))
@given(histories(), st.integers(1, 4), st.integers(1, 6), st.data())
def test_archive_and_tail_are_the_ledger_at_every_height(
    history: list[Event], block_entries: int, segment_entries: int, data: st.DataObject
) -> None:
    async def check() -> None:
        ledger = await ledger_with(history, block_entries)
        tail = await ledger.tail(0)
        with tempfile.TemporaryDirectory() as place:
            store = store_of(place)
            if tail is not None and (genesis := await genesis_of(ledger)) is not None:
                wanted = await unsealed_ranges(ledger, await catalogue_of(store), [0], segment_entries)
                for one in wanted[: data.draw(st.integers(0, len(wanted)))]:
                    await sealed(ledger, store, genesis, one)
            archive = await opened_archive(place, Path(place))
            await archive.check_ledger(ledger)
            for height in range(-1, 0 if tail is None else tail.height + 1):
                assert await rows_of(ledger, height, archive) == await rows_of(ledger, height)

    asyncio.run(check())


@asynchronous
async def test_sealing_twice_and_at_once_is_harmless(tmp_path: Path) -> None:
    ledger, store = await ledger_with(), store_of(str(tmp_path))
    genesis = await genesis_of(ledger)
    assert genesis is not None
    wanted = await unsealed_ranges(ledger, await catalogue_of(store), [0], 2, rest_before=FOR_EVER)
    once = [await sealed(ledger, store, genesis, one) for one in wanted]
    before = contents(tmp_path)
    twice = await asyncio.gather(*(sealed(ledger, store, genesis, one) for one in [*wanted, *wanted]))
    assert [*twice] == [*once, *once]
    assert contents(tmp_path) == before


@asynchronous
async def test_archivers_that_cut_otherwise_do_no_harm(tmp_path: Path) -> None:
    ledger = await ledger_with()
    for entries in (2, 3, 6, 1):
        other = store_of(str(tmp_path / f"{entries}"))
        await seal_all(ledger, other, entries)
        for name in [name for folder in ("manifests", *TABLES) for name in await other.names(folder)]:
            path = tmp_path / "all" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(await other.read(name))
    archive = await opened_archive(str(tmp_path / "all"), tmp_path)
    assert [one.segment.entries for one in archive.catalogue.manifests] == [6]
    assert await rows_of(ledger, 6, archive) == await rows_of(ledger, 6)


@pytest.mark.parametrize("chunk", [1, 50_000])
@asynchronous
async def test_others_read_the_files(chunk: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """pyarrow, polars and DuckDB, each without us: the same rows and sums, and plain types."""
    monkeypatch.setattr(chunks, "CHUNK_ENTRIES", chunk)
    ledger = await ledger_with()
    await seal_all(ledger, store_of(str(tmp_path)), 2)
    for table in TABLES:
        rows = (await rows_of(ledger, 6))[table]
        found = pyarrow.dataset.dataset(tmp_path / table).to_table()
        frame = pl.read_parquet(tmp_path / table / "*.parquet")
        (counted,) = duckdb.execute(f"SELECT count(*) FROM '{tmp_path}/{table}/*.parquet'").fetchall()
        assert found.num_rows == frame.height == counted[0] == len(rows)
        assert found.schema.names == frame.columns == SCHEMAS[table].names
        assert [_plain(field.type) for field in found.schema] == [_plain(field.type) for field in SCHEMAS[table]]
    total = duckdb.execute(f"SELECT sum(amount_e4) FROM '{tmp_path}/postings/*.parquet'").fetchall()[0][0]
    lazy = pl.scan_parquet(tmp_path / "postings" / "*.parquet")
    assert lazy.select(pl.col("amount_e4").sum()).collect().item() == total
    table = pyarrow.dataset.dataset(tmp_path / "postings").to_table()
    assert sum(table.column("amount_e4").to_pylist()) == total


def _plain(kind: Any) -> str:
    """A type as one reads it who knows nothing of dictionaries."""
    return str(getattr(kind, "value_type", kind)).replace(" ('attributes')", "")


@asynchronous
async def test_every_file_says_what_it_is(tmp_path: Path) -> None:
    manifests = await seal_all(await ledger_with(), store_of(str(tmp_path)), 2)
    for manifest in manifests:
        for file in manifest.files.values():
            told = pyarrow.parquet.read_metadata(tmp_path / file.name).metadata[KEY]
            assert msgspec.json.decode(told, type=type(manifest.segment)) == manifest.segment


class _Altered:
    """A ledger of which one block is another."""

    def __init__(self, ledger: Ledger, height: int, change: Any) -> None:
        self._ledger = ledger
        self._height = height
        self._change = change

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)

    async def read(self, partition: int, start: int = 0, until: int | None = None) -> Any:
        async for block in self._ledger.read(partition, start, until):
            altered = self._change(block) if block.height == self._height else block
            if altered is not None:
                yield altered


@pytest.mark.parametrize("index", [20, 60, 200, -1, -40])
@asynchronous
async def test_a_damaged_block_is_not_sealed(index: int, tmp_path: Path) -> None:
    def flipped(block: Any) -> Any:
        data = bytearray(block.data)
        data[index] ^= 1
        return msgspec.structs.replace(block, data=bytes(data))

    ledger: Any = _Altered(await ledger_with(), 3, flipped)
    with pytest.raises(BlockDamaged):
        await seal_all(ledger, store_of(str(tmp_path)), 100)
    assert not (tmp_path / "manifests").exists()


@asynchronous
async def test_a_ledger_that_lost_a_block_is_not_sealed(tmp_path: Path) -> None:
    ledger: Any = _Altered(await ledger_with(), 6, lambda _: None)
    with pytest.raises(LedgerUnavailable, match="no block 6"):
        await seal_all(ledger, store_of(str(tmp_path)), 100)


@asynchronous
async def test_an_empty_ledger_has_no_segments(tmp_path: Path) -> None:
    archive = await opened_archive(str(tmp_path / "nothing"), tmp_path)
    await archive.check_ledger(memory_ledger())
    assert archive.catalogue.manifests == []
    assert await rows_of(memory_ledger(), -1, archive) == {"postings": [], "entries": [], "blocks": []}


def test_the_columns_are_the_documented_ones() -> None:
    named: dict[Table, list[str]] = {table: SCHEMAS[table].names for table in TABLES}
    assert named == {"postings": POSTINGS.names, "entries": ENTRIES.names, "blocks": BLOCKS.names}
