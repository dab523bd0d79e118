"""Firsts: the tables whose first rows can be told from the columns of all accounts."""

from collections.abc import Callable, Mapping
from typing import Final

from projections.columns import Asked
from projections.expiring import renewals, upsell
from projections.groups import Choice
from projections.layers import Layers
from projections.members import First
from projections.ranking import accounts, concentration, risk
from projections.tabulating import bands, churn, cohorts, tags

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
