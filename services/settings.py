"""The settings: one frozen struct, read once from the `REVLEDGER_*` variables of the environment."""

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from services.freetext import Mode
from services.variables import SETTINGS, Setting

__all__ = [
    "NOT_SETTINGS",
    "PREFIX",
    "SETTINGS",
    "Row",
    "Setting",
    "Settings",
    "SettingsError",
    "settings_from",
    "settings_markdown",
    "settings_table",
]

PREFIX: Final = "REVLEDGER_"


class Settings(Struct, frozen=True, kw_only=True):
    """What can be set from outside; what each means and its unit is in `services/variables.py`."""

    data: Path
    host: str
    port: int
    zone: str
    policy: Path | None
    free_text: Mode
    accounts_hot: int
    queue_events_max: int
    body_bytes_max: int
    tick_seconds: int
    log: str
    log_format: str
    kafka: str
    redis: str
    prefix: str
    partitions: int
    replication: int
    min_isr: int
    session_seconds: int
    kafka_security: str
    kafka_sasl: str
    kafka_user: str
    kafka_password: str
    kafka_ca: Path | None
    kafka_cert: Path | None
    kafka_key: Path | None
    redis_user: str
    redis_password: str
    redis_ca: Path | None
    archive: str
    sealing: str
    segment_entries: int
    alerts: Path | None

    def __repr__(self) -> str:
        fields = ", ".join(f"{one.field}={_shown(one, getattr(self, one.field))!r}" for one in SETTINGS)
        return f"Settings({fields})"

    @property
    def is_distributed(self) -> bool:
        """Whether the ledger is on Kafka instead of in the data directory."""
        return bool(self.kafka)

    @property
    def archive_location(self) -> str:
        """Where the archive is: by default in the data directory, if the ledger is there too; else empty for none."""
        return self.archive or ("" if self.is_distributed else str(self.data / "archive"))


class SettingsError(Exception):
    """Variables that nobody knows, or values that cannot be: all of them, one sentence each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class Row(Struct, frozen=True):
    """One setting in force; `source` is `default` or `environment`."""

    name: str
    value: str
    source: str
    description: str


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
            problems.append(f"{setting.variable}={setting.shown(text)} cannot be: write {error}, or leave it out")
    if not problems:
        problems = _contradictions(Settings(**values))
    if problems:
        raise SettingsError(problems)
    return Settings(**values)


def _contradictions(settings: Settings) -> list[str]:
    """What each setting allows, and all together do not."""
    problems = []
    if settings.kafka and not settings.redis:
        problems.append("REVLEDGER_KAFKA is set and REVLEDGER_REDIS is not: the distributed form needs both")
    if settings.redis and not settings.kafka:
        problems.append("REVLEDGER_REDIS is set and REVLEDGER_KAFKA is not: the distributed form needs both")
    if settings.min_isr > settings.replication:
        problems.append(
            f"REVLEDGER_MIN_ISR={settings.min_isr} cannot be above REVLEDGER_REPLICATION={settings.replication}:"
            " nothing could ever be written"
        )
    if bool(settings.kafka_cert) != bool(settings.kafka_key):
        problems.append("REVLEDGER_KAFKA_CERT and REVLEDGER_KAFKA_KEY belong together: set both or neither")
    if settings.redis_ca and not settings.redis.startswith("rediss://"):
        problems.append("REVLEDGER_REDIS_CA is set and REVLEDGER_REDIS is not rediss://: it would go unencrypted")
    return problems + _kafka_security_problems(settings)


def _kafka_security_problems(settings: Settings) -> list[str]:
    """Credentials and certificates that are missing, or that the chosen security would leave unused."""
    security, problems = settings.kafka_security, []
    if security.startswith("sasl") and not (settings.kafka_user and settings.kafka_password):
        problems.append(
            f"REVLEDGER_KAFKA_SECURITY={security} asks for SASL: set REVLEDGER_KAFKA_USER and REVLEDGER_KAFKA_PASSWORD"
        )
    if not security.startswith("sasl") and (settings.kafka_user or settings.kafka_password):
        problems.append(
            f"REVLEDGER_KAFKA_SECURITY={security} uses no password, and one is set:"
            " write sasl_ssl or sasl_plaintext, or leave out REVLEDGER_KAFKA_USER and REVLEDGER_KAFKA_PASSWORD"
        )
    if not security.endswith("ssl") and (settings.kafka_ca or settings.kafka_cert):
        problems.append(
            f"REVLEDGER_KAFKA_SECURITY={security} uses no TLS, and certificates are set:"
            " write ssl or sasl_ssl, or leave out REVLEDGER_KAFKA_CA, _CERT and _KEY"
        )
    return problems


def settings_table(settings: Settings, environ: Mapping[str, str]) -> list[Row]:
    """The settings in force, in the order of `SETTINGS`."""
    return [
        Row(
            setting.variable,
            _shown(setting, getattr(settings, setting.field)),
            "environment" if setting.variable in environ else "default",
            setting.description,
        )
        for setting in SETTINGS
    ]


def _shown(setting: Setting, value: object) -> str:
    """The text of a value; what is secret only by whether it is there."""
    text = "" if value is None else str(value)
    return "(set)" if setting.is_secret and text else text


def settings_markdown() -> str:
    """The documentation of all settings, as a page of Markdown."""
    lines = [
        "# Settings",
        "",
        "Read once, from the environment, when a process starts. An unknown `REVLEDGER_*` variable is an",
        "error, and so is a value that cannot be. `revledger settings --check` prints those in force. This",
        "page is generated from `services/variables.py` by `make schemas`.",
        "",
        "| variable | type | default | what it sets |",
        "|---|---|---|---|",
    ]
    for setting in SETTINGS:
        kind = f"{setting.type}, {setting.unit}" if setting.unit else setting.type
        default = f"`{setting.default}`" if setting.default else ""
        lines.append(f"| `{setting.variable}` | {kind} | {default} | {setting.description} |")
    return "\n".join(lines) + "\n"


def _is_unknown(name: str) -> bool:
    known = NOT_SETTINGS.union(setting.variable for setting in SETTINGS)
    return name.upper().startswith(PREFIX) and name not in known


def _unknown(name: str) -> str:
    names = [setting.variable for setting in SETTINGS]
    nearest = difflib.get_close_matches(name.upper(), names, n=1, cutoff=0)[0]
    return f"{name} is not a setting: did you mean {nearest}?"
