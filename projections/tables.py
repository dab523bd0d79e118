"""Tables: lists of accounts and contracts as a day begins, or of a window, each a row of one catalogue."""

from typing import Final

from projections.churn import CHURN
from projections.cohorts import COHORTS
from projections.columns import Table
from projections.portfolio import ACCOUNTS, CONCENTRATION, RENEWALS
from projections.sales import CAMPAIGNS, CHANNELS, SEASONS, SELLERS, Sales
from projections.voices import BANDS_SINCE, RISK, TAGS, UPSELL

LISTS: Final = {
    one.name: one
    for one in (CONCENTRATION, RENEWALS, ACCOUNTS, RISK, UPSELL, BANDS_SINCE, TAGS, COHORTS, CHURN)
}
"""The tables whose rows are made of accounts alone."""
SALES: Final = {one.name: one for one in (SELLERS, CAMPAIGNS, CHANNELS, SEASONS)}
"""The tables of what was sold."""

TABLES: Final[dict[str, Table | Sales]] = {**LISTS, **SALES}
"""Every table there is; adding one means adding it here."""
