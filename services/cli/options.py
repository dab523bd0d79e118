"""The options that several commands share, and the settings they lead to."""

import os
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from services.settings import Settings


def examples(*commands: str) -> str:
    """The end of a command's help: what to type, a line each (the backslash keeps typer from filling lines)."""
    return "\n".join(["\b", "Example:", *(f"  {command}" for command in commands)])


Format = Literal["table", "json", "csv"]

Data = Annotated[
    str | None,
    typer.Option("--data", metavar="DIR", help="Data directory; by default REVLEDGER_DATA or ./revledger-data."),
]
Form = Annotated[
    Format,
    typer.Option("--format", help="table for people, json and csv for programs (minor units)."),
]
StatusForm = Annotated[Literal["table", "json"], typer.Option("--format", help="table for people, json for programs.")]


def settings_of(
    data: str | None = None, host: str | None = None, port: int | None = None, **others: str | int | None
) -> "Settings":
    """The settings of the environment with the options over them, named as variables; raises SettingsError."""
    from services.settings import settings_from

    given = {"REVLEDGER_DATA": data, "REVLEDGER_HOST": host, "REVLEDGER_PORT": port, **others}
    options = {name: str(value) for name, value in given.items() if value is not None}
    return settings_from({**os.environ, **options})
