"""The settings: one frozen struct, read once from the `REVLEDGER_*` variables of the environment."""

import difflib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from msgspec import Struct

from events.envelope import EVENT_BYTES_MAX

PREFIX: Final = "REVLEDGER_"
LOG_LEVELS: Final = ("debug", "info", "warning", "error")
BODY_BYTES_LIMIT: Final = 256 * 1024 * 1024


class Settings(Struct, frozen=True, kw_only=True):
    """What can be set from outside; what each means and its unit is in `SETTINGS`."""

    data: Path
    host: str
    port: int
    zone: str
    accounts_hot: int
    queue_events_max: int
    body_bytes_max: int
    log: str


class SettingsError(Exception):
    """Variables that nobody knows, or values that cannot be: all of them, one sentence each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class Setting(Struct, frozen=True):
    """One variable; `read` gives the value of a text, or raises ValueError with what to write instead."""

    variable: str
    field: str
    type: str
    unit: str
    default: str
    description: str
    read: Callable[[str], object]


class Row(Struct, frozen=True):
    """One setting in force; `source` is `default` or `environment`."""

    name: str
    value: str
    source: str
    description: str


def _text(expected: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if not text or text != text.strip():
            raise ValueError(expected)
        return text

    return read


def _path(text: str) -> Path:
    return Path(_text("the path of a directory")(text))


def _whole(low: int, high: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) < 19 and low <= int(text) <= high):
            raise ValueError(f"a whole number from {low} to {high}")
        return int(text)

    return read


def _zone(text: str) -> str:
    try:
        ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        near = difflib.get_close_matches(text, available_timezones(), n=1)
        raise ValueError(f"an IANA time zone such as {near[0] if near else 'Europe/Berlin'}") from error
    return text


def _log(text: str) -> str:
    if text not in LOG_LEVELS:
        raise ValueError(f"one of {', '.join(LOG_LEVELS)}")
    return text


SETTINGS: Final = (
    Setting(
        "REVLEDGER_DATA",
        "data",
        "path",
        "",
        "./revledger-data",
        "Directory of the ledger, the projections and the dead letters; made if it does not exist.",
        _path,
    ),
    Setting(
        "REVLEDGER_HOST",
        "host",
        "text",
        "",
        "127.0.0.1",
        "Address the HTTP service listens on; 0.0.0.0 for all of the machine's.",
        _text("a host name or an IP address"),
    ),
    Setting(
        "REVLEDGER_PORT",
        "port",
        "integer",
        "",
        "8000",
        "Port the HTTP service listens on; 0 for any that is free.",
        _whole(0, 65_535),
    ),
    Setting(
        "REVLEDGER_ZONE",
        "zone",
        "time zone",
        "",
        "UTC",
        "Reporting zone, in which a time becomes a day; used once, when a new ledger begins.",
        _zone,
    ),
    Setting(
        "REVLEDGER_ACCOUNTS_HOT",
        "accounts_hot",
        "integer",
        "accounts",
        "100000",
        "How many accounts the writer keeps in memory; the others are read from its file when needed.",
        _whole(1, 1_000_000_000),
    ),
    Setting(
        "REVLEDGER_QUEUE",
        "queue_events_max",
        "integer",
        "events",
        "10000",
        "How many events may wait to be booked before more are turned away with 503.",
        _whole(1, 10_000_000),
    ),
    Setting(
        "REVLEDGER_BODY_MAX_BYTES",
        "body_bytes_max",
        "integer",
        "bytes",
        "16777216",
        "The largest body of a request; 16777216 is 16 MiB.",
        _whole(EVENT_BYTES_MAX, BODY_BYTES_LIMIT),
    ),
    Setting(
        "REVLEDGER_LOG",
        "log",
        "level",
        "",
        "info",
        f"The least severe messages that are logged: {', '.join(LOG_LEVELS)}.",
        _log,
    ),
)
"""Every variable there is; a name here is for ever."""

NOT_SETTINGS: Final = frozenset({"REVLEDGER_REQUIRE"})
"""Variables of ours that configure the test suite and are left alone here."""


def settings_from(environ: Mapping[str, str]) -> Settings:
    """The settings that an environment asks for; raises SettingsError with every problem at once.

    A value given elsewhere, such as on the command line, goes into `environ` first: so it is checked too.
    """
    problems = [_unknown(name) for name in sorted(environ) if _is_unknown(name)]
    values: dict[str, Any] = {}
    for setting in SETTINGS:
        text = environ.get(setting.variable, setting.default)
        try:
            values[setting.field] = setting.read(text)
        except ValueError as error:
            problems.append(f"{setting.variable}={text!r} cannot be: write {error}, or leave it out")
    if problems:
        raise SettingsError(problems)
    return Settings(**values)


def settings_table(settings: Settings, environ: Mapping[str, str]) -> list[Row]:
    """The settings in force, in the order of `SETTINGS`."""
    return [
        Row(
            setting.variable,
            str(getattr(settings, setting.field)),
            "environment" if setting.variable in environ else "default",
            setting.description,
        )
        for setting in SETTINGS
    ]


def settings_markdown() -> str:
    """The documentation of all settings, as a page of Markdown."""
    lines = [
        "# Settings",
        "",
        "Read once, from the environment, when a process starts. An unknown `REVLEDGER_*` variable is an",
        "error, and so is a value that cannot be. `revledger settings --check` prints those in force. This",
        "page is generated from `services/settings.py` by `make schemas`.",
        "",
        "| variable | type | default | what it sets |",
        "|---|---|---|---|",
    ]
    for setting in SETTINGS:
        kind = f"{setting.type}, {setting.unit}" if setting.unit else setting.type
        lines.append(f"| `{setting.variable}` | {kind} | `{setting.default}` | {setting.description} |")
    return "\n".join(lines) + "\n"


def _is_unknown(name: str) -> bool:
    known = NOT_SETTINGS.union(setting.variable for setting in SETTINGS)
    return name.upper().startswith(PREFIX) and name not in known


def _unknown(name: str) -> str:
    names = [setting.variable for setting in SETTINGS]
    nearest = difflib.get_close_matches(name.upper(), names, n=1, cutoff=0)[0]
    return f"{name} is not a setting: did you mean {nearest}?"
