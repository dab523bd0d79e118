"""Events over HTTP: every mode, every refusal, and nothing acknowledged that is not in the ledger."""

import gzip
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from events.envelope import BATCH, EVENT_BYTES_MAX, STRUCTURED
from services.gateway.problems import MEDIA_TYPE, TYPE
from services.gateway.receiving import EVENTS_MAX
from tests.services.gateway.served import Service, mrr_minor, served, signed, until

JSON: Final = "application/json"


def post(client: httpx.Client, content: Any, media_type: str = JSON, **headers: str) -> httpx.Response:
    """Sends a body: bytes as they are, all else as JSON."""
    body = content if isinstance(content, bytes | Iterator) else json.dumps(content).encode()
    return client.post("/v1/events", content=body, headers={"content-type": media_type, **headers})


def refused_as(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The problem, which says what is expected of all of them."""
    problem: dict[str, Any] = answer.json()
    assert (answer.status_code, problem["code"]) == (status, code), answer.text
    assert answer.headers["content-type"] == MEDIA_TYPE
    assert problem["type"] == TYPE + code
    assert problem["status"] == status
    assert problem["title"]
    assert problem["detail"]
    return problem


@pytest.mark.parametrize("media_type", [STRUCTURED, JSON, f"{STRUCTURED}; charset=utf-8", STRUCTURED.upper()])
def test_one_event(client: httpx.Client, media_type: str) -> None:
    event = {**signed(1), "id": media_type}
    answer = post(client, event, media_type)
    assert answer.status_code == 200
    body = answer.json()
    assert body["status"] == "accepted"
    assert body["unmatched"] is False
    assert set(body["position"]) == {"partition", "height", "seq"}
    again = post(client, event, media_type).json()
    assert again == {**body, "status": "duplicate"}


@pytest.mark.parametrize("media_type", [BATCH, JSON])
def test_a_batch(client: httpx.Client, media_type: str) -> None:
    events = [{**signed(number), "id": f"{media_type}-{number}"} for number in (21, 22)]
    answer = post(client, [*events, events[0]], media_type)
    assert answer.status_code == 200
    body = answer.json()
    assert (body["accepted"], body["duplicates"], body["refused"], body["unmatched"]) == (2, 1, 0, 0)
    assert [one["status"] for one in body["results"]] == ["accepted", "accepted", "duplicate"]
    assert body["position"] == {"0": body["results"][1]["position"]["height"]}


def test_binary_mode(client: httpx.Client) -> None:
    event = signed(3)
    headers = {f"ce-{name}": event[name] for name in ("specversion", "id", "source", "type", "time")}
    answer = post(client, event["data"], **headers, **{"ce-subject": "caf%C3%A9%20%22"})
    assert answer.json()["status"] == "accepted"
    whole = post(client, {**event, "subject": 'café "'}, STRUCTURED)
    assert whole.json() == {**answer.json(), "status": "duplicate"}


def test_binary_mode_needs_no_content_type(client: httpx.Client) -> None:
    event = signed(4)
    headers = {f"ce-{name}": event[name] for name in event if name != "data"}
    answer = client.post("/v1/events", content=json.dumps(event["data"]), headers=headers)
    assert answer.json()["status"] == "accepted"


def test_what_waits_for_its_contract_is_unmatched(client: httpx.Client) -> None:
    event = {**signed(5), "type": "revledger.contract.cancelled.v1", "data": {"contract_id": "ctr-5"}}
    assert post(client, event).json()["unmatched"] is True
    batch = post(client, [{**event, "id": "other"}]).json()
    assert batch["unmatched"] == 1


def test_an_empty_batch(client: httpx.Client) -> None:
    expected = {"accepted": 0, "duplicates": 0, "refused": 0, "unmatched": 0, "position": {}, "results": []}
    answer = post(client, b" []", BATCH)
    assert (answer.status_code, answer.json()) == (200, expected)


def change(**values: Any) -> Callable[[dict[str, Any]], Any]:
    """The event with other attributes; None removes one."""
    return lambda event: {name: value for name, value in {**event, **values}.items() if value is not None}


REFUSALS: Final[tuple[tuple[str, int, str, str, Callable[[dict[str, Any]], Any]], ...]] = (
    ("a number", 400, "not_cloudevent", "specversion", lambda _: 7),
    ("an old version", 400, "not_cloudevent", "specversion", change(specversion="0.3")),
    ("no subject", 422, "missing_field", "subject", change(subject=None)),
    ("an unknown type", 422, "unknown_type", "type", change(type="revledger.contract.sined.v1")),
    ("a later version", 422, "unknown_version", "type", change(type="revledger.contract.signed.v9")),
    ("no time", 422, "invalid_time", "time", change(time="yesterday")),
    ("a fraction", 422, "amount_not_integer", "data.lines[0].amount_minor", lambda e: signed(9, 1.5)),  # type: ignore[arg-type]
    ("below zero", 422, "amount_negative", "data.lines[0].amount_minor", lambda e: signed(9, -1)),
    ("no currency", 422, "unknown_currency", "data.currency", lambda e: signed(9, currency="ZZZ")),
    ("an unknown field", 422, "unknown_field", "data.colour", lambda e: signed(9, colour="red")),
    ("other content", 409, "id_conflict", "id", lambda e: signed(8, 4_711)),
    ("a novel", 413, "too_large", "", change(subject="x" * EVENT_BYTES_MAX)),
)
"""What is sent, status, code, field, and how it comes out of a good event."""


@pytest.mark.parametrize(
    ("status", "code", "field", "mend"), [row[1:] for row in REFUSALS], ids=[row[0] for row in REFUSALS]
)
def test_refusals(
    client: httpx.Client, service: Service, status: int, code: str, field: str, mend: Callable[[dict[str, Any]], Any]
) -> None:
    post(client, signed(8))
    sent = json.dumps(mend(signed(9))).encode()
    problem = refused_as(post(client, sent, STRUCTURED), status, code)
    assert problem.get("field", "") == field
    letter = service.books.dead_letters.get(problem["dead_letter"])
    assert (letter.raw, letter.code, letter.source) == (sent, code, "http")
    batch = post(client, b"[" + sent + b"]", BATCH)
    (result,) = batch.json()["results"]
    assert batch.status_code == 207
    assert (result["status"], result["code"], result["dead_letter"]) == ("refused", code, problem["dead_letter"])


@pytest.mark.parametrize(
    ("body", "media_type", "code"),
    [
        (b"{", JSON, "not_json"),
        (b"", JSON, "not_json"),
        (b"\xff\x00", STRUCTURED, "not_json"),
        (b"[1,", BATCH, "not_json"),
        (b"{}", BATCH, "not_cloudevent"),
        (b"[" * 100_000, JSON, "not_json"),
        (b"[" * 100_000, STRUCTURED, "not_json"),
    ],
)
def test_what_is_not_an_event_at_all_is_kept(
    client: httpx.Client, service: Service, body: bytes, media_type: str, code: str
) -> None:
    problem = refused_as(post(client, body, media_type), 400, code)
    assert service.books.dead_letters.get(problem["dead_letter"]).raw == body


def test_binary_data_that_is_not_json_is_kept_with_its_attributes(client: httpx.Client, service: Service) -> None:
    problem = refused_as(post(client, b"\xffno", **{"ce-id": "7", "ce-type": "x"}), 400, "not_json")
    kept = json.loads(service.books.dead_letters.get(problem["dead_letter"]).raw)
    assert kept == {"id": "7", "type": "x", "data_base64": "/25v"}


def test_one_bad_event_in_a_batch_leaves_the_others_booked(client: httpx.Client) -> None:
    good, bad = [signed(number) for number in (31, 32)], signed(33, colour="red")
    answer = post(client, [good[0], bad, good[1]], BATCH)
    assert answer.status_code == 207
    body = answer.json()
    assert (body["accepted"], body["refused"]) == (2, 1)
    statuses = [one["status"] for one in body["results"]]
    assert statuses == ["accepted", "refused", "accepted"]
    assert body["results"][1]["field"] == "data.colour"
    assert [one["status"] for one in post(client, good).json()["results"]] == ["duplicate", "duplicate"]


def test_what_is_refused_is_counted_by_its_reason(client: httpx.Client) -> None:
    def counted(code: str) -> float:
        lines = client.get("/metrics").text.splitlines()
        found = [line for line in lines if line.startswith(f'revledger_refused_total{{code="{code}"}} ')]
        return float(found[0].split()[1]) if found else 0.0

    before = counted("not_json"), counted("not_cloudevent")
    post(client, b"garbage")
    post(client, [{"id": "nothing else"}, {**signed(1), "id": "counted"}])
    assert (counted("not_json"), counted("not_cloudevent")) == (before[0] + 1, before[1] + 1)


@pytest.mark.parametrize("media_type", ["", "text/plain", "application/xml", "application/vnd.x+json"])
def test_other_media_types_are_told_the_right_ones(client: httpx.Client, media_type: str) -> None:
    problem = refused_as(post(client, signed(1), media_type), 415, "unsupported_media_type")
    assert STRUCTURED in problem["detail"]


def test_gzip(client: httpx.Client) -> None:
    body = json.dumps([signed(41), signed(42)]).encode()
    packed = gzip.compress(body[:50]) + gzip.compress(body[50:])
    answer = post(client, packed, BATCH, **{"content-encoding": "gzip"})
    assert answer.json()["accepted"] == 2


@pytest.mark.parametrize(
    ("body", "encoding", "status", "code"),
    [
        (gzip.compress(b" " * 2_000_000, mtime=0), "gzip", 413, "body_too_large"),
        (gzip.compress(b"[]", mtime=0)[:-4], "gzip", 400, "damaged_encoding"),
        (b"[]", "gzip", 400, "damaged_encoding"),
        (b"", "gzip", 400, "damaged_encoding"),
        (b"[]", "br", 415, "unsupported_encoding"),
    ],
)
def test_encodings(client: httpx.Client, body: bytes, encoding: str, status: int, code: str) -> None:
    refused_as(post(client, body, BATCH, **{"content-encoding": encoding}), status, code)


def test_a_body_that_is_too_large_is_not_read(client: httpx.Client) -> None:
    refused_as(post(client, b"[" + b" " * 10_000_000 + b"]"), 413, "body_too_large")
    parts = (b" " * 65_536 for _ in range(160))
    refused_as(post(client, parts), 413, "body_too_large")
    assert post(client, b"[]").status_code == 200


def test_a_batch_has_an_end(client: httpx.Client) -> None:
    refused_as(post(client, b"[" + b"0," * EVENTS_MAX + b"0]", BATCH), 413, "too_many_events")


def test_fifty_clients_at_once(tmp_path: Path) -> None:
    with served(tmp_path) as service, service.client() as client:

        def send(number: int) -> list[str]:
            with service.client() as own:
                return [post(own, signed(number * 10 + index)).json()["status"] for index in range(10)]

        with ThreadPoolExecutor(50) as pool:
            answers = list(pool.map(send, range(50)))
        assert answers == [["accepted"] * 10] * 50
        until(lambda: mrr_minor(client) == 500 * 1_000)
        assert client.get("/v1/status").json()["entries"] == 500


def test_a_full_queue_turns_away(tmp_path: Path) -> None:
    with served(tmp_path, REVLEDGER_QUEUE="1") as service:

        def send(number: int) -> httpx.Response:
            with service.client() as own:
                return post(own, [signed(number * 100 + index) for index in range(100)])

        with ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(send, range(64)))
        booked = [answer for answer in answers if answer.status_code == 200]
        turned_away = [answer for answer in answers if answer.status_code != 200]
        assert turned_away, "nobody was turned away"
        for answer in turned_away:
            refused_as(answer, 503, "busy")
            assert answer.headers["retry-after"] == "1"
        with service.client() as client:
            until(lambda: client.get("/v1/status").json()["entries"] == 100 * len(booked))


def test_what_is_acknowledged_is_there_after_a_restart(tmp_path: Path) -> None:
    with served(tmp_path) as service, service.client() as client:
        first = post(client, signed(1)).json()
    with served(tmp_path) as service, service.client() as client:
        assert post(client, signed(1)).json() == {**first, "status": "duplicate"}
        assert mrr_minor(client) == 1_000
