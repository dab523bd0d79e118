"""One account in the writer: the events it has seen, the facts in force, and the booking of the next event."""

from collections.abc import Iterable
from hashlib import sha256
from typing import Any, Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from events import vocabulary as v
from events.bookkeeping import UNTOUCHED, book_difference, book_next, frontier_of, is_next, merged
from events.days import moment_of
from events.facts import Fact, fact_of, key_of, notice_of
from events.freetext import FREE_FIELDS, is_mark
from events.movements import Posting
from events.policy import Rules
from events.refusals import Refused

_CANONICAL: Final = msgspec.msgpack.Encoder(order="deterministic")
_ENCODER: Final = msgspec.msgpack.Encoder()
_FACTS: Final = msgspec.msgpack.Decoder(Fact)
DIGEST_BYTES: Final = 16
ATTRIBUTES_MAX: Final = 100
NO_TEXT: Final = b"-"
"""The digest of the free text of an event that could have some, and has none."""


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


class Known(Struct, frozen=True, array_like=True, gc=False):
    """What is known of an event that was seen: its entry, the digest of its content, and that of its free text.

    `text` is empty where there can be none, and where it is not known because it was taken out.
    """

    seq: int
    digest: bytes
    text: bytes = b""


class AccountState(Struct, frozen=True, array_like=True, gc=False):
    """What is kept of an account between runs; all else follows from it. It only ever grows.

    `facts` are msgpack, because in that form they take a fifth of the memory and are seldom looked at.
    """

    seen: dict[str, Known]
    facts: list[bytes]
    retracted: dict[str, int]


class Account:
    """The books of one account; a cache of what the ledger says about it.

    `seen`: key of every event; `facts`: all facts in order of arrival, in msgpack, also those retracted
    since; `retracted`: key of every event that no longer holds -> the entry that said so.
    """

    __slots__ = ("facts", "frontier", "name", "retracted", "seen", "unsigned")

    def __init__(self, name: str, state: AccountState | None = None) -> None:
        self.name = name
        self.seen: dict[str, Known] = {} if state is None else state.seen
        self.facts: list[bytes] = [] if state is None else state.facts
        self.retracted: dict[str, int] = {} if state is None else state.retracted
        self.frontier = UNTOUCHED
        self.unsigned: dict[str, int] = {}
        if self.facts:
            self._work_out()

    def state(self) -> AccountState:
        """What to keep of the account."""
        return AccountState(self.seen, self.facts, self.retracted)

    def facts_in_force(self) -> list[Fact]:
        """The facts that nobody retracted."""
        gone = {self.seen[key].seq for key in self.retracted if key in self.seen}
        facts = map(_FACTS.decode, self.facts)
        return [fact for fact in facts if fact.seq not in gone]

    def add(self, fact: Fact) -> None:
        """Adds the latest fact; the frontier is the caller's business."""
        self.facts.append(_ENCODER.encode(fact))

    def forget_from(self, seq: int) -> None:
        """Takes back what was booked as entry `seq` and later, because it never got into the ledger."""
        self.seen = {key: known for key, known in self.seen.items() if known.seq < seq}
        self.facts = [fact for fact in self.facts if _FACTS.decode(fact).seq < seq]
        self.retracted = {key: at for key, at in self.retracted.items() if at < seq}
        self._work_out()

    def _work_out(self) -> None:
        facts = self.facts_in_force()
        self.frontier = frontier_of(facts)
        self.unsigned = _unsigned(facts)


def content_digest(event: v.Event) -> bytes:
    """What two events must share to be the same: type, subject, time and data, as understood, not as spelt."""
    return sha256(_CANONICAL.encode(event)).digest()[:DIGEST_BYTES]


def content_of(event: v.Event) -> tuple[bytes, bytes]:
    """The digest of an event's content without its free text, and that of its free text.

    The second is empty where there can be none, and where it was taken out: then any text may have been there.
    """
    fields = FREE_FIELDS.get(type(event))
    if fields is None:
        return content_digest(event), b""
    whole: Any = event
    texts = [getattr(whole.data, name) for name in fields]
    given = [text for text in texts if text is not None]
    if not given:
        return content_digest(event), NO_TEXT
    bare = replace(whole, data=replace(whole.data, **dict.fromkeys(fields)))
    is_known = not any(map(is_mark, given))
    return content_digest(bare), sha256(_CANONICAL.encode(texts)).digest()[:DIGEST_BYTES] if is_known else b""


def book(
    account: Account, event: v.Event, seq: int, rules: Rules, digest: bytes | None = None
) -> Booking | Duplicate:
    """Books an event as entry `seq`, or says that it is there already; raises Refused and changes nothing.

    `digest`: instead of the content's, for whoever books a ledger again, where no id may come twice, whatever it says.
    """
    key = key_of(event.source, event.id)
    digest, text = content_of(event) if digest is None else (digest, b"")
    known = account.seen.get(key)
    if known is not None:
        return _seen_before(event, known, digest, text)
    fact = fact_of(event, seq, rules)
    postings: list[Posting] = []
    waits = -1 if key in account.retracted else 0
    if isinstance(event, v.EventRetracted):
        waits_more, postings = _retract(account, key_of(event.data.source, event.data.id), seq, rules)
        waits += waits_more
    elif fact is not None and waits:
        account.add(fact)
    elif fact is not None:
        waits, postings = _state(account, fact, rules)
    account.seen[key] = Known(seq, digest, text)
    return Booking(seq, account.name, moment_of(event.time) if fact is None else fact.moment, waits, postings)


def conflict(event: v.Event, known: str) -> Refused:
    """The refusal of an id that is taken; `known`: what is known of the event that has it."""
    sentence = (
        f"source {event.source!r} with id {event.id!r} is {known}, with other content: "
        "send a correction under a new id, after a revledger.event.retracted.v1 for the old one"
    )
    return Refused("id_conflict", sentence, "id")


def _seen_before(event: v.Event, known: Known, digest: bytes, text: bytes) -> Duplicate:
    is_other_text = known.text and text and known.text != text
    if known.digest != digest or is_other_text:
        raise conflict(event, f"entry {known.seq} already")
    return Duplicate(known.seq)


def _state(account: Account, fact: Fact, rules: Rules) -> tuple[int, list[Posting]]:
    """Adds a fact; the change in unmatched facts, and the postings."""
    if fact.attributes:
        _require_few_attributes(account, fact)
    waits = _match(account, fact) if fact.contract_id else 0
    if fact.kind == "noted":
        account.add(fact)
        return waits, []
    notice = notice_of(fact, rules) if fact.kind == "cancelled" else None
    if notice is None:
        return waits, _moved(account, fact, rules)
    return waits, merged([*_moved(account, notice, rules), *_moved(account, fact, rules)])


def _moved(account: Account, fact: Fact, rules: Rules) -> list[Posting]:
    """Adds a fact and moves the frontier; the postings."""
    if is_next(account.frontier, fact):
        account.frontier, postings = book_next(account.frontier, fact, rules)
    else:
        known = account.facts_in_force()
        postings = book_difference(known, [*known, fact], rules)
        account.frontier = frontier_of([*known, fact])
    account.add(fact)
    return postings


def _require_few_attributes(account: Account, fact: Fact) -> None:
    """Every posting of an account carries all its attributes, so their number is bounded."""
    has = account.frontier.standing.attributes
    if len(has) + len(fact.attributes) <= ATTRIBUTES_MAX:
        return
    names = {name for name, _ in (*has, *fact.attributes)}
    if len(names) > ATTRIBUTES_MAX:
        sentence = (
            f"account {account.name!r} would have {len(names)} attributes, more than {ATTRIBUTES_MAX}: "
            "remove some with null first, or keep them in your own system"
        )
        raise Refused("too_many_attributes", sentence, "data.attributes")


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


def _retract(account: Account, target: str, seq: int, rules: Rules) -> tuple[int, list[Posting]]:
    """Takes an event back, now or when it arrives; the change in unmatched facts, and the postings."""
    if target in account.retracted:
        return 0, []
    known, waiting = account.facts_in_force(), sum(account.unsigned.values())
    account.retracted[target] = seq
    if target not in account.seen:
        return 1, []
    kept = account.facts_in_force()
    if len(kept) == len(known):
        return 0, []
    account.frontier = frontier_of(kept)
    account.unsigned = _unsigned(kept)
    return sum(account.unsigned.values()) - waiting, book_difference(known, kept, rules)


def _unsigned(facts: Iterable[Fact]) -> dict[str, int]:
    """Contract id -> facts about a contract that nobody has signed yet."""
    facts = list(facts)
    signed = {fact.contract_id for fact in facts if fact.kind == "signed"}
    counts: dict[str, int] = {}
    for fact in facts:
        if fact.contract_id and fact.contract_id not in signed and fact.kind != "noticed":
            counts[fact.contract_id] = counts.get(fact.contract_id, 0) + 1
    return counts
