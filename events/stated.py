"""Stated: what events say about contracts, kept short, so that what discounts take off can be told of any day.

Nothing is kept of a ledger without discounts. From its first one on everything is, of all events before it as well:
what happened to a contract years ago decides whether a discount of today counts.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, tzinfo
from functools import reduce
from operator import attrgetter, or_
from typing import Any, ClassVar, Final

import msgspec
from msgspec import Raw, Struct, defstruct
from msgspec.structs import replace

from events import vocabulary as v
from events.bookkeeping import standings
from events.days import LAST_DAY
from events.envelope import json_of_event, recorded_event_of
from events.facts import REDUCERS, Fact, notice_of
from events.policy import Counted, Rules
from events.pricing import PricedLine, taken_off
from events.timeline import Level

RETRACTION: Final = "revledger.event.retracted.v1"
Span = tuple[int, int, Level]
"""The days `[start, until)`, and the level on each of them."""


class Said(Struct, omit_defaults=True, gc=False):
    """Of the data of an event about a contract or labels what its fact needs, as it was sent.

    `lines` in JSON; None where it has none, empty where no discount lowers any.
    """

    contract_id: str = ""
    effective_at: str | None = None
    currency: str = ""
    term: v.Term | None = None
    trial_end: str | None = None
    owner: str | None = None
    campaign: str | None = None
    channel: str | None = None
    attributes: dict[str, v.AttributeValue | None] | None = None
    lines: Any = None


class _Read(Said, gc=False):
    """The same while it is read, its lines as they are: most are left out unread."""

    lines: Raw = Raw()


class _Kept(Said, gc=False):
    """The same as it is kept; why a contract was cancelled moves nothing."""

    lines: bytes | None = None
    reason: ClassVar[str | None] = None
    initiative: ClassVar[str | None] = None


class Stated(Struct, frozen=True, array_like=True, gc=False, tag=1):
    """An event about a contract or labels; `kind` is its place among STATED_TYPES, `seq` the number of its entry.

    Nothing of it depends on the policy, which may change: what the policy makes of it is said when it is read.
    """

    source: str
    id: str
    seq: int
    kind: int
    time: datetime
    said: _Kept


class Withdrawn(Struct, frozen=True, array_like=True, gc=False, tag=2):
    """The event with this name no longer holds."""

    source: str
    id: str


class _Event(Struct, tag_field="type", gc=False):
    source: str
    id: str
    subject: str
    time: datetime
    data: _Read


class _Retracted(Struct, tag_field="type", tag=RETRACTION, gc=False):
    data: v.EventRetractedData


def stated(raw: bytes, seq: int) -> bytes:
    """The note of what an event of an account says about contracts and labels, in msgpack; empty where that is nothing.

    `seq` is the number of its entry in the ledger.
    """
    said = _decoded(raw) if _may_state(raw) else None
    if isinstance(said, _Retracted):
        return _ENCODE(Withdrawn(said.data.source, said.data.id))
    kind = _KINDS.get(type(said), -1)
    if said is None or kind < 0:
        return b""
    data = said.data
    lines = _lines(data)
    data.lines = _NO_LINES if lines is None else Raw(_ENCODE(lines)) if _may_discount(lines) else _NO_DISCOUNTS
    return _ENCODE(Stated(said.source, said.id, seq, kind, said.time, data))


def takes_off(raw: bytes, zone: tzinfo | None) -> bool:
    """Whether an event has a discount that takes anything off."""
    if not _may_discount(raw):
        return False
    said = _decoded(raw)
    return type(said) in _KINDS and bool(_off(_lines(said.data), zone))


def facts_in_force(notes: bytes, rules: Rules, counted: Counted = "net") -> list[Fact]:
    """The facts of an account that nobody took back, in order, their lines worth what discounts take off them.

    All discounts, or those that are `counted`. No facts at all where no line has a discount.
    """
    every = _NOTES.decode(notes)
    if not any(type(note) is Stated and note.said.lines for note in every):
        return []
    gone = {(note.source, note.id) for note in every if type(note) is Withdrawn}
    kept = [note for note in every if type(note) is Stated and (note.source, note.id) not in gone]
    facts = [fact for note in kept for fact in _facts(note, rules, counted) if fact.kind != "noted"]
    return sorted(facts, key=attrgetter("order"))


def spans_of(facts: Iterable[Fact]) -> Iterator[Span]:
    """What discounts take off an account, cell by cell in annual_e4, while they take off anything."""
    start, level = 0, Level()
    for standing, days in standings([*facts]):
        for day in days:
            if level:
                yield start, day, level
            start, level = day, standing.level_on(day)
    if level:
        yield start, LAST_DAY + 1, level


def _may_state(raw: bytes) -> bool:
    """Whether an event may be about contracts or labels, or take another back; a backslash may hide any word."""
    return b"r.contract." in raw or b"r.account." in raw or b"r.event." in raw or b"\\" in raw


def _may_discount(raw: bytes) -> bool:
    return b'"discounts"' in raw or b"\\" in raw


def _lines(data: _Read) -> bytes | None:
    lines = bytes(data.lines)
    return None if lines in (b"", b"null") else lines


def _decoded(raw: bytes) -> Any:
    try:
        return _SAID.decode(raw)
    except msgspec.ValidationError:  # an older version of a type
        return _SAID.decode(json_of_event(recorded_event_of(raw)))


def _off(lines: bytes | None, zone: tzinfo | None, counted: Counted = "net") -> tuple[PricedLine, ...]:
    return taken_off(_LINES.decode(lines), zone, counted) if lines else ()


def _facts(note: Stated, rules: Rules, counted: Counted) -> list[Fact]:
    """The fact of an event, behind the notice of it if that counts before."""
    said: Any = note.said
    lines, said.lines = said.lines, None if said.lines is None else ()
    fact = REDUCERS[v.EVENT_TYPES[STATED_TYPES[note.kind]]](_Bare(note.time, said), note.seq, rules)
    assert fact is not None, "every type that is kept states something"
    if lines:
        fact = replace(fact, lines=_off(lines, rules.zone, counted))
    notice = notice_of(fact, rules)
    return [fact] if notice is None else [notice, fact]


class _Bare(Struct, gc=False):
    """An event as far as a fact is made of it."""

    time: datetime
    data: Said
    subject: str = ""


STATED_TYPES: Final = (
    "revledger.contract.signed.v1",
    "revledger.contract.upgraded.v1",
    "revledger.contract.downgraded.v1",
    "revledger.contract.renewed.v1",
    "revledger.contract.cancelled.v1",
    "revledger.contract.paused.v1",
    "revledger.contract.resumed.v1",
    "revledger.account.changed.v1",
)
"""The wire names of the events that say something about contracts and labels; their places are kept."""
_STATED: Final = [
    defstruct(name.split(".")[-2].title(), [], bases=(_Event,), tag_field="type", tag=name, gc=False)
    for name in STATED_TYPES
]
_OTHERS: Final = [
    defstruct(name.split(".")[-2].title(), [], tag_field="type", tag=name, gc=False)
    for name in (*v.EVENT_TYPES, *v.OWN_TYPES)
    if name not in (*STATED_TYPES, RETRACTION)
]
_NO_LINES: Final = Raw(b"\xc0")
_NO_DISCOUNTS: Final = Raw(b"\xc4\x00")
"""None and empty bytes in msgpack."""
_KINDS: Final[dict[type, int]] = {kind: place for place, kind in enumerate(_STATED)}
_SAID: Final[msgspec.json.Decoder[Any]] = msgspec.json.Decoder(reduce(or_, (*_STATED, _Retracted, *_OTHERS)))
_LINES: Final = msgspec.json.Decoder(tuple[v.Line, ...])
_ENCODE: Final = msgspec.msgpack.Encoder().encode
_NOTES: Final = msgspec.msgpack.Decoder(list[Stated | Withdrawn])
