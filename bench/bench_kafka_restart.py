"""How soon a writer works again after kill -9, with 1,000,000 accounts."""

import asyncio
import json
import time
from typing import Final

from bench.cluster import booked, environment_of, made, publish, servers, service
from bench.commands import scratch
from bench.results import record
from tests.servers.processes import free_port

ACCOUNTS: Final = 1_000_000
RUNS: Final = 3
TARGET_SECONDS: Final = 15


def main() -> None:
    """The clock runs from the start of the new process to the booking of an event sent to it."""
    runs = []
    with servers() as where, scratch() as data:
        environment = environment_of(where, 1)
        settings = made(environment)
        publish(settings, (_signed(number) for number in range(ACCOUNTS)))
        count = ACCOUNTS
        for _ in range(RUNS):
            with service("writer", environment, free_port(), data) as process:
                asyncio.run(booked(settings, count))
                process.kill()
            publish(settings, [_signed(count)])
            count += 1
            began = time.perf_counter()
            with service("writer", environment, free_port(), data):
                asyncio.run(booked(settings, count))
                runs.append(time.perf_counter() - began)
    claim = f"a writer with {ACCOUNTS:,} accounts killed and started again, until it books"
    record("kafka-restart", claim, runs, "s", "at most", TARGET_SECONDS)


def _signed(number: int) -> bytes:
    line = {"line_id": "seat", "plan": "pro", "amount_minor": 4900, "quantity": 5}
    data = {"contract_id": f"c-{number}", "currency": "USD", "effective_at": "2024-01-01", "lines": [line]}
    return json.dumps(
        {
            "specversion": "1.0",
            "id": f"evt-{number}",
            "source": "/billing/main",
            "type": "revledger.contract.signed.v1",
            "subject": f"acct-{number}",
            "time": "2024-01-01T09:30:00Z",
            "data": data,
        }
    ).encode()


if __name__ == "__main__":
    main()
