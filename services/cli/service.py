"""A running service, spoken to over HTTP: batches of events in, what became of each out."""

import asyncio
import http.client
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from events.envelope import BATCH
from services.cli.failures import Failure
from services.writer import Outcome, Place

EVENTS_MAX: Final = 2_000
"""How many events a request carries at most, so that other callers get their turn."""
BODY_BYTES_MAX: Final = 4 * 1024 * 1024
TIMEOUT_SECONDS: Final = 120.0
BUSY_SECONDS_MAX: Final = 300.0
"""How long a service that has no room is asked again before the command gives up."""


class Service:
    """The service at `url`; requests are never larger than `body_bytes_max`."""

    def __init__(self, url: str, body_bytes_max: int) -> None:
        self.url = url
        self._body_bytes_max = min(body_bytes_max, BODY_BYTES_MAX)

    async def send(self, events: Sequence[bytes]) -> list[Outcome]:
        """What became of each event, all of them JSON; raises Failure if the service cannot take them."""
        outcomes: list[Outcome] = []
        for some in self._requests(events):
            outcomes += await self._sent(some)
        return outcomes

    def _requests(self, events: Sequence[bytes]) -> list[list[bytes]]:
        requests: list[list[bytes]] = []
        room = 0
        for raw in events:
            if not requests or len(raw) + 1 > room or len(requests[-1]) >= EVENTS_MAX:
                requests.append([])
                room = self._body_bytes_max - 2
            requests[-1].append(raw)
            room -= len(raw) + 1
        return requests

    async def _sent(self, events: Sequence[bytes]) -> list[Outcome]:
        waited = 0.0
        body = b"[" + b",".join(events) + b"]"
        while True:
            status, retry_after, answer = await asyncio.to_thread(self._posted, body)
            if status == http.client.REQUEST_ENTITY_TOO_LARGE and len(events) > 1:
                half = len(events) // 2
                return [*await self._sent(events[:half]), *await self._sent(events[half:])]
            if status != http.client.SERVICE_UNAVAILABLE:
                return self._outcomes(status, answer, len(events))
            if waited >= BUSY_SECONDS_MAX:
                sentence = f"The service at {self.url} has had no room for {waited:.0f} s: {_detail(answer)}"
                raise Failure(f"{sentence} Try again later; what it took counts as duplicates then.")
            waited += retry_after
            await asyncio.sleep(retry_after)

    def _posted(self, body: bytes) -> tuple[int, float, bytes]:
        """Status, seconds to wait before asking again, and body of the answer."""
        place = urlsplit(self.url)
        connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=TIMEOUT_SECONDS)
        try:
            connection.request("POST", "/v1/events", body, {"Content-Type": BATCH})
            answer = connection.getresponse()
            return answer.status, _seconds(answer.getheader("Retry-After")), answer.read()
        except (OSError, http.client.HTTPException) as error:
            sentence = (
                f"The service at {self.url} does not answer ({str(error) or type(error).__name__}). Run the command"
                " again once it does: what it has taken counts as duplicates then."
            )
            raise Failure(sentence) from error
        finally:
            connection.close()

    def _outcomes(self, status: int, body: bytes, count: int) -> list[Outcome]:
        try:
            results: list[dict[str, Any]] = msgspec.json.decode(body)["results"]
            outcomes = [_outcome(result) for result in results]
        except (msgspec.MsgspecError, LookupError, TypeError, ValueError):
            outcomes = []
        if len(outcomes) != count:
            raise Failure(f"The service at {self.url} answered with status {status}: {_detail(body)}")
        return outcomes


def _outcome(result: dict[str, Any]) -> Outcome:
    position = result.get("position")
    return Outcome(
        result["status"],
        msgspec.convert(position, Place) if position else None,
        result.get("unmatched", 0),
        result.get("code", ""),
        result.get("message", ""),
        result.get("field") or "",
    )


def _seconds(retry_after: str | None) -> float:
    return float(retry_after) if retry_after and retry_after.isdigit() and int(retry_after) else 1.0


def _detail(body: bytes) -> str:
    """What a problem document (RFC 9457) says, or the start of whatever came."""
    try:
        return str(msgspec.json.decode(body)["detail"])
    except (msgspec.MsgspecError, LookupError, TypeError):
        return body[:200].decode(errors="replace") or "it says nothing."
