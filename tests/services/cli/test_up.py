"""The service in one process: it starts, takes events over HTTP, ends in order, and never stays half alive."""

import asyncio
import json
import signal
import socket
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from services.views.redis import redis_views
from services.views.valkey import running_socket
from tests.services.cli.calling import called, ended, event, serving, signed, started, written

pytestmark = pytest.mark.slow


def got(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=20) as answer:
        return json.load(answer)


def test_it_starts_with_a_company_answers_and_ends_in_order(tmp_path: Path) -> None:
    data = tmp_path / "books"
    with serving(data, "--demo") as (running, url, said):
        assert said[0].startswith("Filling the empty ledger")
        assert f"--data {data}" in said[-1]
        assert got(f"{url}/v1/figures?currency=USD&figures=accounts")["rows"][0]["figures"]["accounts"] > 50
        asked = ("--currency", "USD", "--data", str(data), "--format", "json")
        assert called("report", "figures", *asked).json["rows"] == got(f"{url}/v1/figures?currency=USD")["rows"]
        running.send_signal(signal.SIGTERM)
        done = ended(running)
    assert done.status == 0
    assert not [line for line in done.err.splitlines() if " INFO " not in line]  # of what was sealed, if it took long
    assert "Stopped" in done.out
    with serving(data, "--demo") as (running, _, said):
        assert "The ledger is not empty" in said[0]
        running.send_signal(signal.SIGINT)
        assert ended(running).status == 0


def test_commands_go_through_the_service_that_runs(tmp_path: Path) -> None:
    data = str(tmp_path / "books")
    cancelled = event("9", kind="contract.cancelled", contract_id="c-never", time="2024-02-01")
    waits = event("8", kind="contract.cancelled", contract_id="c-late", subject="late", time="2024-02-01")
    lines: list[dict[str, Any] | str] = [
        cancelled,
        waits,
        signed("1"),
        "garbage",
        "",
        signed("2", currency="EUR"),
        signed("1"),
    ]
    file = written(tmp_path / "a.jsonl", [*lines, signed("3", subject="late")])
    with serving(Path(data)) as (running, url, _):
        done = called("load", file, "--data", data)
        assert done.status == 1
        counts = {"accepted": 4, "duplicates": 1, "refused": 2, "unmatched": 1}
        assert {name: done.json[name] for name in counts} == counts
        assert f"not_json 1, the first at {file}:4:" in done.err
        report = called("report", "bridge", "--data", data, "--format", "json").json
        assert report["as_of"]["position"] == done.json["position"]
        state = called("status", "--data", data, "--format", "json").json
        assert state["service"] == {"pid": running.pid, "url": url}
        assert state["dead_letters"] == {"currency_changed": 1, "not_json": 1}
        recorded = called("load", file, "--data", data, "--as-recorded")
        assert (recorded.status, "stop it first" in recorded.err) == (1, True)
        other = called("up", "--data", data)
        assert (other.status, f"in use by process {running.pid}, which listens on {url}" in other.err) == (1, True)
        retraction = event("r", kind="event.retracted", source="/tests", id="1", reason="a slip")
        called("load", written(tmp_path / "b.jsonl", [retraction]), "--data", data)
        retried = called("dead-letters", "retry", "--all", "--data", data)
        assert retried.status == 1
        assert "accepted: block" in retried.out
        assert "refused: not_json" in retried.out
        running.send_signal(signal.SIGTERM)
        assert ended(running).status == 0


def test_a_taken_port_is_told_and_the_directory_released(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = called("up", "--data", str(tmp_path / "books"), "--port", port)
    assert done.status == 1
    assert f"Port {port} on 127.0.0.1 is taken by another program" in done.err
    file = written(tmp_path / "a.jsonl", [signed("1")])
    assert called("load", file, "--data", str(tmp_path / "books")).status == 0


def test_an_address_that_is_none_is_told(tmp_path: Path) -> None:
    done = called("up", "--data", str(tmp_path / "books"), "--host", "no.such.host.invalid", "--port", "0")
    assert done.status == 1
    assert "choose another address with --host" in done.err


def test_the_service_ends_if_its_projector_does(tmp_path: Path) -> None:
    data = tmp_path / "books"
    with serving(data) as (running, url, _):
        asyncio.run(_claimed(data))
        body = json.dumps(signed("1")).encode()
        headers = {"content-type": "application/cloudevents+json"}
        urllib.request.urlopen(urllib.request.Request(f"{url}/v1/events", body, headers), timeout=20).close()
        done = ended(running)
    assert done.status == 1
    assert "Stop projecting the partition here." in done.err
    assert "Traceback" not in done.err


async def _claimed(data: Path) -> None:
    """Takes the views away from whoever projects into them."""
    path = running_socket(data)
    assert path is not None
    views = redis_views(path)
    await views.claim(0)
    await views.close()


def test_a_signal_before_it_serves_ends_it_too(tmp_path: Path) -> None:
    with started("up", "--data", str(tmp_path / "books"), "--port", "0", "--demo") as running:
        deadline = time.monotonic() + 20
        while not (tmp_path / "books" / "ledger.db").exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        running.send_signal(signal.SIGTERM)
        done = ended(running)
    assert done.status == 0, done.err
    assert "Traceback" not in done.err
