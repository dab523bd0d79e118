"""Notes: what an account's events say besides money, kept one after the other, in the order of the ledger.

A note is never changed: a retraction is a note as well, and whoever reads them leaves out what was retracted, so that
it does not matter which of the two came first. Notes in msgpack are an array with the longest head there is, and
the next one is written behind the last without a look at them.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, tzinfo
from functools import reduce
from hashlib import sha256
from operator import or_
from typing import Any, Final

import msgspec
from msgspec import Struct, defstruct

from events import vocabulary as v
from events.days import DAY_MICROSECONDS, day_of_moment, moment_of
from events.envelope import recorded_event_of
from events.facts import key_of
from events.pricing import day_named
from events.vocabulary import EVENT_TYPES, OWN_TYPES

KEY_BYTES: Final = 12
"""Of the digest of an event's key: enough to tell the events of one account apart."""
_SCALES: Final = {"nps": 10, "csat": 5}
_HEAD: Final = b"\xdd"
_HEAD_BYTES: Final = 5


class Note(Struct, frozen=True, array_like=True, gc=False):
    """What every note begins with: the digest of the event's key."""

    key: bytes


class Answer(Note, frozen=True, array_like=True, gc=False, tag=1):
    """An answer to a survey on a day; `scale` is the best score there is, 0 where nobody says."""

    day: int
    moment: int
    survey: str
    score: int | None
    scale: int
    resolved: bool | None
    respondent: str
    tags: tuple[str, ...] = ()


class Cost(Note, frozen=True, array_like=True, gc=False, tag=2):
    """A cost in minor units over the days `[start, until)`."""

    kind: str
    currency: str
    start: int
    until: int
    amount: int
    campaign: str
    owner: str
    segment: str


class Agreed(Note, frozen=True, array_like=True, gc=False, tag=3):
    """A term that a contract has from `day` on: `[start, end)`, again and again if it renews itself."""

    contract: str
    day: int
    moment: int
    start: int
    end: int
    auto_renew: bool


class Gone(Note, frozen=True, array_like=True, gc=False, tag=4):
    """The event with this key no longer holds."""


AnyNote = Answer | Cost | Agreed | Gone


class _Said(Struct, tag_field="type", gc=False):
    """Of an event what a note may need."""

    source: str
    id: str


class _Answered(_Said, tag="revledger.survey.answered.v1", gc=False):
    time: datetime
    data: v.SurveyAnsweredData


class _Spent(_Said, tag="revledger.cost.recorded.v1", gc=False):
    data: v.CostRecordedData


class _Retracted(_Said, tag="revledger.event.retracted.v1", gc=False):
    data: v.EventRetractedData


class _Term(Struct, gc=False):
    """Of a signing or a renewal what says how long it is for."""

    contract_id: str
    effective_at: str | None = None
    term: v.Term | None = None


class _Signed(_Said, tag="revledger.contract.signed.v1", gc=False):
    time: datetime
    data: _Term


class _Renewed(_Said, tag="revledger.contract.renewed.v1", gc=False):
    time: datetime
    data: _Term


def noted(raw: bytes, zone: tzinfo | None) -> bytes:
    """The note of an event in the ledger, in msgpack; empty where it says nothing to note."""
    try:
        said = _SAID.decode(raw)
    except msgspec.ValidationError:  # an older version of a type
        event = recorded_event_of(raw)
        said = msgspec.convert(msgspec.to_builtins(event), _KNOWN)
    reducer = _REDUCERS.get(type(said))
    note = None if reducer is None else reducer(said, zone)
    return b"" if note is None else _ENCODE(note)


def noted_after(notes: bytes | None, more: Sequence[bytes]) -> bytes:
    """Notes in msgpack with more of them behind."""
    if notes is None:
        notes = _HEAD + bytes(_HEAD_BYTES - 1)
    count = int.from_bytes(notes[1:_HEAD_BYTES]) + len(more)
    return b"".join((_HEAD, count.to_bytes(_HEAD_BYTES - 1), notes[_HEAD_BYTES:], *more))


def notes_in_force(notes: bytes) -> list[AnyNote]:
    """The notes of an account in the order of the ledger, without retractions and what they took back."""
    every = _NOTES.decode(notes)
    gone = {note.key for note in every if type(note) is Gone}
    return [note for note in every if note.key not in gone] if gone else every


def notes_told(notes: Iterable[tuple[str, bytes]]) -> dict[str, list[AnyNote]]:
    """The notes in force by account, from all single notes in the order of the ledger."""
    apart: dict[str, list[bytes]] = {}
    for account, note in notes:
        if note:
            apart.setdefault(account, []).append(note)
    return {account: notes_in_force(noted_after(None, some)) for account, some in apart.items()}


def note_key(source: str, event_id: str) -> bytes:
    """The digest of an event's key, by which its note is found again."""
    return sha256(key_of(source, event_id).encode()).digest()[:KEY_BYTES]


def _day(moment: int, zone: tzinfo | None) -> int:
    return moment // DAY_MICROSECONDS if zone is None else day_of_moment(moment, zone)


def _answer(said: _Answered, zone: tzinfo | None) -> Answer:
    data, moment = said.data, moment_of(said.time)
    return Answer(
        note_key(said.source, said.id),
        _day(moment, zone),
        moment,
        data.survey,
        data.score,
        data.scale_max or _SCALES.get(data.survey, 0),
        data.resolved_first_contact,
        data.respondent or "",
        data.tags,
    )


def _cost(said: _Spent, zone: tzinfo | None) -> Cost:
    data = said.data
    return Cost(
        note_key(said.source, said.id),
        data.kind,
        data.currency,
        day_named(data.from_, zone, "data.from"),
        day_named(data.until, zone, "data.until"),
        data.amount_minor,
        data.campaign or "",
        data.owner or "",
        data.segment or "",
    )


def _agreed(said: _Signed | _Renewed, zone: tzinfo | None) -> Agreed | None:
    data = said.data
    if data.term is None or data.term.end is None:
        return None
    moment = moment_of(said.time)
    effective = data.effective_at
    day = _day(moment, zone) if effective is None else day_named(effective, zone, "data.effective_at")
    start = day if data.term.start is None else day_named(data.term.start, zone, "data.term.start")
    end = day_named(data.term.end, zone, "data.term.end")
    return Agreed(note_key(said.source, said.id), data.contract_id, day, moment, start, end, data.term.auto_renew)


def _gone(said: _Retracted, _zone: tzinfo | None) -> Gone:
    return Gone(note_key(said.data.source, said.data.id))


_REDUCERS: Final[dict[type[_Said], Callable[[Any, tzinfo | None], AnyNote | None]]] = {
    _Answered: _answer,
    _Spent: _cost,
    _Signed: _agreed,
    _Renewed: _agreed,
    _Retracted: _gone,
}
"""One reducer per event that says something to note."""
NOTED_TYPES: Final = tuple(str(kind.__struct_config__.tag) for kind in _REDUCERS)
"""The wire names of those events."""
_OTHERS: Final = [
    defstruct(name.split(".")[-2].title(), [], tag_field="type", tag=name, gc=False)
    for name in (*EVENT_TYPES, *OWN_TYPES)
    if name not in NOTED_TYPES
]
_KNOWN: Final[Any] = reduce(or_, (*_REDUCERS, *_OTHERS))
_SAID: Final[msgspec.json.Decoder[Any]] = msgspec.json.Decoder(_KNOWN)
_ENCODE: Final = msgspec.msgpack.Encoder().encode
_NOTES: Final = msgspec.msgpack.Decoder(list[AnyNote])
