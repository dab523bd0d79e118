"""Questions: the parameters of a report, from a command line or a URL, checked and worked out."""

import difflib
import re
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from itertools import takewhile
from typing import Final, Literal, get_args

from msgspec import Struct

from events.days import LAST_DAY, date_of_day, day_of_text, first_day_of_month, moment_of_text, month_of_day
from events.money import MINOR_DIGITS
from projections.conversion import Convert
from projections.figures import CATALOGUE
from projections.periods import Every, PeriodError, bounds_of

PARAMETERS: Final = (
    *("from", "until", "at", "on", "every", "currency", "by", "where", "known_at", "figures"),
    *("between", "limit", "accounts", "policy", "convert", "compare"),
)
REPEATED: Final = ("where", "figures", "between")
"""Parameters that may be given several times."""
NOW: Final = "now"
"""The moment of all that is in the ledger."""
LIMIT: Final = 10
"""How much is told one by one where nobody says how much."""
LIMIT_MAX: Final = 10_000
LABELS: Final = "`revledger status` lists them"
"""What tells the names that there are labels under."""
HINT_CHARACTERS: Final = 60
"""Up to how long a list of valid names is told whole."""
NEAR: Final = 0.5
"""How much two names have to have in common to be near, of 1."""
SUCH_AS: Final = 3
"""How many of a longer one are told."""
RANKED_MAX: Final = 4_000
"""Among how many the nearest are looked for: it takes 10 to 70 microseconds each."""


class QuestionError(Exception):
    """A question that cannot be answered as it is put; `parameter` is the one to change."""

    def __init__(self, parameter: str, message: str) -> None:
        super().__init__(message)
        self.parameter = parameter
        self.message = message


class Moment(Struct, frozen=True):
    """A moment of knowledge: a time in microseconds, or a height per partition, or neither: now."""

    text: str
    time: int | None = None
    heights: tuple[tuple[int, int], ...] = ()

    @property
    def is_now(self) -> bool:
        """Whether it is the moment of all there is."""
        return self.time is None and not self.heights


Compare = Literal["previous", "year"]
"""With what figures are compared: the period before, or the same a year before."""


class Question(Struct, frozen=True):
    """What is asked: days as numbers, None where the books shall choose; `policy` is another one, in TOML."""

    currency: str | None = None
    start: int | None = None
    until: int | None = None
    at: int | None = None
    every: Every = "month"
    by: str | None = None
    where: tuple[tuple[str, str], ...] = ()
    known_at: Moment | None = None
    figures: tuple[str, ...] = ()
    between: tuple[Moment, Moment] | None = None
    limit: int = LIMIT
    accounts: bool = True
    policy: str = ""
    convert: Convert | None = None
    compare: Compare | None = None


def question_of(parameters: Mapping[str, Sequence[str]]) -> Question:
    """A question from named texts (`known-at` and `known_at` are the same); raises QuestionError."""
    given = {name.replace("-", "_"): [text for text in texts if text] for name, texts in parameters.items()}
    for name in given:
        if name not in PARAMETERS:
            raise QuestionError(name, f"there is no parameter {name!r}{nearest(name, PARAMETERS)}")
    one = {name: texts[0] for name, texts in given.items() if texts}
    for name, texts in given.items():
        if len(texts) > 1 and name not in REPEATED:
            raise QuestionError(name, f"{name!r} is given {len(texts)} times: give it once")
    at = _at(one)
    start, until = _day(one, "from"), _day(one, "until")
    if at is not None and (start is not None or until is not None):
        raise QuestionError("at", "ask either for a day (at, on) or for a window (from, until)")
    if start is not None and until is not None and until <= start:
        raise QuestionError(
            "until", f"the window is empty: until {one['until']} has to be later than from {one['from']}"
        )
    return Question(
        _currency(one.get("currency")),
        start,
        until,
        at,
        _every(one.get("every", "month")),
        one.get("by"),
        tuple(_pair(text) for text in given.get("where", [])),
        None if "known_at" not in one else _moment(one["known_at"], "known_at"),
        tuple(_figure(name) for text in given.get("figures", []) for name in text.split(",")),
        _between(given.get("between", [])),
        _limit(one.get("limit", str(LIMIT))),
        _yes(one, "accounts"),
        one.get("policy", ""),
        None if "convert" not in one else _convert(one["convert"]),
        None if "compare" not in one else _compare(one["compare"]),
    )


def nearest(name: str, valid: Iterable[str], lists: str = "") -> str:
    """A hint at the nearest valid names, to end a sentence with; all where they are few, else what `lists` them."""
    valid = sorted(valid)
    near = _close(name, valid)
    if near:
        return f": did you mean {' or '.join(near)}?"
    if not valid:
        return ""
    if len(", ".join(valid)) <= HINT_CHARACTERS:
        return f": choose one of {', '.join(valid)}"
    some = ", ".join(sorted(_ranked(name, valid)[:SUCH_AS]))
    return f": choose one of {len(valid):,}, such as {some}" + (f"; {lists}" if lists else "")


def _close(name: str, valid: Sequence[str]) -> list[str]:
    """The two nearest names, if any are near, large letters or small; of equally near ones those that begin alike.

    Nearest of all is the name without its unit or what else comes after a word: `mrr` means `mrr_minor`.
    """
    typed = name.casefold()
    matcher = difflib.SequenceMatcher(b=typed)
    found: list[tuple[float, int, str]] = []
    for place, one in enumerate(_ranked(name, valid)):
        matcher.set_seq1(one.casefold())
        if typed and one.casefold().startswith(f"{typed}_"):
            found.append((-1 - matcher.ratio(), place, one))
        elif min(matcher.real_quick_ratio(), matcher.quick_ratio()) >= NEAR and matcher.ratio() >= NEAR:
            found.append((-matcher.ratio(), place, one))
    return [one for _, _, one in sorted(found)[:2]]


def _ranked(name: str, valid: Sequence[str]) -> list[str]:
    """Names in the order of how many letters they begin with alike; of very many those around it in the alphabet."""
    place = bisect_left(valid, name)
    around = valid[max(0, place - RANKED_MAX // 2) : place + RANKED_MAX // 2]
    return sorted(around, key=lambda one: -_alike(one.casefold(), name.casefold()))


def _alike(one: str, other: str) -> int:
    """How many characters two texts begin with alike."""
    return len([*takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))])


def window_of(question: Question, newest_day: int) -> tuple[int, int]:
    """The window asked for; by default the twelve months up to the end of the month of the newest event."""
    until = question.until
    if until is None:
        newest = newest_day if question.start is None else max(newest_day, question.start)
        if newest >= LAST_DAY - 31:
            raise QuestionError("until", "there is no month after the window: say where it ends with until")
        until = first_day_of_month(month_of_day(newest) + 1)
    start = question.start
    if start is None:
        start = first_day_of_month(month_of_day(until - 1) - 11)
    return start, until


def bounds_for(question: Question, start: int, until: int) -> list[int]:
    """The bounds of the periods; raises QuestionError."""
    try:
        return bounds_of(start, until, question.every)
    except PeriodError as error:
        raise QuestionError("every", str(error)) from error


def _at(one: Mapping[str, str]) -> int | None:
    at, on = _day(one, "at"), _day(one, "on")
    if at is not None and on is not None:
        raise QuestionError("on", "at is the start of a day and on its end: give one of them")
    return at if on is None else on + 1


def _day(one: Mapping[str, str], name: str) -> int | None:
    if name not in one:
        return None
    try:
        day = day_of_text(one[name])
        date_of_day(day + 1)
        date_of_day(day - 400)
    except (ValueError, OverflowError) as error:
        sentence = f"{name} {one[name]!r} is not a day: write YYYY-MM-DD, a day that exists"
        raise QuestionError(name, sentence) from error
    return day


def _currency(text: str | None) -> str | None:
    if text is not None and text not in MINOR_DIGITS:
        hint = nearest(text.upper(), MINOR_DIGITS, "ISO 4217 lists them")
        raise QuestionError("currency", f"{text!r} is not an ISO 4217 currency{hint}")
    return text


def _every(text: str) -> Every:
    for every in get_args(Every):
        if text == every:
            return every  # type: ignore[no-any-return]
    raise QuestionError("every", f"every {text!r} is not a period{nearest(text, get_args(Every))}")


def _convert(text: str) -> Convert:
    for convert in get_args(Convert):
        if text == convert:
            return convert  # type: ignore[no-any-return]
    raise QuestionError("convert", f"convert {text!r} is not a way to convert{nearest(text, get_args(Convert))}")


def _compare(text: str) -> Compare:
    for compare in get_args(Compare):
        if text == compare:
            return compare  # type: ignore[no-any-return]
    raise QuestionError("compare", f"compare {text!r} is no period{nearest(text, get_args(Compare))}")


def _figure(name: str) -> str:
    if name not in CATALOGUE:
        hint = nearest(name, CATALOGUE, "`revledger report figures --from DAY` tells all")
        raise QuestionError("figures", f"there is no figure {name!r}{hint}")
    return name


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise QuestionError("where", f"where {text!r} is not NAME=VALUE, such as plan=pro")
    return name, value


def _between(texts: Sequence[str]) -> tuple[Moment, Moment] | None:
    if not texts:
        return None
    if len(texts) != 2:
        raise QuestionError("between", f"between takes two moments, the earlier first; {len(texts)} are given")
    first, second = (Moment(NOW) if text == NOW else _moment(text, "between") for text in texts)
    if first.text == NOW or (first.time is not None and second.time is not None and second.time < first.time):
        raise QuestionError("between", f"{second.text} is not later than {first.text}: give the earlier moment first")
    return first, second


def _limit(text: str) -> int:
    if not re.fullmatch("[0-9]{1,9}", text) or int(text) > LIMIT_MAX:
        raise QuestionError("limit", f"limit {text!r} is not a whole number from 0 to {LIMIT_MAX}")
    return int(text)


def _yes(one: Mapping[str, str], name: str) -> bool:
    text = one.get(name, "yes")
    if text not in ("yes", "no"):
        raise QuestionError(name, f"{name} {text!r} is neither yes nor no")
    return text == "yes"


def _moment(text: str, parameter: str) -> Moment:
    if re.fullmatch(r"[0-9]{1,9}:[0-9]{1,18}(,[0-9]{1,9}:[0-9]{1,18})*", text):
        pairs = [pair.split(":") for pair in text.split(",")]
        return Moment(text, None, tuple((int(partition), int(height)) for partition, height in pairs))
    try:
        return Moment(text, moment_of_text(text))
    except ValueError as error:
        hint = ", nor now" if parameter == "between" else ""
        sentence = (
            f"{parameter} {text!r} is neither a time such as 2024-01-31T09:30:00Z nor a position such as 0:41{hint}"
        )
        raise QuestionError(parameter, sentence) from error
