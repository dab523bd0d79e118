"""Adoption: what makes the books of an account those of another policy, as an entry of the ledger."""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
from msgspec import Struct

from events.account import Account, Booking
from events.block import Entry
from events.bookkeeping import Sums, book_all, difference
from events.days import text_of_moment
from events.movements import Posting
from events.policy import Rules
from events.vocabulary import OWN_TYPES

SOURCE: Final = "revledger"
_TYPE: Final = next(iter(OWN_TYPES))


class Step(Struct, frozen=True):
    """One partition goes over to another policy, on top of a block; `recorded_at` in microseconds."""

    then: Rules
    now: Rules
    prev_hash: bytes
    recorded_at: int


class Change(Struct, frozen=True):
    """The books of one account before and after, each from scratch."""

    account: str
    then: Sums
    now: Sums

    @property
    def postings(self) -> list[Posting]:
        """What leads from the one to the other; none where the policy changes nothing for the account."""
        return difference(self.then, self.now)


def change_of(step: Step, then: Account, now: Account) -> Change:
    """What a step does to an account, given its facts as both policies have them."""
    return Change(
        now.name,
        book_all(then.facts_in_force(), step.then),
        book_all(now.facts_in_force(), step.now),
    )


def raw_of_change(step: Step, account: str, seq: int) -> bytes:
    """The event that says so, as entry `seq`: the same for ever, under an id that nobody could know before."""
    said = {
        "specversion": "1.0",
        "id": f"{step.prev_hash.hex()[:16]}-{seq}",
        "source": SOURCE,
        "type": _TYPE,
        "subject": account,
        "time": text_of_moment(step.recorded_at),
        "datacontenttype": "application/json",
        "data": {"policy": step.now.policy.stamp, "instead_of": step.then.policy.stamp},
    }
    return msgspec.json.encode(said)


def booking_of_change(step: Step, account: str, seq: int, postings: list[Posting]) -> Booking:
    """What that event does to the books; as to what was seen and waits, it is booked like any other."""
    return Booking(seq, account, step.recorded_at, 0, postings)


def is_sent(entries: Sequence[Entry]) -> bool:
    """Whether a block has entries that somebody sent: those of an adoption, which has blocks of its own, nobody did."""
    return bool(entries) and _TYPED.decode(entries[0].event).type != _TYPE


class _Typed(Struct, gc=False):
    """Of an event its type alone."""

    type: str


_TYPED: Final = msgspec.json.Decoder(_Typed)


def level_on(sums: Sums, day: int) -> Mapping[str, int]:
    """What books say of a day, by currency in annual_e4."""
    level: dict[str, int] = {}
    for (on, movement, cell, _, _), amount in sums.items():
        if on <= day and movement != "ahead":
            level[cell.currency] = level.get(cell.currency, 0) + amount
    return level
