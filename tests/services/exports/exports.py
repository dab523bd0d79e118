"""Exports for tests: ledgers written to files, and the files read by others than those who wrote them."""

import csv
import io
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

from beancount import loader
from beancount.core import data

from services.compose import genesis_of
from services.exports import journal
from services.exports.exporting import Exported, Target, exported
from services.exports.forms import Form
from services.ledgers.port import Ledger
from services.questions import question_of
from services.settings import Settings, settings_from
from tests.services.books import parameters

NUMBERS: Final = ("partition", "height", "seq", "posting", "mrr_minor", "annual_e4")
NO_TEXTS: Final = (*NUMBERS, "recorded_at", "time", "day", "term_months", "attributes")
SPAN_POSTINGS: Final = 5
STEP_ENTRIES: Final = 2
"""So few that a small history has several spans."""


async def export(
    ledger: Ledger, path: Path, form: Form, /, *, kept: Settings | None = None, force: bool = False, **asked: str
) -> Exported:
    """Exports a ledger; `from` is written `start`."""
    genesis = await genesis_of(ledger)
    assert genesis is not None
    question = question_of(parameters(asked))
    target = Target(path, form, force)
    with patch.object(journal, "SPAN_POSTINGS", SPAN_POSTINGS), patch.object(journal, "STEP_ENTRIES", STEP_ENTRIES):
        return await exported(ledger, genesis, question, target, kept or settings_from({}))


def rows_in(path: Path) -> list[dict[str, Any]]:
    """The rows of a CSV file, as `rows_of_csv`."""
    return rows_of_csv(path.read_bytes())


def rows_of_csv(raw: bytes) -> list[dict[str, Any]]:
    """The rows of a CSV export as its documentation says to read them: by Python's reader, the first `'` taken off."""
    rows: list[dict[str, Any]] = list(csv.DictReader(io.StringIO(raw.decode(), newline=""), strict=True))
    for row in rows:
        for name, text in row.items():
            if name not in NO_TEXTS:
                row[name] = text.removeprefix("'")
        row.update({name: int(row[name]) for name in NUMBERS})
    return rows


def loaded(path: Path) -> tuple[list[Any], list[Any]]:
    """The transactions of a beancount file, and all that `bean-check` would complain of."""
    entries, errors, _ = loader.load_file(str(path))
    return [one for one in entries if isinstance(one, data.Transaction)], errors
