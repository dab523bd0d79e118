"""Warming: columns are asked what people ask, so that nobody waits for what is worked out of them once."""

from collections.abc import Mapping
from contextlib import suppress
from itertools import islice
from typing import Final

import numpy as np

from events.block import labels_of_raw
from projections.columnar.arrays import Columns
from projections.columnar.counting import counted
from projections.columnar.firsts import FIRST
from projections.columnar.layers import Layers
from projections.columnar.living import lives
from projections.columns import Asked
from projections.groups import Choice
from projections.records import TooLarge

NAMES_MAX: Final = 32
"""So many names at most are asked about; whoever labels with more may wait for the others."""
_DAYS: Final = 365


def warm(layers: Layers) -> None:
    """Asks about the whole in each currency, and about every name in the one that most is in."""
    for choice, day in _choices(layers):
        start = day - _DAYS
        counted(layers, choice, [start, day])
        layers.retention(choice, start, day)
        layers.shares(choice, day)
        layers.satisfaction(choice, start, day)
        lives(layers, choice, day)
        asked = Asked(choice.currency, day, start, "month")
        with suppress(TooLarge):  # whoever asks is told from the views
            layers.values(choice, day)
            layers.values_begun(choice, start, day)
            for table in FIRST.values():
                table(layers, choice, asked, 1)


def warm_off(off: Layers) -> None:
    """The same of what discounts take off."""
    for choice, day in _choices(off):
        with suppress(TooLarge):
            off.discounts(choice, day - _DAYS, day)


def _choices(layers: Layers) -> list[tuple[Choice, int]]:
    """What to ask about, and the last day of all."""
    columns = [one for one in layers.columns if len(one.accounts)]
    if not columns:
        return []
    cells = _cells_by_currency(columns[0])
    names = (None, "plan", "product", *islice(_names(columns[0]), NAMES_MAX))
    day = max(int(one.days[max(0, len(one.days) - len(one.ahead) - 1)]) for one in columns) + 1
    by_size = sorted(cells, key=lambda currency: -cells[currency])
    asked = [(by_size[0], by) for by in names] + [(currency, None) for currency in by_size[1:]]
    return [(Choice(currency, by, {}), day) for currency, by in asked]


def _cells_by_currency(columns: Columns) -> Mapping[str, int]:
    counts = np.bincount(columns.currencies).tolist()
    return {columns.vocabulary.currency.values[code]: count for code, count in enumerate(counts) if count}


def _names(columns: Columns) -> dict[str, None]:
    """The names that anything is labelled with, in the order they came."""
    known = columns.vocabulary.labels.values[:]
    return {name: None for raw in known for name, _ in labels_of_raw(raw)}
