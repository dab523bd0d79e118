"""Wording: no event of the vocabulary is without words, and the words say what a change was."""

import re
from typing import Any

import pytest

from events.catalogue import EXAMPLES
from events.days import day_of_text
from events.envelope import event_of
from events.movements import BRIDGE_MOVEMENTS
from events.vocabulary import EVENT_TYPES, OWN_TYPES
from services.audit.wording import WORDS, effects_words, name_of, recorded_words, sentence_of
from tests.model.notation import changed, fact, line, retracted
from tests.services.books import raw_of

CANCELLED = fact("cancelled", "a1", "2024-03-10", reason="too_expensive", initiative="involuntary")


def said(event: dict[str, Any]) -> str:
    """The sentence of an event."""
    return sentence_of(event_of(raw_of(event)), None)


def test_no_type_is_missing() -> None:
    assert set(WORDS) == {*EVENT_TYPES.values(), *OWN_TYPES.values()}


@pytest.mark.parametrize("example", EXAMPLES.values(), ids=EXAMPLES)
def test_every_example_is_told_on_one_line(example: dict[str, Any]) -> None:
    event = event_of(raw_of(example))
    for words in (sentence_of(event, None), name_of(event, None)):
        assert re.search(r"\b20\d\d-\d\d-\d\d\b|retracted", words)
        assert words.isprintable()
        assert "None" not in words


@pytest.mark.parametrize(
    ("event", "sentence"),
    [
        (fact("signed", "a1", "2024-01-05", lines=[line(1000)]), "a1 was signed as of 2024-01-05"),
        (
            fact(
                *("signed", "a1", "2024-01-05"),
                lines=[line(1000)],
                effective_at="2024-02-01",
                trial_end="2024-02-15",
                term={"end": "2025-02-01", "auto_renew": False},
            ),
            (
                "a1 was signed as of 2024-02-01 (for a term that ends 2025-02-01, on trial until 2024-02-15),"
                " agreed on 2024-01-05"
            ),
        ),
        (fact("upgraded", "a1", "2024-03-10", lines=[line(1000)]), "a1 was upgraded as of 2024-03-10"),
        (
            fact("downgraded", "a1", "2024-03-10", lines=[line(1000)], effective_at="2024-02-01"),
            "a1 was downgraded as of 2024-02-01",
        ),
        (fact("renewed", "a1", "2024-03-10"), "a1 was renewed as of 2024-03-10"),
        (CANCELLED, "a1 was cancelled as of 2024-03-10 (reason too_expensive, involuntary)"),
        (
            fact("cancelled", "a1", "2024-03-10", effective_at="2024-06-01"),
            "a1 was cancelled as of 2024-06-01, by notice on 2024-03-10",
        ),
        (fact("paused", "a1", "2024-03-10"), "a1 was paused as of 2024-03-10"),
        (fact("resumed", "a1", "2024-03-10"), "a1 went on after its pause as of 2024-03-10"),
        (
            changed("a", "2024-03-10", segment="smb", vip=True, region=None, note=""),
            "account a: segment became smb, vip became true, region was removed, note became empty as of 2024-03-10",
        ),
    ],
)
def test_a_sentence_says_what_happened_and_as_of_when(event: dict[str, Any], sentence: str) -> None:
    assert said(event) == sentence


def test_a_retraction_names_what_it_takes_back() -> None:
    retraction = event_of(raw_of(retracted(CANCELLED, "2024-05-01")))
    target = event_of(raw_of(CANCELLED))
    assert sentence_of(retraction, None, target) == (
        "the cancellation of a1 as of 2024-03-10 (event cancelled a1 2024-03-10 of /examples) was retracted"
        " (reason wrong)"
    )
    assert sentence_of(retraction, None).endswith("was retracted (reason wrong), which has not arrived")


def test_what_others_wrote_stays_on_its_line() -> None:
    words = said(fact("cancelled", "a1", "2024-03-10", reason="no\x1b[2J\nmore" + "!" * 240))
    assert words.isprintable()
    assert len(words) < 300


@pytest.mark.parametrize(
    ("recorded", "words"),
    [
        ("2024-03-10", "recorded 2024-03-10, in block 3"),
        ("2024-03-11", "recorded 2024-03-11, 1 day later, in block 3"),
        ("2027-03-10", "recorded 2027-03-10, 1,095 days later, in block 3"),
        ("2024-03-01", "recorded 2024-03-01, 9 days ahead, in block 3"),
    ],
)
def test_how_late_it_was_is_said(recorded: str, words: str) -> None:
    assert recorded_words(day_of_text("2024-03-10"), day_of_text(recorded), "block 3") == words


def test_an_effect_says_more_or_less_of_what() -> None:
    month = 120_000
    changes = {"opening": -1, "new": 5, "expansion": -2, "churn": -588_00, "contraction": 3, "transfer": -4}
    assert effects_words({name: amount * month for name, amount in changes.items()}, "USD") == (
        "opening MRR lower by 0.01, new revenue of 0.05, 0.02 less expansion, churn of 588.00, 0.03 less contraction,"
        " transfer out of 0.04"
    )
    assert effects_words({"new": 1}, "USD") == "new revenue of less than 0.01"
    assert all(effects_words({movement: month}, "KRW") for movement in BRIDGE_MOVEMENTS)
