"""The notation of the journals: text in, CloudEvents in order of arrival and the expected books out."""

from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from tests.journals.event_lines import Event, event_read
from tests.journals.expectation_lines import Expectation, expectation_read
from tests.journals.lexing import JournalError, Line, UnreadableError, line_read, located

EXPECTATIONS = ("bridge", "restate", "figure", "loaded")


class Block(Struct, frozen=True):
    """A line that stands at the margin and the indented lines below it."""

    head: Line
    details: tuple[Line, ...]


class Journal(Struct, frozen=True):
    """One case: its events in order of arrival, and each expectation with the block it was read from."""

    path: Path
    text: str
    events: tuple[Event, ...]
    expectations: tuple[Expectation, ...]
    blocks: tuple[Block, ...]


def journal_read(path: Path) -> Journal:
    """The journal in a file; raises JournalError, which names file and line."""
    return journal_of_text(path, path.read_text(encoding="utf-8"))


def journal_of_text(path: Path, text: str) -> Journal:
    """The journal in a text, `path` naming it in errors and in the ids of its events; raises JournalError."""
    events: list[Event] = []
    expectations: list[Expectation] = []
    blocks: list[Block] = []
    for block in _blocks(path, text):
        if block.head.words[0] in EXPECTATIONS:
            expectations.append(expectation_read(path, block.head, block.details))
            blocks.append(block)
            continue
        event = event_read(path, block.head, block.details, len(events) + 1)
        _check_recorded(path, block.head, events, event)
        events.append(event)
    return Journal(path, text, tuple(events), tuple(expectations), tuple(blocks))


def _blocks(path: Path, text: str) -> list[Block]:
    blocks: list[Block] = []
    for number, words in enumerate(text.splitlines(), start=1):
        line = line_read(path, number, words)
        if not line.words:
            continue
        if not line.indented:
            blocks.append(Block(line, ()))
        elif blocks:
            blocks[-1] = Block(blocks[-1].head, (*blocks[-1].details, line))
        else:
            raise JournalError(path, number, "an indented line needs a line above it that it belongs to")
    return blocks


def _check_recorded(path: Path, head: Line, earlier: Sequence[Event], event: Event) -> None:
    """The ledger's clock is given for all events or for none: half a clock would run backwards."""
    if earlier and ("recordedtime" in event) != ("recordedtime" in earlier[0]):
        with located(path, head):
            raise UnreadableError("either every event of a journal says when it was recorded, or none does")
