"""Streams of events to measure on: the same bytes on every machine."""

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from events import vocabulary as v
from events.account import Account, book
from events.bookkeeping import is_next
from events.envelope import event_of
from events.facts import fact_of, key_of
from events.policy import DEFAULT_RULES
from services.demo import demo_events


def demo_in_order(accounts: int) -> list[bytes]:
    """The made-up company's events that are in order: what comes late, twice or is taken back is left out."""
    raws = list(demo_events(accounts=accounts))
    events = [event_of(raw) for raw in raws]
    taken_back = [one for one in events if isinstance(one, v.EventRetracted)]
    left_out = {key_of(one.data.source, one.data.id) for one in taken_back}
    left_out |= {key_of(one.source, one.id) for one in taken_back}
    books: dict[str, Account] = {}
    kept: list[bytes] = []
    for raw, event in zip(raws, events, strict=True):
        key = key_of(event.source, event.id)
        account = books.setdefault(event.subject, Account(event.subject))
        fact = None if key in left_out else fact_of(event, len(kept), DEFAULT_RULES)
        late = fact is not None and fact.kind != "noted" and not is_next(account.frontier, fact)
        if key not in left_out and not late:
            left_out.add(key)
            book(account, event, len(kept), DEFAULT_RULES)
            kept.append(raw)
    return kept


def contracts(count: int) -> Iterator[bytes]:
    """Events of contracts alone: each is signed, grows twice and is cancelled, two months from one to the next."""
    quarter = count // 4
    for step in range(4):
        for number in range(quarter):
            yield json.dumps(_contract_event(step, number)).encode()


def _contract_event(step: int, number: int) -> dict[str, object]:
    day = f"2024-{1 + step * 2:02}-{1 + number % 28:02}"
    line = {"line_id": "seat", "plan": "pro", "amount_minor": 4900, "quantity": 5 + step}
    data: dict[str, object] = {"contract_id": f"c-{number}", "effective_at": day}
    if step == 0:
        labels = {"owner": "kim", "attributes": {"segment": "smb", "region": "emea"}}
        data |= {"currency": "USD", "lines": [line], **labels}
    elif step < 3:
        data |= {"lines": [line]}
    else:
        data |= {"reason": "price"}
    return {
        "specversion": "1.0",
        "id": f"evt-{number}-{step}",
        "source": "/billing/main",
        "type": f"revledger.contract.{('signed', 'upgraded', 'upgraded', 'cancelled')[step]}.v1",
        "subject": f"acct-{number}",
        "time": f"{day}T09:30:00Z",
        "datacontenttype": "application/json",
        "data": data,
    }


def write_demo(path: Path, events: int, *, skip: int = 0) -> None:
    """Writes so many of the made-up company's events to a file, one a line; a tenth and more are customers."""
    with path.open("wb") as file:
        for raw in islice(demo_events(accounts=130_000), skip, skip + events):
            file.write(raw + b"\n")
