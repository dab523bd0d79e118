"""A batch: events being booked on top of the ledger's head, cut into blocks, and what becomes of each."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal

from msgspec import Struct

from events import block as blocks
from events.account import Account, Booking, Duplicate, book, conflict
from events.block import Block, Entry
from events.facts import key_of
from events.freetext import FREE_FIELDS
from events.policy import Rules
from events.refusals import Refused
from events.vocabulary import Event
from services import clock
from services.freetext import Mode, as_kept

BLOCK_ENTRIES_MAX: Final = 1_000
BLOCK_BYTES_MAX: Final = 700_000
PROGRESS_EVENTS: Final = 10_000
"""Events read without anything to book before the ledger notes how far: a start reads at most so many again."""
NO_SOURCES: Final[Mapping[str, int]] = MappingProxyType({})


class Submitted(Struct, frozen=True):
    """One event as received; `recorded_at` (microseconds) only for a history recorded elsewhere.

    `event` is what the bytes say, for whoever knows already; None: it is still to be read.
    """

    raw: bytes
    recorded_at: int | None = None
    event: Event | Refused | None = None


class Place(Struct, frozen=True):
    """Where an event is in the ledger."""

    partition: int
    height: int
    seq: int


class Queued(Struct, frozen=True):
    """Where an event waits in Kafka to be booked."""

    partition: int
    offset: int


class Outcome(Struct, frozen=True):
    """What became of one event; `code`, `message` and `field` say why it was refused.

    `dead_letter` is the number it is kept under, where the intake kept it; `queued` where it waits, durable and not
    yet booked.
    """

    status: Literal["accepted", "duplicate", "refused", "queued"]
    place: Place | None = None
    unmatched: int = 0
    code: str = ""
    message: str = ""
    field: str = ""
    dead_letter: int | None = None
    queued: Queued | None = None


class ClockRunsBackwards(Exception):
    """A history's recorded times decrease, or lie before what the ledger holds already."""


class Batch:
    """Events being booked on top of the head, cut into blocks."""

    def __init__(
        self,
        head: Block,
        policy: str,
        partition: int,
        accounts: Mapping[str, Account],
        owners: Mapping[str, str],
        free_text: Mode = "keep",
    ) -> None:
        self._head = head
        self._policy = policy
        self._partition = partition
        self._accounts = accounts
        self._owners = owners
        self._free_text: Mode = free_text
        self._seq = head.next_seq
        self._entries: list[Entry] = []
        self._bytes = 0
        self._recorded_at: int | None = None
        self._sealed: list[Block] = []
        self.outcomes: list[Outcome] = []
        self.touched: set[str] = set()
        self.owned: dict[str, str] = {}

    def add(self, item: Submitted, event: Event | Refused, rules: Rules) -> None:
        """Books one event, or notes why not."""
        try:
            if isinstance(event, Refused):
                raise event
            self._book(item, event, rules)
        except Refused as refused:
            self.outcomes.append(Outcome("refused", None, 0, refused.code, refused.message, refused.field))

    def _book(self, item: Submitted, event: Event, rules: Rules) -> None:
        key = key_of(event.source, event.id)
        owner = self._owners.get(key) or self.owned.get(key)
        if owner is not None and owner != event.subject:
            raise conflict(event, f"an event of {owner!r}")
        raw, event = (item.raw, event) if type(event) not in FREE_FIELDS else as_kept(item.raw, event, self._free_text)
        booking = book(self._accounts[event.subject], event, self._seq, rules)
        if isinstance(booking, Duplicate):
            self.outcomes.append(Outcome("duplicate", Place(self._partition, -1, booking.seq)))
            return
        self._append(item, booking, self._entry(raw, booking))
        self.owned[key] = event.subject

    def _entry(self, raw: bytes, booking: Booking) -> Entry:
        """The entry of a booking; raises Refused, the booking undone, if no ledger could keep it."""
        entry = blocks.entry_of(raw, booking)
        try:
            blocks.require_keepable(entry, booking)
        except Refused:
            self._accounts[booking.account].forget_from(booking.seq)
            raise
        return entry

    def _append(self, item: Submitted, booking: Booking, entry: Entry) -> None:
        size = len(entry.event) + len(entry.booking)
        full = len(self._entries) >= BLOCK_ENTRIES_MAX or self._bytes + size > BLOCK_BYTES_MAX
        if self._entries and (full or item.recorded_at != self._recorded_at):
            self._seal()
        self._recorded_at = item.recorded_at
        self._entries.append(entry)
        self._bytes += size
        self._seq += 1
        self.touched.add(booking.account)
        self.outcomes.append(Outcome("accepted", Place(self._partition, -1, booking.seq), booking.unmatched))

    def _seal(self, sources: Mapping[str, int] = NO_SOURCES) -> None:
        """Seals a block; all but the last of a batch say of the inputs what the head said: the batch is not over."""
        given = self._recorded_at
        if given is not None and given < self._head.header.recorded_at:
            raise ClockRunsBackwards(
                "a recorded time lies before what the ledger holds already: sort the history by recordedtime, "
                "load it into an empty ledger, or load it without --as-recorded"
            )
        recorded_at = clock.now() if given is None else given
        self._head = blocks.seal(
            self._head,
            self._entries,
            partition=self._partition,
            recorded_at=recorded_at,
            policy=self._policy,
            sources=_furthest(self._head.header.sources, sources),
        )
        self._sealed.append(self._head)
        self._entries, self._bytes = [], 0

    def sealed(self, sources: Mapping[str, int], progress_events: int) -> list[Block]:
        """The blocks of the batch; where there was nothing to book, an empty one if so many events were read."""
        if self._entries or _is_far(self._head.header.sources, sources, progress_events):
            self._seal(sources)
        return self._sealed


def _furthest(known: Mapping[str, int], sources: Mapping[str, int]) -> dict[str, int]:
    """How far the inputs were read: a writer that was overtaken takes nothing back."""
    return {**known, **{name: max(offset, known.get(name, 0)) for name, offset in sources.items()}}


def _is_far(known: Mapping[str, int], sources: Mapping[str, int], progress_events: int) -> bool:
    return any(offset - known.get(name, 0) >= progress_events for name, offset in sources.items())
