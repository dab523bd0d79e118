"""Facts to level: what an account is worth on every day, cell by cell, given the facts so far."""

from functools import lru_cache
from typing import Final

import msgspec
from msgspec import Struct

from events.contracts import NO_CAUSE, Cause, Contract, after_fact
from events.facts import NEVER, Fact, Pairs


class Cell(Struct, frozen=True, array_like=True, gc=False, cache_hash=True):
    """The smallest thing revenue is broken down to: one line of one contract under the labels in force.

    `labels` are name-value pairs in order of name: the account's attributes, and owner, campaign, channel
    and term_months of the contract. An absent product is the empty string.
    """

    currency: str
    contract: str
    line: str
    plan: str
    product: str
    labels: Pairs


_CELLS: Final = msgspec.msgpack.Decoder(Cell)


@lru_cache(maxsize=50_000)
def cell_of_bytes(data: bytes) -> Cell:
    """A cell from its msgpack; remembered, because an account posts to the same few again and again."""
    return _CELLS.decode(data)


Level = dict[Cell, int]
"""Cell -> annual_e4; without zeros, but for lines discounted to nothing where the policy counts those.

A level that is empty is that of an inactive account.
"""


class Standing(Struct, frozen=True, gc=False):
    """An account after all facts up to some day, from which the level of that day and later ones follows.

    `turns`: later days on which the level may change by itself; `settled`: the level after the last of them.
    `notices`: cancellations that count already, although their day has not come: until then nothing else counts
    for their contracts.
    """

    contracts: dict[str, Contract]
    attributes: Pairs
    turns: tuple[int, ...]
    settled: Level
    notices: tuple[Fact, ...] = ()

    def level_on(self, day: int) -> Level:
        """The level of a day not before the last fact."""
        if not self.turns or day >= self.turns[-1]:
            return self.settled
        level: Level = {}
        gone = {notice.contract_id for notice in self.notices}
        for contract_id, contract in self.contracts.items():
            if contract_id not in gone:
                _add_level(level, contract_id, contract, self.attributes, day)
        return level

    def turns_between(self, start: int, until: int) -> list[int]:
        """The days after `start` and before `until` on which the level may change by itself."""
        return [day for day in self.turns if start < day < until]

    def cause_on(self, contract_id: str, day: int) -> Cause:
        """Why a contract is worth nothing on a day, as far as somebody said."""
        for notice in self.notices:
            if notice.contract_id == contract_id:
                return notice.reason, notice.initiative
        contract = self.contracts.get(contract_id)
        return NO_CAUSE if contract is None else contract.cause_on(day)


NOTHING = Standing({}, (), (), {})
"""An account about which nothing is known."""


def after(standing: Standing, fact: Fact) -> Standing:
    """The standing after one more fact; facts come in order of effective day, time, arrival."""
    if fact.kind == "noted":
        return standing
    if fact.kind == "noticed":
        return _standing(standing.contracts, standing.attributes, (*standing.notices, fact))
    notices = standing.notices
    if notices and fact.kind == "cancelled":
        notices = tuple(notice for notice in notices if notice.seq != fact.seq)
    attributes = _merged(standing.attributes, fact.attributes) if fact.attributes else standing.attributes
    contracts = standing.contracts
    if fact.kind != "changed":
        contract = after_fact(contracts.get(fact.contract_id), fact)
        if contract is None:
            return standing if notices is standing.notices else _standing(contracts, attributes, notices)
        contracts = {**contracts, fact.contract_id: contract}
        if len(contracts) > 1 and attributes is standing.attributes and not (standing.turns or standing.notices):
            return _with_contract(standing, contracts, fact.contract_id, contract)
    return _standing(contracts, attributes, notices)


def _standing(contracts: dict[str, Contract], attributes: Pairs, notices: tuple[Fact, ...]) -> Standing:
    settled: Level = {}
    turns: set[int] = set()
    gone = {notice.contract_id for notice in notices} if notices else ()
    for contract_id, contract in contracts.items():
        if contract_id not in gone:
            _add_settled(settled, contract_id, contract, attributes)
            turns |= contract.turns()
    return Standing(contracts, attributes, tuple(sorted(turns)) if turns else (), settled, notices)


def _with_contract(
    standing: Standing, contracts: dict[str, Contract], contract_id: str, contract: Contract
) -> Standing:
    """The standing of an account with many contracts of which one changed, and none changes by itself."""
    settled = {cell: value for cell, value in standing.settled.items() if cell.contract != contract_id}
    _add_settled(settled, contract_id, contract, standing.attributes)
    return Standing(contracts, standing.attributes, tuple(sorted(contract.turns())), settled)


def _add_settled(level: Level, contract_id: str, contract: Contract, attributes: Pairs) -> None:
    """Adds what a contract is worth in the end of time."""
    if contract.closed is None and not contract.paused and contract.expires == NEVER:
        labels = _labels_of(attributes, contract)
        for line in contract.lines:
            value = line.steps[-1][1]
            if value:
                cell = Cell(contract.currency, contract_id, line.line_id, line.plan, line.product, labels)
                level[cell] = max(0, value)


def _add_level(level: Level, contract_id: str, contract: Contract, attributes: Pairs, day: int) -> None:
    """Adds what a contract is worth on a day."""
    values = contract.values_on(day)
    if values:
        labels = _labels_of(attributes, contract)
        for line, value in values:
            level[Cell(contract.currency, contract_id, line.line_id, line.plan, line.product, labels)] = value


def _labels_of(attributes: Pairs, contract: Contract) -> Pairs:
    """The labels of the cells of a contract; either kind is in order already."""
    own = contract.labels
    if not own:
        return attributes
    return _labels(attributes, own) if attributes else own


@lru_cache(maxsize=10_000)
def _labels(attributes: Pairs, own: Pairs) -> Pairs:
    """Both kinds of labels as one, in order of name; remembered, because many contracts share them."""
    return tuple(sorted(attributes + own))


@lru_cache(maxsize=10_000)
def _merged(attributes: Pairs, changes: tuple[tuple[str, str | None], ...]) -> Pairs:
    """The attributes after changes; remembered, because many accounts share them."""
    merged: dict[str, str | None] = {**dict(attributes), **dict(changes)}
    return tuple(sorted((name, value) for name, value in merged.items() if value is not None))
