"""Silences: when an alert goes that fires at some time, and what is wrong in a file."""

from zoneinfo import ZoneInfo

import pytest

from services.alerts.rules.rulebook import RulebookError, rulebook_of_toml
from services.alerts.rules.silences import silent_until
from tests.model.days import moment
from tests.model.notation import fact
from tests.services.alerts.desk import ONLY, desk_of, rule, stopped_clock, two_accounts
from tests.services.running import asynchronous

RULES = ONLY + rule("gone", "churn") + rule("stalled", "input_stalled", after='"1h"')
NIGHT = '[[silence]]\nname = "night"\nhours = "22:00-07:00"\n'
WEEKEND = '[[silence]]\nname = "weekend"\ndays = ["sat", "sun"]\n'
MOVE = '[[silence]]\nname = "move"\nfrom = 2024-06-05T10:00:00Z\nuntil = "2024-06-05T12:00:00Z"\n'
FRIDAYS = '[[silence]]\nname = "fridays"\nhours = "22:00-07:00"\ndays = ["fri"]\nrules = ["stalled"]\n'


@pytest.mark.parametrize(
    ("silences", "name", "at", "due"),
    [
        (NIGHT, "gone", "2024-06-04T21:59:59Z", "2024-06-04T21:59:59Z"),
        (NIGHT, "gone", "2024-06-04T22:00:00Z", "2024-06-05T07:00:00Z"),
        (NIGHT, "gone", "2024-06-05T06:59:59Z", "2024-06-05T07:00:00Z"),
        (NIGHT, "gone", "2024-06-05T07:00:00Z", "2024-06-05T07:00:00Z"),
        (NIGHT, "stalled", "2024-06-04T23:00:00Z", "2024-06-04T23:00:00Z"),
        (WEEKEND, "gone", "2024-06-08T12:00:00Z", "2024-06-10T00:00:00Z"),
        (WEEKEND + NIGHT, "gone", "2024-06-08T12:00:00Z", "2024-06-10T07:00:00Z"),
        (MOVE, "gone", "2024-06-05T11:00:00Z", "2024-06-05T12:00:00Z"),
        (MOVE, "gone", "2024-06-05T12:00:00Z", "2024-06-05T12:00:00Z"),
        (FRIDAYS, "stalled", "2024-06-08T03:00:00Z", "2024-06-08T07:00:00Z"),
        (FRIDAYS, "stalled", "2024-06-07T03:00:00Z", "2024-06-07T03:00:00Z"),
        (FRIDAYS, "gone", "2024-06-08T03:00:00Z", "2024-06-08T03:00:00Z"),
    ],
)
def test_when_alerts_go(silences: str, name: str, at: str, due: str) -> None:
    book = rulebook_of_toml(RULES + silences)
    (found,) = [one for one in book.rules if one.name == name]
    assert silent_until(book.silences, found, moment(at), None) == moment(due)


def test_hours_are_those_of_the_reporting_zone() -> None:
    book = rulebook_of_toml(RULES + NIGHT)
    due = silent_until(book.silences, book.rules[0], moment("2024-06-04T21:00:00Z"), ZoneInfo("Europe/Berlin"))
    assert due == moment("2024-06-05T05:00:00Z")


@asynchronous
async def test_what_fires_in_a_silence_waits_for_its_end() -> None:
    with stopped_clock() as clock:
        desk = await desk_of(clock, RULES + NIGHT, *two_accounts())
        await desk.book(fact("cancelled", "a1", "2024-06-01"), at="2024-06-01T23:00:00Z")
        assert [one.due for one in desk.alerter.outbox.of_sink("log")] == [moment("2024-06-02T07:00:00Z")]


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        (NIGHT.replace("22:00", "22.00"), 'line 11: silence \'night\': hours = .* such as "22:00-07:00"'),
        (NIGHT.replace("07:00", "22:00"), "two different times"),
        (WEEKEND.replace("sat", "saturday"), "write days such as mon, tue"),
        (MOVE.replace("12:00:00Z", "09:00:00Z"), "ends before it begins"),
        (FRIDAYS.replace("stalled", "staled"), "there is no rule 'staled': did you mean stalled"),
        ('[[silence]]\nname = "x"\n', "it would last for ever"),
        (MOVE.replace('"2024-06-05T12:00:00Z"', "2024-06-05"), "an RFC 3339 time"),
    ],
)
def test_what_is_wrong_is_said(text: str, wrong: str) -> None:
    with pytest.raises(RulebookError, match=wrong):
        rulebook_of_toml(RULES + text)
