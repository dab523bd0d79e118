"""Telling events: the entries behind some postings, in words and with their place in the ledger."""

from collections.abc import Mapping, Sequence
from datetime import tzinfo
from typing import Any, Final

from msgspec import Struct

from events import vocabulary as v
from events.days import day_of_moment, text_of_day, text_of_moment
from events.envelope import recorded_event_of
from services.archive.tables import Tables
from services.audit.wording import contract_of, effective_day, name_of, recorded_words, sentence_of

Place = tuple[int, int]
"""(partition, number of the entry)."""

_ENTRIES: Final = """
SELECT e.partition, e.seq, e.height, epoch_us(e.recorded_at), e.account, e.unmatched, e.event
FROM entries AS e JOIN (SELECT unnest(?) AS partition, unnest(?) AS seq) AS asked USING (partition, seq)
"""
_TARGETS: Final = """
SELECT e.partition, e.source, e.id, e.event
FROM entries AS e JOIN (SELECT unnest(?) AS partition, unnest(?) AS source, unnest(?) AS id) AS asked
    USING (partition, source, id)
"""
_WAITING: Final = """
SELECT e.partition, e.account, e.seq, e.event
FROM entries AS e JOIN (SELECT DISTINCT unnest(?) AS partition, unnest(?) AS account) AS asked
    USING (partition, account)
WHERE e.unmatched > 0
ORDER BY e.partition, e.seq
"""


class EventTold(Struct, frozen=True):
    """An event of the ledger: where it is, when it came, `day` from which it counts, and its sentence.

    `contract` is the one it is about, also of a retraction whose event is there.
    """

    event: v.Event
    type: str
    account: str
    contract: str | None
    partition: int
    height: int
    seq: int
    recorded_at: int
    day: int
    sentence: str

    def shown(self) -> dict[str, Any]:
        """The event as JSON says it, without its words."""
        return {
            "source": self.event.source,
            "id": self.event.id,
            "type": self.type,
            "account": self.account,
            "contract": self.contract,
            "time": self.event.time.isoformat().replace("+00:00", "Z"),
            "effective": text_of_day(self.day),
            "recorded_at": text_of_moment(self.recorded_at),
            "partition": self.partition,
            "height": self.height,
            "seq": self.seq,
        }


_TYPES: Final = {kind: name for name, kind in (v.EVENT_TYPES | v.OWN_TYPES).items()}


async def told_of(
    tables: Tables, places: Sequence[Place], zone: tzinfo | None, partitions: int
) -> dict[Place, EventTold]:
    """The entries of some places, each told in words."""
    if not places:
        return {}
    rows = await tables.rows(_ENTRIES, [*map(list, zip(*places, strict=True))])
    events = {(row[0], row[1]): recorded_event_of(bytes(row[6])) for row in rows}
    targets = await _targets(tables, events)
    waited = await _waited(tables, rows, events)
    found: dict[Place, EventTold] = {}
    for partition, seq, height, recorded_at, account, _, _ in rows:
        event = events[partition, seq]
        target = targets.get(_target_of(partition, event)) if isinstance(event, v.EventRetracted) else None
        day = effective_day(event, zone)
        block = f"block {height}" + (f" of partition {partition}" if partitions > 1 else "")
        recorded = recorded_words(day, day_of_moment(recorded_at, zone), block)
        began = _began(waited.get((partition, seq), ()), zone)
        sentence = "; ".join([sentence_of(event, zone, target), *began, recorded])
        contract = contract_of(event if target is None else target)
        kind = _TYPES[type(event)]
        place = (partition, height, seq)
        found[partition, seq] = EventTold(event, kind, account, contract, *place, recorded_at, day, sentence)
    return found


def _began(waited: Sequence[v.Event], zone: tzinfo | None) -> list[str]:
    if not waited:
        return []
    more = f" and {len(waited) - 1} more" if len(waited) > 1 else ""
    return [f"{name_of(waited[0], zone)}{more}, recorded before it, began to count"]


async def _targets(tables: Tables, events: Mapping[Place, v.Event]) -> dict[tuple[int, str, str], v.Event]:
    """The events that retractions take back, by partition, source and id."""
    retracted = [(place[0], event) for place, event in events.items() if isinstance(event, v.EventRetracted)]
    asked = [_target_of(partition, event) for partition, event in retracted]
    if not asked:
        return {}
    rows = await tables.rows(_TARGETS, [*map(list, zip(*asked, strict=True))])
    return {(partition, source, id_): recorded_event_of(bytes(event)) for partition, source, id_, event in rows}


async def _waited(
    tables: Tables, rows: Sequence[Sequence[Any]], events: Mapping[Place, v.Event]
) -> dict[Place, list[v.Event]]:
    """For each signing that facts had waited for: those facts."""
    signings = [row for row in rows if row[5] < 0 and isinstance(events[row[0], row[1]], v.ContractSigned)]
    if not signings:
        return {}
    found = await tables.rows(_WAITING, [[row[0] for row in signings], [row[4] for row in signings]])
    waiting = [(partition, account, seq, recorded_event_of(bytes(event))) for partition, account, seq, event in found]
    return {
        (row[0], row[1]): [
            event
            for partition, account, seq, event in waiting
            if (partition, account) == (row[0], row[4]) and seq < row[1] and _is_about(event, events[row[0], row[1]])
        ]
        for row in signings
    }


def _target_of(partition: int, event: v.EventRetracted) -> tuple[int, str, str]:
    return partition, event.data.source, event.data.id


def _is_about(event: v.Event, signing: v.Event) -> bool:
    contract = contract_of(event)
    return contract is not None and contract == contract_of(signing)
