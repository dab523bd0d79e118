"""Converting: the answers of several currencies in one, by the rates that were published."""

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from datetime import tzinfo
from typing import Final

from events.days import text_of_day
from events.money import MINOR_DIGITS
from projections.basis import Details, Figure, Source, details_of
from projections.buckets import Buckets, empty_buckets
from projections.conversion import Converter, NoRates, converted_basis, converted_bridge, converted_record
from projections.figures import FALLS
from projections.groups import GroupsOf
from projections.pages import STATED
from projections.rates import RETRACTED, NoRate, Rates, rates_key
from projections.retention import Held
from projections.tally import EVERY
from services.details import IN_SUMS, NOTED
from services.evidence import Evidence, keys_for
from services.questions import Question, QuestionError
from services.rows import Answer, basis_of_buckets, rows_of_bases, rows_of_periods

Parts = Mapping[str, Mapping[str, Buckets]]
"""Value of the group -> currency -> sums; under `EVERY` what the numbers of accounts are corrected by."""

MISSING_TOLD_MAX: Final = 6


def currency_or_refusal(question: Question, currencies: Sequence[str], *, converts: bool = True) -> str:
    """The currency of an answer: the one asked for, or the only one in the books; raises QuestionError.

    `converts`: the report can convert, and says so.
    """
    if question.currency is not None:
        return question.currency
    if len(currencies) > 1:
        which = (
            "say which of them, or another, to convert them to"
            if question.convert
            else "choose one"
            + (", or choose one to convert all the others to (convert: closing or constant)" if converts else "")
        )
        sentence = f"the books hold {', '.join(currencies)}, which are never added up as they are: {which}"
        raise QuestionError("currency", sentence)
    return currencies[0] if currencies else "USD"


def keys_converted(
    question: Question,
    currency: str,
    currencies: Sequence[str],
    spans: Sequence[Sequence[int]],
    sources: Set[Source],
) -> list[str]:
    """The keys that a converted answer is worked out from: the sums of all currencies, their rates, and accounts.

    Costs, and contracts that cost nothing, may be in other currencies than there is revenue in.
    """
    looks, has_notes = bool(sources - IN_SUMS), not sources.isdisjoint(NOTED)
    sums = {
        key
        for one in (*currencies, EVERY)
        for bounds in spans
        for key in keys_for(question, one, bounds, accounts=looks, notes=has_notes)
    }
    stated = [STATED] if "discounts" in sources else []
    return [*sorted(sums), *stated, *rate_keys(currency, rated(currencies, sources))]


def rated(currencies: Sequence[str], sources: Set[Source]) -> Iterable[str]:
    """The currencies that rates may be needed of."""
    return currencies if sources.isdisjoint(("costs", "discounts")) else MINOR_DIGITS


def rate_keys(currency: str, currencies: Iterable[str]) -> list[str]:
    """The views that hold the rates from other currencies to one."""
    return [RETRACTED, *(rates_key(one, currency) for one in currencies if one != currency)]


def rates_in(evidence: Evidence, keys: Iterable[str], zone: tzinfo | None) -> Rates:
    """The rates among what was read from the views; they are all in the partition of the book."""
    kept: dict[str, dict[str, bytes]] = {
        key: {name.decode(): data for fields in evidence.hashes[key] for name, data in fields.items()} for key in keys
    }
    return Rates(kept, zone)


def bridge_converted(parts: Parts, question: Question, bounds: Sequence[int], converter: Converter) -> list[Answer]:
    """The bridge of every period and group; raises NoRates."""
    found = _nonempty(parts, question, len(bounds) - 1)
    rows_of = {value: converted_bridge(bounds, own, converter) for value, own in found.items()}
    converter.require()
    return rows_of_periods(rows_of, question)


def figures_converted(
    parts: Parts,
    details: Details,
    question: Question,
    bounds: Sequence[int],
    chosen: Sequence[Figure],
    converter: Converter,
) -> list[Answer]:
    """The figures of every group; raises NoRates, also for what the details were converted with."""
    groups = details.groups if question.by is not None else ()
    empty = {value: {EVERY: empty_buckets(len(bounds) - 1)} for value in groups}
    bases = {
        value: converted_basis(
            {currency: basis_of_buckets(buckets, Details(), value) for currency, buckets in own.items()},
            converter,
            details,
            value,
        )
        for value, own in {**empty, **_nonempty(parts, question, len(bounds) - 1, FALLS)}.items()
    }
    rows = rows_of_bases(bases, question, bounds, chosen)
    converter.require()
    return rows


def details_converted(
    records: Iterable[tuple[str, Held]],
    bounds: Sequence[int],
    groups: GroupsOf,
    sources: Set[Source],
    converter: Converter,
) -> Details:
    """What the revenue of every account is looked at for, in one currency; see to `converter.require`."""
    held = [(account, converted_record(account, record, bounds, groups, converter)) for account, record in records]
    return details_of(lambda: held, None, (bounds[0], bounds[-1]), groups, sources)


def _nonempty(
    parts: Parts, question: Question, periods: int, ahead: Sequence[str] = ()
) -> Mapping[str, Mapping[str, Buckets]]:
    """The groups that hold or move anything up to the last bound, or later if it is one of the kinds `ahead`."""
    if question.by is None:
        return {"": parts.get("") or {EVERY: empty_buckets(periods)}}
    return {
        value: own
        for value, own in parts.items()
        if any(not sums.is_empty or any(sums.after.get(kind) for kind in ahead) for sums in own.values())
    }


def told_of(converter: Converter) -> Answer:
    """What a converted answer says of itself: how, and the rates as published, with the days they were in force on."""
    rates = [
        {
            "on": text_of_day(day),
            "base": rate.base,
            "quote": rate.quote,
            "rate": rate.rate,
            "since": text_of_day(rate.since),
        }
        for (day, _), rate in sorted(converter.used.items(), key=lambda one: one[0])
    ]
    return {"convert": converter.how, "rates": rates}


@contextmanager
def rates_required(question: Question) -> Iterator[None]:
    """Rates that are missing become a QuestionError that names each pair and day."""
    try:
        yield
    except NoRates as error:
        told = [_missing(one) for one in error.missing[:MISSING_TOLD_MAX]]
        if len(error.missing) > len(told):
            told.append(f"and {len(error.missing) - len(told)} more are missing")
        then = f" (as known at {question.known_at.text})" if question.known_at else ""
        sentence = (
            f"no rate is in force{then} from {'; '.join(told)}. Publish each pair, in either direction, with"
            " revledger.rate.published.v1 effective by that day, or ask for other days; rates are not chained through"
            " a third currency"
        )
        raise QuestionError("convert", sentence) from error


def _missing(one: NoRate) -> str:
    first = "" if one.first is None else f" (the first is of {text_of_day(one.first)})"
    return f"{one.base} to {one.quote} on {text_of_day(one.day)}{first}"
