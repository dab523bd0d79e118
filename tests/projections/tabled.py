"""A small history, and the rows that tables make of it."""

from typing import Any

from events.notes import noted, noted_after, notes_in_force
from projections.columns import Asked, Told
from projections.periods import Every
from projections.tables import LISTS
from tests.model.days import Event, day_of
from tests.model.notation import fact, line
from tests.projections.folding import bookings_of, projected
from tests.services.books import raw_of


def answered(account: str, time: str, score: int, survey: str = "nps", **said: object) -> Event:
    """An answer of an account."""
    event = fact("answered", account, f"{time}T12:00:00Z", survey=survey, score=score, **said)
    data = {name: value for name, value in event["data"].items() if name != "contract_id"}
    return event | {"type": "revledger.survey.answered.v1", "id": f"{time}{account}{survey}", "data": data}


HISTORY = [
    fact("signed", "a1", "2023-01-10", lines=[line(500)], term={"end": "2024-01-10"}),
    fact("signed", "b1", "2023-02-10", lines=[line(300)]),
    fact("signed", "c1", "2023-02-20", lines=[line(100)], term={"end": "2024-06-01", "auto_renew": False}),
    fact("signed", "d1", "2024-03-05", lines=[line(100)], term={"end": "2024-07-05"}),
    fact("upgraded", "b1", "2024-02-01", lines=[line(400)]),
    fact("cancelled", "a1", "2024-04-15"),
    answered("b", "2024-04-01", 3, tags=["price", "bugs"]),
    answered("b", "2024-01-01", 10, tags=["old"]),
    answered("c", "2024-04-02", 9),
    answered("c", "2024-04-03", 4, "csat"),
]


def table(name: str, day: str, *history: Event, every: Every = "month") -> list[dict[str, Any]]:
    """The rows of a table as a day begins, or of all that was before it."""
    events = history or HISTORY
    views = projected([bookings_of(events)])
    notes: dict[str, bytes] = {}
    for event in events:
        if note := noted(raw_of(event), None):
            notes[event["subject"]] = noted_after(notes.get(event["subject"]), [note])
    told: list[Told] = [
        (account, list(views.record(account).items()), notes_in_force(notes.get(account, noted_after(None, []))))
        for account in views.records
    ]
    return LISTS[name].rows(told, Asked("USD", day_of(day), 0, every))


def columns(rows: list[dict[str, Any]], *names: str) -> list[tuple[Any, ...]]:
    """Some columns of rows."""
    return [tuple(row[name] for name in names) for row in rows]
