"""Free text: found by its type, taken out without a trace but a hash that nobody can guess at, and known again."""

import json
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events.account import Account, Duplicate, book, content_of
from events.envelope import event_of
from events.freetext import FREE_FIELDS, MARK, has_nonce, is_mark, mark_of, texts_of, with_nonce, without_text
from events.policy import Policy, Rules
from events.refusals import Refused
from events.vocabulary import ContractCancelled, SurveyAnswered
from tests.effort import examples

NONCE = "ab" * 16
OWN_NONCE = "o" * 32
OWN: list[dict[str, Any]] = [{"textnonce": OWN_NONCE}, {"textnonce": "short"}, {"textnonce": 7}]
RULES = Rules(Policy())
TEXTS = st.text(max_size=30).filter(lambda text: not is_mark(text))


def survey(comment: str | None = None, **more: Any) -> dict[str, Any]:
    data = {"survey": "nps", "score": 3} | ({} if comment is None else {"comment": comment})
    head = {"specversion": "1.0", "id": "s1", "source": "/s", "subject": "acme", "time": "2024-01-05T12:00:00Z"}
    return {**head, "type": "revledger.survey.answered.v1", "data": data, **more}


def raw_of(document: dict[str, Any], *, is_ascii: bool = True) -> bytes:
    return json.dumps(document, ensure_ascii=is_ascii).encode()


def test_free_text_is_what_the_vocabulary_types_as_such() -> None:
    assert {ContractCancelled: ("reason_text",), SurveyAnswered: ("comment",)} == FREE_FIELDS


@settings(max_examples=examples(60))
@given(TEXTS, st.booleans(), st.sampled_from([{}, *OWN, {"x": 1.50}]))
def test_what_is_taken_out_is_the_text_and_nothing_else(text: str, is_ascii: bool, more: dict[str, Any]) -> None:
    document = survey(text, **more)
    raw = raw_of(document, is_ascii=is_ascii)
    event = event_of(raw)
    assert texts_of(event) == {"comment": text}
    short = without_text(raw, event, NONCE)
    mark = mark_of(text, OWN_NONCE if more == OWN[0] else NONCE)
    document.pop("textnonce", None)
    document["data"]["comment"] = mark
    assert json.loads(short) == document
    assert texts_of(event_of(short)) == {}
    assert without_text(short, event_of(short), NONCE) == short


def test_a_mark_is_a_hash_of_nonce_and_text() -> None:
    assert mark_of("é", NONCE) == MARK + sha256(NONCE.encode() + "é".encode()).hexdigest()


@given(TEXTS)
def test_a_nonce_changes_nothing_that_an_event_says(text: str) -> None:
    raw = raw_of(survey(text)) + b" \n"
    salted = with_nonce(raw, NONCE)
    assert json.loads(salted) == {**survey(text), "textnonce": NONCE}
    assert event_of(salted) == event_of(raw)
    assert with_nonce(salted, "other") == salted
    assert (has_nonce(salted), has_nonce(raw)) == (True, False)


@pytest.mark.parametrize(("more", "kept"), [*zip(OWN, (OWN_NONCE, NONCE, NONCE), strict=True)])
def test_only_a_nonce_that_nobody_guesses_is_one(more: dict[str, Any], kept: str) -> None:
    raw = raw_of(survey("x", **more))
    assert json.loads(with_nonce(raw, NONCE)) == survey("x", textnonce=kept)
    assert not has_nonce(raw_of(survey("x", other="textnonce")))


def booked_twice(first: bytes, second: bytes) -> bool:
    """Whether the second is a duplicate of the first; else it is refused."""
    account = Account("acme")
    book(account, event_of(first), 1, RULES)
    try:
        return book(account, event_of(second), 2, RULES) == Duplicate(1)
    except Refused as refused:
        return refused.code != "id_conflict"


@pytest.mark.parametrize(
    ("first", "second", "is_duplicate"),
    [
        *[("a", "a", True), ("a", "b", False), ("a", None, False)],
        *[(None, "a", False), (None, None, True), ("", None, False)],
    ],
)
def test_other_text_is_other_content_as_long_as_both_are_known(
    first: str | None, second: str | None, is_duplicate: bool
) -> None:
    one, two = raw_of(survey(first)), raw_of(survey(second))
    assert booked_twice(one, two) is is_duplicate
    taken = without_text(one, event_of(one), NONCE)
    if first is not None:
        assert booked_twice(taken, two)
        assert booked_twice(two, taken)
    other = raw_of(survey(second) | {"time": "2024-01-06T12:00:00Z"})
    assert not booked_twice(taken, other)


def test_events_without_free_text_have_no_second_digest() -> None:
    signed = survey() | {"type": "revledger.contract.paused.v1", "data": {"contract_id": "c"}}
    assert content_of(event_of(raw_of(signed)))[1] == b""
