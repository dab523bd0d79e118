"""Numbers, days and moments as people read them."""

from collections.abc import Callable, Sequence
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Final

from events.days import date_of_day, day_of_text
from events.money import MINOR_DIGITS, round_half_up
from projections.figures import Figure, Unit, Value

NOTHING: Final = "-"
NOTHING_BOOKED: Final = "nothing: the ledger is empty, load events into it (`revledger load --help`)"
"""What figures of an empty ledger reflect, and what to do about it."""
SCALES: Final = {0: "", 3: "thousands of ", 6: "millions of ", 9: "billions of "}
"""Powers of ten of the whole unit -> what they are called."""


def money(amount_minor: int | None, currency: str, cut_digits: int = 0) -> str:
    """Minor units as a decimal with thousands separators, the last `cut_digits` digits rounded away, half up."""
    if amount_minor is None:
        return NOTHING
    digits = MINOR_DIGITS[currency]
    kept = max(0, digits - cut_digits)
    amount = round_half_up(amount_minor, 10**cut_digits)
    whole, rest = divmod(abs(amount), 10**kept)
    sign = "-" if amount < 0 else ""
    return f"{sign}{whole:,}.{rest:0{kept}}" if kept else f"{sign}{whole:,}"


def change(amount_minor: int, currency: str, cut_digits: int = 0) -> str:
    """How much an amount changed, as `money`: with its sign, unless that comes to nothing."""
    sign = "+" if round_half_up(amount_minor, 10**cut_digits) > 0 else ""
    return sign + money(amount_minor, currency, cut_digits)


def count(number: int | None) -> str:
    """A whole number with thousands separators."""
    return NOTHING if number is None else f"{number:,}"


def percent(ratio: str | None) -> str:
    """A ratio in decimal as a percentage."""
    return NOTHING if ratio is None else f"{_rounded(Decimal(ratio) * 100):z,}%"


def times(ratio: str | None) -> str:
    """A ratio in decimal as so many times."""
    return NOTHING if ratio is None else f"{_rounded(Decimal(ratio)):z,}x"


def decimal(number: str | None) -> str:
    """A number in decimal, such as points or months, to one digit; what rounds to nothing has no sign."""
    return NOTHING if number is None else f"{Decimal(number).quantize(Decimal('0.1'), ROUND_HALF_UP):z,}"


def index(number: str | None) -> str:
    """An index between 0 and 1."""
    return NOTHING if number is None else f"{Decimal(number):.4f}"


RATIOS: Final[dict[Unit, Callable[[str | None], str]]] = {
    "ratio": percent,
    "times": times,
    "index": index,
    "points": decimal,
    "months": decimal,
}
"""Units of figures that are decimal strings, and how each is told."""


def figure(of: Figure, value: Value, currency: str, cut_digits: int = 0) -> str:
    """The value of a figure in its unit."""
    if of.unit in RATIOS:
        return RATIOS[of.unit](None if value is None else str(value))
    whole = None if value is None else int(value)
    return count(whole) if of.unit == "accounts" else money(whole, currency, cut_digits)


def _rounded(value: Decimal) -> Decimal:
    return value.quantize(Decimal("0.01"), ROUND_HALF_UP)


def period(start: str, until: str) -> str:
    """A period by its short name if it is a whole day, month, quarter or year, else by its bounds."""
    first, last = date_of_day(day_of_text(start)), date_of_day(day_of_text(until))
    if (last - first).days == 1:
        return start
    if first.day == 1 and last.day == 1:
        months = (last.year - first.year) * 12 + last.month - first.month
        name = _name_of_months(first, months)
        if name:
            return name
    return f"{start}..{until}"


def _name_of_months(first: date, months: int) -> str:
    if months == 1:
        return f"{first:%Y-%m}"
    if months == 3 and first.month % 3 == 1:
        return f"{first:%Y}-Q{first.month // 3 + 1}"
    return f"{first:%Y}" if months == 12 and first.month == 1 else ""


def age(seconds: int) -> str:
    """A duration by its largest units: `3 min`, `2 h`, `5 days`."""
    for size, name in ((86_400, "days"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size} {name}"
    return f"{seconds} s"


def size(size_bytes: int) -> str:
    """A size of a file in binary units."""
    amount = size_bytes
    for name in ("B", "KiB", "MiB", "GiB"):
        if amount < 10 * 1024 or name == "GiB":
            return f"{amount:,} {name}"
        amount //= 1024
    return f"{amount:,} GiB"


def heights(position: dict[str, int]) -> str:
    """A position in words: the last block, or that of each partition."""
    if [*position] == ["0"]:
        return f"block {position['0']}" if position["0"] >= 0 else "nothing"
    return ", ".join(f"block {height} of partition {partition}" for partition, height in position.items())


def clipped(text: str, width: int) -> str:
    """A text on one line of at most `width` characters."""
    line = " ".join(text.split())
    return line if len(line) <= width else line[: width - 1] + "…"


def wrapped(parts: Sequence[str], width: int, between: str = "; ") -> list[str]:
    """Parts of a sentence on lines of at most `width` characters, none of them cut where it fits a line."""
    lines: list[str] = []
    for part in parts:
        if lines and len(lines[-1]) + len(between) + len(part) <= width:
            lines[-1] += between + part
        else:
            lines.append(part)
    return lines
