"""Assembly: columns that are made of the records and notes of accounts, and put together out of others."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import numpy as np

from events.block import raw_cell_of
from events.notes import Answer, AnyNote
from projections.arrays import MOVEMENTS, NEVER, TOTAL_MAX, Columns, Known, TooLarge
from projections.numbering import Amounts, Codes, Kinds, Places, Vocabulary, firsts_of
from projections.records import Record, sums_of
from projections.sides import Answers, answers_of
from projections.sorting import Sorter

_PLACES: Final = {movement: place for place, movement in enumerate(MOVEMENTS)}
_AHEAD: Final = _PLACES["ahead"]

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
    order = np.argsort(dated, kind="stable")
    return _columns(
        vocabulary,
        [*records],
        dated[order],
        cells[order],
        kinds[order],
        np.array(amounts, dtype=np.int64)[order],
        np.array([vocabulary.cause.number(cause) for cause in causes], dtype=np.int32)[order],
        told[kinds == _AHEAD],
        _said(held, vocabulary),
        counts,
        answers_of([(notes or {}).get(name, ()) for name in records], vocabulary),
        total,
    )


def told_in_columns(notes: Notes) -> dict[str, list[AnyNote]]:
    """The notes that columns tell of, and the accounts that have any."""
    noted: Iterable[tuple[str, list[AnyNote]]] = (
        (account, [one for one in some if type(one) is Answer]) for account, some in notes.items()
    )
    return {account: some for account, some in noted if some}


def _said(held: Sequence[Record], vocabulary: Vocabulary) -> list[Codes]:
    """What the cells of records say, by number."""
    raw = [raw_cell_of(cell) for one in held for cell in one.cells]
    said = (
        [vocabulary.currency.number(one.currency) for one in raw],
        [vocabulary.plan.number(one.plan) for one in raw],
        [vocabulary.product.number(one.product) for one in raw],
        [vocabulary.labels.number(bytes(one.labels)) for one in raw],
    )
    return [np.array(codes, dtype=np.int32) for codes in said]


def joined(tables: Sequence[Columns]) -> Columns:
    """Several columns of different accounts in one; raises TooLarge."""
    parts = [only_held(table) for table in tables]
    total = sum(part.total for part in parts)
    if total >= TOTAL_MAX:
        raise TooLarge
    days = np.concatenate([part.days for part in parts])
    order = np.argsort(days, kind="stable")
    cells = firsts_of(np.array([len(part.accounts) for part in parts], dtype=np.intp)).tolist()
    accounts = firsts_of(np.array([len(part.names) for part in parts], dtype=np.intp)).tolist()
    said = [(part.currencies, part.plans, part.products, part.labels) for part in parts]
    return _columns(
        parts[0].vocabulary,
        [name for part in parts for name in part.names],
        days[order],
        np.concatenate([part.cells + first for part, first in zip(parts, cells, strict=True)])[order],
        np.concatenate([part.movements for part in parts])[order],
        np.concatenate([part.amounts for part in parts])[order],
        np.concatenate([part.causes for part in parts])[order],
        np.concatenate([part.ahead for part in parts]),
        [np.concatenate(codes) for codes in zip(*said, strict=True)],
        np.concatenate([part.cells_of_accounts() for part in parts]),
        Answers.joined([part.answers for part in parts], accounts),
        total,
    )


def only_held(columns: Columns) -> Columns:
    """The accounts alone that columns hold for."""
    if columns.holds.all():
        return columns
    keeps = columns.holds[columns.accounts]
    kept = keeps[columns.cells]
    amounts = columns.amounts[kept]
    said = (columns.currencies, columns.plans, columns.products, columns.labels)
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
        columns.answers.kept(columns.holds),
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
    answers: Answers,
    total: int,
) -> Columns:
    """Columns that hold for all accounts, from how many cells each account has."""
    accounts = np.repeat(np.arange(len(names), dtype=np.int32), counts)
    places = {name: place for place, name in enumerate(names)}
    holds = np.ones(len(names), dtype=np.bool_)
    of_sums, known = (days, cells, movements, amounts, causes, ahead), Known(Sorter(vocabulary, names, accounts, said))
    currencies, plans, products, labels = said
    of_cells = (accounts, currencies, plans, products, labels, firsts_of(counts))
    return Columns(vocabulary, names, places, holds, *of_sums, *of_cells, answers, total, known)
