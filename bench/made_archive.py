"""A made-up archive: ten million postings as segments that are true ones to whoever reads them, made by SQL.

Manifests, hashes, chain and levels are right, and so is the time of every entry; events and blocks in between hold
nothing, since no replay reads them.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, cast

import duckdb
import msgspec
import pyarrow as pa

from events import block as blocks
from events.block import Entry, Genesis, Header
from events.days import day_of_text, text_of_moment
from events.merkle import merkle_root
from events.policy import Policy
from services.archive.columns import Columns
from services.archive.manifests import TABLES, Ledgers, Segment, Table, file_name, manifest_bytes, manifest_of, software
from services.archive.segments import SCHEMAS, Writing, file_of, paths_in
from services.archive.stores import store_of
from services.ledgers.port import Ledger, StoredBlock

POSTINGS: Final = 10_000_000
ACCOUNTS: Final = 1_000_000
EACH: Final = POSTINGS // ACCOUNTS
SEGMENT: Final = 500_000
BLOCK: Final = 500
CHUNK: Final = 50_000
FIRST_DAY: Final = day_of_text("2022-01-01")
DAYS: Final = 4 * 365
DAY: Final = 86_400_000_000
GENESIS: Final = Genesis(1, Policy())

# Posting `turn` (0 to 9) of account `who`: new, then up and down in turns; one account in ten is gone in the end.
_ROWS: Final = f"""
    SELECT seq, CAST({FIRST_DAY} + seq * {DAYS} // {POSTINGS} AS INTEGER) AS day, seq // {ACCOUNTS} AS turn,
        (seq % {ACCOUNTS}) * 7919 % {ACCOUNTS} AS who
    FROM (SELECT unnest(range(?::BIGINT, ?::BIGINT)) AS seq)
"""
_POSTINGS: Final = f"""
    SELECT 0 AS partition, seq // {BLOCK} AS height, seq, make_timestamptz(day * {DAY}) AS recorded_at,
        printf('acct-%07d', who) AS account, DATE '1970-01-01' + day AS day,
        CASE WHEN turn = 0 THEN 'new' WHEN turn = {EACH - 1} AND who % 10 = 0 THEN 'churn'
            WHEN turn % 2 = 1 THEN 'expansion' ELSE 'contraction' END AS movement,
        CASE WHEN turn = 0 THEN base WHEN turn = {EACH - 1} AND who % 10 = 0
            THEN -(base + turn // 2 * (base // 4) - (turn - 1) // 2 * (base // 8))
            WHEN turn % 2 = 1 THEN base // 4 ELSE -(base // 8) END AS amount_e4,
        'USD' AS currency, printf('sub-%07d', who) AS contract, 'seats' AS line,
        ['team', 'business', 'pro', 'free', 'scale', 'enterprise'][1 + who * 31 % 6] AS plan, '' AS product,
        printf('seller-%02d', who % 20) AS owner, '' AS campaign, ['direct', 'partner'][1 + who % 2] AS channel,
        12 AS term_months, '' AS reason, '' AS initiative,
        MAP {{'region': ['emea', 'apac', 'amer'][1 + who % 3],
            'segment': ['smb', 'mid', 'enterprise', 'public'][1 + who * 17 % 4]}} AS attributes
    FROM (SELECT *, 12000000 * (1 + who % 40) AS base FROM ({_ROWS})) ORDER BY seq
"""
_ENTRIES: Final = f"""
    SELECT 0 AS partition, seq // {BLOCK} AS height, seq, make_timestamptz(day * {DAY}) AS recorded_at,
        printf('acct-%07d', who) AS account, '/made-up' AS source, seq::VARCHAR AS id, 'made-up' AS type,
        make_timestamptz(day * {DAY}) AS time, 0 AS unmatched, 1 AS postings, ''::BLOB AS event, ''::BLOB AS booking,
        NULL::BLOB AS original
    FROM ({_ROWS}) ORDER BY seq
"""
_BLOCKS: Final = f"""
    SELECT 0 AS partition, height, height * {BLOCK} AS first_seq, {BLOCK} AS entries,
        make_timestamptz(0) AS recorded_at, ''::BLOB AS prev_hash, ''::BLOB AS hash, ''::BLOB AS header
    FROM (SELECT unnest(range(?::BIGINT // {BLOCK}, ?::BIGINT // {BLOCK})) AS height) ORDER BY height
"""
_QUERIES: Final = {"postings": _POSTINGS, "entries": _ENTRIES, "blocks": _BLOCKS}


class MadeLedger:
    """A ledger of which only the blocks are there that segments begin and end with."""

    def __init__(self) -> None:
        self.blocks: dict[int, StoredBlock] = {}

    async def tail(self, _partition: int) -> StoredBlock | None:
        """The last block."""
        return self.blocks[max(self.blocks)]

    async def read(
        self, _partition: int, from_height: int = 0, until_height: int | None = None
    ) -> AsyncIterator[StoredBlock]:
        """A single block; all others are in the archive."""
        assert until_height == from_height + 1, "the archive has it"
        yield self.blocks[from_height]

    def add(self, height: int, prev_hash: bytes, recorded_at: int) -> StoredBlock:
        """Makes a block; its entries are empty."""
        entries = [Entry(b"", b"")] * BLOCK
        header = Header(
            format=blocks.FORMAT,
            partition=0,
            height=height,
            first_seq=height * BLOCK,
            entries=BLOCK,
            recorded_at=recorded_at,
            policy=GENESIS.policy.stamp,
            merkle_root=merkle_root(blocks.entry_leaves(entries)),
            prev_hash=prev_hash,
            genesis=None if height else GENESIS,
        )
        head = msgspec.msgpack.encode(header)
        data, digest = blocks.data_of(head, entries), sha256(head).digest()
        made = StoredBlock(0, height, header.first_seq, BLOCK, recorded_at, prev_hash, digest, data)
        self.blocks[height] = made
        return made


def made_archive(place: Path) -> Ledger:
    """Makes the segments below a directory, and the ledger they are of; some minutes."""
    ledger = MadeLedger()
    before = blocks.NO_HASH
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for first in range(0, POSTINGS, SEGMENT):
            before = _sealed(connection, ledger, place, first, before)
    return cast("Ledger", ledger)


def _sealed(connection: duckdb.DuckDBPyConnection, ledger: MadeLedger, place: Path, first: int, before: bytes) -> bytes:
    """Makes the segment that begins with an entry; the hash of its last block."""
    from_height, until_height = first // BLOCK, (first + SEGMENT) // BLOCK
    begins, ends = _moment(first), _moment(first + SEGMENT - 1)
    ledger.add(from_height, before, begins)
    last = ledger.add(until_height - 1, sha256(before).digest(), ends)
    segment = Segment(
        format=1,
        ledger=Ledgers(1, ledger.blocks[0].hash.hex(), ledger.blocks[0].hash.hex()),
        partition=0,
        from_height=from_height,
        until_height=until_height,
        first_seq=first,
        entries=SEGMENT,
        postings=SEGMENT,
        recorded_first=text_of_moment(begins),
        recorded_last=text_of_moment(ends),
        newest_event=text_of_moment(ends),
        prev_hash=before.hex(),
        hash=last.hash.hex(),
        policy=GENESIS.policy.stamp,
        software=software(),
    )
    with tempfile.TemporaryDirectory(dir=place.parent) as scratch:
        paths = paths_in(Path(scratch), "segment")
        with Writing(paths) as writing:
            for start in range(first, first + SEGMENT, CHUNK):
                writing.write(_columns(connection, start))
            writing.tell(segment)
        rows: dict[Table, int] = {"postings": SEGMENT, "entries": SEGMENT, "blocks": SEGMENT // BLOCK}
        files = {table: file_of(path, "", rows[table]) for table, path in paths.items()}
        named = {
            table: msgspec.structs.replace(file, name=file_name(segment, table, file.sha256))
            for table, file in files.items()
        }
        manifest = manifest_of(segment, named)
        asyncio.run(_put(place, paths, manifest))
    return last.hash


async def _put(place: Path, paths: Any, manifest: Any) -> None:
    store = store_of(str(place))
    for table in TABLES:
        await store.put(manifest.files[table].name, paths[table])
    await store.create(manifest.name, manifest_bytes(manifest))


def _columns(connection: duckdb.DuckDBPyConnection, start: int) -> Columns:
    """The tables of some entries."""
    found = {}
    for table, schema in SCHEMAS.items():
        rows = connection.sql(_QUERIES[table], params=[start, start + CHUNK]).to_arrow_table().combine_chunks()
        found[table] = pa.table([rows.column(one.name).cast(one.type) for one in schema], schema=schema)
    return Columns(**found, count=CHUNK, newest_event=None)


def _moment(seq: int) -> int:
    return (FIRST_DAY + seq * DAYS // POSTINGS) * DAY
