"""Comparing records: what the projection keeps of every account, against the postings of the ledger."""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import msgspec
import pyarrow as pa

from events.block import BlockDamaged
from events.contracts import Cause
from events.days import text_of_day
from events.facts import Pairs
from events.timeline import Cell
from projections.groups import CONTRACT_NAMES, spread_of
from projections.records import NOTHING, Key, Record, bytes_of_record, cause_of, merged, record_of_bytes
from services.archive.tables import Tables
from services.audit.differing import Difference, as_text, differing

ROWS: Final = 50_000
_LIVE: Final = pa.schema([("account", pa.binary()), ("record", pa.binary())])
_UNREADABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, BlockDamaged, IndexError, OverflowError, ValueError)
_Sums = dict[Key, int]
_COLUMNS: Final = ", ".join(("currency", "contract", "line", "plan", "product", *CONTRACT_NAMES, "attributes"))
_RECORDS: Final = f"""
    SELECT coalesce(live.account, encode(posted.account)), live.record, posted.sums
    FROM (
        SELECT account, list(row(
            date_diff('day', DATE '1970-01-01', day), movement, CAST(amount AS VARCHAR), reason, initiative, {_COLUMNS}
        )) AS sums
        FROM (
            SELECT account, day, movement, reason, initiative, {_COLUMNS}, sum(amount_e4) AS amount
            FROM postings WHERE {{within}} GROUP BY ALL HAVING sum(amount_e4) <> 0
        )
        GROUP BY account
    ) AS posted FULL JOIN {{live}} AS live ON live.account = encode(posted.account)
"""  # noqa: S608 - the names are ours


def kept_records(fields: Mapping[bytes, bytes], path: Path) -> pa.Table:
    """The records of the live projection as a table that stays on the disk, in a file that is written here."""
    names, records = [*fields], [*fields.values()]
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, _LIVE) as writer:
        for start in range(0, len(names), ROWS):
            some = [pa.array(part[start : start + ROWS], pa.binary()) for part in (names, records)]
            writer.write_table(pa.table(some, schema=_LIVE))
    return pa.ipc.open_file(pa.memory_map(str(path))).read_all()


async def records_compared(
    tables: Tables, live: pa.Table, partition: int, within: str
) -> tuple[list[Difference], int]:
    """Where records differ from what the postings `within` come to, sum by sum; and how many accounts there are."""
    count = 0

    def compared(rows: Iterator[tuple[Any, ...]]) -> list[Difference]:
        nonlocal count
        found: list[Difference] = []
        for account, record, sums in rows:
            found += _of_account(partition, account, record, sums or ())
            count += 1
        return found

    name = f"live_{partition}"
    await tables.take_in(name, live)
    query = _RECORDS.format(within=within, live=name)
    return await tables.streamed(query, compared), count


def _of_account(
    partition: int, account: bytes, data: bytes | None, rows: Sequence[tuple[Any, ...]]
) -> Iterator[Difference]:
    place = f"account {as_text(account)}"
    due = dict(map(_sum, rows))
    try:
        record = NOTHING if data is None else record_of_bytes(data)
        live = dict(record.items())
        is_formed = data is None or (bool(live) and bytes_of_record(_again(record)) == data)
    except _UNREADABLE:
        text = f"{len(due)} sums"
        yield Difference(partition=partition, place=place, cell="the record", live=as_text(data or b""), replayed=text)
        return
    if live != due:
        yield from differing(partition, place, _named(live), _named(due))
    elif not is_formed:
        text = "these sums in another form"
        yield Difference(partition=partition, place=place, cell="the record", live=as_text(data or b""), replayed=text)


def _sum(row: tuple[Any, ...]) -> tuple[Key, int]:
    day, movement, amount, reason, initiative, currency, contract, line, plan, product, *sold, attributes = row
    labels = _labels(tuple(sold), tuple(attributes.items()))
    cell = Cell(currency, contract, line, plan, product, labels)
    return (day, movement, cell, cause_of(reason, initiative)), int(amount)


@lru_cache(maxsize=50_000)
def _labels(sold: tuple[Any, ...], attributes: Pairs) -> Pairs:
    own = [(name, str(value)) for name, value in zip(CONTRACT_NAMES, sold, strict=True) if value not in ("", None)]
    return tuple(sorted((*attributes, *own)))


def _again(record: Record) -> Record:
    """The record put together again from its sums."""
    amounts = record.amounts().items()
    return merged(NOTHING, [(*key[:2], amount, spread_of(key[2]), *key[2:]) for key, amount in amounts])


def _named(sums: _Sums) -> dict[str, int]:
    """Sums by a name that tells all they are about."""
    return {
        f"{text_of_day(day)} {movement} {_cell_text(cell)}{_cause_text(cause)}": amount
        for (day, movement, cell, cause), amount in sums.items()
    }


def _cell_text(cell: Cell) -> str:
    told = {name: getattr(cell, name) for name in ("currency", "contract", "line", "plan", "product")}
    told |= dict(cell.labels)
    return " ".join(f"{name}={value}" for name, value in told.items() if value)


def _cause_text(cause: Cause | None) -> str:
    told = {} if cause is None else dict(zip(("reason", "initiative"), cause, strict=True))
    return "".join([f" {name}={value}" for name, value in told.items() if value])
