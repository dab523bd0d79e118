"""Tables: lists of accounts and contracts as a day begins, or of a window, each a row of one catalogue."""

from typing import Final

from projections.churn import CHURN
from projections.cohorts import COHORTS
from projections.portfolio import ACCOUNTS, CONCENTRATION, RENEWALS
from projections.voices import BANDS_SINCE, RISK, TAGS, UPSELL

TABLES: Final = {
    one.name: one
    for one in (CONCENTRATION, RENEWALS, ACCOUNTS, RISK, UPSELL, BANDS_SINCE, TAGS, COHORTS, CHURN)
}
"""Every table there is; adding one means adding it here."""
