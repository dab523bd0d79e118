"""Figured: figures in one currency, and whether they come from kept sums, accounts in memory, or the views of all."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from msgspec import Struct

from projections.basis import Figure, Source, details_of
from projections.pages import STATED
from projections.records import TooLarge
from services.adoptions import Policies
from services.details import IN_COLUMNS, IN_SUMS, NOTED, details_mirrored, details_noted
from services.evidence import Evidence, buckets_for, groups_asked, is_kept, keys_for
from services.policies import rules_of
from services.questions import Question
from services.rows import Answer, rows_of_figures

if TYPE_CHECKING:
    from services.mirror import Mirrored  # whoever asks once only does not load what it takes


def sources_of(chosen: Iterable[Figure]) -> set[Source]:
    """What figures need besides sums."""
    return {source for figure in chosen for source in figure.reads}


class AskedFigures(Struct, frozen=True):
    """Figures in one currency, and what they are read from."""

    question: Question
    currency: str
    chosen: Sequence[Figure]
    policies: Policies

    @property
    def sources(self) -> set[Source]:
        """What they need besides sums."""
        return sources_of(self.chosen)

    @property
    def looks_at_accounts(self) -> bool:
        """Whether accounts have to be looked at besides kept sums."""
        return bool(self.sources - IN_SUMS or not is_kept(self.question))

    @property
    def is_by_answerer(self) -> bool:
        """Whether answers are told account by account: those without revenue too, so they are looked at one by one."""
        return "answers" in self.sources and self.question.by == "account"

    @property
    def has_notes(self) -> bool:
        """Whether they take notes from the accounts in memory."""
        return not self.sources.isdisjoint(IN_COLUMNS)

    def keys(self, spans: Sequence[Sequence[int]]) -> list[str]:
        """The keys of the views with the kept sums that days or windows take."""
        return self._keys(spans, accounts=False, notes=False) if is_kept(self.question) else []

    def all_keys(self, spans: Sequence[Sequence[int]]) -> list[str]:
        """The same with those of accounts and notes where they are needed."""
        accounts, notes = not self.sources <= {"discounts", *IN_SUMS}, not self.sources.isdisjoint(NOTED)
        return self._keys(spans, accounts=accounts, notes=notes) + [STATED] * ("discounts" in self.sources)

    def _keys(self, spans: Sequence[Sequence[int]], *, accounts: bool, notes: bool) -> list[str]:
        found = (keys_for(self.question, self.currency, span, accounts=accounts, notes=notes) for span in spans)
        return [*{key: None for keys in found for key in keys}]

    def rows_mirrored(self, mirrored: "Mirrored", spans: Sequence[Sequence[int]]) -> list[list[Answer]] | None:
        """As `rows`, from the accounts in memory; None for amounts that are too large for that."""
        try:
            return self.rows(mirrored.evidence, mirrored, spans)
        except TooLarge:
            return None

    def rows(
        self, evidence: Evidence, mirrored: "Mirrored | None", spans: Sequence[Sequence[int]]
    ) -> list[list[Answer]]:
        """The figures of each day or window, from the accounts in memory if there are any."""
        return [self._rows(evidence, mirrored, bounds) for bounds in spans]

    def _rows(self, evidence: Evidence, mirrored: "Mirrored | None", bounds: Sequence[int]) -> list[Answer]:
        question, currency = self.question, self.currency
        rules = rules_of(self.policies.projected(evidence.as_of.heights))
        asked = (question, currency, bounds, self.sources)
        if mirrored is None:
            ends = (bounds[0], bounds[-1])
            found = details_of(evidence.records, currency, ends, groups_asked(question), self.sources)
            details = details_noted(found, evidence, *asked, rules)
        else:
            details = details_mirrored(mirrored, *asked, rules.policy.margin)
        if mirrored is None or is_kept(question):
            sums = buckets_for(evidence, question, currency, bounds)
        else:
            sums = mirrored.sums(question, currency, bounds)
        return rows_of_figures(sums, details, question, bounds, self.chosen)
