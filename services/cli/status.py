"""`revledger status`: where the books of a data directory stand."""

import sys
import textwrap
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from services import shown
from services.cli.failures import Failure
from services.cli.options import Data, StatusForm, examples, settings_of
from services.cli.running import run, waiting

if TYPE_CHECKING:
    from services.compose import Owner
    from services.ledgers.port import Ledger
    from services.reports import Reports
    from services.settings import Settings

_FILES = ("ledger.db", "accounts.db", "dead-letters.db", "views")


NAME_WIDTH: Final = 16
EXAMPLES: Final = examples(
    "revledger status",
    "revledger status --data ./books --format json",
)


def status(data: Data = None, form: StatusForm = "table") -> None:
    """Show where the books stand.

    How far ledger and views are, what waits, what was refused, whether a service runs; with REVLEDGER_KAFKA set, how
    far every partition lags.

    Exit status 1 if there is no ledger.
    """
    settings = settings_of(data)
    if settings.is_distributed:
        from services.cli.status_kafka import print_state, state_of

        state = run(state_of(settings))
        show: Callable[[dict[str, Any]], None] = print_state
    else:
        state, show = run(_state(settings)), _print
    if form == "json":
        import msgspec

        sys.stdout.write(msgspec.json.encode(state).decode() + "\n")
    else:
        show(state)
    if "views_error" in state:
        raise Failure(state["views_error"])
    if not state.get("exists", True):
        from services.audit.opening import NoLedger

        raise NoLedger(settings.data)


class _Stores(Struct, frozen=True):
    ledger: "Ledger"
    reports: "Reports"


async def _state(settings: "Settings") -> dict[str, Any]:
    """The status in the shape of the JSON; nothing is made where there is nothing."""
    from services.compose import LEDGER_FILE, owner_of

    directory = settings.data
    state: dict[str, Any] = {"data": str(directory), "exists": (directory / LEDGER_FILE).is_file()}
    if not state["exists"]:
        return state
    owner = owner_of(directory)
    state["service"] = None if owner is None else {"pid": owner.pid, "url": owner.url or None}
    with waiting("reading the books"):
        async with _stores(settings, owner) as stores:
            state |= await _positions(stores)
    state["dead_letters"] = _dead_letters(directory)
    state["files_bytes"] = {name: _size_bytes(directory / name) for name in _FILES}
    return state


@asynccontextmanager
async def _stores(settings: "Settings", owner: "Owner | None") -> AsyncIterator[_Stores]:
    """Ledger and reports beside the process that owns them, or held alone meanwhile."""
    from events.policy import Policy
    from services.adoptions import begun_under
    from services.compose import LEDGER_FILE, owned_books
    from services.ledgers.sqlite import sqlite_ledger
    from services.reports import Reports
    from services.views.redis import redis_views
    from services.views.valkey import running_socket

    socket = running_socket(settings.data) if owner is not None else None
    async with AsyncExitStack() as stack:
        if socket is None:
            books = await stack.enter_async_context(owned_books(settings))
            yield _Stores(books.ledger, books.reports)
            return
        ledger = await sqlite_ledger(settings.data / LEDGER_FILE)
        stack.push_async_callback(ledger.close)
        views = redis_views(socket)
        stack.push_async_callback(views.close)
        yield _Stores(ledger, Reports(ledger, views, begun_under(Policy())))


async def _positions(stores: _Stores) -> dict[str, Any]:
    from events import block as blocks

    book = await stores.reports.book()
    counts = book.counts()
    accounts = await accounts_with_revenue(stores.reports)
    tail = await stores.ledger.tail(0)
    head = -1 if tail is None else tail.height
    return {
        "as_of": book.as_of.shown(),
        "policy": None if tail is None else blocks.block_of(tail.data).header.policy,
        "ledger": {"0": head},
        "lag_blocks": max(0, head - book.as_of.heights["0"]),
        "entries": 0 if tail is None else tail.end_seq,
        **{name: counts.get(name, 0) for name in ("postings", "unmatched")},
        "accounts": accounts,
        "labels": labels_in(counts),
    }


def labels_in(counts: Iterable[str]) -> list[str]:
    """What revenue is labelled with, by which it can be broken down and filtered, from what is counted in the book."""
    return sorted({name.split("|", 2)[2] for name in counts if name.startswith("names|")} - {""})


async def accounts_with_revenue(reports: "Reports") -> dict[str, int]:
    """How many accounts have revenue now, by currency."""
    from services.questions import Question

    names = (await reports.book()).counts()
    accounts: dict[str, int] = {}
    for currency in sorted({name.split("|")[1] for name in names if name.startswith("names|")}):
        question = Question(currency=currency, figures=("accounts",))
        accounts[currency] = (await reports.figures(question))["rows"][0]["figures"]["accounts"]
    return accounts


def _dead_letters(directory: Path) -> dict[str, int]:
    from services.deadletters import FILE_NAME, DeadLetters

    if not (directory / FILE_NAME).is_file():
        return {}
    letters = DeadLetters(directory)
    try:
        return letters.count()
    finally:
        letters.close()


def _size_bytes(path: Path) -> int:
    """The size of a file with what SQLite keeps beside it, or of all files in a directory."""
    paths = path.rglob("*") if path.is_dir() else path.parent.glob(path.name + "*")
    return sum(one.lstat().st_size for one in paths if one.is_file())


def _print(state: dict[str, Any]) -> None:
    if not state["exists"]:
        return
    from services.cli.tables import console_for_output

    as_of, service = state["as_of"], state["service"]
    lag = state["lag_blocks"]
    rows = [
        ("data directory", state["data"]),
        ("service", _service(service)),
        ("ledger", f"{shown.heights(state['ledger'])}, {state['entries']:,} entries"),
        ("views", shown.heights(as_of["position"]) + (f", {lag:,} blocks behind" if lag else ", up to date")),
        ("newest event", as_of["newest_event"] or shown.NOTHING),
        ("last recorded", f"{shown.age(as_of['age_seconds'])} ago" if as_of["age_seconds"] is not None else "-"),
        ("policy", state["policy"] or shown.NOTHING),
        ("accounts", counts_text(state["accounts"]) + " with revenue" if state["accounts"] else "none with revenue"),
        ("labels", ", ".join(state["labels"]) or "none"),
        ("postings", f"{state['postings']:,}"),
        ("unmatched", unmatched_text(state["unmatched"])),
        ("dead letters", counts_text(state["dead_letters"]) or "none"),
        ("files", ", ".join(f"{name} {shown.size(size)}" for name, size in state["files_bytes"].items())),
    ]
    width = console_for_output().width - NAME_WIDTH
    for name, text in rows:
        lines = textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False) if ", " in text else [text]
        print(f"{name:<{NAME_WIDTH}}" + f"\n{'':<{NAME_WIDTH}}".join(lines))


def _service(service: dict[str, Any] | None) -> str:
    if service is None:
        return "not running"
    return f"process {service['pid']}" + (f", {service['url']}" if service["url"] else ", without HTTP")


def counts_text(counts: dict[str, int]) -> str:
    """Numbers by name, in words."""
    return ", ".join(f"{name} {number:,}" for name, number in counts.items())


def unmatched_text(number: int) -> str:
    """How many facts wait, in words."""
    return f"{number:,} facts wait for their contract or target" if number else "none"
