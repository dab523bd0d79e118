"""Figures of what customers say: the rows of the catalogue that answers to surveys make up."""

from typing import Final

from events.money import ratio_text
from projections.basis import Basis, Figure, Value


def _nps(basis: Basis) -> Value:
    told = basis.answers
    people = told.promoters + told.passives + told.detractors
    return ratio_text(100 * (told.promoters - told.detractors), people)


FEEDBACK: Final = (
    Figure(
        "nps",
        "points",
        "window",
        "Net promoter score: the share of people who answer 9 or 10 less those who answer 0 to 6, in points.",
        "100 * (promoters - detractors) / people, by the last answer of each in the window",
        "",
        _nps,
        ("answers",),
    ),
    Figure(
        "nps_mrr_weighted",
        "points",
        "window",
        "The same by revenue: every account weighs its MRR on the day of the answer, shared by its people.",
        "100 * (MRR of promoters - MRR of detractors) / MRR of the people who answered",
        "",
        lambda basis: ratio_text(100 * basis.answers.swing, basis.answers.weight),
        ("answers", "weights"),
    ),
    Figure(
        "csat",
        "ratio",
        "window",
        "Customer satisfaction: the share of scores at or above 80 % of their scale.",
        "content answers / answers with a score",
        "",
        lambda basis: ratio_text(basis.answers.content, basis.answers.rated),
        ("answers",),
    ),
    Figure(
        "fcr",
        "ratio",
        "window",
        "First contact resolution: the share of requests that were resolved at the first contact.",
        "resolved at the first contact / answers that say whether",
        "",
        lambda basis: ratio_text(basis.answers.resolved, basis.answers.contacts),
        ("answers",),
    ),
)
"""Figures of answers; adding one means adding a row."""
