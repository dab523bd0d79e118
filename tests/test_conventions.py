"""The page of six conventions says what comes out: its company, its commands, its numbers."""

import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, Final

import pytest

from services.cli.main import status_of
from services.policies import policy_of_file
from tests.journals.notation import journal_read

ROOT: Final = Path(__file__).resolve().parent.parent
PAGE: Final = ROOT / "docs" / "conventions.md"
FILES: Final = ROOT / "docs" / "conventions"
JOURNAL: Final = ROOT / "tests" / "journals" / "conventions.journal"
NAMES: Final = ("chartmogul", "profitwell", "stripe", "paddle", "maxio", "baremetrics")
WINDOW: Final = ("--from", "2025-01-01", "--until", "2025-06-01")
COLUMNS: Final = ("new", "reactivation", "expansion", "contraction", "churn", "closing")


def ran(*arguments: str) -> str:
    """What a command prints."""
    out = io.StringIO()
    with redirect_stdout(out):
        assert status_of(arguments) == 0
    return out.getvalue()


def shown(text: str) -> list[str]:
    """The lines of an answer without what it is as of, which changes with the time."""
    lines = [line.rstrip() for line in text.splitlines()]
    end = next((index for index, line in enumerate(lines) if line.startswith("as of")), len(lines))
    return lines[:end]


def commands(page: str) -> Iterator[tuple[list[str], list[str]]]:
    """The commands of the page with what it shows below each."""
    for block in re.findall(r"(?:^    .*\n)+", page, re.MULTILINE):
        lines = [line.removeprefix("    ") for line in block.splitlines()]
        if lines[0].startswith("$ revledger "):
            yield lines[0].removeprefix("$ revledger ").split(), lines[1:]


def dollars(minor: int) -> str:
    """An amount as the page writes it."""
    return f"{minor // 100}.{minor % 100:02}" if minor >= 0 else f"-{dollars(-minor)}"


def row_of(name: str, answer: Mapping[str, Any]) -> str:
    """What the table of the page says of a product."""
    march, may = (answer["rows"][month]["mrr_minor"] for month in (2, 4))
    cells = [dollars(march[column]) for column in COLUMNS]
    return f"| {name} | {' | '.join([*cells, dollars(may['closing'])])} |"


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Sequence[str]:
    """The company's ledger, as an option."""
    data = ("--data", str(tmp_path_factory.mktemp("conventions")))
    ran("load", str(FILES / "company.jsonl"), *data)
    return data


def test_the_company_is_that_of_the_journal() -> None:
    events = [json.loads(line) for line in (FILES / "company.jsonl").read_text("utf-8").splitlines()]
    journal = journal_read(JOURNAL)
    assert events == list(journal.events)
    told = journal.text.split("\nbridge ")[0].split("\n\n", 1)[1]
    assert "".join(f"    {line}\n" for line in told.splitlines()) in PAGE.read_text("utf-8")


def test_every_policy_is_told_and_has_a_name_of_its_own() -> None:
    page = PAGE.read_text("utf-8")
    assert sorted(path.stem for path in FILES.glob("*.toml")) == sorted(NAMES)
    assert len({policy_of_file(FILES / f"{name}.toml").stamp for name in NAMES}) == len(NAMES)
    assert all(f"conventions/{name}.toml" in page for name in NAMES)


def test_the_page_shows_what_comes_out(ledger: Sequence[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Every command of it, run again."""
    monkeypatch.chdir(ROOT)
    page = PAGE.read_text("utf-8")
    found = list(commands(page))
    assert [words[0] for words, _ in found] == ["load", *["report"] * len(NAMES)]
    for words, lines in found[1:]:
        assert shown(ran(*words, *ledger)) == lines
    assert '"accepted":12,"duplicates":0,"refused":0' in found[0][1][0]


def test_the_table_is_that_of_the_answers(ledger: Sequence[str]) -> None:
    page = PAGE.read_text("utf-8")
    closings = set()
    for name in NAMES:
        policy = str(FILES / f"{name}.toml")
        answer = json.loads(ran("report", "bridge", *WINDOW, "--policy", policy, *ledger, "--format", "json"))
        assert row_of(name, answer) in page
        closings.add(answer["rows"][2]["mrr_minor"]["closing"])
    assert (min(closings), max(closings)) == (21000, 27000)
