"""`revledger settings`: what is in force, and whether it can work."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from services.cli.failures import Failure
from services.cli.options import Data, Format, examples, settings_of

if TYPE_CHECKING:
    from services.settings import Row, Settings


EXAMPLES: Final = examples(
    "revledger settings --check",
    "REVLEDGER_ZONE=Europe/Berlin revledger settings --check --format json",
)


def settings(
    check: Annotated[
        bool, typer.Option("--check", help="Also try whether the directory and the address can be used.")
    ] = False,
    data: Data = None,
    form: Annotated[Format, typer.Option("--format", help="table for people, json and csv for programs.")] = "table",
) -> None:
    """Print the settings in force.

    They come from environment variables REVLEDGER_*, or are the defaults.
    """
    from services.settings import settings_table

    given = {} if data is None else {"REVLEDGER_DATA": data}
    chosen = settings_of(data)
    _show(settings_table(chosen, {**os.environ, **given}), form)
    problems = _problems(chosen) if check else []
    if problems:
        raise Failure("\n".join(problems))


def _show(rows: "list[Row]", form: str) -> None:
    if form == "json":
        import msgspec

        sys.stdout.write(msgspec.json.encode({"settings": rows}).decode() + "\n")
    elif form == "csv":
        from services.separated import text_of

        lines = [(row.name, row.value, row.source, row.description) for row in rows]
        sys.stdout.write(text_of(("name", "value", "source", "description"), lines))
    else:
        widths = [max(len(getattr(row, name)) for row in rows) for name in ("name", "value")]
        for row in rows:
            print(f"{row.name:<{widths[0]}}  {row.value:<{widths[1]}}  {row.source}")
            print(f"    {row.description}")


def _problems(chosen: "Settings") -> list[str]:
    from services.compose import owner_of

    problems = [_directory_problem(chosen.data)]
    owner = None if problems[0] else owner_of(chosen.data)
    if owner is None or not owner.url:
        problems.append(_address_problem(chosen.host, chosen.port))
    return [problem for problem in problems if problem]


def _directory_problem(directory: Path) -> str:
    """Why this user cannot keep a ledger there; it is not made to find out."""
    if directory.exists() and not directory.is_dir():
        return f"REVLEDGER_DATA={directory} is a file: name a directory."
    existing = directory.absolute()
    while not existing.exists():
        existing = existing.parent
    if existing.is_dir() and os.access(existing, os.R_OK | os.W_OK | os.X_OK):
        return ""
    return f"REVLEDGER_DATA={directory}: this user may not write in {existing}; allow it, or name another directory."


def _address_problem(host: str, port: int) -> str:
    """Why nothing can listen there now."""
    from services.cli.up import bound

    try:
        bound(host, port).close()
    except Failure as failure:
        return str(failure)
    return ""
