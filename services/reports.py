"""Reports: questions answered from the views as they are, or from the ledger as it was known at a moment."""

import asyncio
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from datetime import tzinfo
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from events.days import day_of_moment
from events.policy import Rules
from projections.basis import Figure
from projections.conversion import Converter
from projections.figures import CATALOGUE, FIGURES
from projections.groups import CELL_NAMES
from projections.pages import ACCOUNTS, BOOK, NOTES, STATED
from projections.periods import PeriodError
from projections.tables import SALES
from projections.tally import EVERY
from services import clock
from services.adoptions import Policies
from services.comparing import bounds_before, rows_compared
from services.converting import (
    bridge_converted,
    currency_or_refusal,
    details_converted,
    figures_converted,
    keys_converted,
    rate_keys,
    rated,
    rates_in,
    rates_required,
    told_of,
)
from services.details import OF_POSTINGS, TABLES_NOTED, accounts_in, details_told, is_ranked, months_of
from services.evidence import (
    AsOf,
    Evidence,
    buckets_for,
    evidence_of,
    groups_asked,
    is_kept,
    keys_for,
    lives_for,
    parts_for,
)
from services.figured import AskedFigures, sources_of
from services.ledgers.port import Chains, name_of
from services.listing import bounds_of_table, listed, question_of_labels
from services.moments import Known, known_at, require_begun
from services.policies import rules_of
from services.projector import Projector
from services.questions import LABELS, Moment, Question, QuestionError, bounds_for, nearest, window_of
from services.rows import Answer, rows_of_bridge
from services.selling import sold, sources_told
from services.values import require_currency, require_values, says_nothing
from services.views.memory import memory_views
from services.views.port import Views

if TYPE_CHECKING:
    from services.mirror import Mirror, Mirrored

__all__ = ["Answer", "Reports", "bounds_of_figures", "chosen_figures", "newest_day", "sources_of"]

KNOWN_MAX: Final = 2
"""How many folded pasts are kept for further questions about the same moment."""


class Reports:
    """Answers questions about the books of one ledger."""

    def __init__(
        self,
        ledger: Chains,
        views: Views,
        policies: Policies,
        partitions: Sequence[int] = (0,),
    ) -> None:
        self._ledger = ledger
        self._views = views
        self._policies = policies
        self.rules: Final = rules_of(policies.in_force)
        self._zone = self.rules.zone
        self._partitions = partitions
        self._mirror: Mirror | None = None
        self._currencies: Sequence[str] = ()
        self._name = ""
        self._known: OrderedDict[tuple[tuple[int, int], ...], Views] = OrderedDict()
        self._folding = asyncio.Lock()

    def keep_accounts(self, mirror: "Mirror") -> None:
        """Answers from the accounts in a mirror where that is quicker: for a process that is asked again and again."""
        self._mirror = mirror

    async def bridge(self, question: Question) -> Answer:
        """The bridge of every period; raises QuestionError."""
        views, known = await self._known_at(question.known_at)
        book = await evidence_of(views, self._partitions, [BOOK])
        _check_names(question, book if known is None else await self.book())
        currency = currency_or_refusal(question, _currencies(book))
        bounds = bounds_for(question, *window_of(question, newest_day(book.as_of, self._zone)))
        if question.convert is not None:
            return await self._converted("bridge", question, views, known, _currencies(book), bounds)
        if known is None and not is_kept(question):
            mirrored = await self._mirrored()
            if mirrored is not None and mirrored.has_room(question, currency, bounds):
                sums = await asyncio.to_thread(mirrored.sums, question, currency, bounds)
                rows = await asyncio.to_thread(rows_of_bridge, sums, question, bounds)
                return self._answer("bridge", currency, mirrored.evidence.as_of, None, rows)
        keys = keys_for(question, currency, bounds, accounts=False)
        evidence = await evidence_of(views, self._partitions, keys)
        try:
            rows = await asyncio.to_thread(_bridge_rows, evidence, question, currency, bounds)
        except PeriodError as error:
            raise QuestionError("every", str(error)) from error
        return self._answer("bridge", currency, evidence.as_of, known, rows)

    async def figures(self, question: Question) -> Answer:
        """Figures of a day or a window, all of the catalogue or those named; raises QuestionError."""
        views, known = await self._known_at(question.known_at)
        book = await evidence_of(views, self._partitions, [BOOK])
        _check_names(question, book if known is None else await self.book())
        currency = currency_or_refusal(question, _currencies(book))
        bounds = bounds_of_figures(question, newest_day(book.as_of, self._zone))
        chosen = chosen_figures(question)
        if question.convert is not None:
            return await self._converted("figures", question, views, known, _currencies(book), bounds)
        before = bounds_before(question, bounds)
        spans = [bounds] if before is None else [bounds, before]
        asked = AskedFigures(question, currency, chosen, self._policies)
        mirrored = None
        if known is None and asked.looks_at_accounts and not asked.is_by_answerer:
            discounts = "discounts" in asked.sources
            mirrored = await self._mirrored(asked.keys(spans), notes=asked.has_notes, discounts=discounts)
        found = None if mirrored is None else await asyncio.to_thread(asked.rows_mirrored, mirrored, spans)
        if mirrored is not None and found is not None:
            as_of, sides = mirrored.evidence.as_of, found
        else:
            evidence = await evidence_of(views, self._partitions, asked.all_keys(spans))
            as_of, sides = evidence.as_of, await asyncio.to_thread(asked.rows, evidence, None, spans)
        rows = sides[0] if before is None else rows_compared((bounds, sides[0]), (before, sides[1]), chosen)
        return self._answer("figures", currency, as_of, known, rows)

    async def _mirrored(
        self, keys: Sequence[str] = (), *, notes: bool = False, discounts: bool = False
    ) -> "Mirrored | None":
        """Some keys and the accounts in memory at their position; None where there are none under its policy."""
        if self._mirror is None:
            return None
        found = await self._mirror.read(keys, notes=notes, discounts=discounts)
        if found is None or self._policies.projected(found.evidence.as_of.heights) != self.rules.policy:
            return None
        return found

    async def table(self, name: str, question: Question) -> Answer:
        """A table of the catalogue: as a day begins, by default after that of the newest event, or of a window.

        Raises QuestionError.
        """
        labels = question_of_labels(name, question)
        views, known = await self._known_at(question.known_at)
        book = await evidence_of(views, self._partitions, [BOOK])
        _check_names(labels, book if known is None else await self.book())
        currency = currency_or_refusal(question, _currencies(book), converts=False)
        bounds = bounds_of_table(name, question, newest_day(book.as_of, self._zone))
        mirrored = None
        if known is None and is_ranked(name, question):
            mirrored = await self._mirrored(notes=name in TABLES_NOTED)
        if mirrored is not None:
            first = await asyncio.to_thread(mirrored.table, name, question, currency, bounds)
            if first is not None:
                return {**self._answer(name, currency, mirrored.evidence.as_of, None, []), **first}
        if name in SALES:
            evidence = await evidence_of(views, self._partitions, [ACCOUNTS, NOTES, STATED])
            rules = rules_of(self._policies.projected(evidence.as_of.heights))
            sources = await asyncio.to_thread(sources_told, evidence, rules)
            found = await asyncio.to_thread(sold, SALES[name], sources, question, currency, bounds)
            return {**self._answer(name, currency, evidence.as_of, known, []), **found}
        evidence = await evidence_of(views, self._partitions, [ACCOUNTS, NOTES])
        accounts = ((account, record.items(), notes) for account, notes, record in evidence.told())
        found = await asyncio.to_thread(listed, name, accounts, question, currency, bounds)
        return {**self._answer(name, currency, evidence.as_of, known, []), **found}

    async def _converted(
        self,
        report: str,
        question: Question,
        views: Views,
        known: AsOf | None,
        currencies: Sequence[str],
        bounds: Sequence[int],
    ) -> Answer:
        """An answer in one currency from the sums in all of them and their rates, read at one position."""
        currency = currency_or_refusal(question, currencies)
        chosen = chosen_figures(question) if report == "figures" else []
        sources, before = sources_of(chosen), bounds_before(question, bounds) if chosen else None
        spans = [bounds] if before is None else [bounds, before]
        keys = keys_converted(question, currency, currencies, spans, sources)
        evidence = await evidence_of(views, self._partitions, keys)
        rates = rates_in(evidence, rate_keys(currency, rated(currencies, sources)), self._zone)
        converter = Converter(rates, currency, question.convert or "closing", bounds)
        rules = rules_of(self._policies.projected(evidence.as_of.heights))
        asked = (evidence, question, currencies, chosen, rules)
        with rates_required(question):
            sides = [await asyncio.to_thread(_converted_rows, *asked, one, converter.beside(one)) for one in spans]
        rows = sides[0] if before is None else rows_compared((bounds, sides[0]), (before, sides[1]), chosen)
        return {**self._answer(report, currency, evidence.as_of, known, rows), **told_of(converter)}

    async def ledger(self) -> str:
        """The name of the ledger; raises LedgerError."""
        self._name = self._name or await name_of(self._ledger)
        return self._name

    async def checked(self, answer: Answer, question: Question) -> Answer:
        """An answer, unless its question is in a currency without revenue, or by a value that nothing has.

        For whoever asks once and may have mistyped it: a rule may wait for what is still to come. Raises QuestionError.
        """
        if question.currency not in (None, *self._currencies):
            self._currencies = _currencies(await self.book())
            require_currency(question, self._currencies)
        if question.where and says_nothing(answer["rows"]):
            await self.require_values(question)
        return answer

    async def require_values(self, question: Question) -> None:
        """Raises QuestionError for a value to filter by that the books do not have, unless nothing was booked at all.

        A plan that no posting has is looked for in the whole ledger.
        """
        mirrored = None if self._mirror is None else await self._mirror.read([])
        where = [pair for pair in question.where if mirrored is None or not mirrored.has(*pair)]
        currencies = _currencies(await self.book()) if where else []
        if currencies:
            await require_values(self._ledger, self._views, self._partitions, where, currencies)

    async def book(self) -> Evidence:
        """What is counted over the whole book, now."""
        return await evidence_of(self._views, self._partitions, [BOOK])

    async def told(self) -> Evidence:
        """What is known of each account, now; for whoever looks at all of them."""
        return await evidence_of(self._views, self._partitions, [ACCOUNTS, NOTES])

    def _answer(self, report: str, currency: str, as_of: AsOf, known: AsOf | None, rows: list[Answer]) -> Answer:
        shown = as_of if known is None else known
        return {
            "report": report,
            "currency": currency,
            "policy": self._policies.projected(shown.heights).stamp,
            "as_of": shown.shown(),
            "rows": rows,
        }

    async def _known_at(self, moment: Moment | None) -> tuple[Views, AsOf | None]:
        """The views to answer from, and what to say of them if they are of the past."""
        if moment is None:
            return self._views, None
        known = await require_begun(self._ledger, await known_at(self._ledger, self._partitions, moment), moment)
        self._policies.require_settled(known.heights, "known_at")
        key = tuple(known.heights.items())
        async with self._folding:
            if key not in self._known:
                self._known[key] = await self._folded(known)
            self._known.move_to_end(key)
            while len(self._known) > KNOWN_MAX:
                self._known.popitem(last=False)
            views = self._known[key]
        as_of = (await evidence_of(views, self._partitions, [])).as_of
        return views, AsOf(as_of.heights, as_of.recorded_at, as_of.newest_event_at, moment, known.final)

    async def _folded(self, known: Known) -> Views:
        """Views of their own, up to the last block of each partition; nobody sees them before they are there."""
        views = memory_views()
        for partition, height in known.heights.items():
            projector = Projector(self._ledger, views, partition)
            await projector.start()
            await projector.catch_up(height + 1)
        return views


def newest_day(as_of: AsOf, zone: tzinfo | None) -> int:
    """The day up to which a question without dates is answered; what claims to come from the future moves it not."""
    if not as_of.recorded_at:
        return day_of_moment(clock.now(), zone)
    return day_of_moment(min(as_of.newest_event_at, as_of.recorded_at), zone)


def _check_names(question: Question, book: Evidence) -> None:
    """Raises QuestionError for a name that nothing is labelled with, not even by later events."""
    known = {name for _, name in _names(book) if name} | set(CELL_NAMES)
    for parameter, name in (("by", question.by), *(("where", name) for name, _ in question.where)):
        if name is not None and _names(book) and name not in known:
            raise QuestionError(parameter, f"nothing is labelled {name!r}{nearest(name, known, LABELS)}")


def _currencies(book: Evidence) -> list[str]:
    """The currencies in use."""
    return sorted({currency for currency, _ in _names(book)})


def _names(book: Evidence) -> list[tuple[str, str]]:
    """The names in use, as (currency, name)."""
    fields = (field.split("|", 2) for field in book.counts() if field.startswith("names|"))
    return [(currency, name) for _, currency, name in fields]


def bounds_of_figures(question: Question, newest_day: int, named: Iterable[Figure] | None = None) -> list[int]:
    """The day figures are asked of, or the window; by default those of the question, by their default."""
    if question.at is not None:
        return [question.at]
    if is_of_window(question, _named(question) if named is None else named):
        return [*window_of(question, newest_day)]
    return [newest_day + 1]


def is_of_window(question: Question, named: Iterable[Figure]) -> bool:
    """Whether a window is asked about: one that is given, or the default of a figure that needs one."""
    is_given = question.start is not None or question.until is not None
    return question.at is None and (is_given or any(figure.needs == "window" for figure in named))


def _named(question: Question) -> list[Figure]:
    return [CATALOGUE[name] for name in question.figures]


def chosen_figures(question: Question) -> list[Figure]:
    """The figures asked for; by default all that a day, or a window, can answer."""
    chosen = _named(question)
    is_window = is_of_window(question, chosen)
    if not question.figures:
        return [figure for figure in FIGURES if is_window or figure.needs == "day"]
    for figure in chosen:
        if figure.needs == "window" and not is_window:
            raise QuestionError("from", f"{figure.name} is about a window: ask with from and until")
    return chosen


def _bridge_rows(evidence: Evidence, question: Question, currency: str, bounds: list[int]) -> list[Answer]:
    return rows_of_bridge(buckets_for(evidence, question, currency, bounds), question, bounds)


def _converted_rows(
    evidence: Evidence,
    question: Question,
    currencies: Sequence[str],
    chosen: Sequence[Figure],
    rules: Rules,
    bounds: Sequence[int],
    converter: Converter,
) -> list[Answer]:
    parts = parts_for(evidence, question, [*currencies, EVERY], bounds)
    if not chosen:
        return bridge_converted(parts, question, bounds, converter)
    sources = sources_of(chosen)
    records = evidence.records() if sources & OF_POSTINGS else ()
    details = details_converted(records, bounds, groups_asked(question), sources, converter)
    details = details_told(
        details, accounts_in(evidence, rules), question, None, bounds, sources, converter.over
    )
    lives = lives_for(evidence, question, [*currencies, EVERY], bounds) if "lives" in sources else {}
    details = replace(details, months=months_of(bounds), margin=rules.policy.margin, lives=lives)
    return figures_converted(parts, details, question, bounds, chosen, converter)
