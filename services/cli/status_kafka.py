"""`revledger status` of the distributed form: where every partition stands, and how far it lags."""

from typing import TYPE_CHECKING, Any

from services import shown
from services.cli.running import waiting
from services.cli.status import accounts_with_revenue, counts_text, labels_in, unmatched_text

if TYPE_CHECKING:
    from services.gateway.ports import Served
    from services.settings import Settings


async def state_of(settings: "Settings") -> dict[str, Any]:
    """The status in the shape of the JSON; with `views_error`, what Kafka alone tells. Raises LedgerError."""
    from urllib.parse import urlsplit

    from services.distributed import gateway
    from services.gateway.state import State
    from services.metrics import Metrics
    from services.views.port import ViewsError

    with waiting("reading the books"):
        async with gateway(settings) as served:
            try:
                found = (await State(served, Metrics()).status()).shown(served.policy)
                found["accounts"] = await accounts_with_revenue(served.reports)
                found["labels"] = labels_in((await served.reports.book()).counts())
                del found["waiting"]  # that is a matter of each gateway
            except ViewsError as error:
                found = {"views_error": str(error), **await _without_views(served)}
    redis = urlsplit(settings.redis)
    place = f"{redis.hostname}:{redis.port or 6379}" if redis.hostname else redis.path  # never its password
    return {"kafka": settings.kafka, "redis": place, "prefix": settings.prefix, **found}


async def _without_views(served: "Served") -> dict[str, Any]:
    """What Kafka alone tells: how far each partition is booked, and what is still to be."""
    tails = {partition: await served.ledger.tail(partition) for partition in served.partitions}
    unread = {} if served.unread is None else await served.unread(tails)
    heads = {str(partition): -1 if tail is None else tail.height for partition, tail in tails.items()}
    return {
        "policy": served.policy,
        "ledger": heads,
        "lag_events": sum(unread.values()),
        "partitions": {p: {"ledger": head, "lag_events": unread.get(int(p), 0)} for p, head in heads.items()},
        "entries": sum(tail.end_seq for tail in tails.values() if tail is not None),
        "dead_letters": await served.entrance.kept(),
    }


def print_state(state: dict[str, Any]) -> None:
    """The status for people."""
    letters = sum(state["dead_letters"].values())
    rows = [
        ("kafka", f"{state['kafka']}, topics {state['prefix']}.*"),
        ("redis", state["redis"] + (" (does not answer)" if "views_error" in state else "")),
        ("entries", f"{state['entries']:,}"),
        ("policy", state["policy"]),
        *([] if "views_error" in state else _rows_of_views(state)),
        ("dead letters", f"{letters:,} in {state['prefix']}.dead-letters" if letters else "none"),
    ]
    for name, text in rows:
        print(f"{name:<16}{text}")
    print()
    print(f"{'partition':<12}{'to book':>12}{'ledger':>12}{'views':>12}{'behind':>12}   for")
    for partition, lag in state["partitions"].items():
        numbers = [lag.get(name) for name in ("lag_events", "ledger", "views", "lag_blocks")]
        texts = [shown.NOTHING if number is None else f"{number:,}" for number in numbers]
        since = shown.age(lag["lag_seconds"]) if lag.get("lag_blocks") else shown.NOTHING
        print(f"{partition:<12}" + "".join(f"{text:>12}" for text in texts) + f"   {since}")
    print("\nto book: events of the input; ledger, views: last block; behind: blocks, and since when")


def _rows_of_views(state: dict[str, Any]) -> list[tuple[str, str]]:
    """What only the views know."""
    as_of = state["as_of"]
    return [
        ("newest event", as_of["newest_event"] or shown.NOTHING),
        ("last recorded", f"{shown.age(as_of['age_seconds'])} ago" if as_of["age_seconds"] is not None else "-"),
        ("accounts", counts_text(state["accounts"]) + " with revenue" if state["accounts"] else "none with revenue"),
        ("labels", ", ".join(state["labels"]) or "none"),
        ("postings", f"{state['postings']:,}"),
        ("unmatched", unmatched_text(state["unmatched"])),
    ]
