"""The journal in the syntax of beancount: a transaction for each event and day, balanced, in exact amounts.

What is booked is annual recurring revenue: `Assets:Recurring:…` is the level of a contract, `Assets:Ahead:…` what is
agreed for later, and `Equity:Movements:…` is what moved them.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from itertools import groupby
from pathlib import Path
from typing import Final

import msgspec

from events.days import text_of_moment
from events.money import E4, MINOR_DIGITS
from services.exports.forms import About
from services.exports.journal import Line, Opened, Total

_LEVELS: Final = ("Assets:Recurring", "Assets:Ahead")
_PREFIX: Final = "Id-"
_OTHER: Final = re.compile(rb"[^A-Za-z0-9]")
_ESCAPES: Final = str.maketrans({'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"})
_OF_CELL: Final = ("line", "plan", "product", "owner", "campaign", "channel", "movement", "reason", "initiative")
HEAD: Final = """\
;; The journal of a revledger ledger: annual recurring revenue and what moved it. No money that was received.
;; {about}

option "title" "revledger"
"""


def component(text: str) -> str:
    """A part of an account's name that stands for one id and for no other.

    `Id-`, then letters and digits of ASCII as they are, `--` for `-`, and `-` and two hexadecimal digits for each
    other byte of its UTF-8.
    """

    def escaped(found: re.Match[bytes]) -> bytes:
        return b"--" if found[0] == b"-" else b"-%02X" % found[0][0]

    return _PREFIX + _OTHER.sub(escaped, text.encode()).decode()


def id_of_component(name: str) -> str:
    """The id that a part of an account's name stands for."""
    raw = name.removeprefix(_PREFIX).encode()

    def plain(found: re.Match[bytes]) -> bytes:
        return b"-" if found[1] == b"-" else bytes([int(found[1], 16)])

    return re.sub(rb"-(-|[0-9A-F]{2})", plain, raw).decode()


def level_account(account: str, contract: str, *, is_ahead: bool) -> str:
    """The account that holds the level of a contract, or what is agreed of it for later."""
    return f"{_LEVELS[is_ahead]}:{component(account)}:{component(contract)}"


def movement_account(movement: str) -> str:
    """The account that a movement is booked against."""
    return f"Equity:Movements:{movement.capitalize()}"


def string(text: str) -> str:
    """A text between quotes."""
    return f'"{text.translate(_ESCAPES)}"'


def amount(annual_e4: int, currency: str) -> str:
    """An amount in whole units of the currency, with every digit that it has."""
    digits = MINOR_DIGITS[currency]
    whole, rest = divmod(abs(annual_e4), E4 * 10**digits)
    return f"{'-' if annual_e4 < 0 else ''}{whole}.{rest:0{4 + digits}} {currency}"


class BeancountWriting:
    """A file in beancount's syntax while it is written."""

    def __init__(self, path: Path, about: About) -> None:
        self._file = path.open("x", encoding="utf-8", newline="\n")
        self._file.write(HEAD.format(about=msgspec.json.encode(about).decode()))
        self._movements: dict[str, date] = {}

    def open(self, opened: Iterator[Opened]) -> None:
        self._file.write("\n")
        for one in opened:
            name = level_account(one.account, one.contract, is_ahead=one.is_ahead)
            self._file.write(f"{one.first} open {name}\n")

    def add(self, lines: Iterator[Line]) -> int:
        count = 0
        for _, some in groupby(lines, lambda line: (line.partition, line.seq, line.day)):
            group = list(some)
            self._file.write("\n".join(["", *_transaction(group), ""]))
            count += len(group)
        return count

    def close(self, totals: Sequence[Total]) -> None:
        """Opens the movements, and states what each came to, which `bean-check` compares with the transactions."""
        self._file.write("\n")
        first: dict[str, date] = {}
        for one in totals:
            first[one.movement] = min(one.first, first.get(one.movement, one.first))
        for movement, day in first.items():
            self._file.write(f"{day} open {movement_account(movement)}\n")
        last = max((one.last for one in totals), default=date.max)
        if last < date.max:  # a balance is that of the morning, and there is none after the last day of all
            morning = last + timedelta(days=1)
            for one in totals:
                name = movement_account(one.movement)
                self._file.write(f"{morning} balance {name} {amount(-one.annual_e4, one.currency)}\n")
        self._file.close()

    def abandon(self) -> None:
        self._file.close()


def _transaction(lines: Sequence[Line]) -> Iterator[str]:
    """Postings of one event and day, and the movements against them."""
    first = lines[0]
    yield f"{first.day} * {string(first.account)} {string(first.type)}"
    yield f"  source: {string(first.source)}"
    yield f"  id: {string(first.id)}"
    yield f'  position: "{first.partition}:{first.height}:{first.seq}"'
    yield f'  recorded: "{text_of_moment(first.recorded_at)}"'
    yield f'  time: "{text_of_moment(first.time)}"'
    moved: dict[tuple[str, str], int] = {}
    for line in lines:
        account = level_account(line.account, line.contract, is_ahead=line.movement == "ahead")
        yield f"  {account}  {amount(line.annual_e4, line.currency)}"
        yield from _metadata(line)
        key = (line.movement, line.currency)
        moved[key] = moved.get(key, 0) + line.annual_e4
    for (movement, currency), total in moved.items():
        yield f"  {movement_account(movement)}  {amount(-total, currency)}"


def _metadata(line: Line) -> Iterator[str]:
    """What a posting is about; of what is empty, nothing."""
    yield f"    contract: {string(line.contract)}"
    for name in _OF_CELL:
        if value := getattr(line, name):
            yield f"    {name}: {string(value)}"
    if line.term_months is not None:
        yield f'    term-months: "{line.term_months}"'
    if line.attributes:
        yield f"    attributes: {string(msgspec.json.encode(line.attributes).decode())}"
