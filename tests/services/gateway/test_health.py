"""Measures of a gateway: there for Prometheus even while the stores are away, which they tell."""

import asyncio
from pathlib import Path

import httpx
import pytest
from litestar import Litestar

from services.gateway import health as module
from services.gateway.health import health
from services.gateway.state import State, Status
from tests.services.gateway.test_state import watched, write
from tests.services.running import asynchronous


async def measured(state: State) -> list[str]:
    """The lines of /metrics, which is always answered."""
    transport = httpx.ASGITransport(Litestar(health(state)))  # type: ignore[arg-type] # the same protocol
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        answer = await client.get("/metrics")
    assert answer.status_code == 200
    return answer.text.splitlines()


@asynchronous
async def test_a_store_that_is_away_shows_and_hides_nothing_else(tmp_path: Path) -> None:
    async with watched(tmp_path) as (state, memory):
        await write(memory, 1)
        state.metrics.requests.labels("POST", "202").inc()
        lines = await measured(state)
        assert "revledger_up 1.0" in lines
        assert 'revledger_lag_blocks{partition="0"} 2.0' in lines
        await memory.ledger.close()
        lines = await measured(state)
        assert "revledger_up 0.0" in lines
        assert 'revledger_http_requests_total{method="POST",status="202"} 1.0' in lines
        assert not [line for line in lines if line.startswith("revledger_lag_blocks{")], "it is not known now"


@asynchronous
async def test_a_store_that_says_nothing_does_not_hold_up_the_measures(tmp_path: Path) -> None:
    async with watched(tmp_path) as (state, _):

        async def silent(_state: State) -> Status:
            await asyncio.Event().wait()
            raise AssertionError("nobody sets it")

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "STATUS_SECONDS", 0.01)
            patch.setattr(State, "status", silent)
            assert "revledger_up 0.0" in await measured(state)
        assert "revledger_up 1.0" in await measured(state)
