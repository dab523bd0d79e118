"""How fast single figures and tables over 100,000 accounts are answered over HTTP, while events come in."""

import random
import time
import urllib.request
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from statistics import median, quantiles
from threading import Event
from typing import Any, Final
from urllib.parse import urlencode

import msgspec
from msgspec import Struct

from bench.bench_bridge import ACCOUNTS, CURRENCIES, serving, write_company
from bench.commands import child_of, load, rss_mib, scratch
from bench.results import record
from events.days import day_of_text, text_of_day
from events.vocabulary import BOOK_SUBJECT
from projections.basis import Figure, Source
from projections.figures import CATALOGUE, FIGURES
from projections.tables import LISTS
from services.compose import owner_of

RUNS: Final = 3
QUESTIONS: Final = 300
TABLES: Final = 90
RATE: Final = 50
REST_SECONDS: Final = 30
"""After the first questions, when the service is still working out what the others will share."""
FIRST_DAY: Final = day_of_text("2023-01-01")
LAST_DAY: Final = day_of_text("2026-01-01")
NAMES: Final = (None, None, "plan", "product", "segment", "region", "owner", "channel", "term_months")
FILTERS: Final = (None, None, None, "segment=smb", "segment=enterprise")
ROWS: Final = 100
FIRST: Final = ("nps", "acv_minor", "discount_investment_minor")
"""Figures that read something of all accounts that no question before them did."""
KINDS: Final[dict[Source, str]] = {
    "retention": "retention",
    "shares": "shares",
    "answers": "satisfaction",
    "contracts": "contracts",
    "begun": "contracts",
    "costs": "costs",
    "discounts": "discounts",
    "lives": "lives",
}
"""By what a figure reads besides sums the kind of figure it is told under."""


def main() -> None:
    """Loads the company once; every run is a new service, asked other questions each time.

    Most of its time goes into loading; a run after that asks few questions of each figure, so its worst says little.
    """
    runs: list[Measured] = []
    with scratch() as directory:
        write_company(directory / "events.jsonl")
        load(directory / "events.jsonl", directory / "data")
        accounts = accounts_of(directory / "events.jsonl")
        for run in range(RUNS):
            with serving(directory / "data") as url:
                runs.append(measured(url, directory / "data", accounts, random.Random(run)))
    over = f"over HTTP, {ACCOUNTS:,} accounts, {RATE} events/s coming in, half a minute after the first ones"
    figures, tables = f"99th percentile of a single figure {over}", f"99th percentile of a table of {ROWS} rows {over}"
    record("figures", figures, [one.figure_ms for one in runs], "ms", "at most", 20)
    record("figures-tables", tables, [one.table_ms for one in runs], "ms", "at most", 100)
    over = f"over HTTP, {ACCOUNTS:,} accounts, asked as soon as the service is ready"
    first = f"the first figure that looks at every account, {over}"
    record("figures-first", first, [one.first_ms for one in runs], "ms", "at most", 5_000)
    slowest = f"the slowest of the first figures about answers, contracts and discounts, {over}"
    record("figures-first-notes", slowest, [one.first_notes_ms for one in runs], "ms", "at most", 5_000)
    memory = f"memory of the process that answers, whole, for each of {ACCOUNTS:,} accounts"
    record("figures-memory", memory, [one.account_bytes for one in runs], "bytes", "at most", 1_000)


class Measured(Struct, frozen=True):
    """One run: 99th percentiles, first questions, and the memory that an account takes in the end."""

    figure_ms: float
    table_ms: float
    first_ms: float
    first_notes_ms: float
    account_bytes: float


def measured(url: str, data: Path, accounts: Sequence[str], chance: random.Random) -> Measured:
    """Asks a service that just started, while events come in."""
    owner = owner_of(data)
    assert owner is not None, "the service holds its directory"
    first, *firsts = (asked_ms(f"{url}/v1/figures?{of_window(chance)}&figures={name}") for name in ("nrr", *FIRST))
    print(f"  first: nrr {first:,.0f} ms, {', '.join(f'{n} {t:,.0f} ms' for n, t in zip(FIRST, firsts, strict=True))}")
    time.sleep(REST_SECONDS)
    with arriving(url, accounts):
        figures = [(name, asked_ms(f"{url}/v1/figures?{asked}")) for name, asked in figures_asked(chance)]
        tables = [(name, asked_ms(f"{url}/v1/reports/{name}?{asked}")) for name, asked in tables_asked(chance)]
    print_kinds([(kind_of(CATALOGUE[name]), taken) for name, taken in figures])
    print_kinds([("tables", taken) for _, taken in tables])
    taken = rss_mib(child_of(owner.pid, "services.reporting.worker")) * 2**20 / len(accounts)
    return Measured(percentile(figures), percentile(tables), first, max(firsts), taken)


def kind_of(figure: Figure) -> str:
    """The kind of figure that one is told under."""
    return next((KINDS[source] for source in KINDS if source in figure.reads), "sums")


def print_kinds(asked: Sequence[tuple[str, float]]) -> None:
    """Prints the median, the 99th percentile and the slowest question of each kind."""
    for kind in dict(asked):
        own = [taken for one, taken in asked if one == kind]
        last = quantiles(own, n=100, method="inclusive")[98]
        print(f"  {kind:32} median {median(own):9.1f} ms, p99 {last:9.1f} ms, worst {max(own):9.1f} ms, of {len(own)}")


def accounts_of(path: Path) -> list[str]:
    """The accounts of a file of events, without the book itself, which signs nothing."""
    with path.open("rb") as file:
        subjects = dict.fromkeys(msgspec.json.decode(raw, type=About).subject for raw in file)
    return [subject for subject in subjects if subject != BOOK_SUBJECT]


class About(Struct):
    """Of an event whom it is about."""

    subject: str


@contextmanager
def arriving(url: str, accounts: Sequence[str]) -> Iterator[None]:
    """Accounts sign one more contract each meanwhile, so many a second."""
    is_over = Event()

    def send() -> None:
        began = time.perf_counter()
        for number in count():
            account = accounts[number * 7_919 % len(accounts)]
            post(f"{url}/v1/events", signed(account, f"bench-{time.time_ns()}"))
            if is_over.wait(max(0, began + (number + 1) / RATE - time.perf_counter())):
                return

    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(send)
        try:
            yield
        finally:
            is_over.set()
        sending.result()  # whoever stopped sending measured something else


def signed(account: str, contract: str) -> dict[str, Any]:
    """An account's new contract."""
    lines = [{"line_id": "1", "plan": "pro", "amount_minor": 5_000}]
    return {
        "specversion": "1.0",
        "source": "/bench",
        "id": contract,
        "type": "revledger.contract.signed.v1",
        "subject": account,
        "time": "2025-12-30T12:00:00Z",
        "data": {"contract_id": contract, "currency": "USD", "lines": lines},
    }


def post(url: str, event: dict[str, Any]) -> None:
    """Sends an event, which is durable then."""
    headers = {"Content-Type": "application/cloudevents+json"}
    with urllib.request.urlopen(urllib.request.Request(url, msgspec.json.encode(event), headers)) as answer:
        answer.read()


def of_window(chance: random.Random) -> str:
    """Some currency, and some days of the company's three years."""
    start, until = sorted(chance.sample(range(FIRST_DAY, LAST_DAY), 2))
    days = {"from": text_of_day(start), "until": text_of_day(until)}
    return urlencode({**days, "currency": chance.choice(CURRENCIES)})


def figures_asked(chance: random.Random) -> Iterator[tuple[str, str]]:
    """Every figure with its questions, by any name and filter."""
    for number in range(QUESTIONS):
        name = FIGURES[number % len(FIGURES)].name
        yield name, f"{of_window(chance)}&{urlencode({'figures': name, **of_groups(chance, NAMES)})}"


def tables_asked(chance: random.Random) -> Iterator[tuple[str, str]]:
    """Every list of accounts or contracts with its questions, of a day or a window, by any name and filter."""
    for number in range(TABLES):
        name = [*LISTS][number % len(LISTS)]
        at = urlencode({
            "at": text_of_day(chance.randrange(FIRST_DAY + 90, LAST_DAY)),
            "currency": chance.choice(CURRENCIES),
        })
        span = of_window(chance) if LISTS[name].is_window else at
        yield name, f"{span}&{urlencode({'limit': ROWS, **of_groups(chance, NAMES)})}"


def of_groups(chance: random.Random, names: Sequence[str | None]) -> dict[str, str]:
    """Perhaps a name to group by, and perhaps a filter."""
    by, where = chance.choice(names), chance.choice(FILTERS)
    return {**({"by": by} if by else {}), **({"where": where} if where else {})}


def asked_ms(url: str) -> float:
    """Milliseconds until a question is answered."""
    began = time.perf_counter()
    with urllib.request.urlopen(url) as answer:
        answer.read()
    return (time.perf_counter() - began) * 1_000


def percentile(asked: Sequence[tuple[str, float]]) -> float:
    """The 99th percentile of all questions; median and worst by name are printed."""
    for name in dict(asked):
        own = [taken for one, taken in asked if one == name]
        print(f"  {name:32} median {median(own):9.1f} ms, worst {max(own):9.1f} ms")
    return quantiles([taken for _, taken in asked], n=100)[98]


if __name__ == "__main__":
    main()
