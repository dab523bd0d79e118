"""The distributed form from the command line: three services, and the commands that speak with their stores."""

import asyncio
import json
import re
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct
from redis import Redis

from services import distributed
from services.cli import run
from services.demo import demo_events
from services.ledgers.port import LedgerUnavailable
from services.metrics import Metrics
from services.settings import Settings, settings_from
from tests.servers.kafka import Kafka
from tests.servers.redis import SharedRedis
from tests.services.cli.calling import LIMIT_SECONDS, Called, called, ended, event, signed, started, written
from tests.services.kafka.booked import on_kafka
from tests.services.kafka.topics import NOWHERE, environment
from tests.services.running import asynchronous

pytestmark = pytest.mark.slow
SUM = "SELECT movement, count(*) AS n, sum(amount_e4) AS total FROM postings GROUP BY ALL ORDER BY ALL"


class Running(Struct, frozen=True):
    """A service that was started, and where it listens."""

    process: subprocess.Popen[bytes]
    url: str

    def get(self, path: str) -> tuple[int, Any]:
        """Status and JSON of an answer."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=20) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def until_ready(self) -> None:
        """Waits until the service says that it can do its work."""
        deadline = time.monotonic() + LIMIT_SECONDS
        while (said := self.get("/health/ready"))[0] != 200:
            assert self.process.poll() is None, ended(self.process).err
            assert time.monotonic() < deadline, said
            time.sleep(0.05)

    def stop(self, number: int = signal.SIGTERM) -> Called:
        """Ends it in order."""
        self.process.send_signal(number)
        return ended(self.process)


@contextmanager
def service(name: str, *options: str) -> Iterator[Running]:
    """A service of the environment's settings; what is left of it in the end is killed."""
    with started("run", name, "--port", "0", *options) as process:
        assert process.stdout is not None
        line = process.stdout.readline().decode()
        found = re.search(r"http://\S+", line)
        assert found, f"{name} did not start: {ended(process).err}"
        yield Running(process, found[0])


@pytest.fixture
def servers(
    kafka: Kafka, redis_server: SharedRedis, prefix: str, monkeypatch: pytest.MonkeyPatch, no_servers_named: None
) -> dict[str, str]:
    """The environment of a distributed form of its own."""
    variables = environment(kafka, prefix=prefix, partitions=2, redis=redis_server.url)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return variables


def until(holds: Any, *services: Running) -> None:
    """Waits for something to hold, which the services bring about."""
    deadline = time.monotonic() + LIMIT_SECONDS
    while not holds():
        assert time.monotonic() < deadline, "it has not come to hold"
        for one in services:
            assert one.process.poll() is None, ended(one.process).err
        time.sleep(0.1)


def check_status_without_redis() -> None:
    """What Kafka tells is shown all the same."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REVLEDGER_REDIS", f"redis://127.0.0.1:{_free_port()}")
        without = called("status", "--format", "json")
        assert (without.status, without.json["entries"], without.json["lag_events"]) == (1, 3, 0)
        told = called("status")
        assert "The views are unavailable" in told.err, "it says what is missing, after what there is"
        assert re.search(r"^1 +0 +\d+ +- +- ", told.out, re.MULTILINE)


def lose_views(servers: dict[str, str]) -> None:
    """As a Redis that was emptied."""
    with Redis.from_url(servers["REVLEDGER_REDIS"]) as client:
        client.delete(*client.keys(f"{servers['REVLEDGER_PREFIX']}:*"))


def test_from_an_empty_cluster_to_a_figure(servers: dict[str, str], tmp_path: Path) -> None:
    data = ("--data", str(tmp_path / "writer"))
    with ExitStack() as stack:
        writer = stack.enter_context(service("writer", *data))
        projector = stack.enter_context(service("projector"))
        writer.until_ready()
        gateway = stack.enter_context(service("gateway"))
        for one in (projector, gateway):
            one.until_ready()
        second = called("run", "writer", "--port", "0", *data)
        assert second.status == 1
        assert f"in use by process {writer.process.pid}" in second.err

        never = event("9", kind="contract.cancelled", contract_id="c-never", time="2024-02-01")
        file = written(tmp_path / "a.jsonl", [signed("1"), never, signed("2", subject="bolt"), "garbage", signed("1")])
        done = called("load", file)
        assert done.status == 1
        assert done.json == dict.fromkeys(("accepted", "duplicates", "unmatched"), 0) | {
            "refused": 1,
            "position": {},
            "queued": 4,
        }
        assert f"not_json 1, the first at {file}:4:" in done.err
        until(lambda: called("status", "--format", "json").json["entries"] == 3, writer, projector)

        asked = ("--currency", "USD", "--format", "json")
        figures = called("report", "figures", "mrr_minor", "accounts", *asked).json
        assert figures["rows"][0]["figures"] == {"mrr_minor": 2_000, "accounts": 2}
        assert set(figures["as_of"]["position"]) == {"0", "1"}
        assert gateway.get("/v1/figures?currency=USD&figures=mrr_minor,accounts")[1]["rows"] == figures["rows"]
        assert called("report", "bridge", *asked).json["rows"][-1]["mrr_minor"]["closing"] == 2_000

        status = called("status", "--format", "json").json
        assert (status["lag_blocks"], status["lag_events"], status["accounts"]) == (0, 0, {"USD": 2})
        assert status["unmatched"] == 1
        table = called("status").out
        assert servers["REVLEDGER_KAFKA"] in table
        assert re.search(r"^1 +0 +\d+ +\d+ +0 ", table, re.MULTILINE)
        check_status_without_redis()

        assert projector.stop().status == 0
        lose_views(servers)
        refused, said = gateway.get("/v1/figures?currency=USD")
        assert (refused, said["code"]) == (503, "views_behind"), "views that are lost answer nothing, not zero"

        stopped = gateway.stop()
        assert (stopped.status, "everything acknowledged is in Kafka" in stopped.out) == (0, True)
        assert writer.stop(signal.SIGINT).status == 0


def test_two_archivers_seal_a_ledger_on_kafka_once(
    servers: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REVLEDGER_ARCHIVE", str(tmp_path / "archive"))
    monkeypatch.setenv("REVLEDGER_SEGMENT_ENTRIES", "100")
    raws = list(demo_events(accounts=20, months=12))

    async def book() -> None:
        async with on_kafka(settings_from(servers)) as books:
            await books.book(raws)

    asyncio.run(book())
    nothing = called("sql", SUM, "--format", "json").json["rows"]
    with service("archiver") as one, service("archiver") as other:
        for archiver in (one, other):
            archiver.until_ready()
        listed = called("archive", "--list", "--format", "json").json
        assert listed["unsealed_entries"] == {"0": 0, "1": 0}
        assert sum(row["entries"] for row in listed["rows"]) == sum(listed["sealed_entries"].values()) > 200
        # Told by partition, and who seals which is chance: either may have sealed both.
        told = "".join(metrics(each) for each in (one, other))
        sealed = re.findall(r"^revledger_sealed_entries_total\{.*\} (\S+)$", told, re.MULTILINE)
        assert sum(map(float, sealed)) >= 100
        assert [each.stop().status for each in (one, other)] == [0, 0]
    assert called("archive", "--verify", "--format", "json").json["sound"]
    assert called("sql", SUM, "--format", "json").json["rows"] == nothing


def metrics(running: Running) -> str:
    """What a service tells Prometheus."""
    with urllib.request.urlopen(running.url + "/metrics", timeout=20) as answer:
        text: str = answer.read().decode()
    return text


class _Idle:
    """A service that ends its process as soon as it runs."""

    def __init__(self, stop: Callable[[], object]) -> None:
        self._stop = stop

    async def run(self) -> None:
        self._stop()
        await asyncio.Event().wait()

    async def not_live(self) -> str:
        return ""

    async def not_ready(self) -> str:
        return ""


@asynchronous
async def test_kafka_that_goes_away_while_a_service_opens_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distributed, "LOOK_SECONDS", 0.01)
    process = run._Process(settings_from({"REVLEDGER_PORT": "0"}), "writer")
    tries = []

    @asynccontextmanager
    async def opening(_: Settings, metrics: Metrics) -> AsyncIterator[_Idle]:
        tries.append(metrics)
        if len(tries) < 3:
            raise LedgerUnavailable("Kafka does not answer.", "Start it.")
        yield _Idle(process._stopped.set)

    await process.run(nullcontext, opening)
    assert len(tries) == 3


def test_the_gateway_waits_for_a_ledger_and_ends_when_told(servers: dict[str, str]) -> None:
    port = _free_port()
    with started("run", "gateway", "--port", str(port)) as process:
        gateway = Running(process, f"http://127.0.0.1:{port}")
        until(lambda: _answers(gateway))
        assert gateway.get("/health/live")[0] == 200
        status, said = gateway.get("/health/ready")
        assert (status, said["code"]) == (503, "not_ready")
        assert gateway.get("/v1/figures")[0] == 404
        assert process.stderr is not None
        assert b"revledger run writer" in process.stderr.readline(), "it says what it waits for"
        assert gateway.stop().status == 0


def test_letters_are_listed_shown_and_sent_again(servers: dict[str, str], tmp_path: Path) -> None:
    with service("writer", "--data", str(tmp_path / "writer")) as writer:
        until(lambda: called("status").status == 0, writer)
        called("load", written(tmp_path / "a.jsonl", ["garbage", signed("1"), "garbage"]))
        eur = written(tmp_path / "b.jsonl", [event("2", "contract.upgraded", contract_id="c-acme", currency="EUR")])
        refused = called("load", eur)
        assert refused.status == 1, "what lacks a field is refused at the door"
        rows = called("dead-letters", "list", "--format", "json").json
        assert rows["waiting"] == 3
        assert [row["id"] for row in rows["dead_letters"]] == [0, 1, 2]
        assert rows["dead_letters"][0]["source"] == f"{tmp_path / 'a.jsonl'}:1"
        assert [
            row["id"] for row in called("dead-letters", "list", "--limit", "1", "--format", "json").json["dead_letters"]
        ] == [2]
        assert "2 more wait" in called("dead-letters", "list", "--limit", "1").out
        shown = called("dead-letters", "show", "1")
        assert (shown.status, shown.out) == (0, "garbage\n")
        assert shown.err.startswith("not_json: ")
        again = called("dead-letters", "retry", "--all")
        assert (again.status, again.err) == (1, "2 refused again.\n"), "the same bytes once"
        assert called("dead-letters", "list", "--format", "json").json["waiting"] == 3, "none is kept twice"
        none = called("dead-letters", "retry", "77")
        assert (none.status, "has no letter 77" in none.err) == (1, True)
        kept = called("dead-letters", "discard", "1")
        assert (kept.status, "none can be set aside" in kept.err) == (1, True)


@pytest.mark.parametrize("name", ["writer", "projector", "gateway", "archiver"])
def test_without_kafka_it_says_what_to_set(name: str) -> None:
    done = called("run", name)
    assert done.status == 2
    assert "REVLEDGER_KAFKA" in done.err
    assert "revledger up" in done.err


def test_an_archiver_asks_where_the_archive_is(servers: dict[str, str]) -> None:
    for command in (("run", "archiver"), ("archive",)):
        done = called(*command)
        assert (done.status, done.out) == (2, "")
        assert "REVLEDGER_ARCHIVE or --to" in done.err


def test_a_port_that_is_taken_is_told(monkeypatch: pytest.MonkeyPatch, prefix: str) -> None:
    for variable, value in environment(Kafka("127.0.0.1:1"), prefix=prefix).items():
        monkeypatch.setenv(variable, value)
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = called("run", "gateway", "--port", str(port))
    assert done.status == 1
    assert f"Port {port} on 127.0.0.1 is taken" in done.err


def test_what_is_for_a_directory_is_refused_with_kafka(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for variable, value in environment(Kafka("127.0.0.1:1"), prefix="x", redis=NOWHERE).items():
        monkeypatch.setenv(variable, value)
    up = called("up", "--data", str(tmp_path))
    assert (up.status, "revledger run writer" in up.err) == (2, True)
    recorded = called("load", written(tmp_path / "a.jsonl", [signed("1")]), "--as-recorded")
    assert (recorded.status, "their own clock" in recorded.err) == (2, True)
    away = called("status")
    assert (away.status, "Check that its brokers run" in away.err) == (1, True)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def _answers(running: Running) -> bool:
    try:
        return bool(running.get("/health/live"))
    except OSError:
        assert running.process.poll() is None
        return False
