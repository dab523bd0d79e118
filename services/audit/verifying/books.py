"""The books of one partition made again from its events alone, and held against what the ledger says."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import msgspec
from msgspec.structs import replace

from events.account import Account, Booking, Duplicate, book
from events.adoption import raw_of_change
from events.block import Block, BlockDamaged, Entry, booking_of
from events.days import text_of_day
from events.envelope import recorded_event_of
from events.facts import key_of
from events.movements import Posting
from events.partitions import partition_of
from events.policy import Rules
from events.refusals import Refused
from events.vocabulary import Event, PolicyAdopted
from services.accounts import Accounts
from services.audit.verifying.adoption import NO_DIGEST, Adopting, Due, booked_again, due_in, step_to
from services.audit.verifying.findings import Finding, Taken, Verified, moment_text
from services.audit.verifying.ids import Ids, id_hash
from services.ledgers.port import Chains

_ENCODER: Final = msgspec.msgpack.Encoder()
TOLD_MAX: Final = 3
"""How many postings of a booking a sentence tells."""


class BooksAgain:
    """Books the entries of blocks again, in order; what is not as the ledger says goes into `verified`."""

    def __init__(self, verified: Verified, accounts: Accounts, ids: Ids, rules: Rules, partitions: int) -> None:
        self._verified = verified
        self._accounts = accounts
        self._ids = ids
        self._rules = rules
        self._partitions = partitions
        self._doubted = set(verified.doubted)
        self._adopting: Adopting | None = None

    async def adopt(self, ledger: Chains, first: Block, now: Accounts) -> None:
        """Goes over to another policy: books all before its first block again under it, for its entries to be held to.

        `now`: for those books; whatever is added from here on goes there.
        """
        header, step, then = first.header, step_to(first, self._rules), self._accounts
        refused = await booked_again(ledger, header.partition, header.height, step.now, now)
        for name in sorted(refused.keys() - self._doubted):
            sentence = f"is of one under which an event of account {name!r} is refused: {refused[name]}"
            self._find_of_adoption(header.height, "a policy that all events fit", refused[name], sentence)
        self._doubt(*refused)
        self._adopting = Adopting(step, first, due_in(step, then, now, self._doubted))
        self._rules, self._accounts = step.now, now

    def is_settled(self, next_seq: int) -> bool:
        """Whether the adoption that went on is over before an entry; what was due and did not come is told then."""
        adopting = self._adopting
        if adopting is None or next_seq < adopting.until_seq:
            return False
        self._miss(adopting, adopting.rest())
        if adopting.entries != adopting.count and not self._doubted:
            due, found = f"{adopting.count:,} entries", f"{adopting.entries:,} entries"
            self._find_of_adoption(adopting.height, due, found, f"says that it is {found}, and it is {due}")
        self._adopting = None
        return True

    def go_on_with(self, accounts: Accounts) -> None:
        """From here on the same accounts are there."""
        self._accounts = accounts

    def add(self, block: Block) -> None:
        """Books the entries of a block again."""
        events = self._events(block)
        names = {event.subject for event in events if event is not None}
        accounts = self._accounts.get_many(names)
        self._accounts.changed(names, {})  # before they are: an adoption lets go of accounts that are not
        if self._partitions > 1:
            self._check_places(block, events, names)
        self._book(block, events, accounts)
        if any(entry.hashes for entry in block.entries):
            self._note_taken(block, events)
        self._ids.add(
            [
                id_hash(f"\n{seq}" if event is None else key_of(event.source, event.id))
                for seq, event in enumerate(events, block.header.first_seq)
            ]
        )

    def _events(self, block: Block) -> Sequence[Event | None]:
        """What the entries' events say; None for one that cannot be read."""
        try:
            return [recorded_event_of(entry.event) for entry in block.entries]
        except Refused:
            return list(self._readable(block))

    def _readable(self, block: Block) -> Iterator[Event | None]:
        for seq, entry in enumerate(block.entries, block.header.first_seq):
            try:
                yield recorded_event_of(entry.event)
            except Refused as refused:
                sentence = f"its event cannot be read: {refused.message}"
                self._find(block, seq, None, "event", "an event", refused.message, sentence)
                self._doubt(_account_of(entry))
                yield None

    def _book(self, block: Block, events: Sequence[Event | None], accounts: Mapping[str, Account]) -> None:
        encode, rules, postings = _ENCODER.encode, self._rules, 0
        seq = block.header.first_seq
        for entry, event in zip(block.entries, events, strict=True):
            if event is not None and event.subject not in self._doubted:
                try:
                    booking = book(accounts[event.subject], event, seq, rules, NO_DIGEST)
                except Refused as refused:
                    self._refused(block, seq, entry, event, refused)
                else:
                    if isinstance(booking, Duplicate):
                        self._repeated(block, seq, entry, event, booking.seq)
                    elif encode(due := self._due(block, seq, entry, event, booking)) != entry.booking:
                        self._differs(block, seq, entry, event, due)
                    else:
                        postings += len(due.postings)
            seq += 1
        self._verified.postings += postings

    def _due(self, block: Block, seq: int, entry: Entry, event: Event, booking: Booking) -> Booking:
        """What the booking of an entry has to be: of one of an adoption, what that changes in its account."""
        adopting, is_adopted = self._adopting, type(event) is PolicyAdopted
        if adopting is None and not is_adopted:
            return booking
        if adopting is None or not is_adopted:
            due, found = ("an adopted policy", "none") if is_adopted else ("an entry of the adoption", "another")
            sentence = "is of an adoption, and none goes on here" if is_adopted else "is in the midst of an adoption"
            self._find(block, seq, event, "adoption", due, found, sentence)
            return booking
        self._miss(adopting, adopting.before(event.subject))
        if entry.event != raw_of_change(adopting.step, event.subject, seq):
            due, sentence = "the event of its adoption", "says something else than the adoption that it is of"
            self._find(block, seq, event, "adoption", due, "another", sentence)
        return replace(booking, postings=adopting.postings_of(event.subject))

    def _miss(self, adopting: Adopting, due: Iterable[Due]) -> None:
        for name, postings in due:
            told = _told(postings)
            sentence = f"changes account {name!r}, and has no entry of that: {told}"
            self._find_of_adoption(adopting.height, told, "no entry", sentence)
            self._doubt(name)

    def _find_of_adoption(self, height: int, expected: str, found: str, sentence: str) -> None:
        partition = self._verified.partition
        what = f"The adoption of a policy with block {height} of partition {partition} {sentence}."
        self._verified.add(Finding(partition, height, None, "adoption", expected, found, what))

    def _check_places(self, block: Block, events: Sequence[Event | None], names: set[str]) -> None:
        due = self._verified.partition
        strays = {name: place for name in names if (place := partition_of(name, self._partitions)) != due}
        if not strays:
            return
        for seq, event in enumerate(events, block.header.first_seq):
            if event is not None and event.subject in strays:
                place = strays[event.subject]
                sentence = f"is of account {event.subject!r}, which belongs to partition {place}"
                self._find(block, seq, event, "partition", str(place), str(due), sentence)

    def _note_taken(self, block: Block, events: Sequence[Event | None]) -> None:
        header = block.header
        for seq, (entry, event) in enumerate(zip(block.entries, events, strict=True), header.first_seq):
            if entry.hashes:
                source, event_id = ("", "") if event is None else (event.source, event.id)
                self._verified.add_taken(Taken(header.partition, header.height, seq, source, event_id))

    def _refused(self, block: Block, seq: int, entry: Entry, event: Event, refused: Refused) -> None:
        sentence = f"would be refused if it were booked again: {refused.message}"
        self._find(block, seq, event, "booking", "an event that can be booked", refused.code, sentence)
        self._doubt(event.subject, _account_of(entry))

    def _repeated(self, block: Block, seq: int, entry: Entry, event: Event, first_seq: int) -> None:
        sentence = f"is the same event as entry {first_seq}: it was booked twice"
        self._find(block, seq, event, "twice", "an id of its own", f"the id of entry {first_seq}", sentence)
        self._doubt(event.subject, _account_of(entry))

    def _differs(self, block: Block, seq: int, entry: Entry, event: Event, booking: Booking) -> None:
        try:
            found = booking_of(entry)
        except BlockDamaged as error:
            due, told = _told(booking.postings), str(error)
            sentence = f"holds a booking that cannot be read ({error}); booked again: {due}"
        else:
            due, told = _difference(booking, found)
            sentence = f"is booked otherwise than its event says: {told} in the ledger, {due} when booked again"
        self._find(block, seq, event, "booking", due, told, sentence)
        self._doubt(event.subject, _account_of(entry))

    def _doubt(self, *names: str) -> None:
        """The books of an account with a wrong entry say nothing of the entries after it."""
        new = {name for name in names if name} - self._doubted
        self._doubted |= new  # in place: an adoption looks into the same set
        self._verified.doubted += sorted(new)

    def _find(
        self, block: Block, seq: int, event: Event | None, check: str, expected: str, found: str, sentence: str
    ) -> None:
        header = block.header
        source, event_id = ("", "") if event is None else (event.source, event.id)
        named = "" if event is None else f" (source {source!r}, id {event_id!r})"
        what = f"Block {header.height} of partition {header.partition}, entry {seq}{named}: {sentence}."
        self._verified.add(
            Finding(header.partition, header.height, seq, check, expected, found, what, source, event_id)
        )


def _account_of(entry: Entry) -> str:
    """The account that a booking names; empty if it cannot be read."""
    try:
        return booking_of(entry).account
    except BlockDamaged:
        return ""


def _difference(due: Booking, found: Booking) -> tuple[str, str]:
    """Where two bookings of one event differ, in words: what was due, and what was found."""
    if due.account != found.account:
        return f"account {due.account!r}", f"account {found.account!r}"
    if due.seq != found.seq:
        return f"number {due.seq}", f"number {found.seq}"
    if due.moment != found.moment:
        return f"time {moment_text(due.moment)}", f"time {moment_text(found.moment)}"
    if due.unmatched != found.unmatched:
        return f"{due.unmatched:+} unmatched", f"{found.unmatched:+} unmatched"
    if due.postings == found.postings:
        return "the same in other bytes", "another spelling"
    missing = [one for one in due.postings if one not in found.postings]
    more = [one for one in found.postings if one not in due.postings]
    if not missing and not more:
        return _told(due.postings), f"{_told(found.postings)} in another order"
    return _told(missing), _told(more)


def _told(postings: Sequence[Posting]) -> str:
    if not postings:
        return "no such posting"
    told = ", ".join(map(posting_text, postings[:TOLD_MAX]))
    return told + (f" and {len(postings) - TOLD_MAX:,} more" if len(postings) > TOLD_MAX else "")


def posting_text(posting: Posting) -> str:
    """A posting on one line, its amount exact: in 1/10,000 of a minor unit a year."""
    cell = posting.cell
    labels = "".join(f" {name}={value}" for name, value in cell.labels)
    why = "".join(f" {word}" for word in (posting.reason, posting.initiative) if word)
    where = "/".join(one for one in (cell.contract, cell.line, cell.plan, cell.product) if one)
    amount = f"{posting.amount:+,} e-4 {cell.currency} minor a year"
    return f"{_day_text(posting.day)} {posting.movement} {amount} {where}{labels}{why}"


def _day_text(day: int) -> str:
    try:
        return text_of_day(day)
    except (ValueError, OverflowError):
        return f"day {day}"
