"""Redaction: the leaf of an entry stays, and a note that was changed is found."""

import json
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from events.block import NO_HASH, Entry, entry_leaf, entry_leaves
from events.envelope import event_of
from events.redaction import (
    Note,
    NotesDamaged,
    Redacted,
    hash_of_note,
    note_bytes,
    notes_of,
    redacted,
    redacted_entry,
)
from tests.events.test_freetext import NONCE, raw_of, survey

ENTRIES = [Redacted(0, 7, 9, "aa" * 32, "bb" * 32)]
FIRST = (
    b'{"number":1,"at":"2024-01-05T12:00:00Z","prev":"' + b"00" * 32 + b'","entries":[[0,7,9,"'
    + b"aa" * 32 + b'","' + b"bb" * 32 + b'"]]}'
)  # fmt: skip
AT = 1_704_456_000_000_000


def test_the_leaf_stays_and_the_text_goes() -> None:
    raw = raw_of(survey("my secret"))
    entry = Entry(raw, b"booking")
    taken = redacted_entry(entry, event_of(raw), NONCE)
    assert b"secret" not in taken.event
    assert entry_leaves([taken]) == entry_leaves([entry])
    assert redacted_entry(taken, event_of(taken.event), "other") == taken
    assert redacted(1, 2, 3, taken).hashes == taken.hashes.hex()
    assert entry_leaf(Entry(taken.event, b"booking")) != entry_leaf(entry)


def test_the_bytes_of_a_note_are_for_ever() -> None:
    assert note_bytes(1, AT, NO_HASH, ENTRIES) == FIRST
    assert hash_of_note(FIRST).hex() == "c00b7f9a1385dd31d4096084fc8a801f135ab937834c2f5139ba220d9c465cbc"


def chain(*more: list[Redacted]) -> list[tuple[bytes, bytes]]:
    """Rows of notes."""
    rows: list[tuple[bytes, bytes]] = []
    for number, entries in enumerate(more, 1):
        data = note_bytes(number, AT + number, rows[-1][1] if rows else NO_HASH, entries)
        rows.append((data, hash_of_note(data)))
    return rows


def test_notes_are_read_in_order() -> None:
    notes = notes_of(chain(ENTRIES, [], ENTRIES))
    assert [(note.number, note.entries) for note in notes] == [(1, ENTRIES), (2, []), (3, ENTRIES)]
    assert notes_of([]) == []


def altered(rows: list[tuple[bytes, bytes]], **changes: Any) -> list[tuple[bytes, bytes]]:
    """The second note changed, its hash worked out anew."""
    note = replace(Note(**{**json.loads(rows[1][0]), "entries": []}), **changes)
    data = msgspec.json.encode(note)
    return [rows[0], (data, hash_of_note(data)), *rows[2:]]


ROWS = chain(ENTRIES, [], ENTRIES)


@pytest.mark.parametrize(
    "rows",
    [
        [ROWS[0], ROWS[2]],
        ROWS[1:],
        [(ROWS[0][0] + b" ", ROWS[0][1]), *ROWS[1:]],
        [(ROWS[0][0] + b" ", hash_of_note(ROWS[0][0] + b" ")), *ROWS[1:]],
        [(b"{}", hash_of_note(b"{}"))],
        [(ROWS[0][0], bytes(32)), *ROWS[1:]],
        altered(ROWS, number=7),
        altered(ROWS, prev="ff" * 32),
        altered(ROWS, at="yesterday"),
        altered(ROWS, at="2024-01-05T12:00:01Z"),
    ],
)
def test_notes_that_were_changed_are_told(rows: list[tuple[bytes, bytes]]) -> None:
    with pytest.raises(NotesDamaged, match=r"note \d of the redactions"):
        notes_of(rows)
