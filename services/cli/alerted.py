"""Alerts on a terminal: those that would have fired, and those that do."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from events.days import text_of_moment

if TYPE_CHECKING:
    from services.alerts.replaying import Replayed
    from services.settings import Settings
    from services.views.port import Views

POLL_SECONDS: Final = 0.5
COLUMNS: Final = (
    *("time", "state", "rule", "severity", "kind", "subject", "summary", "currency", "mrr_minor", "share"),
    *("partition", "height", "seq", "id", "explain"),
)
"""Of the CSV."""


class Row(Struct, frozen=True):
    """One alert as it is shown; `state` is fired or resolved."""

    time: str
    state: str
    data: dict[str, Any]
    subject: str

    def cells(self) -> list[Any]:
        """In the order of `COLUMNS`."""
        known = {**self.data, **self.data["position"], "time": self.time, "state": self.state, "subject": self.subject}
        return [known.get(name, "") for name in COLUMNS]


def show_replayed(found: "Sequence[Replayed]", late: int, form: str) -> None:
    """Prints what would have fired, and how much was history when it was recorded."""
    import msgspec

    rows = []
    for one in found:
        data = msgspec.to_builtins(one.alert)
        time = text_of_moment(data.pop("recorded_at"))
        rows.append(Row(time, "resolved" if one.is_over else "fired", data, data.pop("subject")))
    if form == "json":
        shown = [{"time": row.time, "state": row.state, "subject": row.subject, **row.data} for row in rows]
        sys.stdout.write(json.dumps({"report": "alerts", "rows": shown, "late": late}) + "\n")
    elif form == "csv":
        from services.separated import text_of

        sys.stdout.write(text_of(COLUMNS, [row.cells() for row in rows]))
    else:
        _print(rows, late)


def _print(rows: Sequence[Row], late: int) -> None:
    from rich.text import Text

    from services.cli.tables import console_for_output

    console = console_for_output()
    fired = sum(row.state == "fired" for row in rows)
    console.print(Text(f"{fired:,} {'alert' if fired == 1 else 'alerts'} would have fired", style="bold"))
    for row in rows:
        console.print(line_of(row), soft_wrap=True)
    if late:
        what = "one happening was" if late == 1 else f"{late:,} happenings were"
        console.print(Text(f"{what} history when recorded, and fired nothing (late)", style="dim"))


def line_of(row: Row) -> Any:
    """An alert in one line, with its rule; the worse it is, the louder."""
    from rich.text import Text

    style = {"critical": "bold red", "warning": "yellow"}.get(row.data["severity"], "")
    is_over = row.state == "resolved"
    text = Text(f"{row.time[:16].replace('T', ' ')}  ")
    text.append(f"{row.data['rule']}: ", style="dim" if is_over else style)
    text.append(f"over: {row.data['summary']}" if is_over else row.data["summary"], style="dim" if is_over else "")
    return text


async def follow_alerts(settings: "Settings", lines: int, form: str, *, is_followed: bool) -> None:
    """Prints the last alerts, and goes on with new ones; raises ViewsError."""
    seen: set[str] = set()
    async with alert_stores(settings) as (views, _, partitions):
        fired: list[int] = []
        while True:
            before, fired = fired, await _fired(views, partitions)
            if fired != before:
                rows = [one for one in await _rows(views, partitions) if one.data["id"] not in seen]
                for row in rows if seen else rows[len(rows) - lines :] if lines else []:
                    _show(row, form)
                seen.update(row.data["id"] for row in rows)
            if not is_followed:
                return
            await asyncio.sleep(POLL_SECONDS)


def _show(row: Row, form: str) -> None:
    if form == "json":
        sys.stdout.write(json.dumps({"time": row.time, "subject": row.subject, **row.data}) + "\n")
        sys.stdout.flush()
        return
    from services.cli.tables import console_for_output

    console_for_output().print(line_of(row), soft_wrap=True)


async def _fired(views: "Views", partitions: Sequence[int]) -> list[int]:
    """How many alerts each partition has ever fired."""
    found = [await views.read_fields(partition, "book", ["fired"]) for partition in partitions]
    return [int(count or 0) for (count,) in found]


async def _rows(views: "Views", partitions: Sequence[int]) -> list[Row]:
    """The alerts that are kept, the oldest first."""
    bodies = [body for partition in partitions for body in (await views.read(partition, "alerts")).values()]
    events = [json.loads(body) for body in bodies]
    rows = [Row(one["time"], "fired", one["data"], one["subject"]) for one in events]
    return sorted(rows, key=lambda row: (row.time[:19], row.time, row.data["id"]))


@asynccontextmanager
async def alert_stores(settings: "Settings") -> "AsyncIterator[tuple[Views, Views, Sequence[int]]]":
    """The views of the alerts and of requests about them, as the last service left them; and the partitions."""
    from services.compose import alerts_namespace, requests_namespace
    from services.views.redis import redis_views

    if settings.is_distributed:
        from services.audit.opening import ledger_read
        from services.distributed import alert_views_of, request_views_of

        async with ledger_read(settings) as (_, genesis):
            partitions = range(genesis.partitions)
        views, requests = alert_views_of(settings), request_views_of(settings)
        try:
            yield views, requests, partitions
        finally:
            await views.close()
            await requests.close()
        return
    from services.audit.opening import require_ledger
    from services.views.valkey import embedded_valkey

    require_ledger(settings.data)
    async with embedded_valkey(settings.data) as socket:
        views, requests = (
            redis_views(socket, namespace=namespace(settings)) for namespace in (alerts_namespace, requests_namespace)
        )
        try:
            yield views, requests, (0,)
        finally:
            await views.close()
            await requests.close()
