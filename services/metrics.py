"""Metrics: what a process counts for Prometheus; every service has the same names, and fills those that are its own."""

from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)

disable_created_metrics()  # type: ignore[no-untyped-call] # else every counter has a second series, with the time at which it began

ENTRIES_BUCKETS: Final = (0, 1, 3, 10, 30, 100, 300, 1_000)
BYTES_BUCKETS: Final = (1_000, 10_000, 100_000, 1_000_000, 10_000_000)


class Metrics:
    """The metrics of one process; partitions as numbers in text."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.booked = self._counter("booked", "Events booked.", "partition")
        self.refused = self._counter("refused", "Events refused, by reason.", "code")
        self.duplicates = self._counter("duplicates", "Events that were in the ledger already.", "partition")
        self.forwarded = self._counter("forwarded", "Events sent on to the partition of their account.", "partition")
        self.forks_skipped = self._counter(
            "forks_skipped", "Records of the ledger's topic that are not in its chain.", "partition"
        )
        self.overtaken = self._counter("overtaken", "Batches booked again after another writer.", "partition")
        self.commits = self._counter("commits", "Commits to the views: done, gap, fenced, unavailable.", "outcome")
        self.input_lag = self._gauge("input_lag_events", "Events of the input that are not read yet.", "partition")
        self.lag_blocks = self._gauge("lag_blocks", "Blocks of the ledger the views lack.", "partition")
        self.lag_seconds = self._gauge("lag_seconds", "Age of the oldest block the views lack.", "partition")
        self.waiting = self._gauge("waiting_events", "Events that wait to be acknowledged.")
        self.dead_letters = self._gauge("dead_letters", "Refused events that are kept, by reason.", "code")
        self.requests = self._counter("http_requests", "Requests answered, by method and status.", "method", "status")
        self.unmatched = self._gauge("unmatched", "Facts that wait for their contract or target.")
        self.up = self._gauge("up", "Whether ledger and views answered for these measures: 1, or 0 (gateway).")
        self.up.set(1)  # for services that ask nobody
        self.entries = self._gauge("entries", "Entries the views reflect.")
        self.alerts_fired = self._counter("alerts_fired", "Alerts fired, by rule.", "rule")
        self.alerts_cooled = self._counter("alerts_cooled", "Alerts left out so soon after another, by rule.", "rule")
        self.alerts_late = self._counter("alerts_late", "Happenings that were history when they were recorded.")
        self.alerts_sent = self._counter("alerts_sent", "Attempts to send: sent, failed, given_up.", "sink", "outcome")
        self.alerts_waiting = self._gauge("alerts_waiting", "Alerts that wait to be sent.", "sink")
        self.alert_rules = self._gauge("alert_rules", "Rules in force; -1 while their file cannot be used.")
        self.sealed = self._counter("sealed_entries", "Entries sealed into the archive.", "partition")
        self.unsealed = self._gauge("unsealed_entries", "Entries that are not in the archive yet.", "partition")
        self.sealing_failed = self._counter("sealing_failed", "Looks at the archive that failed.")
        self.block_entries = self._histogram("block_entries", "Entries of a block.", ENTRIES_BUCKETS)
        self.block_bytes = self._histogram("block_bytes", "Bytes of a block.", BYTES_BUCKETS)

    def text(self) -> bytes:
        """All of them in Prometheus's text format."""
        return generate_latest(self.registry)

    def _counter(self, name: str, meaning: str, *labels: str) -> Counter:
        return Counter(f"revledger_{name}", meaning, labels, registry=self.registry)

    def _gauge(self, name: str, meaning: str, *labels: str) -> Gauge:
        return Gauge(f"revledger_{name}", meaning, labels, registry=self.registry)

    def _histogram(self, name: str, meaning: str, buckets: tuple[int, ...]) -> Histogram:
        return Histogram(f"revledger_{name}", meaning, buckets=buckets, registry=self.registry)
