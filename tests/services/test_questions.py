"""Questions: good ones are worked out, bad ones name the parameter and what to write instead."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.money import MINOR_DIGITS
from services.questions import (
    PARAMETERS,
    Moment,
    Question,
    QuestionError,
    bounds_for,
    nearest,
    question_of,
    window_of,
)
from tests.model.days import day_of, moment
from tests.model.figures import periods

WRONG: list[tuple[dict[str, list[str]], str, str]] = [
    ({"form": ["2024-01-01"]}, "form", "did you mean from"),
    ({"from": ["2024-01-01"], "until": ["2024-01-01"]}, "until", "the window is empty"),
    ({"from": ["2024-02-01"], "until": ["2024-01-01"]}, "until", "has to be later"),
    ({"at": ["2024-01-01"], "from": ["2024-01-01"]}, "at", "either for a day"),
    ({"on": ["2024-01-01"], "until": ["2024-01-01"]}, "at", "either for a day"),
    ({"at": ["2024-01-01"], "on": ["2024-01-01"]}, "on", "give one of them"),
    ({"at": ["2024-02-30"]}, "at", "a day that exists"),
    ({"at": ["2023-02-29"]}, "at", "a day that exists"),
    ({"from": ["yesterday"]}, "from", "YYYY-MM-DD"),
    ({"until": ["9999-12-31"]}, "until", "is not a day"),
    ({"until": ["0001-01-01"]}, "until", "is not a day"),
    ({"at": ["0000-01-01"]}, "at", "is not a day"),
    ({"at": ["2024-1-1"]}, "at", "is not a day"),
    ({"every": ["week"]}, "every", "choose one of"),
    ({"every": ["moth"]}, "every", "did you mean month"),
    ({"currency": ["usd"]}, "currency", "did you mean USD"),
    ({"currency": ["ABC"]}, "currency", "not an ISO 4217"),
    ({"figures": ["mrr"]}, "figures", "did you mean mrr_minor"),
    ({"figures": ["nrr,ggrr"]}, "figures", "did you mean"),
    ({"where": ["plan"]}, "where", "not NAME=VALUE"),
    ({"where": ["=pro"]}, "where", "not NAME=VALUE"),
    ({"convert": ["closng"]}, "convert", "did you mean closing"),
    ({"known_at": ["now"]}, "known_at", "neither a time"),
    ({"known_at": ["2024-01-01"]}, "known_at", "neither a time"),
    ({"known_at": ["2024-01-01T00:00:00"]}, "known_at", "neither a time"),
    ({"known_at": ["0:-1"]}, "known_at", "neither a time"),
    ({"known_at": ["0:" + "9" * 5_000]}, "known_at", "neither a time"),
    ({"by": ["plan", "owner"]}, "by", "give it once"),
    ({"known-at": ["0:1", "0:2"]}, "known_at", "give it once"),
]


@pytest.mark.parametrize(("asked", "parameter", "sentence"), WRONG)
def test_bad_questions_name_their_parameter(asked: dict[str, list[str]], parameter: str, sentence: str) -> None:
    with pytest.raises(QuestionError, match=sentence) as error:
        question_of(asked)
    assert error.value.parameter == parameter
    assert error.value.message


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, {}),
        ({"from": [""], "by": []}, {}),
        ({"at": ["2024-02-29"]}, {"at": day_of("2024-02-29")}),
        ({"on": ["2024-02-29"]}, {"at": day_of("2024-03-01")}),
        (
            {"where": ["plan=pro", "tier=a=b", "segment="]},
            {"where": (("plan", "pro"), ("tier", "a=b"), ("segment", ""))},
        ),
        ({"figures": ["nrr,grr", "accounts"]}, {"figures": ("nrr", "grr", "accounts")}),
        ({"convert": ["constant"]}, {"convert": "constant"}),
        ({"known-at": ["0:41"]}, {"known_at": Moment("0:41", None, ((0, 41),))}),
        ({"known_at": ["0:1,1:2"]}, {"known_at": Moment("0:1,1:2", None, ((0, 1), (1, 2)))}),
        (
            {"known_at": ["2024-01-31T09:30:00+09:00"]},
            {"known_at": Moment("2024-01-31T09:30:00+09:00", moment("2024-01-31T00:30:00Z"))},
        ),
    ],
)
def test_good_questions_are_worked_out(asked: dict[str, list[str]], expected: dict[str, Any]) -> None:
    assert question_of(asked) == Question(**expected)


NEWEST = day_of("2024-03-05")


@pytest.mark.parametrize(
    ("asked", "start", "until"),
    [
        ({}, "2023-04-01", "2024-04-01"),
        ({"from": ["2024-02-10"]}, "2024-02-10", "2024-04-01"),
        ({"from": ["2025-02-10"]}, "2025-02-10", "2025-03-01"),
        ({"until": ["2024-02-10"]}, "2023-03-01", "2024-02-10"),
        ({"until": ["2024-02-01"]}, "2023-02-01", "2024-02-01"),
    ],
)
def test_what_is_left_out_is_twelve_months(asked: dict[str, list[str]], start: str, until: str) -> None:
    assert window_of(question_of(asked), NEWEST) == (day_of(start), day_of(until))


@given(st.integers(-30_000, 30_000), st.integers(1, 2_000), st.sampled_from(("day", "month", "quarter", "year")))
def test_periods_are_those_of_the_calendar(start: int, days: int, every: str) -> None:
    """As the model cuts them."""
    bounds = bounds_for(question_of({"every": [every]}), start, start + days)
    assert list(pairwise(bounds)) == periods(start, start + days, every)


@given(st.dictionaries(st.sampled_from(PARAMETERS), st.lists(st.text(max_size=30), max_size=2)))
def test_any_text_is_a_question_or_an_error_of_ours(asked: dict[str, list[str]]) -> None:
    named: list[str] = []
    try:
        question_of(asked)
    except QuestionError as error:
        named.append(error.parameter)
    assert set(named) <= set(PARAMETERS)


def test_the_nearest_names_are_told() -> None:
    """Those that begin alike first; all where they are few, else some and what lists them."""
    accounts = [f"acct-{number:06}" for number in range(10_000)]
    assert nearest("acct-00042", accounts) == ": did you mean acct-000420 or acct-000421?"
    assert nearest("mrr", ["grr", "nrr", "mrr_minor"]) == ": did you mean mrr_minor or grr?"
    assert nearest("SMB", ["enterprise", "smb"]) == ": did you mean smb?"
    assert nearest("x", ["monthly", "yearly"]) == ": choose one of monthly, yearly"
    told = f": choose one of {len(MINOR_DIGITS)}, such as AED, AFN, QAR; ISO 4217 lists them"
    assert nearest("qq", MINOR_DIGITS, "ISO 4217 lists them") == told
    assert nearest("x", []) == ""
