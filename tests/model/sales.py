"""The model's answers to what was sold: by whoever won a contract, over its first day with revenue.

Built on the model's levels, movements, contract values and costs; a question is a place for every cell, or none.
"""

from fractions import Fraction
from typing import Any, NamedTuple, cast

from tests.model import asides
from tests.model.books import Cell, accounts_of, days_of_change, facts_of
from tests.model.choices import USUAL
from tests.model.contracts import SELLER
from tests.model.days import Event, months_between
from tests.model.discounts import LISTED
from tests.model.figures import half_up, levels_at, mrr_minor
from tests.model.reports import Asked, Books, label, ratio_text
from tests.model.terms import cells_on, changed_on, worth_by_group

Place = tuple[str, str]
"""The value of what is asked for by, and the value of what the table is told by."""


class Row(NamedTuple):
    """One side of a row."""

    new_mrr_minor: int
    new_accounts: int
    acv_signed_minor: int | None
    discount_share: str | None
    nrr: str | None
    cac_minor: int | None


class Places(NamedTuple):
    """A question that has a place for a cell instead of a group; `own`: what a table is told by, if anything."""

    asked: Asked
    own: str | None
    currency: str
    by: None = None
    where: tuple[()] = ()

    def group(self, account: str, cell: Cell) -> Any:
        """The place of a cell, None if it does not count."""
        group = self.asked.group(account, cell)
        value = "" if self.own is None else label(account, cell, self.own) or ""
        return None if group is None else (group, value)


def winners(events: list[Event], currency: str) -> dict[tuple[str, str], tuple[int, dict[str, str]]]:
    """(account, contract) -> its first day with revenue, and who or what it had then."""
    found: dict[tuple[str, str], tuple[int, dict[str, str]]] = {}
    for account in accounts_of(events):
        facts = facts_of(events, account)
        for name in {fact["data"]["contract_id"] for fact in facts if "contract_id" in fact["data"]}:
            for day in days_of_change(facts):
                cells = cells_on(facts, name, currency, day)
                if cells:
                    dims = dict(next(iter(cells)).dims)
                    found[account, name] = day, {one: dims[one] for one in SELLER if one in dims}
                    break
    return found


def sold(books: Books, asked: Asked, own: str | None, start: int, until: int) -> dict[Place, Row]:
    """What was sold in a window, by place; places without anything may be there or not."""
    places = Places(asked, own, asked.currency)
    won = winners(books.events, asked.currency)

    def place(account: str, cell: Cell) -> Any:
        others = {name: value for name, value in cell.dims if name not in SELLER}
        _, seller = won.get((account, cell.contract), (0, {}))
        return places.group(account, cell._replace(dims=tuple(sorted((others | seller).items()))))

    new: dict[Place, dict[tuple[str, int], int]] = {}
    for one in books.movements:
        where = place(one.account, one.cell)
        if one.movement == "new" and start <= one.day < until and where is not None:
            days = new.setdefault(where, {})
            days[one.account, one.day] = days.get((one.account, one.day), 0) + one.amount_e4
    opening, closing = (_held(books.events, day, place) for day in (start, until))
    signed = _signed(books.events, places, won, start, until)
    names = {*dict(asked.where), *([asked.by] if asked.by else []), *([own] if own else [])}
    spent: Any = asides.costs(books.events, places, start, until) if names <= asides.COST_NAMES else {}
    found: dict[Place, Row] = {}
    begun = _begun(books.events, places, won, start, until)
    every: set[Place] = {*new, *opening, *signed, *spent, *begun}
    for where in every:
        days, values = new.get(where, {}), signed.get(where, [])
        before, after = opening.get(where, {}), closing.get(where, {})
        won_accounts = sum(amount != 0 for amount in days.values())
        acquired = spent.get(where, {}).get("acquisition", 0)
        listed = sum((listed for _, listed in values), Fraction(0))
        off = listed - sum((net for net, _ in values), Fraction(0))
        yearly = begun.get(where, [])
        found[where] = Row(
            mrr_minor(sum(days.values())),
            won_accounts,
            half_up(sum(yearly, Fraction(0)) / len(yearly)) if yearly else None,
            ratio_text(off, listed),
            ratio_text(sum(after.get(name, 0) for name in before), sum(before.values())),
            half_up(Fraction(acquired, won_accounts)) if acquired and won_accounts else None,
        )
    return found


def _held(events: list[Event], day: int, place: Any) -> dict[Place, dict[str, int]]:
    found: dict[Place, dict[str, int]] = {}
    for account, level in levels_at(events, day).items():
        for cell, amount in level.items():
            where = place(account, cell)
            if where is not None:
                own = found.setdefault(where, {})
                own[account] = own.get(account, 0) + amount
    return found


def _begun(
    events: list[Event], places: Places, won: dict[tuple[str, str], tuple[int, dict[str, str]]], start: int, until: int
) -> dict[Place, list[Fraction]]:
    """Of every contract begun in a window: its value per year as it was signed."""
    found: dict[Place, list[Fraction]] = {}
    for (account, name), (first, _) in won.items():
        if start <= first < until:
            changed = changed_on(events, account, name, places.currency, first)
            span, totals = worth_by_group(facts_of(events, account), places, account, name, first, changed=changed)
            for where, total in cast("dict[Place, Fraction]", totals).items():
                found.setdefault(where, []).append(total * 12 / months_between(*span))
    return found


def _signed(
    events: list[Event],
    places: Places,
    won: dict[tuple[str, str], tuple[int, dict[str, str]]],
    start: int,
    until: int,
) -> dict[Place, list[tuple[Fraction, Fraction]]]:
    """Of every contract begun in a window: its value over its term, and that at list prices."""
    found: dict[Place, list[tuple[Fraction, Fraction]]] = {}
    for (account, name), (first, _) in won.items():
        if start <= first < until:
            facts = facts_of(events, account)
            both = [worth_by_group(facts, places, account, name, first, choices) for choices in (USUAL, LISTED)]
            net, listed = (cast("dict[Place, Fraction]", worth) for _, worth in both)
            for where, value in net.items():
                found.setdefault(where, []).append((value, listed[where]))
    return found
