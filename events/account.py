"""One account in the writer: the events it has seen, the facts in force, and the booking of the next event."""

from collections.abc import Iterable
from datetime import tzinfo
from hashlib import sha256
from typing import Final

import msgspec
from msgspec import Struct

from events import vocabulary as v
from events.bookkeeping import Frontier, book_difference, book_next, frontier_of, is_next
from events.days import moment_of
from events.facts import Fact, fact_of, key_of
from events.movements import Posting
from events.refusals import Refused

_CANONICAL: Final = msgspec.msgpack.Encoder()
DIGEST_BYTES: Final = 16


class Booking(Struct, frozen=True, array_like=True, gc=False):
    """What one event did: `seq` its number in the partition, `moment` its time in microseconds.

    `unmatched` is the change in the number of facts that wait for their contract or their target.
    """

    seq: int
    account: str
    moment: int
    unmatched: int
    postings: list[Posting]


class Duplicate(Struct, frozen=True, gc=False):
    """The event is in the ledger already, as entry `seq` of its partition."""

    seq: int


class AccountState(Struct, frozen=True, array_like=True, gc=False):
    """What is kept of an account between runs; all else follows from it."""

    seen: dict[str, tuple[int, bytes]]
    facts: list[Fact]
    retracted: list[str]


class Account:
    """The books of one account; a cache of what the ledger says about it."""

    __slots__ = ("facts", "frontier", "name", "retracted", "seen", "unsigned")

    def __init__(self, name: str) -> None:
        self.name = name
        self.seen: dict[str, tuple[int, bytes]] = {}
        self.facts: list[Fact] = []
        self.retracted: set[str] = set()
        self.frontier = Frontier()
        self.unsigned: dict[str, int] = {}

    def state(self) -> AccountState:
        """What to keep of the account."""
        return AccountState(self.seen, self.facts, sorted(self.retracted))


def account_of(name: str, state: AccountState) -> Account:
    """The account as it was when its state was taken."""
    account = Account(name)
    account.seen, account.facts, account.retracted = state.seen, state.facts, set(state.retracted)
    account.frontier = frontier_of(account.facts)
    account.unsigned = _unsigned(account.facts)
    return account


def content_digest(event: v.Event) -> bytes:
    """What two events must share to be the same: type, subject, time and data, as understood, not as spelt."""
    return sha256(_CANONICAL.encode(event)).digest()[:DIGEST_BYTES]


def book(account: Account, event: v.Event, seq: int, zone: tzinfo | None) -> Booking | Duplicate:
    """Books an event as entry `seq`, or says that it is there already; raises Refused and changes nothing."""
    key = key_of(event.source, event.id)
    digest = content_digest(event)
    known = account.seen.get(key)
    if known is not None:
        return _seen_before(event, known, digest)
    fact = fact_of(event, seq, zone)
    if isinstance(event, v.EventRetracted):
        waits, postings = _retract(account, key_of(event.data.source, event.data.id))
    elif key in account.retracted:
        waits, postings = -1, []
    elif fact is None:
        waits, postings = 0, []
    else:
        waits, postings = _state(account, fact)
    account.seen[key] = (seq, digest)
    return Booking(seq, account.name, moment_of(event.time) if fact is None else fact.moment, waits, postings)


def _seen_before(event: v.Event, known: tuple[int, bytes], digest: bytes) -> Duplicate:
    seq, kept = known
    if kept != digest:
        sentence = (
            f"source {event.source!r} with id {event.id!r} is entry {seq} already, with other content: "
            "send a correction under a new id, after a revledger.event.retracted.v1 for the old one"
        )
        raise Refused("id_conflict", sentence, "id")
    return Duplicate(seq)


def _state(account: Account, fact: Fact) -> tuple[int, list[Posting]]:
    """Adds a fact; the change in unmatched facts, and the postings."""
    waits = _match(account, fact) if fact.contract_id else 0
    if fact.kind == "payment":
        postings: list[Posting] = []
    elif is_next(account.frontier, fact):
        account.frontier, postings = book_next(account.frontier, fact)
    else:
        return waits, _rebook(account, [*account.facts, fact])
    account.facts.append(fact)
    return waits, postings


def _match(account: Account, fact: Fact) -> int:
    contract = account.frontier.standing.contracts.get(fact.contract_id)
    if fact.kind == "signed":
        if contract is not None and contract.currency != fact.currency:
            sentence = (
                f"contract {fact.contract_id!r} was signed in {contract.currency} and cannot change to "
                f"{fact.currency}: cancel it and sign a new contract, or retract the earlier event"
            )
            raise Refused("currency_changed", sentence, "data.currency")
        return -account.unsigned.pop(fact.contract_id, 0)
    if contract is not None:
        return 0
    account.unsigned[fact.contract_id] = account.unsigned.get(fact.contract_id, 0) + 1
    return 1


def _retract(account: Account, target: str) -> tuple[int, list[Posting]]:
    """Takes an event back, now or when it arrives; the change in unmatched facts, and the postings."""
    if target in account.retracted:
        return 0, []
    account.retracted.add(target)
    if target not in account.seen:
        return 1, []
    seq = account.seen[target][0]
    kept = [fact for fact in account.facts if fact.seq != seq]
    if len(kept) == len(account.facts):
        return 0, []
    waiting = sum(account.unsigned.values())
    postings = _rebook(account, kept)
    account.unsigned = _unsigned(kept)
    return sum(account.unsigned.values()) - waiting, postings


def _rebook(account: Account, facts: list[Fact]) -> list[Posting]:
    postings = book_difference(account.facts, facts)
    account.facts = facts
    account.frontier = frontier_of(facts)
    return postings


def _unsigned(facts: Iterable[Fact]) -> dict[str, int]:
    """Contract id -> facts about a contract that nobody has signed yet."""
    facts = list(facts)
    signed = {fact.contract_id for fact in facts if fact.kind == "signed"}
    counts: dict[str, int] = {}
    for fact in facts:
        if fact.contract_id and fact.contract_id not in signed:
            counts[fact.contract_id] = counts.get(fact.contract_id, 0) + 1
    return counts
