"""Tables: lists of accounts and contracts as a day begins, each a row of one catalogue."""

from typing import Final

from projections.cohorts import COHORTS
from projections.portfolio import ACCOUNTS, CONCENTRATION, RENEWALS
from projections.voices import BANDS_SINCE, RISK, TAGS, UPSELL

TABLES: Final = {
    one.name: one
    for one in (CONCENTRATION, RENEWALS, ACCOUNTS, RISK, UPSELL, BANDS_SINCE, TAGS, COHORTS)
}
"""Every table there is; adding one means adding it here."""
