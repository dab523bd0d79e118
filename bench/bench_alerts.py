"""How soon an alert is at its receiver, and what rules cost beside the projector."""

import asyncio
import gc
import json
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from statistics import quantiles
from typing import Any, Final

from bench.bench_bridge import serving
from bench.bench_projector import written
from bench.commands import scratch
from bench.connections import BATCH_TYPE, EVENT_TYPE, Connection
from bench.results import record
from services.alerts.alerter import Alerter
from services.alerts.rules.routing import State
from services.alerts.rules.rulebook import rulebook_of_toml
from services.demo import demo_events
from services.ledgers.port import Ledger
from services.metrics import Metrics
from services.projector import Projector
from services.views.redis import redis_views
from services.views.valkey import embedded_valkey

RATE: Final = 500
SECONDS: Final = 10
RUNS: Final = 3
LOSSES: Final = 25
"""Of so many events one is a loss that an alert is sent on."""
RULES: Final = 50
MANY_RULES: Final = 1_000
ENTRIES: Final = 50_000
SECRET: Final = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SENDERS: Final = 32
LOSS_TYPE: Final = "revledger.contract.cancelled.v1"


def main() -> None:
    """Measures the way of an alert through a running service, then the time of the processor that rules take."""
    halves, ends = [], []
    for _ in range(RUNS):
        with scratch() as directory:
            times = asyncio.run(delivered(Path(directory)))
        halves.append(quantiles(times, n=100)[49])
        ends.append(quantiles(times, n=100)[98])
    what = f"from an event's acknowledgement to its alert at a webhook, at {RATE} events/s with {RULES} rules"
    record("alert-median", f"median {what}", halves, "ms", "at most", 100)
    record("alert-99", f"99th percentile {what}", ends, "ms", "at most", 1_000)
    for rules, bound in ((RULES, 20), (MANY_RULES, 100)):
        ledger = asyncio.run(written(list(islice(demo_events(accounts=13_000), ENTRIES))))
        gc.freeze()
        gc.set_threshold(200_000, 50, 1_000)  # as the services have it
        shares = [asyncio.run(share(ledger, rules)) for _ in range(RUNS)]
        name = f"CPU time of {rules:,} rules on entries of the made-up company, of that of the projector"
        record(f"alert-cost-{rules}", name, shares, "%", "at most", bound)


def rules_of(count: int, sinks: str) -> str:
    """So many rules, one of which fires on every loss: some on kinds, amounts and labels, four on figures."""
    kinds = ("churn", "contraction", "notice", "payment_failed", "score")
    lines = ["defaults = false", 'late = "9999d"', sinks, '[[rule]]\nname = "all"\non = "churn"\nmrr_at_least = 1']
    for number in range(count - 5):
        kind = kinds[number % len(kinds)]
        score = "score_at_most = 6\n" if kind == "score" else ""
        where = f'where = {{ segment = "s{number}" }}\n' if number % 2 else ""
        lines.append(f'[[rule]]\nname = "r{number}"\non = "{kind}"\nmrr_at_least = {10**9 + number}\n{score}{where}')
    lines += [
        f'[[rule]]\nname = "{figure}"\non = "figure"\nfigure = "{figure}"\n{side} = {line}\nwindow = "30d"'
        for figure, side, line in (
            *(("nrr", "below", "0.01"), ("grr", "below", "0.01")),
            *(("gross_mrr_churn_rate", "above", "0.99"), ("customer_churn_rate", "above", "0.99")),
        )
    ]
    return "\n".join(lines)


async def share(ledger: Ledger, rules: int) -> float:
    """Percent of the projector's time that an alerter takes for the same blocks, all of them looked into."""
    state = State(rulebook_of_toml(rules_of(rules, "").replace("mrr_at_least = 1\n", "mrr_at_least = 999999999\n")))
    with scratch() as directory:
        async with embedded_valkey(Path(directory)) as socket:
            views, own = redis_views(socket), redis_views(socket, namespace="bench-alerts")
            projector = Projector(ledger, views)

            async def reached(_partition: int, height: int) -> None:
                await projector.reached(height)

            alerter = Alerter(ledger, own, views, reached, state, Metrics())
            seconds = []
            for follower in (projector, alerter):
                await follower.start()
                began = time.process_time()
                await follower.catch_up()
                seconds.append(time.process_time() - began)
            await views.close()
            await own.close()
    assert alerter.position.next_height == projector.position.next_height
    return seconds[1] / seconds[0] * 100


async def delivered(directory: Path) -> list[float]:
    """Milliseconds from the acknowledgement of each loss to its webhook."""
    got: dict[str, float] = {}
    async with hook(got) as port:
        sink = f'[[sink]]\nname = "h"\nkind = "webhook"\nurl = "http://127.0.0.1:{port}/"\nsecret_env = "BENCH_SECRET"'
        data = directory / "data"
        data.mkdir()
        (data / "alerts.toml").write_text(rules_of(RULES, sink))
        os.environ["BENCH_SECRET"] = SECRET
        with serving(data) as url:
            acknowledged = await _load(url)
            while not acknowledged.keys() <= got.keys():  # noqa: ASYNC110 - it is looked, not told
                await asyncio.sleep(0.01)
    return [(got[account] - at) * 1_000 for account, at in acknowledged.items()]


async def _load(url: str) -> dict[str, float]:
    """Sends events at the rate, one a request; when each loss was acknowledged, by account."""
    acknowledged: dict[str, float] = {}
    accounts = RATE * SECONDS // LOSSES
    signed = [_event("signed", f"s{number}", number) for number in range(2 * accounts)]
    waiting: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    senders = [Connection(url) for _ in range(SENDERS)]
    for start in range(0, len(signed), 500):
        await senders[0].post("/v1/events", json.dumps(signed[start : start + 500]).encode(), BATCH_TYPE)

    async def work(sender: Connection) -> None:
        while True:
            event = await waiting.get()
            await sender.post("/v1/events", json.dumps(event).encode(), EVENT_TYPE)
            if event["type"] == LOSS_TYPE:
                acknowledged[event["subject"]] = time.perf_counter()
            waiting.task_done()

    working = [asyncio.create_task(work(sender)) for sender in senders]
    began = time.perf_counter()
    for number in range(RATE * SECONDS):
        await asyncio.sleep(max(0.0, began + number / RATE - time.perf_counter()))
        is_loss = number % LOSSES == 0
        waiting.put_nowait(
            _event("cancelled", f"c{number}", number // LOSSES) if is_loss else _upgrade(number, accounts)
        )
    await waiting.join()
    for task in working:
        task.cancel()
    seconds = time.perf_counter() - began
    if seconds > SECONDS * 1.1:
        print(f"{RATE * SECONDS:,} events took {seconds:.1f} s instead of {SECONDS}: too busy a machine for the rate")
    return acknowledged


def _upgrade(number: int, accounts: int) -> dict[str, Any]:
    """One of the accounts that stay pays more."""
    return _event("upgraded", f"u{number}", accounts + number % accounts, 5_000 + number)


def _event(kind: str, event_id: str, account: int, amount: int = 4_900) -> dict[str, Any]:
    now = datetime.now(UTC)
    day = now if kind != "signed" else now.replace(year=now.year - 1, day=min(now.day, 28))
    data: dict[str, Any] = {"contract_id": f"c{account}"}
    if kind != "cancelled":
        data["lines"] = [{"line_id": "l", "plan": "pro", "amount_minor": amount}]
    if kind == "signed":
        data |= {"currency": "USD", "attributes": {"segment": f"s{account % 40}"}}
    return {
        "specversion": "1.0", "id": event_id, "source": "/bench", "subject": f"a{account}",
        "type": f"revledger.contract.{kind}.v1", "time": day.isoformat(), "data": data,
    }


@asynccontextmanager
async def hook(got: dict[str, float]) -> AsyncIterator[int]:
    """A receiver on a port, that notes when the alert on each account came."""

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        at = time.perf_counter()
        size = next(int(line[15:]) for line in head.split(b"\r\n") if line.startswith(b"content-length:"))
        subject = json.loads(await reader.readexactly(size))["subject"]
        got.setdefault(subject, at)
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()



if __name__ == "__main__":
    main()
