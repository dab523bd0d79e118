"""`revledger status` of the distributed form: where every partition stands, and how far it lags."""

from typing import TYPE_CHECKING, Any

from services import shown
from services.cli.running import waiting
from services.cli.status import accounts_with_revenue, counts_text, unmatched_text

if TYPE_CHECKING:
    from services.settings import Settings


async def state_of(settings: "Settings") -> dict[str, Any]:
    """The status in the shape of the JSON; raises LedgerError, ViewsError."""
    from urllib.parse import urlsplit

    from services.distributed import gateway
    from services.gateway.state import State
    from services.metrics import Metrics

    with waiting("reading the books"):
        async with gateway(settings) as served:
            found = (await State(served, Metrics()).status()).shown(served.policy)
            found["accounts"] = await accounts_with_revenue(served.reports)
    del found["waiting"]  # that is a matter of each gateway
    redis = urlsplit(settings.redis)
    place = f"{redis.hostname}:{redis.port or 6379}" if redis.hostname else redis.path  # never its password
    return {"kafka": settings.kafka, "redis": place, "prefix": settings.prefix, **found}


def print_state(state: dict[str, Any]) -> None:
    """The status for people."""
    as_of = state["as_of"]
    letters = sum(state["dead_letters"].values())
    rows = [
        ("kafka", f"{state['kafka']}, topics {state['prefix']}.*"),
        ("redis", state["redis"]),
        ("entries", f"{state['entries']:,}"),
        ("newest event", as_of["newest_event"] or shown.NOTHING),
        ("last recorded", f"{shown.age(as_of['age_seconds'])} ago" if as_of["age_seconds"] is not None else "-"),
        ("policy", state["policy"]),
        ("accounts", counts_text(state["accounts"]) + " with revenue" if state["accounts"] else "none with revenue"),
        ("postings", f"{state['postings']:,}"),
        ("unmatched", unmatched_text(state["unmatched"])),
        ("dead letters", f"{letters:,} in {state['prefix']}.dead-letters" if letters else "none"),
    ]
    for name, text in rows:
        print(f"{name:<16}{text}")
    print()
    print(f"{'partition':<12}{'to book':>12}{'ledger':>12}{'views':>12}{'behind':>12}   for")
    for partition, lag in state["partitions"].items():
        numbers = (lag["lag_events"], lag["ledger"], lag["views"], lag["lag_blocks"])
        since = shown.age(lag["lag_seconds"]) if lag["lag_blocks"] else shown.NOTHING
        print(f"{partition:<12}" + "".join(f"{number:>12,}" for number in numbers) + f"   {since}")
    print("\nto book: events of the input; ledger, views: last block; behind: blocks, and since when")
