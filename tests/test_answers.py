"""Answers held against a journal, its expectations rewritten, and the questions its runner asks."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.journals import runner
from tests.journals.answers import disagreements, updated
from tests.journals.expectation_lines import Expectation
from tests.journals.notation import Journal, journal_of_text


def journal(text: str) -> Journal:
    return journal_of_text(Path("case.journal"), text)


def answered(case: Journal, *values: Any) -> list[Expectation]:
    """The journal's own expectations with other values: figures and rows as the books might answer them."""
    answers: list[Any] = []
    for expected, value in zip(case.expectations, values, strict=True):
        key = {"figure": "value", "bridge": "rows", "loaded": "counts"}[expected["report"]]
        answers.append({**expected, key: value})
    return answers


BRIDGE = """\
; a comment that stays
bridge 2024-01-01 .. 2024-03-01 every month in USD by plan
    period   plan   opening   new  closing
    2024-01  basic        0  1000     1000   ; because
    2024-02  basic     1000     0     1000

figure nrr 2024-01-01 .. 2024-02-01 in USD = 1.04   ; exact
figure grr 2024-01-01 .. 2024-02-01 in USD = 0.333333
loaded accepted 2
"""


def bridge_rows(**changes: int) -> list[dict[str, Any]]:
    """The rows BRIDGE expects, with changes to the second."""
    (bridge, *_) = journal(BRIDGE).expectations
    assert bridge["report"] == "bridge"
    first, second = bridge["rows"]
    return [{**first}, {**second, "mrr_minor": {**second["mrr_minor"], **changes}}]


def test_answers_agree_up_to_the_digits_of_a_ratio() -> None:
    case = journal(BRIDGE)
    assert (
        disagreements(case, answered(case, bridge_rows(), "1.0400000000", "0.33333333", {"accepted": 2}))
        == []
    )


def test_every_number_that_differs_is_named() -> None:
    case = journal(BRIDGE)
    answers = answered(case, bridge_rows(churn=-10, closing=990), "1.0400001", None, {"accepted": 1})
    assert disagreements(case, answers) == [
        "line 2: bridge 2024-02 basic churn: expected 0, got -10",
        "line 2: bridge 2024-02 basic closing: expected 1000, got 990",
        "line 7: figure nrr: expected 1.04, got 1.0400001",
        "line 8: figure grr: expected 0.333333, got None",
        "line 9: loaded accepted: expected 2, got 1",
    ]


def test_rows_and_groups_that_are_missing_or_too_many_are_named() -> None:
    case = journal(BRIDGE.partition("figure")[0])
    january, _ = bridge_rows()
    other = {**january, "group": {"plan": None}, "mrr_minor": {"opening": 0, "new": 5, "closing": 5}}
    empty = {**january, "group": {"plan": "free"}, "mrr_minor": {"opening": 0, "closing": 0}}
    assert disagreements(case, answered(case, [january, other, empty])) == [
        "line 2: bridge 2024-01 - new: expected 0, got 5",
        "line 2: bridge 2024-01 - closing: expected 0, got 5",
        "line 2: bridge 2024-02 basic: expected a group that is not in the answer",
    ]


def test_a_bridge_in_total_has_a_row_for_every_period() -> None:
    case = journal("bridge 2024-01-01 .. 2024-03-01 every month in USD\n  period closing\n  2024-01 0\n")
    january = {"from": "2024-01-01", "until": "2024-02-01", "mrr_minor": {"closing": 0}}
    february = {"from": "2024-02-01", "until": "2024-03-01", "mrr_minor": {"closing": 0}}
    assert disagreements(case, answered(case, [january, february])) == [
        "line 1: bridge 2024-02: the answer has a row that the journal has not"
    ]
    assert disagreements(case, answered(case, [january])) == [
        "line 1: bridge 2024-02: expected a row, there is none"
    ]


def test_an_update_rewrites_what_does_not_hold_and_keeps_the_rest() -> None:
    case = journal(BRIDGE)
    answers = answered(case, bridge_rows(churn=-10, closing=990), "1.05", "0.3333333", {"accepted": 3})
    assert (
        updated(case, answers)
        == """\
; a comment that stays
bridge 2024-01-01 .. 2024-03-01 every month in USD by plan
    period   plan   opening   new  churn  closing
    2024-01  basic        0  1000      0     1000  ; because
    2024-02  basic     1000     0    -10      990

figure nrr 2024-01-01 .. 2024-02-01 in USD = 1.05  ; exact
figure grr 2024-01-01 .. 2024-02-01 in USD = 0.333333
loaded accepted 3
"""
    )


def test_an_update_fills_in_what_nobody_has_worked_out_yet() -> None:
    case = journal(
        "bridge 2024-01-01 .. 2024-02-01 every month in USD\nfigure nrr at 2024-01-01 in USD = ?\n"
    )
    row = {"from": "2024-01-01", "until": "2024-02-01", "mrr_minor": {"opening": 0, "new": 7, "closing": 7}}
    assert (
        updated(case, answered(case, [row], None))
        == """\
bridge 2024-01-01 .. 2024-02-01 every month in USD
    period   opening  new  closing
    2024-01        0    7        7
figure nrr at 2024-01-01 in USD = null
"""
    )


ASKED = """\
2024-01-05 a signs a-1 USD recorded 2024-01-05
    l1  plan  1000/month
bridge 2024-01-01 .. 2024-02-01 every month in USD by plan where account=a known-at 2024-02-01
    period   plan  opening   new  closing
    2024-01  plan        0  1000     1000
figure nrr 2024-01-01 .. 2024-02-01 in USD = null
figure mrr_minor at 2024-02-01 in USD where account=a plan=plan known-at 2024-02-01 = 1000
figure grr 2024-01-01 .. 2024-02-01 in USD = null
loaded accepted 1
"""


def test_the_runner_asks_live_books_and_replay_and_each_window_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def revledger(arguments: Sequence[str]) -> dict[str, Any]:
        asked.append(" ".join(arguments).replace(str(tmp_path), "DIR"))
        if arguments[0] == "load":
            return {"accepted": 1, "duplicates": 0, "refused": 0, "unmatched": 0, "position": {"0": 1}}
        if "figures" in arguments or "--figures" in arguments:
            return {"rows": [{"figures": {"nrr": None, "grr": None, "mrr_minor": 1000}}]}
        exact = {"opening": 0, "new": 120_000_000, "churn": 0, "closing": 120_000_000}
        minor = {"opening": 0, "new": 1000, "churn": 0, "closing": 1000}
        window = {"from": "2024-01-01", "until": "2024-02-01", "group": {"plan": "plan"}}
        return {"rows": [{**window, "mrr_minor": minor, "annual_e4": exact}]}

    monkeypatch.setattr(runner, "_revledger", revledger)
    case = journal(ASKED)
    assert disagreements(case, runner.run(case.events, case.expectations, tmp_path)) == []
    window = "--from 2024-01-01 --until 2024-02-01"
    rates = f"{window} --currency USD"
    known = "--known-at 2024-02-01T00:00:00Z"
    level = f"--at 2024-02-01 --currency USD --where account=a --where plan=plan {known}"
    monthly = f"{window} --every month --currency USD --where account=a --by plan {known}"
    books = "--data DIR/ledger --format json"
    assert asked == [
        "load DIR/events.jsonl --data DIR/ledger --as-recorded",
        f"report figures nrr grr {rates} {books}",
        f"replay --figures nrr,grr {rates} {books}",
        f"report figures mrr_minor {level} {books}",
        f"replay --figures mrr_minor {level} {books}",
        f"report bridge {monthly} {books}",
        f"replay {monthly} {books}",
    ]
    (line,) = (tmp_path / "events.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(line) == case.events[0]


def test_a_bridge_that_does_not_add_up_is_an_error_whatever_is_expected() -> None:
    with pytest.raises(AssertionError, match="does not add up"):
        runner._check_sum({"opening": 1, "new": 2, "closing": 4})
