"""The HTTP service as a whole: fresh figures, problems everywhere, health, and stores that go away."""

import logging
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import httpx
import pytest
from redis import Redis

from services.gateway.assets import SECURITY_HEADERS
from services.views.valkey import running_socket
from tests.services.gateway.served import Service, mrr_minor, served, signed, until


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with served(tmp_path_factory.mktemp("books")) as running:
        yield running


@pytest.fixture(scope="module")
def client(service: Service) -> Iterator[httpx.Client]:
    with service.client() as opened:
        yield opened


def test_what_is_acknowledged_shows_in_the_figures(client: httpx.Client) -> None:
    before = mrr_minor(client) if client.get("/v1/names").json()["currencies"] else 0
    for number in range(1, 21):
        began = monotonic()
        client.post("/v1/events", json=signed(number)).raise_for_status()
        until(lambda number=number: mrr_minor(client) == before + number * 1_000)  # type: ignore[misc]
        assert monotonic() - began < 2


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "not_found"),
        ("GET", "/v1/events", 405, "method_not_allowed"),
        ("DELETE", "/v1/events", 405, "method_not_allowed"),
        ("POST", "/v1/figures", 405, "method_not_allowed"),
        ("PATCH", "/", 405, "method_not_allowed"),
    ],
)
def test_what_is_not_there_is_a_problem_too(
    client: httpx.Client, method: str, path: str, status: int, code: str
) -> None:
    answer = client.request(method, path)
    problem = answer.json()
    assert (answer.status_code, problem["code"], problem["status"]) == (status, code, status)
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["detail"]
    if status == 405:
        assert answer.headers["allow"]


def test_a_defect_is_logged_once_and_tells_nothing(
    service: Service, client: httpx.Client, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken() -> Any:
        raise KeyError("a secret of the inside")

    monkeypatch.setattr(service.books.reports, "book", broken)
    with caplog.at_level(logging.WARNING):
        answer = client.get("/v1/names")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert "secret" not in answer.text
    (record,) = caplog.records
    assert record.exc_info is not None
    assert "/v1/names" in record.getMessage()


@pytest.mark.parametrize("path", ["/", "/app.js", "/v1/status", "/nowhere", "/metrics", "/v1/figures?at=x"])
def test_every_answer_has_the_security_headers(client: httpx.Client, path: str) -> None:
    headers = client.get(path).headers
    assert {name: headers[name] for name in SECURITY_HEADERS} == SECURITY_HEADERS


def test_status_and_metrics(client: httpx.Client) -> None:
    client.post("/v1/events", content=b"{", headers={"content-type": "application/json"})
    until(lambda: client.get("/v1/status").json()["lag_blocks"] == 0)
    status = client.get("/v1/status").json()
    assert status["as_of"]["position"] == status["ledger"]
    assert status["dead_letters"]["not_json"] == 1
    assert (status["waiting"], status["lag_seconds"]) == (0, 0)
    lines = client.get("/metrics").text.splitlines()
    assert status["partitions"]["0"] == {
        "ledger": status["ledger"]["0"],
        "views": status["ledger"]["0"],
        "lag_blocks": 0,
        "lag_seconds": 0,
    }
    assert f"revledger_entries {float(status['entries'])}" in lines
    assert 'revledger_dead_letters{code="not_json"} 1.0' in lines
    assert 'revledger_lag_blocks{partition="0"} 0.0' in lines
    assert any(line.startswith('revledger_http_requests_total{method="POST",status="400"}') for line in lines)
    families = [line.split()[2] for line in lines if line.startswith("# TYPE")]
    assert len(families) == len(set(families))


def test_a_healthy_service_says_so(client: httpx.Client) -> None:
    assert client.get("/health/live").json() == {"status": "live"}
    until(lambda: client.get("/health/ready").status_code == 200)


@pytest.mark.parametrize("path", ["/", "/health/live", "/health/ready"])
def test_a_question_for_the_head_alone_is_answered(client: httpx.Client, path: str) -> None:
    answer = client.head(path)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-length"] == client.get(path).headers["content-length"]


def test_views_that_are_killed_come_back(tmp_path: Path) -> None:
    with served(tmp_path) as service, service.client() as client:
        client.post("/v1/events", json=signed(1)).raise_for_status()
        until(lambda: client.get("/health/ready").status_code == 200)
        with Redis(unix_socket_path=str(running_socket(tmp_path))) as valkey:
            pid = int(valkey.info("server")["process_id"])
        os.kill(pid, signal.SIGKILL)
        until(lambda: client.get("/health/ready").status_code == 503)
        away = client.get("/health/ready")
        if away.status_code == 503:
            assert (away.json()["code"], bool(away.json()["detail"])) == ("not_ready", True)
        client.post("/v1/events", json=signed(2)).raise_for_status()
        until(lambda: client.get("/health/ready").status_code == 200)
        until(lambda: client.get("/v1/figures").status_code == 200 and mrr_minor(client) == 2_000)
        assert client.get("/health/live").status_code == 200


def test_views_that_hang_do_not_hang_the_health(tmp_path: Path) -> None:
    with served(tmp_path) as service, service.client() as client:
        until(lambda: client.get("/health/ready").status_code == 200)
        with Redis(unix_socket_path=str(running_socket(tmp_path))) as valkey:
            pid = int(valkey.info("server")["process_id"])
        os.kill(pid, signal.SIGSTOP)
        try:
            answer = client.get("/health/ready")
            assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
            assert client.post("/v1/events", json=signed(1)).status_code == 200
        finally:
            os.kill(pid, signal.SIGCONT)
        until(lambda: client.get("/health/ready").status_code == 200)


def test_a_projection_that_has_ended_is_no_life(tmp_path: Path) -> None:
    with served(tmp_path) as service, service.client() as client:
        service.loop.call_soon_threadsafe(service.projection.cancel)
        until(lambda: client.get("/health/live").status_code == 503)
        assert client.get("/health/live").json()["code"] == "not_live"
        assert client.get("/health/ready").status_code == 503


def test_dead_letters_that_cannot_be_kept_are_not_acknowledged(tmp_path: Path) -> None:
    with served(tmp_path) as service, service.client() as client:
        service.books.dead_letters._file.close()
        answer = client.post("/v1/events", json=[signed(1), {}])
        assert answer.status_code in (500, 503)
        sleep(0.01)
        assert client.post("/v1/events", json=signed(1)).json()["status"] == "duplicate"
