"""Foreseeing: what rules tell of dates that come, once for each date, by a look at the accounts now and then."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Final

from msgspec.structs import replace

from events.days import day_of_text, text_of_day
from projections.alerts import Alert, Position
from projections.renewals import alert_of_renewal, renewals_of, stake_of_renewal
from projections.rules import OF_DATES, Rule
from services.alerts.firing.reviewing import Reviewed, currencies_in
from services.alerts.firing.unusual import Past, unusual_days
from services.alerts.wording import summary_of
from services.evidence import Evidence
from services.reports import Reports

DATED: Final = "@"
"""What the names of states begin with that are about a date; the date is what they end with."""
KEPT_DAYS: Final = 2
"""For so long after its date a state is remembered: nothing tells of it any more."""


async def foreseen(
    reports: Reports, rules: Iterable[Rule], today: int, moment: int, past: Past | None = None
) -> Reviewed:
    """What is to be told of dates that come, as a day ends. Raises ViewsError.

    A state is named by rule, what it is about, and its date. `past` is what whoever looks again and again knows.
    """
    asking = [rule for rule in rules if rule.on in OF_DATES]
    if not asking:
        return Reviewed({}, {})
    currencies = await currencies_in(reports)
    ending = [rule for rule in asking if rule.on == "renewal"]
    found: dict[str, Alert] = {}
    if ending:
        evidence, ledger = await reports.told(), await reports.ledger()
        found = await asyncio.to_thread(_renewals, ledger, evidence, ending, currencies, today, moment)
    days = [rule for rule in asking if rule.on == "unusual"]
    outliers, wrong = await unusual_days(reports, days, currencies, today, moment, past)
    found.update({DATED + "|".join(name): alert for name, alert in outliers.items()})
    return Reviewed(found, wrong)


def past_dates(names: Iterable[str], today: int) -> list[str]:
    """The states whose date is over."""
    return [name for name in names if is_dated(name) and day_of_text(name.rpartition("|")[2]) + KEPT_DAYS < today]


def is_dated(name: str) -> bool:
    """Whether a state is about a date."""
    return name.startswith(DATED)


def _renewals(
    ledger: str, evidence: Evidence, rules: Sequence[Rule], currencies: Sequence[str], today: int, moment: int
) -> dict[str, Alert]:
    told = ((account, list(record.items()), notes) for account, notes, record in evidence.told())
    days = max(rule.within_days for rule in rules)
    renewals, whole = renewals_of(told, currencies, today, days)
    first = min(evidence.as_of.heights, key=int)
    position = Position(int(first), evidence.as_of.heights[first])
    found: dict[str, Alert] = {}
    for one in renewals:
        for rule in rules:
            stake = stake_of_renewal(rule, one, today, whole[one.currency])
            if stake is not None:
                alert = alert_of_renewal(ledger, rule, one, stake, position, today, moment)
                name = "|".join((DATED + rule.name, one.currency, one.account, one.contract, text_of_day(one.end)))
                found[name] = replace(alert, summary=summary_of(alert))
    return found
