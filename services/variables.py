"""The variables of the environment: one table, and how the text of each becomes its value."""

import difflib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from msgspec import Struct

from events.envelope import EVENT_BYTES_MAX
from services.archive.locations import location_of

LOG_LEVELS: Final = ("debug", "info", "warning", "error")
BODY_BYTES_LIMIT: Final = 256 * 1024 * 1024


class Setting(Struct, frozen=True):
    """One variable; `read` gives the value of a text, or raises ValueError with what to write instead."""

    variable: str
    field: str
    type: str
    unit: str
    default: str
    description: str
    read: Callable[[str], object]
    is_secret: bool = False

    def shown(self, text: str) -> str:
        """A text as messages may show it: of a secret nothing, of a URL neither the user nor what follows `?`."""
        if self.is_secret:
            return "(a secret)"
        return repr(re.sub(r"\?.*", "?...", re.sub(r"//.*@", "//...@", text)))


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


def time_zone(text: str) -> str:
    """The name of a time zone that exists; ValueError says what one looks like."""
    try:
        ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        near = difflib.get_close_matches(text, available_timezones(), n=1)
        raise ValueError(f"an IANA time zone such as {near[0] if near else 'Europe/Berlin'}") from error
    return text


def _one_of(*choices: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in choices:
            raise ValueError(f"one of {', '.join(choices)}")
        return text

    return read


def _servers(text: str) -> str:
    """A list such as `kafka-1:9092,kafka-2:9092`; empty for none."""
    for server in text.split(",") if text else ():
        host, _, port = server.rpartition(":")
        if not host or not _is_port(port) or server != server.strip():
            raise ValueError("servers as host:port, with commas between them and no spaces")
    return text


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 6 and 0 < int(text) < 65_536


def redis_url(text: str) -> str:
    """A URL without secrets and without options: those are settings of their own, which are hidden and checked."""
    if not text or re.fullmatch(r"unix:///[^\s?#@]+", text):
        return text
    found = re.fullmatch(r"rediss?://(?:\[[0-9A-Fa-f:.]+\]|[^\s:/?#@\[\]]+)(?::([^:/?#@]+))?(?:/\d{0,5})?", text)
    if found is None or not _is_port(found[1] or "6379"):
        raise ValueError(
            "a URL such as redis://localhost:6379/0 (rediss:// for TLS), with user and password in"
            " REVLEDGER_REDIS_USER and REVLEDGER_REDIS_PASSWORD"
        )
    return text


def _prefix(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", text):
        raise ValueError("letters, digits, dots, hyphens and underscores, at most 100")
    return text


def _location(text: str) -> str:
    return location_of(text) if text else text


def _any_text(text: str) -> str:
    return text


def _file(text: str) -> Path | None:
    if not text:
        return None
    if not Path(text).is_file():
        raise ValueError("the path of a file that exists")
    return Path(text)


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
        time_zone,
    ),
    Setting(
        "REVLEDGER_POLICY",
        "policy",
        "path",
        "",
        "",
        "File with the policy (TOML) that a new ledger begins under; a ledger that has begun must be under it.",
        _file,
    ),
    Setting(
        "REVLEDGER_FREE_TEXT",
        "free_text",
        "text",
        "",
        "keep",
        "Free text of events (comments, reasons in own words): keep it, or only its hash; see docs/privacy.md.",
        _one_of("keep", "hash"),
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
        "REVLEDGER_TICK_SECONDS",
        "tick_seconds",
        "integer",
        "seconds",
        "3600",
        "After so long without an event the ledger notes the time, so that answers about what is past become final;"
        " 0: never.",
        _whole(0, 31 * 86_400),
    ),
    Setting(
        "REVLEDGER_LOG",
        "log",
        "level",
        "",
        "info",
        f"The least severe messages that are logged: {', '.join(LOG_LEVELS)}.",
        _one_of(*LOG_LEVELS),
    ),
    Setting(
        "REVLEDGER_LOG_FORMAT",
        "log_format",
        "word",
        "",
        "text",
        "How log messages are written: text for people, json for machines (one object a line).",
        _one_of("text", "json"),
    ),
    Setting(
        "REVLEDGER_KAFKA",
        "kafka",
        "servers",
        "",
        "",
        "Kafka servers to begin with, as host:port,host:port; without them the ledger is in the data directory.",
        _servers,
    ),
    Setting(
        "REVLEDGER_REDIS",
        "redis",
        "URL",
        "",
        "",
        "Redis 7+ or Valkey 8+ for the projections of the distributed form, such as redis://localhost:6379/0.",
        redis_url,
    ),
    Setting(
        "REVLEDGER_PREFIX",
        "prefix",
        "name",
        "",
        "revledger",
        "What the names of topics, consumer groups and Redis keys start with: one prefix is one ledger.",
        _prefix,
    ),
    Setting(
        "REVLEDGER_PARTITIONS",
        "partitions",
        "integer",
        "partitions",
        "8",
        "Into how many partitions a new ledger on Kafka is cut; it can never be changed later.",
        _whole(1, 10_000),
    ),
    Setting(
        "REVLEDGER_REPLICATION",
        "replication",
        "integer",
        "brokers",
        "3",
        "On how many brokers new topics are kept.",
        _whole(1, 100),
    ),
    Setting(
        "REVLEDGER_MIN_ISR",
        "min_isr",
        "integer",
        "brokers",
        "2",
        "On how many brokers an event or a block must be before it counts as written (min.insync.replicas).",
        _whole(1, 100),
    ),
    Setting(
        "REVLEDGER_SESSION_SECONDS",
        "session_seconds",
        "integer",
        "seconds",
        "10",
        "After how long without a sign of life others take over a process's partitions; Kafka's own least is 6.",
        _whole(1, 1_800),
    ),
    Setting(
        "REVLEDGER_KAFKA_SECURITY",
        "kafka_security",
        "word",
        "",
        "plaintext",
        "How Kafka is spoken to: plaintext, ssl, sasl_plaintext or sasl_ssl.",
        _one_of("plaintext", "ssl", "sasl_plaintext", "sasl_ssl"),
    ),
    Setting(
        "REVLEDGER_KAFKA_SASL",
        "kafka_sasl",
        "word",
        "",
        "scram-sha-512",
        "The SASL mechanism, where the security has one: plain, scram-sha-256 or scram-sha-512.",
        _one_of("plain", "scram-sha-256", "scram-sha-512"),
    ),
    Setting("REVLEDGER_KAFKA_USER", "kafka_user", "text", "", "", "The user of Kafka, for SASL.", _any_text),
    Setting(
        "REVLEDGER_KAFKA_PASSWORD", "kafka_password", "text", "", "", "Its password.", _any_text, is_secret=True
    ),
    Setting(
        "REVLEDGER_KAFKA_CA",
        "kafka_ca",
        "path",
        "",
        "",
        "File with the certificates that Kafka's are checked against (PEM); without it the system's.",
        _file,
    ),
    Setting(
        "REVLEDGER_KAFKA_CERT", "kafka_cert", "path", "", "", "File with our certificate for Kafka (PEM).", _file
    ),
    Setting("REVLEDGER_KAFKA_KEY", "kafka_key", "path", "", "", "File with its private key (PEM).", _file),
    Setting("REVLEDGER_REDIS_USER", "redis_user", "text", "", "", "The user of Redis.", _any_text),
    Setting(
        "REVLEDGER_REDIS_PASSWORD", "redis_password", "text", "", "", "Its password.", _any_text, is_secret=True
    ),
    Setting(
        "REVLEDGER_REDIS_CA",
        "redis_ca",
        "path",
        "",
        "",
        "File with the certificates that the server's is checked against, for rediss:// (PEM).",
        _file,
    ),
    Setting(
        "REVLEDGER_ARCHIVE",
        "archive",
        "text",
        "",
        "",
        "Where the ledger is archived: a directory, or a URL such as s3://bucket/folder (gs, az); by default the"
        " directory archive in the data directory, and with Kafka nowhere.",
        _location,
    ),
    Setting(
        "REVLEDGER_SEALING",
        "sealing",
        "word",
        "",
        "on",
        "Whether `revledger up` archives the ledger as it grows: on or off.",
        _one_of("on", "off"),
    ),
    Setting(
        "REVLEDGER_SEGMENT_ENTRIES",
        "segment_entries",
        "integer",
        "entries",
        "500000",
        "How many entries a segment of the archive has; what is a day old is sealed before there are so many.",
        _whole(1, 10_000_000),
    ),
    Setting(
        "REVLEDGER_ALERTS",
        "alerts",
        "path",
        "",
        "",
        "File with the rules and sinks of alerts (TOML); by default alerts.toml in the data directory, if it is there.",
        _file,
    ),
)
"""Every variable there is; a name here is for ever."""
