"""`revledger alerts`: the rules of alerts checked."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from services.cli.failures import DONE, NOT_DONE
from services.cli.options import Data, StatusForm, examples, settings_of
from services.cli.running import run, told

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.alerts.rulebook import Problem, Rulebook
    from services.settings import Settings

alerts = typer.Typer(
    help="Alerts on churn and on figures: rules, what they fire on, and where alerts go.",
    epilog=examples("revledger alerts example > alerts.toml", "revledger alerts check alerts.toml"),
    rich_markup_mode=None,
    no_args_is_help=True,
)

File = Annotated[
    Path | None,
    typer.Argument(
        metavar="[FILE]", help="By default that of REVLEDGER_ALERTS, or alerts.toml in the data directory.", exists=True
    ),
]


@alerts.command(epilog=examples("revledger alerts check alerts.toml", "revledger alerts check --format json"))
def check(file: File = None, data: Data = None, form: StatusForm = "table") -> int:
    """Check the rules and sinks of alerts, and list those in force.

    Everything that is wrong is told at once, with its line: what cannot be read, names of figures, sinks and labels
    that are not there, rules that can never fire, secrets that are missing. Labels are checked if the books can be
    read.

    Exit status 1 if anything is wrong.
    """
    from services.alerts.rulebook import RulebookError, rulebook_of_file
    from services.alerts.rulefile import path_of_rules

    settings = settings_of(data)
    path = file or path_of_rules(settings)
    try:
        rulebook = rulebook_of_file(path, run(_labels(settings)))
    except RulebookError as error:
        _show_problems(path, error.problems, form)
        return NOT_DONE
    if form == "json":
        _print_json({"file": None if path is None else str(path), "problems": [], **_shown(rulebook)})
    else:
        _print(path, rulebook)
    return DONE


@alerts.command(epilog=examples("revledger alerts example > revledger-data/alerts.toml"))
def example() -> None:
    """Print a file of rules to begin with: the ones that are on by default, and a webhook to fill in."""
    from services.alerts.rulebook import DEFAULTS, EXAMPLE_SINK

    sys.stdout.write(DEFAULTS + EXAMPLE_SINK)


async def _labels(settings: "Settings") -> list[str] | None:
    """What accounts are labelled with, if books are there to be asked."""
    from services.compose import LEDGER_FILE, reports_of

    if settings.is_distributed or not (settings.data / LEDGER_FILE).is_file():
        return None
    async with reports_of(settings) as reports:
        fields = (field.split("|", 2) for field in (await reports.book()).counts() if field.startswith("names|"))
        return sorted({name for _, _, name in fields if name}) or None


def _show_problems(path: Path | None, problems: "Sequence[Problem]", form: str) -> None:
    if form == "json":
        rows = [{"line": one.line, "where": one.where, "message": one.message} for one in problems]
        _print_json({"file": None if path is None else str(path), "problems": rows})
        return
    for one in problems:
        told(f"{path}: {one}")


def _print_json(answer: dict[str, Any]) -> None:
    import msgspec

    sys.stdout.write(msgspec.json.encode(answer).decode() + "\n")


def _shown(rulebook: "Rulebook") -> dict[str, Any]:
    from services.alerts.telling import text_of_rule

    return {
        "rules": [
            {"name": rule.name, "on": rule.on, "severity": rule.severity, "fires": text_of_rule(rule)}
            for rule in rulebook.rules
        ],
        "sinks": [{"name": sink.name, "kind": sink.kind} for sink in rulebook.sinks],
    }


def _print(path: Path | None, rulebook: "Rulebook") -> None:
    from rich.text import Text

    from services.cli.tables import console_for_output, new_table

    console = console_for_output()
    where = "the defaults, for there is no file" if path is None else str(path)
    console.print(Text(f"{len(rulebook.rules)} rules from {where}", style="bold"))
    table = new_table(["rule", "severity", "fires on"], [])
    for rule in _shown(rulebook)["rules"]:
        table.add_row(rule["name"], rule["severity"], Text(rule["fires"]))
    console.print(table)
    sinks = ", ".join(f"{sink.name} ({sink.kind})" for sink in rulebook.sinks)
    console.print(Text(f"alerts go to {sinks}", style="dim"))
