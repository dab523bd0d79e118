"""Notes: what events say besides money, whatever the order of retractions; and nothing of all other events."""

import json

from hypothesis import given
from hypothesis import strategies as st

from events.catalogue import EXAMPLES
from events.days import moment_of_text
from events.notes import NOTED_TYPES, Agreed, Answer, Cost, Gone, noted, noted_after, notes_in_force, notes_told
from events.policy import Policy
from services.policies import zone_of
from services.variables import time_zone
from tests.model.days import Event, day_of
from tests.model.notation import fact, line, retracted
from tests.services.books import raw_of


def answer(score: int, time: str, **said: object) -> Event:
    """An answer to the question whether one recommends."""
    event = fact("answered", "a", time)
    return event | {"type": "revledger.survey.answered.v1", "data": {"survey": "nps", "score": score, **said}}


SPENT = fact("spent", "a", "2024-01-31") | {
    "type": "revledger.cost.recorded.v1",
    "subject": "~book",
    "data": {
        "kind": "acquisition", "amount_minor": 900, "currency": "USD", "campaign": "spring",
        "from": "2024-01-01", "until": "2024-02-01",
    },
}


def notes_of(*events: Event, zone: str = "UTC") -> list[object]:
    """The notes in force after some events of an account."""
    every = [noted(raw_of(event), zone_of(Policy(zone=time_zone(zone)))) for event in events]
    return list(notes_in_force(noted_after(None, [one for one in every if one])))


def test_an_answer_a_cost_and_a_term() -> None:
    said = answer(9, "2024-01-31T20:00:00Z", respondent="r", tags=["price"])
    term = {"start": "2024-01-15", "end": "2026-01-15"}
    signed = fact("signed", "a1", "2024-01-02", effective_at="2024-01-10", lines=[line(1)], term=term)
    first, second, third = notes_of(said, SPENT, signed)
    assert isinstance(first, Answer)
    moment = moment_of_text("2024-01-31T20:00:00Z")
    assert first == Answer(first.key, day_of("2024-01-31"), moment, "nps", 9, 10, None, "r", ("price",))
    days = day_of("2024-01-01"), day_of("2024-02-01")
    assert isinstance(second, Cost)
    assert second == Cost(second.key, "acquisition", "USD", *days, 900, "spring", "", "")
    assert isinstance(third, Agreed)
    assert (third.contract, third.day) == ("a1", day_of("2024-01-10"))
    assert (third.start, third.end, third.auto_renew) == (day_of("2024-01-15"), day_of("2026-01-15"), True)


def test_a_day_is_that_of_the_zone() -> None:
    (said,) = notes_of(answer(9, "2024-01-31T20:00:00Z"), zone="Asia/Seoul")
    assert isinstance(said, Answer)
    assert said.day == day_of("2024-02-01")


def test_all_other_events_leave_no_note() -> None:
    for name, event in EXAMPLES.items():
        note = noted(json.dumps(event).encode(), None)
        kind = event["type"]
        assert kind in NOTED_TYPES or not note, name
    assert notes_of(fact("signed", "a1", "2024-01-02", lines=[line(1)]), fact("cancelled", "a1", "2024-01-03")) == []
    open_ended = fact("renewed", "a1", "2024-01-02", term={"start": "2024-01-02"})
    assert notes_of(open_ended) == []


@given(st.permutations(range(4)), st.lists(st.integers(0, 4), max_size=3))
def test_what_was_retracted_is_gone_in_any_order_and_any_batches(order: list[int], cuts: list[int]) -> None:
    kept, taken_back = answer(9, "2024-01-05"), answer(1, "2024-01-06")
    events = [kept, taken_back, retracted(taken_back, "2024-01-07"), SPENT]
    notes = [noted(raw_of(events[index]), None) for index in order]
    data = None
    for start, end in zip([0, *sorted(cuts)], [*sorted(cuts), 4], strict=True):
        data = noted_after(data, notes[start:end])
    assert data == noted_after(None, notes)
    left = notes_in_force(data)
    assert {type(one) for one in left} == {Answer, Cost}
    assert [one.score for one in left if isinstance(one, Answer)] == [9]
    assert notes_told([("a", note) for note in (b"", *notes)]) == {"a": left}
    assert not any(isinstance(one, Gone) for one in left)
