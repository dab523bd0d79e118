"""The books, thought day by day with dictionaries: facts in force, levels of accounts, movements.

Written from the definitions of the figures alone. It must never import the code it judges. Slow, and meant
to be read: every function answers one question of those definitions. Days are days since 1970-01-01 (UTC),
amounts are integers of 1/10,000 minor unit a year (`annual_e4`).
"""

from typing import Any, NamedTuple

from tests.model.choices import USUAL, Choices
from tests.model.contracts import (
    CONTRACT,
    Contract,
    Stop,
    after_fact,
    after_term,
    counts,
    is_priced,
    line_annual_e4,
)
from tests.model.days import Event, day_of, effective_day, moment

BOOK = "~book"
RETRACTED = "revledger.event.retracted.v1"
ACCOUNT_CHANGED = "revledger.account.changed.v1"


class Cell(NamedTuple):
    """What a posting can be broken down by; `dims` are sorted (name, value) pairs."""

    currency: str
    contract: str
    line_id: str
    plan: str
    product: str | None
    dims: tuple[tuple[str, str], ...]


Level = dict[Cell, int]


class Movement(NamedTuple):
    """One posting; falls are negative; only churn carries a reason and an initiative."""

    account: str
    day: int
    currency: str
    movement: str
    cell: Cell
    amount_e4: int
    reason: str | None
    initiative: str | None


class Account(NamedTuple):
    """What an account is on one day: its attributes in force, its signed contracts by id."""

    attributes: dict[str, str]
    contracts: dict[str, Contract]


# ---------------------------------------------------------------- facts


def facts_in_force(events: list[Event]) -> list[Event]:
    """The events without repetitions and without those that a retraction names, in order of arrival.

    A retraction is final and may arrive before the event it names. Retractions themselves are left out: they
    have done their work. One that names another subject than its own does not hold.
    """
    first_seen: dict[tuple[str, str], Event] = {}
    for event in events:
        first_seen.setdefault((event["source"], event["id"]), event)
    retracted = {
        (event["subject"], event["data"]["source"], event["data"]["id"])
        for event in first_seen.values()
        if event["type"] == RETRACTED
    }
    return [
        event
        for (source, name), event in first_seen.items()
        if event["type"] != RETRACTED and (event["subject"], source, name) not in retracted
    ]


def accounts_of(events: list[Event]) -> list[str]:
    """Every account that an event is about, sorted."""
    return sorted({event["subject"] for event in events} - {BOOK})


def facts_of(events: list[Event], account: str) -> list[Event]:
    """An account's facts in force about contracts and attributes, by (effective day, time, arrival)."""
    own = [event for event in facts_in_force(events) if event["subject"] == account]
    relevant = [event for event in own if event["type"].startswith((CONTRACT, ACCOUNT_CHANGED))]
    return sorted(relevant, key=lambda event: (effective_day(event), moment(event["time"])))


def days_of_change(facts: list[Event]) -> list[int]:
    """Every day that the facts mention: only on these can the level differ from the day before."""
    days: set[int] = set()
    for fact in facts:
        data = fact["data"]
        days |= {effective_day(fact), day_of(fact["time"])}
        lines = data.get("lines", [])
        priced = [*lines, *(discount for line in lines for discount in line.get("discounts", []))]
        dates = [data.get("trial_end"), (data.get("term") or {}).get("end")]
        dates += [piece.get(edge) for piece in priced for edge in ("from", "until")]
        days |= {day_of(text) for text in dates if text is not None}
    return sorted(days)


# ---------------------------------------------------------------- one account


def attribute_text(value: str | int) -> str:
    """An attribute's value as text: 50 is "50", true is "true"."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def with_attributes(attributes: dict[str, str], changes: dict[str, Any]) -> dict[str, str]:
    """The attributes after a change; null removes a name."""
    kept = {name: value for name, value in attributes.items() if name not in changes}
    return kept | {name: attribute_text(value) for name, value in changes.items() if value is not None}


def account_on(facts: list[Event], day: int) -> Account:
    """The account at the end of a day: of each day up to it all facts, then the terms that ended."""
    attributes: dict[str, str] = {}
    contracts: dict[str, Contract] = {}
    for today in days_of_change(facts):
        if today > day:
            break
        for fact in facts:
            if effective_day(fact) != today:
                continue
            attributes = with_attributes(attributes, fact["data"].get("attributes") or {})
            if fact["type"].startswith(CONTRACT):
                name = fact["data"]["contract_id"]
                contract = after_fact(contracts.get(name), fact)
                if contract is not None:
                    contracts[name] = contract
        contracts = {name: after_term(contract, today) for name, contract in contracts.items()}
    return Account(attributes, contracts)


def dims_of(account: Account, contract: Contract) -> tuple[tuple[str, str], ...]:
    """The account's attributes, the contract's seller and the length of its term, sorted by name."""
    dims = account.attributes | dict(contract.seller)
    if contract.term.months is not None:
        dims["term_months"] = str(contract.term.months)
    return tuple(sorted(dims.items()))


def notices_on(facts: list[Event], contract: str, day: int) -> list[Event]:
    """The cancellations of a contract of which notice was given, and whose day has not come."""
    own = [fact for fact in facts if fact["data"].get("contract_id") == contract]
    cancelled = [fact for fact in own if fact["type"] == f"{CONTRACT}cancelled.v1"]
    given = [fact for fact in cancelled if day_of(fact["time"]) <= day < effective_day(fact)]
    return sorted(given, key=lambda fact: (day_of(fact["time"]), moment(fact["time"])))


def counting(facts: list[Event], account: Account, day: int, choices: Choices) -> dict[str, Contract]:
    """The contracts of an account that count on a day: under `notice`, none of which notice was given."""
    return {
        name: contract
        for name, contract in account.contracts.items()
        if counts(contract, day, choices) and not (choices.churn == "notice" and notices_on(facts, name, day))
    }


def is_active(facts: list[Event], account: Account, day: int, choices: Choices) -> bool:
    """Whether an account is active on a day: by its revenue, or also by what it gets for nothing."""
    if choices.free_accounts == "inactive":
        return bool(level_of_account(facts, account, day, choices))
    contracts = counting(facts, account, day, choices).values()
    return any(is_priced(line, day) for contract in contracts for line in contract.lines)


def level_of_account(facts: list[Event], account: Account, day: int, choices: Choices) -> Level:
    """What every cell of an account is worth a year on a day; empty cells are left out."""
    level: Level = {}
    for name, contract in counting(facts, account, day, choices).items():
        dims = dims_of(account, contract)
        for line in contract.lines:
            cell = Cell(contract.currency, name, line["line_id"], line["plan"], line.get("product"), dims)
            level[cell] = level.get(cell, 0) + line_annual_e4(line, day, choices)
    return {cell: amount for cell, amount in level.items() if amount != 0}


def level(events: list[Event], account: str, day: int, choices: Choices = USUAL) -> Level:
    """The level of an account at the end of a day, after all facts of that day.

    The level "at D" of a report, the start of day D, is `level(events, account, D - 1)`.
    """
    facts = facts_of(events, account)
    return level_of_account(facts, account_on(facts, day), day, choices)


# ---------------------------------------------------------------- movements


def cell_order(cell: Cell) -> tuple[str, ...]:
    """An order of cells that makes the list of movements the same on every run."""
    dims = (text for pair in cell.dims for text in pair)
    return (cell.contract, cell.line_id, cell.plan, cell.product or "", *dims)


def differences(before: Level, after: Level, currency: str) -> dict[Cell, int]:
    """What each cell of one currency rose or fell by; cells that stayed are left out."""
    cells = {cell for cell in before.keys() | after.keys() if cell.currency == currency}
    changes = {cell: after.get(cell, 0) - before.get(cell, 0) for cell in cells}
    return {cell: changes[cell] for cell in sorted(cells, key=cell_order) if changes[cell] != 0}


def line_order(cell: Cell) -> tuple[str, str]:
    """The order in which other lines are used up: by contract, then line."""
    return (cell.contract, cell.line_id)


def split_net_rise(changes: dict[Cell, int]) -> list[tuple[str, Cell, int]]:
    """Transfers and expansions of changes that sum to zero or more.

    Every fall is a transfer. It uses up the rise of its own line first; what is left of all falls uses up the
    other rises by (contract, line). What then remains of a rise is expansion.
    """
    falls = {cell: -change for cell, change in changes.items() if change < 0}
    rises = {cell: change for cell, change in changes.items() if change > 0}
    left = dict(rises)
    unmatched = 0
    for fall, amount in falls.items():
        own = [rise for rise in rises if line_order(rise) == line_order(fall)]
        assert len(own) <= 1, "a line is one cell before and one cell after"
        used = min(amount, sum(left[rise] for rise in own))
        left |= {rise: left[rise] - used for rise in own}
        unmatched += amount - used
    for rise in sorted(rises, key=line_order):
        used = min(unmatched, left[rise])
        left[rise] -= used
        unmatched -= used
    assert unmatched == 0, "the falls of a net rise are always used up by its rises"
    transfers = [(cell, -amount) for cell, amount in falls.items()]
    transfers += [(cell, amount - left[cell]) for cell, amount in rises.items()]
    split = [("transfer", cell, amount) for cell, amount in transfers]
    split += [("expansion", cell, amount) for cell, amount in left.items()]
    return [(movement, cell, amount) for movement, cell, amount in split if amount != 0]


def split_within(changes: dict[Cell, int]) -> list[tuple[str, Cell, int]]:
    """One currency of an account that was active and stays so: transfers, and expansion or contraction."""
    if sum(changes.values()) >= 0:
        return split_net_rise(changes)
    mirrored = split_net_rise({cell: -change for cell, change in changes.items()})
    names = {"expansion": "contraction", "transfer": "transfer"}
    return [(names[movement], cell, -amount) for movement, cell, amount in mirrored]


def split_day(before: Level, after: Level, whole: str | None) -> list[tuple[str, Cell, int]]:
    """Every movement of one account-day; `whole`: what all of it is where the account starts or stops."""
    split: list[tuple[str, Cell, int]] = []
    for currency in sorted({cell.currency for cell in before.keys() | after.keys()}):
        changes = differences(before, after, currency)
        if whole is None:
            split += split_within(changes)
            continue
        split += [(whole, cell, change) for cell, change in changes.items()]
    return split


def rise_of(day: int, last_active: int | None, choices: Choices) -> str:
    """What the rise from nothing is on a day; `last_active`: the last day before it on which there was more."""
    if last_active is None:
        return "new"
    idle = day - last_active - 1
    limit = choices.reactivation_days
    return "reactivation" if limit is None or idle <= limit else "new"


def stop_of(notices: list[Event], contract: Contract, choices: Choices) -> Stop:
    """Why a contract stopped to count on the day of a churn: (reason, initiative)."""
    if notices:
        return (notices[0]["data"].get("reason"), notices[0]["data"].get("initiative"))
    if contract.is_open:
        stands_still = contract.is_paused and choices.paused == "zero"
        return ("paused", "voluntary") if stands_still else (None, None)
    return contract.stop


def movements_of(events: list[Event], name: str, choices: Choices = USUAL) -> list[Movement]:
    """The movements of one account, day after day."""
    facts = facts_of(events, name)
    postings: list[Movement] = []
    before: Level = {}
    was_active, last_active = False, None
    for day in days_of_change(facts):
        last_active = day - 1 if was_active else last_active
        account = account_on(facts, day)
        after = level_of_account(facts, account, day, choices)
        now_active = is_active(facts, account, day, choices)
        starts_or_stops = "churn" if was_active else rise_of(day, last_active, choices)
        whole = None if was_active and now_active else starts_or_stops
        for movement, cell, amount in split_day(before, after, whole):
            stop: Stop = (None, None)
            if movement == "churn":
                notices = notices_on(facts, cell.contract, day) if choices.churn == "notice" else []
                stop = stop_of(notices, account.contracts[cell.contract], choices)
            postings.append(Movement(name, day, cell.currency, movement, cell, amount, *stop))
        before, was_active = after, now_active
    return postings


def movements(events: list[Event]) -> list[Movement]:
    """All movements of all accounts that the facts in force lead to, past and future."""
    return [posting for account in accounts_of(events) for posting in movements_of(events, account)]
