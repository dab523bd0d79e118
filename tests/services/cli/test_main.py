"""The command line as a whole: help, usage, and how every kind of error ends."""

import re
import shlex
from typing import Any

import pytest
import typer.main

from services.cli import failures, status
from services.cli.main import app
from services.ledgers.port import LedgerUnavailable
from tests.services.cli.calling import called

COMMANDS = [
    (),
    ("up",),
    ("load",),
    ("demo-data",),
    ("report",),
    ("report", "bridge"),
    ("report", "figures"),
    ("replay",),
    ("restate",),
    ("explain",),
    ("status",),
    ("verify",),
    ("checkpoint",),
    ("dead-letters",),
    ("dead-letters", "list"),
    ("dead-letters", "show"),
    ("dead-letters", "retry"),
    ("settings",),
]


def parsed(arguments: list[str]) -> None:
    """Parses a command line down to its last command, without running it; raises what the parser raises."""
    command: Any = typer.main.get_command(app)
    context = command.make_context("revledger", arguments)
    while hasattr(command, "commands"):
        name, command, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        context = command.make_context(name, rest, parent=context)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_help_with_examples_that_parse(command: tuple[str, ...]) -> None:
    done = called(*command, "--help")
    assert (done.status, done.err) == (0, "")
    examples = done.out.partition("Example:\n")[2].splitlines()
    assert examples
    for line in examples:
        for part in re.sub(r"> .*", "", line).split("|"):
            words = [word for word in shlex.split(part) if not word.startswith("REVLEDGER_")]
            assert words[0] == "revledger"
            parsed(words[1:])
    assert any(line.split("revledger ", 1)[1].startswith(" ".join(command)) for line in examples)


def test_help_imports_nothing_heavy() -> None:
    import subprocess
    import sys

    from tests.services.cli.calling import ROOT

    code = (
        "import sys, services.cli.main\n"
        "heavy = {'rich', 'litestar', 'uvicorn', 'uvloop', 'redis', 'sqlite3'} & set(sys.modules)\n"
        "sys.exit(f'imported: {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("arguments", [("bogus",), ("load",), ("load", "a", "--as-recoded"), ("up", "--port", "many")])
def test_wrong_usage_is_status_2_and_names_the_help(arguments: tuple[str, ...]) -> None:
    done = called(*arguments)
    assert (done.status, done.out) == (2, "")
    assert "--help`." in done.err


def test_commands_of_report_are_told_whole_on_lines_of_80_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    told = called("report", "--help").out.partition("Commands:")[2].partition("Example:")[0].strip().splitlines()
    assert len(told) > 10
    assert all(line.endswith(".") and not line.endswith("...") and len(line) <= 80 for line in told)


def test_an_option_without_its_value_is_told_what_it_may_be() -> None:
    assert "Name some, such as nrr,grr; `revledger report figures" in called("replay", "--figures").err


def test_no_command_prints_the_help() -> None:
    assert called().out == called("--help").out


def test_defects_are_one_line_and_a_traceback_only_for_debugging(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("this cannot be")

    monkeypatch.setattr(status, "settings_of", broken)
    done = called("status")
    assert (done.status, done.out) == (1, "")
    assert done.err == f"Unexpected: RuntimeError: this cannot be. {failures.REPORT}\n"
    monkeypatch.setenv("REVLEDGER_LOG", "debug")
    assert "Traceback" in called("status").err


@pytest.mark.parametrize(
    ("error", "status_code", "sentence"),
    [
        (LedgerUnavailable("The disk is full.", "Free space."), 1, "The disk is full. Free space.\n"),
        (PermissionError(13, "Permission denied", "books"), 1, "books: Permission denied.\n"),
        (failures.Failure("No.", 2), 2, "No.\n"),
        (KeyboardInterrupt(), 130, "Interrupted.\n"),
        (
            ModuleNotFoundError("No module named 'duckdb'", name="duckdb"),
            1,
            "This command needs duckdb, which is not installed: pip install 'revledger[audit]'.\n",
        ),
    ],
)
def test_errors_end_in_a_sentence(
    error: BaseException, status_code: int, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> None:
        raise error

    monkeypatch.setattr(status, "settings_of", failing)
    done = called("status")
    assert (done.status, done.err) == (status_code, sentence)
