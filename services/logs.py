"""The log: one line a message on stderr, for people as text, for machines as JSON."""

import logging
import sys
from datetime import UTC, datetime
from typing import Final

from pythonjsonlogger.json import JsonFormatter

TEXT: Final = "%(asctime)s %(levelname)s %(message)s"
QUIET: Final = ("uvicorn", "aiokafka", "kafka", "faust", "mode", "services", "apprise")
"""Libraries whose beginnings and ends are told in our words; what goes wrong with them is logged.

Faust names the loggers of its parts after the modules of ours that extend them, below `services`.
"""
ORDINARY: Final = ("aiokafka.consumer.group_coordinator",)
"""Loggers that warn of what is ordinary: that the group rebalances, because a neighbour starts or stops."""
NEVER_DEBUG: Final = ("aiokafka.conn", "aiokafka.producer.producer", "apprise")
"""Loggers that at debug write out requests and records whole: passwords, secret URLs, and customers' events."""


def log_to_stderr(level: str, form: str = "text") -> None:
    """Log messages go to stderr from now on; `form` is `text` or `json`."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if form == "json" else logging.Formatter(TEXT))
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    for names, least in ((NEVER_DEBUG, logging.NOTSET), (QUIET, logging.WARNING), (ORDINARY, logging.ERROR)):
        for name in names:
            logging.getLogger(name).setLevel(logging.NOTSET if level == "debug" else least)
    if level == "debug":
        for name in NEVER_DEBUG:
            logging.getLogger(name).setLevel(logging.INFO)


class JsonLines(JsonFormatter):
    """One object a line: time, level, logger, message, whatever the message brought along, and the error if any."""

    def __init__(self) -> None:
        names = {"asctime": "time", "levelname": "level", "name": "logger", "exc_info": "error"}
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s", rename_fields=names)

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: ARG002, N802 - logging's
        moment = datetime.fromtimestamp(record.created, UTC)
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
