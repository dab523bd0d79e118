"""The journal as CSV (RFC 4180, UTF-8), safe to open in a spreadsheet and exact to read back."""

import csv
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from events.days import text_of_moment
from services.exports.forms import About
from services.exports.journal import COLUMNS, Line, Opened, Total

MARK: Final = "'"
_UNSAFE: Final = tuple("=+-@\t\r\n" + "\uff1d\uff0b\uff0d\uff20" + MARK)
"""How a formula may begin (source: OWASP, CSV injection), and the mark that we put before it."""
_TEXTS: Final = frozenset(name for name, kind in Line.__annotations__.items() if kind is str)
_ENCODED: Final[dict[str, Callable[[Any], str]]] = {"recorded_at": text_of_moment, "time": text_of_moment, "day": str}


def safe_text(text: str) -> str:
    """A text that no spreadsheet takes for a formula: with an apostrophe before it if it begins like one.

    A text that begins with an apostrophe gets another, so that taking off the first gives back any text.
    """
    return MARK + text if text.startswith(_UNSAFE) else text


class CsvWriting:
    """A CSV file while it is written."""

    def __init__(self, path: Path, _about: About) -> None:
        self._file = path.open("x", encoding="utf-8", newline="")
        self._writer = csv.writer(self._file)
        self._writer.writerow(COLUMNS)

    def open(self, opened: Iterator[Opened]) -> None:
        """There is nothing to tell of contracts."""

    def add(self, lines: Iterator[Line]) -> int:
        count = 0
        for line in lines:
            count += 1
            self._writer.writerow([_encoded(name, value) for name, value in zip(COLUMNS, line, strict=True)])
        return count

    def close(self, _totals: Sequence[Total]) -> None:
        self._file.close()

    def abandon(self) -> None:
        self._file.close()


def _encoded(name: str, value: Any) -> Any:
    if name in _TEXTS:
        return safe_text(value)
    if name in _ENCODED:
        return _ENCODED[name](value)
    return msgspec.json.encode(value).decode() if name == "attributes" else value
