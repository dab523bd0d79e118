"""A running service as the command line speaks to it: when it is busy, when its answers make no sense, when it ends."""

import asyncio
import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from services.cli.failures import Failure
from services.cli.service import Service
from services.writer import Place

Answer = tuple[int, dict[str, str], bytes]
EVENTS = [b'{"a":1}', b'{"b":2}', b'{"c":3}']


@contextmanager
def answering(answers: list[Answer]) -> Iterator[tuple[str, list[list[Any]]]]:
    """A service that gives these answers one after the other, and what it was sent."""
    received: list[list[Any]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.headers["content-type"] == "application/cloudevents-batch+json"
            received.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            status, headers, body = answers.pop(0)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", received
        finally:
            server.shutdown()
            thread.join()


def taken(count: int) -> Answer:
    place = {"partition": 0, "height": 4, "seq": 7}
    return 200, {}, json.dumps({"results": [{"status": "accepted", "position": place}] * count}).encode()


def problem(status: int, headers: dict[str, str] | None = None) -> Answer:
    return status, headers or {}, json.dumps({"detail": "the sentence of the service"}).encode()


def test_outcomes_come_in_the_order_sent() -> None:
    refused = {"status": "refused", "code": "not_json", "message": "mend it", "field": "data"}
    waits = {"status": "accepted", "position": {"partition": 0, "height": 1, "seq": 2}, "unmatched": 1}
    body = json.dumps({"results": [refused, waits]}).encode()
    with answering([(207, {}, body)]) as (url, received):
        first, second = asyncio.run(Service(url, 1_000_000).send(EVENTS[:2]))
    assert (first.code, first.message, first.field, first.place) == ("not_json", "mend it", "data", None)
    assert (second.place, second.unmatched) == (Place(0, 1, 2), 1)
    assert received == [[{"a": 1}, {"b": 2}]]


def test_a_busy_service_is_asked_again_as_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr("services.cli.service.asyncio.sleep", sleep)
    busy = [problem(503, {"Retry-After": "7"}), problem(503), taken(3)]
    with answering(busy) as (url, received):
        assert len(asyncio.run(Service(url, 1_000_000).send(EVENTS))) == 3
    assert waited == [7.0, 1.0]
    assert len(received) == 3
    sentence = "no room for 400 s: the sentence of the service"
    still_busy = [problem(503, {"Retry-After": "200"})] * 3
    with answering(still_busy) as (url, _), pytest.raises(Failure, match=sentence):
        asyncio.run(Service(url, 1_000_000).send(EVENTS))


def test_requests_are_no_larger_than_they_may_be() -> None:
    with answering([taken(2), taken(1)]) as (url, received):
        assert len(asyncio.run(Service(url, 20).send(EVENTS))) == 3
    assert [len(one) for one in received] == [2, 1]
    with answering([problem(413), taken(1), taken(2)]) as (url, received):
        assert len(asyncio.run(Service(url, 1_000_000).send(EVENTS))) == 3
    assert [len(one) for one in received] == [3, 1, 2]


def test_answers_that_make_no_sense_are_told() -> None:
    for answer in (problem(500), (200, {}, b"<html>the sentence of the service"), taken(2)):
        with answering([answer]) as (url, _), pytest.raises(Failure, match=r"answered with status \d+: "):
            asyncio.run(Service(url, 1_000_000).send(EVENTS))


def test_a_service_that_is_gone_is_told() -> None:
    with answering([]) as (url, _):
        pass
    with pytest.raises(Failure, match=r"does not answer .* counts as duplicates"):
        asyncio.run(Service(url, 1_000_000).send(EVENTS))
