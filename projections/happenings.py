"""Happenings: what an entry of the ledger tells that somebody may want to hear of at once."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import tzinfo
from typing import Final, Literal

import msgspec
from msgspec import Struct

from events.block import Entry, RawBooking, cell_of_raw, raw_bookings_of
from events.days import day_of_moment
from events.facts import Pairs, key_of
from events.movements import Posting
from events.vocabulary import OWN_TYPES

Kind = Literal["churn", "contraction", "notice", "score", "payment_failed", "retraction"]


class Source(Struct, frozen=True, gc=False):
    """The event behind a happening, by the names it has for ever; `moment` in microseconds."""

    source: str
    id: str
    type: str
    moment: int

    @property
    def key(self) -> str:
        """As the writer names it."""
        return key_of(self.source, self.id)


class Score(Struct, frozen=True, array_like=True, gc=False):
    """One answer to a survey; `moment` in microseconds, `scale_max` 0 where the event says none."""

    survey: str
    respondent: str
    score: int
    scale_max: int
    moment: int


class Happening(Struct, frozen=True, kw_only=True, gc=False):
    """One thing that an entry did to one account, in one currency if it is about money.

    `annual` is what is lost, in annual_e4, above 0; `day` when it is lost; `movement` how it is booked. Labels are
    those of the largest loss. `target` is the key of the event that a retraction takes back.
    """

    kind: Kind
    account: str
    seq: int
    day: int
    event: Source
    movement: str = ""
    currency: str = ""
    annual: int = 0
    contracts: tuple[str, ...] = ()
    plans: tuple[str, ...] = ()
    labels: Pairs = ()
    reason: str = ""
    initiative: str = ""
    score: Score | None = None
    attempt: int = 0
    amount_minor: int | None = None
    target: str = ""

    def label(self, name: str) -> str:
        """The value of a label or of a field that one can group by; empty where there is none."""
        if name == "account":
            return self.account
        if name == "currency":
            return self.currency
        if name in ("plan", "contract"):
            values = self.plans if name == "plan" else self.contracts
            return values[0] if values else ""
        return next((value for known, value in self.labels if known == name), "")


class _Event(Struct):
    """As much of an event as is looked at where only its booking tells."""

    id: str
    source: str
    type: str


EXPIRED: Final = "expired"
"""The reason of what ends with its term: agreed from the first day on, so nobody gives notice of it."""
NOT_NOTICED: Final = ("revledger.contract.signed.v1", "revledger.contract.renewed.v1")
"""What these agree to end later is a term, not a notice."""
ENDING: Final = ("revledger.contract.cancelled.v1", "revledger.event.retracted.v1")
"""By these alone the end of a term that is over comes as news; by the others it was agreed, and is history by now."""
_EVENT: Final = msgspec.json.Decoder(_Event)
_ANSWERED: Final = b"survey.answered"
_FAILED: Final = b"payment.failed"
_RETRACTED: Final = b"event.retracted"
_TYPE: Final = b'"type":"revledger.'
_START, _END = len(_TYPE), len(_TYPE) + 6
_SURVEY, _PAYMENT, _OF_EVENT = (one[: _END - _START] for one in (_ANSWERED, _FAILED, _RETRACTED))
"""What their types begin with, after `_TYPE`."""
_NONE: Final = 0x90
NO_SCORE: Final = -1
"""Lower than any score."""
_SCALES: Final = {"nps": 10, "csat": 5}


class _Score(Struct):
    survey: str
    score: int | None = None


class _Rated(Struct):
    """As much of an answer as says whether it is wanted."""

    data: _Score


_RATED: Final = msgspec.json.Decoder(_Rated)


class Wanted(Struct, frozen=True):
    """What somebody wants to hear of beside retractions; the rest is passed over with as little work as there can be.

    `scores` has the highest score that is wanted by survey, None where any is; None: all answers are wanted.
    """

    losses: bool = True
    payments: bool = True
    scores: Mapping[str, int | None] | None = None

    def has(self, event: bytes) -> bool:
        """Whether an event may tell something by itself that is wanted.

        By the first type that stands in it, if that is written plainly: nothing in the data of such events has one.
        """
        place = event.find(_TYPE)
        if place < 0:
            return any(one in event for one in (_RETRACTED, _ANSWERED, _FAILED))
        begins = event[place + _START : place + _END]
        if begins == _SURVEY:
            return self.scores is None or self._has_score(event)
        return begins == _OF_EVENT or (begins == _PAYMENT and self.payments and _FAILED in event)

    def is_for(self, told: Happening) -> bool:
        """Whether something that an event tells by itself is wanted."""
        if told.kind == "score" and self.scores is not None:
            return told.score is not None and self._takes(told.score.survey, told.score.score)
        return told.kind != "payment_failed" or self.payments

    def _takes(self, survey: str, score: int | None) -> bool:
        highest = (self.scores or {}).get(survey, NO_SCORE)
        return score is not None and (highest is None or score <= highest)

    def _has_score(self, event: bytes) -> bool:
        try:
            data = _RATED.decode(event).data
        except msgspec.ValidationError:
            return True  # whoever reads all of it says what it is
        return self._takes(data.survey, data.score)


EVERYTHING: Final = Wanted()


def happenings_of(
    entries: Iterable[Entry], recorded_at: int, zone: tzinfo | None = None, wanted: Wanted = EVERYTHING
) -> Iterator[Happening]:
    """What the entries of a block tell, in their order; raises BlockDamaged for a booking that cannot be read.

    A loss whose day has come by the day of `recorded_at` is churn or contraction, one that lies ahead is notice.
    """
    has, losses = wanted.has, wanted.losses
    looked = [(entry, has(entry.event)) for entry in entries]
    found = [(entry, tells) for entry, tells in looked if tells or (losses and _has_fall(entry.booking))]
    if not found:
        return  # as most blocks: nothing of them is decoded
    today = day_of_moment(recorded_at, zone)
    for (entry, tells), booking in zip(found, raw_bookings_of([entry for entry, _ in found]), strict=True):
        if losses and booking.postings and (falls := _falls(booking, today)):
            event = _EVENT.decode(entry.event)
            if event.type in OWN_TYPES:
                continue  # the books were told anew, and nothing happened to the customer
            yield from _losses(booking, Source(event.source, event.id, event.type, booking.moment), falls)
        told = _told(booking, entry.event, zone) if tells else None
        if told is not None and wanted.is_for(told):
            yield told


def _has_fall(booking: bytes) -> bool:
    """Whether a booking may have falls; most have no postings, and end with an array of none."""
    return booking[-1] != _NONE and (b"churn" in booking or b"contraction" in booking)


def _falls(booking: RawBooking, today: int) -> dict[tuple[Kind, str], list[Posting]]:
    """The falls of a booking, by kind and currency."""
    found: dict[tuple[Kind, str], list[Posting]] = {}
    for one in booking.postings:
        if one.movement in ("churn", "contraction") and not (one.day > today and one.reason == EXPIRED):
            cell = cell_of_raw(bytes(one.cell))
            kind: Kind = one.movement if one.day <= today else "notice"
            posting = Posting(one.day, one.movement, one.amount, cell, one.reason, one.initiative)
            found.setdefault((kind, cell.currency), []).append(posting)
    return found


def _losses(
    booking: RawBooking, source: Source, falls: Mapping[tuple[Kind, str], Sequence[Posting]]
) -> Iterator[Happening]:
    """What falls come to by kind and currency, what rises again taken off."""
    for (kind, currency), fallen in falls.items():
        postings = [one for one in fallen if one.reason != EXPIRED or source.type in ENDING]
        annual = -sum(one.amount for one in postings)
        if annual > 0 and not (kind == "notice" and source.type in NOT_NOTICED):
            yield _loss(booking, source, kind, currency, annual, [one for one in postings if one.amount < 0])


def _loss(
    booking: RawBooking, source: Source, kind: Kind, currency: str, annual: int, falls: list[Posting]
) -> Happening:
    largest = min(falls, key=lambda one: one.amount)
    return Happening(
        kind=kind,
        account=booking.account,
        seq=booking.seq,
        day=min(one.day for one in falls) if kind == "notice" else largest.day,
        event=source,
        movement=largest.movement,
        currency=currency,
        annual=annual,
        contracts=tuple(dict.fromkeys(one.cell.contract for one in falls)),
        plans=tuple(dict.fromkeys(one.cell.plan for one in falls)),
        labels=largest.cell.labels,
        reason=largest.reason,
        initiative=largest.initiative,
    )


class _Answer(Struct):
    survey: str
    score: int | None = None
    scale_max: int | None = None
    respondent: str | None = None


class _Payment(Struct):
    contract_id: str
    amount_minor: int | None = None
    currency: str | None = None
    attempt: int | None = None
    reason: str | None = None


class _Retraction(Struct):
    source: str
    id: str


class _Answered(Struct, tag_field="type", tag="revledger.survey.answered.v1"):
    id: str
    source: str
    data: _Answer


class _Failed(Struct, tag_field="type", tag="revledger.payment.failed.v1"):
    id: str
    source: str
    data: _Payment


class _Retracted(Struct, tag_field="type", tag="revledger.event.retracted.v1"):
    id: str
    source: str
    data: _Retraction


_TELLING: Final = msgspec.json.Decoder(_Answered | _Failed | _Retracted)
_TELLING_TYPES: Final = frozenset(str(one.__struct_config__.tag) for one in (_Answered, _Failed, _Retracted))


def _told(booking: RawBooking, raw: bytes, zone: tzinfo | None) -> Happening | None:
    """What an event tells beside what its booking does, if it is of a type that does."""
    try:
        event = _TELLING.decode(raw)
    except msgspec.ValidationError:
        if _EVENT.decode(raw).type in _TELLING_TYPES:
            raise
        return None  # another one, with such words in a text
    day = day_of_moment(booking.moment, zone)
    if isinstance(event, _Answered):
        return _answered(event, booking, day)
    return _failed(event, booking, day) if isinstance(event, _Failed) else _retracted(event, booking, day)


def _answered(event: _Answered, booking: RawBooking, day: int) -> Happening:
    data, score = event.data, None
    if data.score is not None:
        scale = data.scale_max or _SCALES.get(data.survey, 0)
        score = Score(data.survey, data.respondent or "", data.score, scale, booking.moment)
    source = Source(event.source, event.id, "revledger.survey.answered.v1", booking.moment)
    return Happening(kind="score", account=booking.account, seq=booking.seq, day=day, event=source, score=score)


def _failed(event: _Failed, booking: RawBooking, day: int) -> Happening:
    data = event.data
    return Happening(
        kind="payment_failed",
        account=booking.account,
        seq=booking.seq,
        day=day,
        event=Source(event.source, event.id, "revledger.payment.failed.v1", booking.moment),
        currency=data.currency or "",
        contracts=(data.contract_id,),
        reason=data.reason or "",
        attempt=data.attempt or 0,
        amount_minor=data.amount_minor,
    )


def _retracted(event: _Retracted, booking: RawBooking, day: int) -> Happening:
    source = Source(event.source, event.id, "revledger.event.retracted.v1", booking.moment)
    target = key_of(event.data.source, event.data.id)
    return Happening(kind="retraction", account=booking.account, seq=booking.seq, day=day, event=source, target=target)
