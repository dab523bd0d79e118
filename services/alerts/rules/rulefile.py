"""The file of rules: found where the settings say, and looked at again and again while a service runs."""

import logging
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from services.alerts.rules.routing import State
from services.alerts.rules.rulebook import FILE, LOG_SINK, Problem, Rulebook, RulebookError, rulebook_of_file
from services.alerts.rules.sinks import Sink
from services.metrics import Metrics
from services.settings import Settings

_log: Final = logging.getLogger("revledger")


def path_of_rules(settings: Settings) -> Path | None:
    """The file of REVLEDGER_ALERTS, else that in the data directory, else None: then there are only the defaults."""
    if settings.alerts is not None:
        return settings.alerts
    path = settings.data / FILE
    return path if not settings.is_distributed and path.is_file() else None


def rulebook_of(settings: Settings) -> Rulebook:
    """The rules and sinks in force by the settings; raises RulebookError, OSError.

    Where no sinks are named, alerts go to the log, and in the distributed form to the topic too.
    """
    rulebook = rulebook_of_file(path_of_rules(settings))
    if settings.is_distributed and rulebook.sinks == (LOG_SINK,):
        return replace(rulebook, sinks=(LOG_SINK, Sink(name="topic", kind="kafka")))
    kafka = [sink for sink in rulebook.sinks if sink.kind == "kafka"]
    if kafka and not settings.is_distributed:
        problem = "there is no Kafka: set REVLEDGER_KAFKA, or leave this sink out"
        raise RulebookError([Problem(0, f"sink {sink.name!r}", problem) for sink in kafka])
    return rulebook


class RuleFile:
    """The rules in force by the settings; a file that cannot be used any more changes nothing.

    Raises RulebookError or OSError where the file cannot be used at the start.
    """

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._settings = settings
        self._metrics = metrics
        self._seen = self._content()
        self.state: Final = State(rulebook_of(settings))
        metrics.alert_rules.set(len(self.state.rulebook.rules))

    def look(self) -> None:
        """Takes the rules over if they have changed; what is wrong with them is logged once."""
        content = self._content()
        if content == self._seen:
            return
        self._seen = content
        path = path_of_rules(self._settings)
        try:
            rulebook = rulebook_of(self._settings)
        except (RulebookError, OSError) as error:
            self._metrics.alert_rules.set(-1)
            _log.error("the rules of alerts stay as they were, because %s cannot be used: %s", path, error)
            return
        self.state.rulebook = rulebook
        self._metrics.alert_rules.set(len(rulebook.rules))
        _log.info("alerts go by %d rules from %s", len(rulebook.rules), path or "the defaults")

    def _content(self) -> bytes | None:
        path = path_of_rules(self._settings)
        try:
            return None if path is None else path.read_bytes()
        except OSError:
            return None
