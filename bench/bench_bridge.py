"""How fast a 36-month bridge by plan is answered over HTTP, from the live projection over 100,000 accounts."""

import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import quantiles
from typing import Final

from bench.bench_start import free_port
from bench.commands import is_ready, load, popen, scratch
from bench.results import record
from services.demo import demo_events

ACCOUNTS: Final = 100_000
RUNS: Final = 5
TARGET_MS: Final = 20
CURRENCIES: Final = ("USD", "EUR", "GBP", "JPY", "KRW")
WINDOWS: Final = tuple(
    (f"{2020 + n // 12}-{n % 12 + 1:02}-01", f"{2023 + n // 12}-{n % 12 + 1:02}-01") for n in range(60)
)
"""Windows of 36 months, each a month later than the one before; the company's own are January 2023 to 2026."""


def main() -> None:
    """Loads the company once; every run is a new service that is asked each question once, so none is kept."""
    with scratch() as directory:
        write_company(directory / "events.jsonl")
        load(directory / "events.jsonl", directory / "data")
        slow: list[float] = []
        for _ in range(RUNS):
            with serving(directory / "data") as url:
                slow.append(quantiles(answered_ms(url), n=100)[98])
    claim = f"99th percentile of a 36-month bridge by plan over HTTP, {ACCOUNTS:,} accounts, live"
    record("bridge", claim, slow, "ms", "at most", TARGET_MS)


def write_company(path: Path) -> None:
    """Writes the events of a company with so many accounts over 36 months."""
    with path.open("wb") as file:
        file.writelines(raw + b"\n" for raw in demo_events(accounts=ACCOUNTS))


@contextmanager
def serving(data: Path) -> Iterator[str]:
    """The service on a data directory, ready."""
    url = f"http://127.0.0.1:{(port := free_port())}"
    process = popen("up", "--data", str(data), "--port", str(port))
    try:
        while not is_ready(url):
            assert process.poll() is None, "the service ended before it was ready"
            time.sleep(0.05)
        yield url
    finally:
        process.terminate()
        process.wait()


def answered_ms(url: str) -> list[float]:
    """Milliseconds of each question."""
    times: list[float] = []
    for start, until in WINDOWS:
        for currency in CURRENCIES:
            asked = f"from={start}&until={until}&every=month&by=plan&currency={currency}"
            began = time.perf_counter()
            with urllib.request.urlopen(f"{url}/v1/reports/bridge?{asked}") as answer:
                answer.read()
            times.append((time.perf_counter() - began) * 1_000)
    return times


if __name__ == "__main__":
    main()
