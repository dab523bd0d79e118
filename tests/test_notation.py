"""The notation of the journals: what each line means, and what is refused with its place."""

from pathlib import Path
from typing import Any

import pytest

from tests.journals.expectation_lines import Bridge, Expectation
from tests.journals.lexing import JournalError
from tests.journals.notation import Journal, journal_of_text, journal_read

PATH = Path("case.journal")
JOURNALS = sorted((Path(__file__).parent / "journals").glob("*.journal"))


def journal(text: str) -> Journal:
    return journal_of_text(PATH, text)


def event(text: str) -> dict[str, Any]:
    (found,) = journal(text).events
    return found


def data(text: str) -> dict[str, Any]:
    found: dict[str, Any] = event(text)["data"]
    return found


def only(text: str) -> Expectation:
    (found,) = journal(text).expectations
    return found


def test_an_event_is_a_cloudevent_named_after_its_journal_and_place() -> None:
    case = journal("2024-01-05 a pauses a-1\n2024-01-06T10:00:00+09:00 b resumes b-1 effective 2024-02-01\n")
    assert case.events == (
        {
            "specversion": "1.0",
            "id": "case-001",
            "source": "/journals",
            "type": "revledger.contract.paused.v1",
            "subject": "a",
            "time": "2024-01-05T00:00:00Z",
            "datacontenttype": "application/json",
            "data": {"contract_id": "a-1"},
        },
        {
            "specversion": "1.0",
            "id": "case-002",
            "source": "/journals",
            "type": "revledger.contract.resumed.v1",
            "subject": "b",
            "time": "2024-01-06T10:00:00+09:00",
            "datacontenttype": "application/json",
            "data": {"contract_id": "b-1", "effective_at": "2024-02-01"},
        },
    )


def test_an_event_may_say_its_id_source_and_the_moment_it_was_recorded() -> None:
    found = event("2024-01-05 a pauses a-1 as p1 source /crm recorded 2024-01-06T00:00:01Z")
    assert (found["id"], found["source"], found["recordedtime"]) == ("p1", "/crm", "2024-01-06T00:00:01Z")


def test_a_signing_with_all_its_details() -> None:
    text = """
2024-01-05 a signs a-1 USD
    l1  basic  4000/3months  x2  product mail  from 2024-02-01 until 2024-03-01
    l2  extra  1,000/year    less 12.5% from 2024-02-01 label loyal  less 50 until 2024-04-01
    l3  setup  9/month       x3 one-time
    term 2024-01-05 .. 2025-01-05 fixed
    trial until 2024-02-01
    seller kim
    campaign spring
    channel web
    attributes segment="mid market" region=emea
"""
    l1 = {"line_id": "l1", "plan": "basic", "amount_minor": 4000, "interval": "month", "interval_count": 3}
    l1 |= {"quantity": 2, "product": "mail", "from": "2024-02-01", "until": "2024-03-01"}
    l2 = {"line_id": "l2", "plan": "extra", "amount_minor": 1000, "interval": "year"}
    percent = {"percent": "12.5", "from": "2024-02-01", "label": "loyal"}
    l2 |= {"discounts": [percent, {"amount_minor": 50, "until": "2024-04-01"}]}
    l3 = {"line_id": "l3", "plan": "setup", "amount_minor": 9, "interval": "month"}
    l3 |= {"quantity": 3, "kind": "one_time"}
    assert data(text) == {
        "contract_id": "a-1",
        "currency": "USD",
        "lines": [l1, l2, l3],
        "term": {"start": "2024-01-05", "end": "2025-01-05", "auto_renew": False},
        "trial_end": "2024-02-01",
        "owner": "kim",
        "campaign": "spring",
        "channel": "web",
        "attributes": {"segment": "mid market", "region": "emea"},
    }


@pytest.mark.parametrize(
    ("written", "term"),
    [
        ("term .. 2025-01-01", {"end": "2025-01-01"}),
        ("term 2024-01-01 ..", {"start": "2024-01-01"}),
        ("term .. 2025-01-01 renewing", {"end": "2025-01-01", "auto_renew": True}),
        ("term ..", {}),
    ],
)
def test_terms(written: str, term: dict[str, object]) -> None:
    assert data(f"2024-01-05 a renews a-1\n    {written}") == {"contract_id": "a-1", "term": term}


@pytest.mark.parametrize(
    ("written", "type_", "expected"),
    [
        (
            'a cancels a-1 reason price text "too much; for us" initiative voluntary',
            "contract.cancelled",
            {
                "contract_id": "a-1",
                "reason": "price",
                "reason_text": "too much; for us",
                "initiative": "voluntary",
            },
        ),
        ("a renews a-1", "contract.renewed", {"contract_id": "a-1"}),
        (
            "a changes size=5 without region effective 2024-02-01",
            "account.changed",
            {"attributes": {"size": "5", "region": None}, "effective_at": "2024-02-01"},
        ),
        (
            "a answers csat score 4 of 5 respondent r1 touchpoint web comment x tags p,q",
            "survey.answered",
            {
                "survey": "csat",
                "score": 4,
                "scale_max": 5,
                "respondent": "r1",
                "touchpoint": "web",
                "comment": "x",
                "tags": ["p", "q"],
            },
        ),
        (
            "a answers fcr resolved no",
            "survey.answered",
            {"survey": "fcr", "resolved_first_contact": False},
        ),
        (
            "~book spends acquisition 90,000 USD from 2024-01-01 until 2024-02-01 category ads",
            "cost.recorded",
            {
                "kind": "acquisition",
                "amount_minor": 90000,
                "currency": "USD",
                "from": "2024-01-01",
                "until": "2024-02-01",
                "category": "ads",
            },
        ),
        (
            "a fails a-1 amount 100 currency USD attempt 2 reason card",
            "payment.failed",
            {"contract_id": "a-1", "amount_minor": 100, "currency": "USD", "attempt": 2, "reason": "card"},
        ),
        ("a recovers a-1", "payment.recovered", {"contract_id": "a-1"}),
        (
            "~book publishes EUR USD 1.10",
            "rate.published",
            {"base": "EUR", "quote": "USD", "rate": "1.10"},
        ),
        (
            "a retracts e1 reason typo",
            "event.retracted",
            {"source": "/journals", "id": "e1", "reason": "typo"},
        ),
        (
            "a retracts e1 of /crm reason typo as r1 source /desk",
            "event.retracted",
            {"source": "/crm", "id": "e1", "reason": "typo"},
        ),
    ],
)
def test_verbs(written: str, type_: str, expected: dict[str, object]) -> None:
    found = event(f"2024-01-05 {written}   ; a comment")
    assert found["type"] == f"revledger.{type_}.v1"
    assert found["data"] == expected


def test_a_bridge_with_only_the_columns_that_matter() -> None:
    text = """
bridge 2024-01-15 .. 2024-03-01 every month in USD where account=a plan=p known-at 2024-04-01
    period   opening   new  closing  accounts.new
    2024-01        0  1000     1000             1
    2024-02     1000     0     1000             0
"""
    january = {"opening": 0, "new": 1000, "closing": 1000}
    february = {"opening": 1000, "new": 0, "closing": 1000}
    assert only(text) == {
        "report": "bridge",
        "from": "2024-01-15",
        "until": "2024-03-01",
        "every": "month",
        "currency": "USD",
        "where": {"account": "a", "plan": "p"},
        "known_at": "2024-04-01T00:00:00Z",
        "rows": [
            {"from": "2024-01-15", "until": "2024-02-01", "mrr_minor": january, "accounts": {"new": 1}},
            {"from": "2024-02-01", "until": "2024-03-01", "mrr_minor": february, "accounts": {"new": 0}},
        ],
    }


@pytest.mark.parametrize(
    ("every", "label", "first_day", "end"),
    [
        ("day", "2024-05-31", "2024-05-31", "2024-06-01"),
        ("month", "2024-12", "2024-12-01", "2025-01-01"),
        ("quarter", "2024-Q4", "2024-10-01", "2025-01-01"),
        ("year", "2025", "2025-01-01", "2025-02-10"),
    ],
)
def test_periods_and_their_labels(every: str, label: str, first_day: str, end: str) -> None:
    found = only(
        f"bridge 2024-05-20 .. 2025-02-10 every {every} in USD by plan\n  period plan closing\n  {label} - 7"
    )
    assert found["report"] == "bridge"
    assert found["rows"] == [
        {"from": first_day, "until": end, "group": {"plan": None}, "mrr_minor": {"closing": 7}}
    ]


def test_a_restatement_is_a_bridge_of_changes_by_event() -> None:
    found = only(
        "restate 2024-01-01 .. 2024-03-01 every month between 2024-02-01 now in USD where plan=pro\n"
        "    period   event  opening  churn\n"
        "    2024-01  c-1         -5    -10\n"
    )
    assert found == {
        "report": "restate",
        "from": "2024-01-01",
        "until": "2024-03-01",
        "every": "month",
        "currency": "USD",
        "where": {"plan": "pro"},
        "by": "event",
        "between": ("2024-02-01T00:00:00Z", "now"),
        "rows": [
            {
                "from": "2024-01-01",
                "until": "2024-02-01",
                "group": {"event": "c-1"},
                "mrr_minor": {"opening": -5, "churn": -10},
            }
        ],
    }


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("mrr_minor at 2024-01-01 in USD = 10,000", 10000),
        ("accounts at 2024-01-01 in USD = 3", 3),
        ("nrr 2024-01-01 .. 2024-02-01 in USD = 1.04", "1.04"),
        ("nrr 2024-01-01 .. 2024-02-01 in USD = null", None),
        ("nps 2024-01-01 .. 2024-02-01 = 40", "40"),
    ],
)
def test_figures(written: str, value: int | str | None) -> None:
    found = only(f"figure {written}")
    assert found["report"] == "figure"
    assert found["value"] == value


def test_what_loading_reports() -> None:
    assert only("loaded accepted 3 duplicates 1") == {
        "report": "loaded",
        "counts": {"accepted": 3, "duplicates": 1},
    }


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("    l1 plan 1/month", 1, "belongs to"),
        ("2024-01-05 a sings a-1 USD", 1, "signs, upgrades"),
        ("2024-01-05 a signs a-1", 1, "needs CONTRACT CURRENCY"),
        ("2024-01-05 a signs a-1 USD", 1, "needs at least one line"),
        ("2024-01-05 a signs a-1 USD\n    l1 plan 12.50/month", 2, "expected a line"),
        ("2024-01-05 a signs a-1 USD\n    l1 plan 1/month for 2024-02-01", 2, "unknown word 'for'"),
        ("2024-01-05 a signs a-1 USD\n    l1 plan 1/month less", 2, "needs a percentage"),
        ("2024-01-05 a signs a-1 USD\n\n    term 2025-01-01", 3, "write term"),
        ("2024-01-05 a signs a-1 USD\n    trial 2025-01-01", 2, "write trial until"),
        ("2024-01-05 a signs a-1 USD\n    seller kim\n    seller lee", 3, "given twice"),
        ("2024-01-05 a cancels a-1\n    seller kim", 2, "cannot stand here"),
        ("2024-01-05 a upgrades a-1\n    term .. 2025-01-01", 2, "cannot stand here"),
        ("2024-13-05 a pauses a-1", 1, "is not a day"),
        ("2024-01-05T10:00:00 a pauses a-1", 1, "is no time"),
        ("2024-01-05 a pauses a-1 effective", 1, "needs a value"),
        ("2024-01-05 a pauses a-1 as x as y", 1, "given twice"),
        ('2024-01-05 a cancels a-1 text "too much', 1, "quote is left open"),
        ("2024-01-05 a changes", 1, "NAME=VALUE"),
        ("2024-01-05 a pauses x\n2024-01-06 a resumes x recorded 2024-01-06", 2, "or none does"),
        ("bridge 2024-01-01 .. 2024-02-01 in USD", 1, "write bridge"),
        ("bridge 2024-02-01 .. 2024-01-01 every month in USD", 1, "is empty"),
        ("bridge 2024-01-01 .. 2024-02-01 every week in USD", 1, "is no period"),
        ("bridge 2024-01-01 .. 2024-02-01 every month in USD\n  closing period", 2, "begins with"),
        ("bridge 2024-01-01 .. 2024-02-01 every month in USD\n  period growth", 2, "unknown column"),
        (
            "bridge 2024-01-01 .. 2024-02-01 every month in USD\n  period churn\n  2024-02 0",
            3,
            "is no month",
        ),
        ("bridge 2024-01-01 .. 2024-02-01 every month in USD\n  period churn\n  2024-01", 3, "has 1 words"),
        ("restate 2024-01-01 .. 2024-02-01 every month in USD", 1, "write restate"),
        ("restate 2024-01-01 .. 2024-02-01 every month in USD between now in", 1, "is no time"),
        ("restate 2024-01-01 .. 2024-02-01 every month in USD between 2024-01-01 now by plan", 1, "write restate"),
        ("figure nrr at 2024-01-01 .. 2024-02-01 = 1", 1, "unknown word"),
        ("figure nrr in USD = 1", 1, "either at DAY or over"),
        ("figure nrr at 2024-01-01 in USD", 1, "= VALUE"),
        ("figure nrr at 2024-01-01 in USD = much", 1, "no ratio"),
        ("figure mrr_minor at 2024-01-01 in USD = 1.5", 1, "no amount"),
        ("figure nrr at 2024-01-01 in USD where = 1", 1, "needs NAME=VALUE"),
        ("figure nrr at 2024-01-01 in USD = 1\n    more", 1, "no lines below"),
        ("loaded everything 1", 1, "unknown word"),
    ],
)
def test_what_cannot_be_read_names_file_line_and_what_is_expected(text: str, line: int, problem: str) -> None:
    with pytest.raises(JournalError, match=rf"^case\.journal:{line}: ") as caught:
        journal(text)
    assert problem in caught.value.problem


@pytest.mark.parametrize("path", JOURNALS, ids=[path.stem for path in JOURNALS])
def test_every_journal_can_be_read_says_what_it_is_about_and_expects_something(path: Path) -> None:
    case = journal_read(path)
    assert case.text.startswith("; ")
    assert case.events
    assert case.expectations
    for expected in case.expectations:
        if expected["report"] == "bridge":
            assert_adds_up(expected)


def test_the_example_of_the_readme_is_a_journal() -> None:
    readme = (Path(__file__).parent / "journals" / "README.md").read_text(encoding="utf-8")
    example = readme[readme.index("    ; ") : readme.index("\n\nA new case")]
    case = journal("\n".join(line.removeprefix("    ") for line in example.splitlines()))
    assert (len(case.events), len(case.expectations)) == (3, 2)


def assert_adds_up(bridge: Bridge) -> None:
    """Rounded numbers of a row add up to its closing within one minor unit a number."""
    for row in bridge["rows"]:
        parts = sum(value for name, value in row["mrr_minor"].items() if name != "closing")
        assert abs(parts - row["mrr_minor"]["closing"]) <= 1, row
