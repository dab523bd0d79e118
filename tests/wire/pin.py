"""Pins the bytes of what is new, `python -m tests.wire.pin`, and never touches what is pinned already."""

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from events.account import Account, Booking, book
from events.adoption import Step, booking_of_change, change_of, raw_of_change
from events.block import Adopted, Block, Entry, Genesis, block_of, entry_of, seal
from events.envelope import binary_of_structured, event_of
from events.policy import DEFAULT_RULES, Policy, Rules
from tests.wire.alerted import ALERTS
from tests.wire.samples import SAMPLES

HERE: Final = Path(__file__).resolve().parent
RECORDED_AT: Final = 1_756_684_800_000_000
"""2025-09-01T00:00:00Z in microseconds: when the pinned blocks say they were recorded."""
HEX_COLUMNS: Final = 100
OTHER_POLICY: Final = Policy("ours", 2, "UTC", "notice", "list", "full", "active", 90, "82.5")
"""What the pinned ledger goes over to."""
_BEFORE: Final = ("entries", "idle")


class PinnedBooking(msgspec.Struct, frozen=True):
    """The pins booked before on the same account, and the booking then made of this one, in hexadecimal."""

    given: list[str]
    booking: str


class PinnedBlock(msgspec.Struct, frozen=True):
    """What a pinned block is known by, in hexadecimal."""

    hash: str
    merkle_root: str


def pinned_events(root: Path) -> dict[str, bytes]:
    """Name -> structured-mode bytes of every pin."""
    return {path.stem: path.read_bytes() for path in sorted((root / "events").glob("*.json"))}


def entries_booked(raws: Iterable[bytes]) -> list[Entry]:
    """The events booked one after the other from nothing, as entries 0, 1, ... of a partition."""
    accounts: dict[str, Account] = {}
    entries: list[Entry] = []
    for seq, raw in enumerate(raws):
        event = event_of(raw)
        account = accounts.setdefault(event.subject, Account(event.subject))
        booking = book(account, event, seq, DEFAULT_RULES)
        assert isinstance(booking, Booking), f"{event.id} is a duplicate"
        entries.append(entry_of(raw, booking))
    return entries


def pin_new(root: Path, samples: Mapping[str, bytes]) -> list[Path]:
    """Writes what is not pinned yet; the files written."""
    fresh = [path for name, raw in samples.items() for path in _new(root, f"events/{name}.json", raw)]
    events = pinned_events(root)
    for name in samples:
        headers, data = binary_of_structured(events[name])
        fresh += _new(root, f"binary/{name}.headers.json", _json(headers))
        fresh += _new(root, f"binary/{name}.data.json", data)
        fresh += _new(root, f"bookings/{name}.json", _json(_booking(name, list(samples), events)))
    for name, message in ALERTS.items():
        fresh += _new(root, f"alerts/{name}.json", message.body)
    if not (root / "blocks").is_dir():
        for name, block in _chain(list(events.values())).items():
            fresh += _pinned(root, name, block)
    if not (root / "blocks/adoption.hex").is_file():
        entries, idle = (block_of(bytes.fromhex((root / f"blocks/{name}.hex").read_text())) for name in _BEFORE)
        fresh += _pinned(root, "adoption", adoption_of(idle, [entry.event for entry in entries.entries]))
    return fresh


def adoption_of(head: Block, raws: list[bytes]) -> Block:
    """The block that goes over from the default policy to another, on top of a head, given all events before it."""
    step = Step(DEFAULT_RULES, Rules(OTHER_POLICY), head.hash, RECORDED_AT + 90_000_000)
    entries: list[Entry] = []
    books = [accounts_of(raws, rules) for rules in (step.then, step.now)]
    for name in sorted(books[0]):
        if postings := change_of(step, books[0][name], books[1][name]).postings:
            seq = head.next_seq + len(entries)
            booking = booking_of_change(step, name, seq, postings)
            entries.append(entry_of(raw_of_change(step, name, seq), booking))
    return seal(
        head,
        entries,
        partition=0,
        recorded_at=step.recorded_at,
        policy=OTHER_POLICY.stamp,
        sources=head.header.sources,
        adopts=Adopted(OTHER_POLICY, len(entries)),
    )


def accounts_of(raws: list[bytes], rules: Rules) -> dict[str, Account]:
    """The accounts after some events, booked under some rules."""
    accounts: dict[str, Account] = {}
    for seq, raw in enumerate(raws):
        event = event_of(raw)
        book(accounts.setdefault(event.subject, Account(event.subject)), event, seq, rules)
    return accounts


def write_new(root: Path, name: str, content: bytes) -> bool:
    """Writes a file that is not there; False, and nothing changed, if it is."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("xb") as file:
            file.write(content)
    except FileExistsError:
        return False
    return True


def text_of_bytes(data: bytes) -> bytes:
    """Bytes as lines of hexadecimal digits, which a review can show."""
    digits = data.hex()
    lines = [digits[start : start + HEX_COLUMNS] for start in range(0, len(digits), HEX_COLUMNS)]
    return ("\n".join(lines) + "\n").encode()


def _new(root: Path, name: str, content: bytes) -> list[Path]:
    return [root / name] if write_new(root, name, content) else []


def _booking(name: str, order: list[str], events: Mapping[str, bytes]) -> PinnedBooking:
    subject = event_of(events[name]).subject
    before = order[: order.index(name)]
    given = [one for one in before if event_of(events[one]).subject == subject]
    entry = entries_booked([*(events[one] for one in given), events[name]])[-1]
    return PinnedBooking(given, entry.booking.hex())


def _chain(raws: list[bytes]) -> dict[str, Block]:
    """A genesis, a block of entries, and an idle one that knows where its source stands."""
    policy = Policy()
    genesis = seal(None, [], partition=0, recorded_at=RECORDED_AT, policy=policy.stamp, genesis=Genesis(1, policy))
    booked = seal(genesis, entries_booked(raws), partition=0, recorded_at=RECORDED_AT + 1_500_000, policy=policy.stamp)
    idle = seal(
        booked,
        [],
        partition=0,
        recorded_at=RECORDED_AT + 61_500_000,
        policy=policy.stamp,
        sources={"revledger.events/0": 41},
    )
    return {"genesis": genesis, "entries": booked, "idle": idle}


def _pinned(root: Path, name: str, block: Block) -> list[Path]:
    known = PinnedBlock(block.hash.hex(), block.header.merkle_root.hex())
    return [
        *_new(root, f"blocks/{name}.hex", text_of_bytes(block.data)),
        *_new(root, f"blocks/{name}.json", _json(known)),
    ]


def _json(value: Any) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"


if __name__ == "__main__":
    for written in pin_new(HERE, SAMPLES):
        sys.stdout.write(f"{written.relative_to(HERE)}: pinned\n")
