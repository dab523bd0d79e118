"""Assembly: columns that are made of the records and notes of accounts, and put together out of others."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import numpy as np

from events.block import raw_cell_of
from events.notes import Agreed, Answer, AnyNote
from projections.columnar.arrays import MOVEMENTS, NEVER, TOTAL_MAX, Columns, Known
from projections.columnar.numbering import Amounts, Codes, Kinds, Places, Texts, Vocabulary, firsts_of
from projections.columnar.sides import Answers, Terms, answers_of, terms_of
from projections.columnar.sorting import Sorter
from projections.records import Record, TooLarge, sums_of

_PLACES: Final = {movement: place for place, movement in enumerate(MOVEMENTS)}
_AHEAD: Final = _PLACES["ahead"]

_TOLD: Final = (Answer, Agreed)
"""The notes that columns tell of."""

Notes = Mapping[str, Sequence[AnyNote]]
"""Account -> its notes in force; those without any may be left out."""


def columns_of(records: Mapping[str, Record], vocabulary: Vocabulary, notes: Notes | None = None) -> Columns:
    """The columns of some accounts, at least one; raises TooLarge."""
    held = [*records.values()]
    days, movements, amounts, places, causes = zip(*sums, strict=True) if (sums := sums_of(held)) else ((),) * 5
    total = sum(map(abs, amounts))
    if total >= TOTAL_MAX:
        raise TooLarge
    counts = np.array([len(one.cells) for one in held], dtype=np.intp)
    cells = np.array(places, dtype=np.intp)
    cells += np.repeat(firsts_of(counts), [one.count for one in held])
    kinds = np.array([_PLACES[movement] for movement in movements], dtype=np.int8)
    told = np.array(days, dtype=np.int32)
    dated = np.where(kinds == _AHEAD, NEVER, told).astype(np.int32)
    order = np.lexsort((told, dated))
    said, contracts = _said(held, vocabulary)
    told_of = [(notes or {}).get(name, ()) for name in records]
    return _columns(
        vocabulary,
        [*records],
        dated[order],
        cells[order],
        kinds[order],
        np.array(amounts, dtype=np.int64)[order],
        np.array(vocabulary.cause.numbers(causes), dtype=np.int32)[order],
        told[order][np.searchsorted(dated[order], NEVER) :],
        said,
        counts,
        [name for own in contracts for name in own],
        np.array([len(own) for own in contracts], dtype=np.intp),
        answers_of(told_of, vocabulary),
        terms_of(told_of, contracts),
        total,
    )


def told_in_columns(notes: Notes) -> dict[str, list[AnyNote]]:
    """The notes that columns tell of, and the accounts that have any."""
    noted: Iterable[tuple[str, list[AnyNote]]] = (
        (account, [one for one in some if type(one) in _TOLD]) for account, some in notes.items()
    )
    return {account: some for account, some in noted if some}


def _said(held: Sequence[Record], vocabulary: Vocabulary) -> tuple[list[Codes], list[dict[str, int]]]:
    """What the cells of records say, by number, and which contract each is of; and the contracts of each, by number."""
    of_each = [[raw_cell_of(cell) for cell in one.cells] for one in held]
    contracts: list[dict[str, int]] = [{} for _ in of_each]
    deals = [
        numbers.setdefault(one.contract, len(numbers))
        for own, numbers in zip(of_each, contracts, strict=True)
        for one in own
    ]
    raw = [one for own in of_each for one in own]
    said = (
        vocabulary.currency.numbers([one.currency for one in raw]),
        vocabulary.plan.numbers([one.plan for one in raw]),
        vocabulary.product.numbers([one.product for one in raw]),
        vocabulary.labels.numbers([bytes(one.labels) for one in raw]),
        deals,
    )
    return [np.array(codes, dtype=np.int32) for codes in said], contracts


def joined(tables: Sequence[Columns]) -> Columns:
    """Several columns of different accounts in one; raises TooLarge."""
    parts = [only_held(table) for table in tables]
    total = sum(part.total for part in parts)
    if total >= TOTAL_MAX:
        raise TooLarge
    days = np.concatenate([part.days for part in parts])
    told = days.copy()
    told[days == NEVER] = np.concatenate([part.ahead for part in parts])
    order = np.lexsort((told, days))
    cells = firsts_of(np.array([len(part.accounts) for part in parts], dtype=np.intp)).tolist()
    accounts = firsts_of(np.array([len(part.names) for part in parts], dtype=np.intp)).tolist()
    said = [(part.currencies, part.plans, part.products, part.labels, part.deals) for part in parts]
    return _columns(
        parts[0].vocabulary,
        [name for part in parts for name in part.names],
        days[order],
        np.concatenate([part.cells + first for part, first in zip(parts, cells, strict=True)])[order],
        np.concatenate([part.movements for part in parts])[order],
        np.concatenate([part.amounts for part in parts])[order],
        np.concatenate([part.causes for part in parts])[order],
        told[order][np.searchsorted(days[order], NEVER) :],
        [np.concatenate(codes) for codes in zip(*said, strict=True)],
        np.concatenate([part.cells_of_accounts() for part in parts]),
        [name for part in parts for name in part.contracts],
        np.concatenate([part.contracts_of_accounts() for part in parts]),
        Answers.joined([part.answers for part in parts], accounts),
        Terms.joined([part.terms for part in parts], accounts),
        total,
    )


def only_held(columns: Columns) -> Columns:
    """The accounts alone that columns hold for."""
    if columns.holds.all():
        return columns
    keeps = columns.holds[columns.accounts]
    kept = keeps[columns.cells]
    amounts = columns.amounts[kept]
    said = (columns.currencies, columns.plans, columns.products, columns.labels, columns.deals)
    contracts = columns.contracts_of_accounts()
    of_contracts = np.repeat(columns.holds, contracts).tolist()
    return _columns(
        columns.vocabulary,
        [name for name, holds in zip(columns.names, columns.holds.tolist(), strict=True) if holds],
        columns.days[kept],
        (np.cumsum(keeps) - 1)[columns.cells[kept]],
        columns.movements[kept],
        amounts,
        columns.causes[kept],
        columns.ahead[kept[len(kept) - len(columns.ahead) :]],
        [codes[keeps] for codes in said],
        columns.cells_of_accounts()[columns.holds],
        [name for name, holds in zip(columns.contracts, of_contracts, strict=True) if holds],
        contracts[columns.holds],
        columns.answers.kept(columns.holds),
        columns.terms.kept(columns.holds),
        int(np.abs(amounts).sum()),
    )


def _columns(
    vocabulary: Vocabulary,
    names: Sequence[str],
    days: Codes,
    cells: Places,
    movements: Kinds,
    amounts: Amounts,
    causes: Codes,
    ahead: Codes,
    said: Sequence[Codes],
    counts: Places,
    contracts: Sequence[str],
    contract_counts: Places,
    answers: Answers,
    terms: Terms,
    total: int,
) -> Columns:
    """Columns that hold for all accounts, from how many cells each account has."""
    accounts = np.repeat(np.arange(len(names), dtype=np.int32), counts)
    places = {name: place for place, name in enumerate(names)}
    holds = np.ones(len(names), dtype=np.bool_)
    first_contracts, contracts = firsts_of(contract_counts), Texts(contracts)
    sorter = Sorter(vocabulary, names, accounts, said, contracts, first_contracts)
    currencies, plans, products, labels, deals = said
    return Columns(
        vocabulary,
        names,
        places,
        holds,
        *(days, cells, movements, amounts, causes, ahead),
        *(accounts, currencies, plans, products, labels, deals),
        firsts_of(counts),
        contracts,
        first_contracts,
        answers,
        terms,
        total,
        Known(sorter),
    )
