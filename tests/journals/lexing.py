"""Words, days and amounts of a journal, and the error that names the file and the line."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path

from msgspec import Struct

_TOKEN = re.compile(r'\s+|(?P<comment>;.*)|(?P<word>(?:[^\s"]|"[^"]*")+)|(?P<open>")')
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_AMOUNT = re.compile(r"-?\d+|-?\d{1,3}(,\d{3})+")

Convert = Callable[[str], object]
Options = Mapping[str, tuple[str, Convert]]
"""Keyword -> (field it fills, how its value is read)."""


class UnreadableError(Exception):
    """A word or line that the notation cannot read, before its place is known."""


class JournalError(Exception):
    """A line of a journal that cannot be read; the message names file and line and says what is expected."""

    def __init__(self, path: Path, line: int, problem: str) -> None:
        super().__init__(f"{path}:{line}: {problem}")
        self.path = path
        self.line = line
        self.problem = problem


class Line(Struct, frozen=True):
    """One line of a journal: its number from 1, its words without quotes, and its comment with the `;`."""

    number: int
    indented: bool
    words: tuple[str, ...]
    comment: str


@contextmanager
def located(path: Path, line: Line) -> Iterator[None]:
    """Gives an UnreadableError raised within the file and line it was found on; raises JournalError."""
    try:
        yield
    except UnreadableError as error:
        raise JournalError(path, line.number, str(error)) from error


def line_read(path: Path, number: int, text: str) -> Line:
    """The words and the comment of one line; raises JournalError where a quote is left open."""
    words: list[str] = []
    comment = ""
    for match in _TOKEN.finditer(text):
        if match["open"] is not None:
            raise JournalError(path, number, 'a quote is left open: close it with "')
        if match["word"] is not None:
            words.append(match["word"].replace('"', ""))
        comment = match["comment"] or comment
    return Line(number, text[:1].isspace(), tuple(words), comment)


def day(text: str) -> str:
    """A calendar day `YYYY-MM-DD`; raises UnreadableError."""
    problem = f"{text!r} is not a day: write YYYY-MM-DD"
    if not _DAY.fullmatch(text):
        raise UnreadableError(problem)
    try:
        date.fromisoformat(text)
    except ValueError as error:
        raise UnreadableError(problem) from error
    return text


def moment(text: str) -> str:
    """An RFC 3339 time; a day stands for its midnight in UTC. Raises UnreadableError."""
    if _DAY.fullmatch(text):
        return day(text) + "T00:00:00Z"
    problem = f"{text!r} is no time: write YYYY-MM-DD or YYYY-MM-DDThh:mm:ssZ"
    try:
        read = datetime.fromisoformat(text)
    except ValueError as error:
        raise UnreadableError(problem) from error
    if read.tzinfo is None:
        raise UnreadableError(problem)
    return text


def day_or_moment(text: str) -> str:
    """A day, or an RFC 3339 time, as it stands; raises UnreadableError."""
    return day(text) if _DAY.fullmatch(text) else moment(text)


def amount(text: str) -> int:
    """A whole number of minor units, with or without commas between thousands; raises UnreadableError."""
    if not _AMOUNT.fullmatch(text):
        raise UnreadableError(
            f"{text!r} is no amount: write minor units as a whole number, 4000 or 20,000,000"
        )
    return int(text.replace(",", ""))


def text_of(text: str) -> str:
    """Any word, as it stands."""
    return text


def options_read(words: Sequence[str], options: Options) -> dict[str, object]:
    """Fields from `keyword value` pairs; raises UnreadableError for an unknown keyword or a missing value."""
    fields: dict[str, object] = {}
    for index in range(0, len(words), 2):
        keyword = words[index]
        if keyword not in options:
            raise UnreadableError(f"unknown word {keyword!r}: expected {choice(options)}")
        if index + 1 == len(words):
            raise UnreadableError(f"{keyword!r} needs a value after it")
        field, convert = options[keyword]
        if field in fields:
            raise UnreadableError(f"{keyword!r} is given twice")
        fields[field] = convert(words[index + 1])
    return fields


def pair_read(word: str) -> tuple[str, str]:
    """`NAME=VALUE` as a pair; raises UnreadableError."""
    name, sign, value = word.partition("=")
    if not name or not sign:
        raise UnreadableError(f"{word!r} is no attribute: write NAME=VALUE")
    return name, value


def choice(names: Mapping[str, object] | Sequence[str]) -> str:
    """The names as a list for a reader: `a, b or c`."""
    *most, last = names
    return f"{', '.join(most)} or {last}" if most else last
