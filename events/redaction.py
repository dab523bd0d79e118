"""Redaction: an entry with the free text taken out of its event, and the notes that say of which entries it was.

Notes are chained by hash like blocks, so that a checkpoint that names the last pins them all. A note is JSON,
`{"number", "at", "prev", "entries": [[partition, height, seq, before, after], ...]}`, where `before` and `after` are
the SHA-256 of the event as it was received and as it is since, in hexadecimal; its hash is the SHA-256 of its bytes.
"""

from collections.abc import Iterable
from hashlib import sha256
from typing import Final

import msgspec
from msgspec import Struct

from events.block import NO_HASH, Entry, kept_entry
from events.days import moment_of_text, text_of_moment
from events.freetext import texts_of, without_text
from events.vocabulary import Event


class Redacted(Struct, frozen=True, array_like=True):
    """An entry that had free text taken out; hashes in hexadecimal."""

    partition: int
    height: int
    seq: int
    before: str
    after: str

    @property
    def hashes(self) -> str:
        """The same as the entry has them."""
        return self.before + self.after


class Note(Struct, frozen=True, forbid_unknown_fields=True):
    """One note; `at` when it was written, RFC 3339, `prev` the hash of the note before it."""

    number: int
    at: str
    prev: str
    entries: list[Redacted]


class NotesDamaged(Exception):
    """The notes of redactions are not what was written."""


_NOTE: Final = msgspec.json.Decoder(Note)


def redacted_entry(entry: Entry, event: Event, nonce: str) -> Entry:
    """An entry without the free text of its event; one that has none comes back as it is.

    `nonce` is for an event that has none of its own.
    """
    if not texts_of(event):
        return entry
    raw = without_text(entry.event, event, nonce)
    before = entry.hashes[:32] or sha256(entry.event).digest()
    return kept_entry(raw, entry.booking, before + sha256(raw).digest())


def redacted(partition: int, height: int, seq: int, entry: Entry) -> Redacted:
    """What a note says of an entry that had free text taken out."""
    return Redacted(partition, height, seq, entry.hashes[:32].hex(), entry.hashes[32:].hex())


def note_bytes(number: int, at: int, prev: bytes, entries: Iterable[Redacted]) -> bytes:
    """The bytes of a note; `at` in microseconds."""
    return msgspec.json.encode(Note(number, text_of_moment(at), prev.hex(), list(entries)))


def hash_of_note(data: bytes) -> bytes:
    """The hash of a note."""
    return sha256(data).digest()


def notes_of(rows: Iterable[tuple[bytes, bytes]]) -> list[Note]:
    """The notes in rows of bytes and hash, in order; raises NotesDamaged."""
    notes: list[Note] = []
    prev = NO_HASH
    for number, (data, kept) in enumerate(rows, 1):
        try:
            note = _NOTE.decode(data)
            moment_of_text(note.at)
        except (msgspec.MsgspecError, ValueError) as error:
            raise NotesDamaged(f"note {number} of the redactions cannot be read: {error}") from error
        if hash_of_note(data) != kept or msgspec.json.encode(note) != data:
            raise NotesDamaged(f"note {number} of the redactions was changed: its hash is that of another")
        if (note.number, note.prev) != (number, prev.hex()):
            raise NotesDamaged(f"note {number} of the redactions does not follow the one before it")
        notes.append(note)
        prev = kept
    return notes
