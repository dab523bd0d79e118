"""Happenings: what an entry of the ledger tells that somebody may want to hear of at once."""

from collections.abc import Iterable, Iterator
from datetime import tzinfo
from typing import Final, Literal

import msgspec
from msgspec import Raw, Struct

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
        return dict(self.labels).get(name, "")


class _Event(Struct):
    """As much of an event as is looked at."""

    id: str
    source: str
    type: str
    data: Raw = Raw(b"{}")


EXPIRED: Final = "expired"
"""The reason of what ends with its term: agreed from the first day on, so nobody gives notice of it."""
NOT_NOTICED: Final = ("revledger.contract.signed.v1", "revledger.contract.renewed.v1")
"""What these agree to end later is a term, not a notice."""
_EVENT: Final = msgspec.json.Decoder(_Event)
_SCALES: Final = {"nps": 10, "csat": 5}


def happenings_of(entries: Iterable[Entry], recorded_at: int, zone: tzinfo | None = None) -> Iterator[Happening]:
    """What the entries of a block tell, in their order; raises BlockDamaged for a booking that cannot be read.

    A loss whose day has come by the day of `recorded_at` is churn or contraction, one that lies ahead is notice.
    """
    today = None
    for entry in entries:
        booking_bytes, event_bytes = entry.booking, entry.event
        has_fall = b"churn" in booking_bytes or b"contraction" in booking_bytes
        if not has_fall and not (
            b"survey.answered" in event_bytes or b"payment.failed" in event_bytes or b"event.retracted" in event_bytes
        ):
            continue  # as most entries: nothing of them is decoded
        today = day_of_moment(recorded_at, zone) if today is None else today
        (booking,) = raw_bookings_of([entry])
        event = _EVENT.decode(entry.event)
        if event.type in OWN_TYPES:
            continue  # the books were told anew, and nothing happened to the customer
        source = Source(event.source, event.id, event.type, booking.moment)
        if has_fall:
            yield from _losses(booking, source, today)
        teller = _TELLERS.get(event.type)
        if teller is not None:
            day = day_of_moment(booking.moment, zone)
            yield teller(booking, source, day, event.data)


def _losses(booking: RawBooking, source: Source, today: int) -> Iterator[Happening]:
    """The falls of a booking by kind and currency, what rises again taken off."""
    found: dict[tuple[Kind, str], list[Posting]] = {}
    for one in booking.postings:
        if one.movement in ("churn", "contraction") and not (one.day > today and one.reason == EXPIRED):
            cell = cell_of_raw(bytes(one.cell))
            kind: Kind = one.movement if one.day <= today else "notice"
            posting = Posting(one.day, one.movement, one.amount, cell, one.reason, one.initiative)
            found.setdefault((kind, cell.currency), []).append(posting)
    for (kind, currency), postings in found.items():
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


_ANSWER: Final = msgspec.json.Decoder(_Answer)
_PAYMENT: Final = msgspec.json.Decoder(_Payment)
_RETRACTION: Final = msgspec.json.Decoder(_Retraction)


def _answered(booking: RawBooking, source: Source, day: int, raw: Raw) -> Happening:
    data = _ANSWER.decode(raw)
    scale = data.scale_max or _SCALES.get(data.survey, 0)
    score = None
    if data.score is not None:
        score = Score(data.survey, data.respondent or "", data.score, scale, booking.moment)
    return Happening(kind="score", account=booking.account, seq=booking.seq, day=day, event=source, score=score)


def _failed(booking: RawBooking, source: Source, day: int, raw: Raw) -> Happening:
    data = _PAYMENT.decode(raw)
    return Happening(
        kind="payment_failed",
        account=booking.account,
        seq=booking.seq,
        day=day,
        event=source,
        currency=data.currency or "",
        contracts=(data.contract_id,),
        reason=data.reason or "",
        attempt=data.attempt or 0,
        amount_minor=data.amount_minor,
    )


def _retracted(booking: RawBooking, source: Source, day: int, raw: Raw) -> Happening:
    data = _RETRACTION.decode(raw)
    target = key_of(data.source, data.id)
    return Happening(kind="retraction", account=booking.account, seq=booking.seq, day=day, event=source, target=target)


_TELLERS: Final = {
    "revledger.survey.answered.v1": _answered,
    "revledger.payment.failed.v1": _failed,
    "revledger.event.retracted.v1": _retracted,
}
"""Type of an event -> the happening it tells, beside what its booking does."""


