"""Unusual days: who looks again and again finds what a look at all days finds, whatever changed meanwhile."""

import random
from typing import Any

import pytest

from events.block import block_of
from services.alerts.firing.unusual import Past, days_of, unusual_days
from tests.model.days import Event, date_of, day_of
from tests.model.notation import changed, fact, line, retracted
from tests.services.alerts.desk import ONLY, desk_of, rule, stopped_clock
from tests.services.running import asynchronous

RULES = ONLY + "".join(
    [
        rule("churn", "unusual", mrr_at_least=1),
        rule("less", "unusual", mrr_at_least=1, movement='"contraction"', deviations=1),
        rule("grown", "unusual", mrr_at_least=1, movement='"expansion"', by='"segment"', deviations=1),
        rule("smb", "unusual", mrr_at_least=1, where='{ segment = "smb" }', deviations=1),
    ]
)
NAMES = "abcdefghijklmnopqrstuvwxyz"
FIRST = day_of("2024-01-01")


def signed() -> list[Event]:
    """Accounts of two segments."""
    return [
        fact("signed", f"{name}1", "2024-01-01", lines=[line(1_000 + 100 * place)], attributes={"segment": "smb"})
        for place, name in enumerate(NAMES)
    ]


def happened(day: int, dice: random.Random, before: list[Event]) -> list[Event]:
    """What is recorded on a day: on it, before it, agreed for later, or taken back."""
    found: list[Event] = []
    for name in dice.sample(NAMES, dice.randrange(3)):
        on = date_of(day - dice.choice((0, 0, 1, 5, 30))).isoformat()
        later = date_of(day + dice.choice((0, 0, 3))).isoformat()
        kind = dice.randrange(5)
        said: dict[str, Any] = {"effective_at": later}
        if kind < 2:
            found.append(fact("upgraded", f"{name}1", on, lines=[line(dice.randrange(500, 5_000))], **said))
        elif kind == 2:
            found.append(fact("cancelled", f"{name}1", on, **said))
        elif kind == 3 and before:
            found.append(retracted(dice.choice(before), on))
        else:
            found.append(changed(name, on, segment=dice.choice(("smb", "large", "other"))))
    return [{**one, "id": f"{one['id']} {day}"} for one in found]


@pytest.mark.parametrize("seed", range(2))
@asynchronous
async def test_what_changed_is_all_that_has_to_be_looked_at_again(seed: int) -> None:
    dice = random.Random(seed)
    told = 0
    with stopped_clock() as clock:
        desk = await desk_of(clock, RULES, *signed())
        asked = (desk.books.reports, desk.state.rulebook.rules, ["USD"])
        past = Past()
        before: list[Event] = []
        for day in range(FIRST + 100, FIRST + 140):
            events = happened(day, dice, before)
            if events:
                height = desk.books.projector.position.next_height
                await desk.books.book(events)
                async for stored in desk.books.ledger.read(0, height):
                    for moved in days_of(block_of(stored.data)):
                        past.changed(moved)
                before += events
            if dice.random() < 0.8:
                quick = await unusual_days(*asked, day, 0, past)
                assert quick == await unusual_days(*asked, day, 0)
                told += len(quick[0])
    assert told > 5, f"seed {seed} is too dull"
