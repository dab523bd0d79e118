"""Every journal, run through the public interface: events in, books out."""

from pathlib import Path

import pytest

from tests.journals.answers import disagreements, updated
from tests.journals.notation import journal_read
from tests.journals.runner import run

JOURNALS = sorted((Path(__file__).parent / "journals").glob("*.journal"))


@pytest.mark.parametrize("path", JOURNALS, ids=[path.stem for path in JOURNALS])
def test_journal(path: Path, tmp_path: Path, update: bool) -> None:
    journal = journal_read(path)
    actual = run(journal.events, journal.expectations, tmp_path)
    if update:
        path.write_text(updated(journal, actual), encoding="utf-8")
        return
    assert disagreements(journal, actual) == []
