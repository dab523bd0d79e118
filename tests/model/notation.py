"""A short notation for examples: events by their kind, bridges as MRR without what is zero."""

from typing import Any

from tests.model import figures
from tests.model.days import Event, day_of


def fact(kind: str, contract: str, time: str, **said: Any) -> Event:
    """A contract event of the account named by the contract's first letter, in dollars unless said."""
    if kind == "signed":
        said = {"currency": "USD"} | said
    return {
        "source": "/examples",
        "id": f"{kind} {contract} {time}",
        "type": f"revledger.contract.{kind}.v1",
        "subject": contract[0],
        "time": time if "T" in time else f"{time}T00:00:00Z",
        "data": {"contract_id": contract, **said},
    }


def line(amount_minor: int, interval: str = "month", plan: str = "plan", **said: Any) -> dict[str, Any]:
    """One line, `l1` unless said otherwise."""
    return {"line_id": "l1", "plan": plan, "amount_minor": amount_minor, "interval": interval} | said


def changed(account: str, time: str, **attributes: Any) -> Event:
    """New attributes of an account."""
    event = fact("changed", account, time)
    return event | {"type": "revledger.account.changed.v1", "data": {"attributes": attributes}}


def retracted(target: Event, time: str) -> Event:
    """The retraction of an event."""
    event = fact(
        "retracted", target["subject"], time, source=target["source"], id=target["id"], reason="wrong"
    )
    said = {name: value for name, value in event["data"].items() if name != "contract_id"}
    return event | {"type": "revledger.event.retracted.v1", "subject": target["subject"], "data": said}


def moved(
    events: list[Event], start: str, until: str, currency: str = "USD", **by: str
) -> list[dict[str, Any]]:
    """A bridge by month as MRR in minor units, without what is zero."""
    rows = figures.bridge(events, day_of(start), day_of(until), "month", currency, **by)
    shown = [{name: figures.mrr_minor(amount) for name, amount in row.amounts.items()} for row in rows]
    return [
        {name: amount for name, amount in cells.items() if amount} | ({"group": row.group} if by else {})
        for row, cells in zip(rows, shown, strict=True)
    ]
