"""Forms of an export: what each of them is called, and what whoever writes one is told and can do."""

from collections.abc import Iterator, Sequence
from typing import Literal, Protocol

from msgspec import Struct

from services.exports.journal import Line, Opened, Total

Form = Literal["csv", "parquet", "beancount"]


class About(Struct, frozen=True, omit_defaults=True):
    """What an export reflects: the last block of each partition, the moment asked for, policy and window."""

    position: dict[str, int]
    final: bool
    policy: str
    known_at: str = ""
    window: dict[str, str] = {}


class Writing(Protocol):
    """A file while it is written; its methods are called in a thread, in this order. All raise OSError."""

    def open(self, opened: Iterator[Opened]) -> None:
        """Is told of all contracts first."""
        ...

    def add(self, lines: Iterator[Line]) -> int:
        """Writes postings; how many there were."""
        ...

    def close(self, totals: Sequence[Total]) -> None:
        """Is told what all came to, and ends the file."""
        ...

    def abandon(self) -> None:
        """Closes what is open; the file is not needed any more."""
        ...
