"""Firsts: the tables whose first rows can be told from the columns of all accounts."""

from collections.abc import Callable, Mapping
from typing import Final

from projections.columnar.expiring import renewals, upsell
from projections.columnar.layers import Layers
from projections.columnar.members import First
from projections.columnar.ranking import accounts, concentration, risk
from projections.columnar.tabulating import bands, churn, cohorts, tags
from projections.columns import Asked
from projections.groups import Choice

FIRST: Final[Mapping[str, Callable[[Layers, Choice, Asked, int], dict[str, First]]]] = {
    "accounts": accounts,
    "bands": bands,
    "churn": churn,
    "cohorts": cohorts,
    "concentration": concentration,
    "renewals": renewals,
    "risk": risk,
    "tags": tags,
    "upsell": upsell,
}
"""Table -> its first rows by group, of each at least so many if there are."""
