"""The rulebook: what a file may say, and a word with its line on everything that is wrong in it."""

import re
from fractions import Fraction
from pathlib import Path

import pytest

from services.alerts.rules.rulebook import (
    DEFAULTS,
    EXAMPLE_SINK,
    Rulebook,
    RulebookError,
    rulebook_of_file,
    rulebook_of_toml,
)
from tests.services.alerts.receiver import SECRET


def problems(text: str, names: list[str] | None = None) -> list[str]:
    """What is wrong in a file."""
    with pytest.raises(RulebookError) as raised:
        rulebook_of_toml(text, names)
    return [str(one) for one in raised.value.problems]


def names_of(rulebook: Rulebook) -> list[str]:
    """The rules by name."""
    return [rule.name for rule in rulebook.rules]


def test_defaults_hold_where_nobody_says_otherwise() -> None:
    defaults = rulebook_of_file(None)
    assert {"churn", "notice", "input-stalled", "net-retention"} <= {*names_of(defaults)}
    assert [sink.kind for sink in defaults.sinks] == ["log"]
    assert rulebook_of_toml(DEFAULTS + EXAMPLE_SINK) == defaults


def test_a_file_adds_replaces_and_turns_off() -> None:
    own = rulebook_of_toml(
        """
        [[rule]]
        name = "churn"
        on = "churn"
        mrr_at_least = 500

        [[rule]]
        name = "contraction"
        enabled = false

        [[rule]]
        name = "mine"
        on = "notice"
        where = { segment = "enterprise", vip = true }
        """
    )
    rules = {rule.name: rule for rule in own.rules}
    assert rules["churn"].mrr_at_least == 500
    assert rules["churn"].share_at_least is None
    assert rules["mine"].where == (("segment", "enterprise"), ("vip", "true"))
    assert "contraction" not in rules
    assert "notice" in rules
    assert names_of(rulebook_of_toml("defaults = false")) == []


def test_values() -> None:
    (rule,) = rulebook_of_toml(
        """
        defaults = false
        late = "7d"
        [[rule]]
        name = "r"
        on = "figure"
        figure = "gross_mrr_churn_rate"
        above = "2.5%"
        below = -0.01
        window = "30d"
        by = "segment"
        """
    ).rules
    assert (rule.above, rule.below, rule.window_days) == (Fraction(25, 1000), Fraction(-1, 100), 30)


HEAD = 'defaults = false\n[[rule]]\nname = "r"\n'
WRONG = {
    "no TOML": ("a = 1\nb = c", "line 2: this is not TOML"),
    "half of TOML": ("a = [", "this is not TOML"),
    "an unknown key": ("lat = 3", "line 1: there is no 'lat': did you mean late?"),
    "one table instead of many": (
        "[rule]\nname = 'r'\non = 'churn'",
        "line 1: write each rule under a line of its own: [[rule]]",
    ),
    "no name": ("[[rule]]\non = 'churn'", "line 1: rule 1: it needs a name"),
    "two of a name": (HEAD + "on='churn'\n[[rule]]\nname = 'r'\non='churn'", "line 6: rule 'r': there are two"),
    "nothing to be on": (HEAD, "line 2: rule 'r': it does not say what it is on"),
    "on what is not": (HEAD + 'on = "chrun"', "line 4: rule 'r': on = 'chrun' cannot be: .* did you mean churn?"),
    "an unknown figure": (
        HEAD + 'on = "figure"\nfigure = "ner"\nabove = 1',
        "line 5: rule 'r': there is no figure 'ner': did you mean nrr",
    ),
    "a figure without a line": (HEAD + 'on = "figure"\nfigure = "mrr_minor"', "line 5: .* write above or below"),
    "a window that is missing": (HEAD + 'on = "figure"\nfigure = "nrr"\nbelow = 1', 'line 5: .* window = "30d"'),
    "a window of a day": (
        HEAD + 'on = "figure"\nfigure = "mrr_minor"\nbelow = 1\nwindow = "30d"',
        "line 7: .* is of a day, not of a window",
    ),
    "never above": (
        HEAD + 'on = "figure"\nfigure = "grr"\nabove = "100%"\nwindow = "30d"',
        "line 6: .* can never fire: grr is never above 1",
    ),
    "never below": (
        HEAD + 'on = "figure"\nfigure = "accounts"\nbelow = 0',
        "line 6: .* can never fire: accounts is never below 0",
    ),
    "always": (HEAD + 'on = "figure"\nfigure = "mrr_minor"\nabove = 1\nbelow = 2', "line 7: .* every value"),
    "every score": (HEAD + 'on = "score"\nscore_at_most = 10', "line 5: .* fires on every answer"),
    "no score": (HEAD + 'on = "score"', "line 4: .* neither score_at_most nor fall_at_least"),
    "too deep a fall": (HEAD + 'on = "score"\nfall_at_least = 11', "line 5: .* can never fire"),
    "no end of a term": (HEAD + 'on = "renewal"\nscore_at_least = 7', "line 4: .* how long before the end of a term"),
    "too good a score": (
        HEAD + 'on = "renewal"\nwithin = "30d"\nscore_at_least = 11',
        "line 6: .* no answer is ever as good",
    ),
    "a day of anything": (HEAD + 'on = "unusual"', "line 4: .* what is too little to matter"),
    "a day of nothing known": (
        HEAD + 'on = "unusual"\nmovement = "chrun"\nmrr_at_least = 1',
        "line 5: .* cannot be: .* did you mean churn?",
    ),
    "an amount of nothing": (HEAD + 'on = "churn"\nmrr_at_least = 0', "line 5: .* mrr_at_least = 0 cannot be"),
    "a share of too much": (HEAD + 'on = "churn"\nshare_at_least = "150%"', "line 5: .* cannot be: write a share"),
    "an amount in no currency": (HEAD + 'on = "churn"\nmrr_at_least = { USDD = 5 }', "line 5: .* did you mean USD"),
    "an amount in another currency": (
        HEAD + 'on = "churn"\nmrr_at_least = { USD = 5 }\ncurrency = "EUR"',
        "line 5: .* can never fire: it has no amount in EUR",
    ),
    "two currencies": (
        HEAD + 'on = "churn"\nwhere = { currency = "USD" }\ncurrency = "EUR"',
        "line 6: .* can never fire",
    ),
    "a key of another kind": (HEAD + 'on = "churn"\nwindow = "30d"', "line 5: .* means nothing in a rule on churn"),
    "an unknown sink": (HEAD + 'on = "churn"\nsinks = ["lgo"]', "line 5: .* there is no sink 'lgo': did you mean log?"),
    "no duration": (HEAD + 'on = "lag"\nafter = "5 minutes"', "line 5: .* cannot be: write a number above 0"),
    "no time at all": (HEAD + 'on = "lag"', "line 4: .* after how long"),
    "a sink of no kind": ("[[sink]]\nname = 's'\nkind = 'fax'", "line 3: sink 's': kind = 'fax' cannot be"),
    "a webhook to nowhere": (
        "[[sink]]\nname = 's'\nkind = 'webhook'\nsecret_env = 'A'",
        "line 3: sink 's': a webhook needs url",
    ),
    "a webhook that is no URL": (
        "[[sink]]\nname = 's'\nkind = 'webhook'\nurl = 'crm.example'\nsecret_env = 'A'",
        "line 4: sink 's': write a URL",
    ),
    "a webhook with a password": (
        "[[sink]]\nname = 's'\nkind = 'webhook'\nurl = 'https://a:b@crm.example'\nsecret_env = 'A'",
        "line 4: sink 's': it holds a user or a password",
    ),
    "a webhook without a secret": (
        "[[sink]]\nname = 's'\nkind = 'webhook'\nurl = 'https://crm.example'",
        "line 4: sink 's': name the variable with its secret",
    ),
    "a secret that is missing": (
        "[[sink]]\nname = 's'\nkind = 'webhook'\nurl = 'https://crm.example'\nsecret_env = 'NO_SUCH_SECRET'",
        "line 5: sink 's': the variable NO_SUCH_SECRET is not set",
    ),
    "a file that is missing": (
        "[[sink]]\nname = 's'\nkind = 'webhook'\nurl = 'https://crm.example'\nsecret_file = 'no/such'",
        "line 5: sink 's': the secret in no/such cannot be read",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_said(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A", SECRET)
    text, expected = WRONG[case]
    said = problems(text)
    assert len(said) == 1, said
    assert re.match(re.escape(expected).replace(r"\.\*", ".*").replace(r"\ ", " "), said[0]), said


def test_everything_wrong_is_said_at_once_in_order() -> None:
    lines = [one.split(":")[0] for one in problems(HEAD + "on = 'lag'\n[[rule]]\nname = 'q'\non = 'score'\nlat = 1")]
    assert lines == ["line 4", "line 7", "line 8"]


MANY = """
late = "soon"
[[rule]]
name = "r"
on = "chrun"
mrr_at_least = 0
sinks = ["crm", "crn"]
escalate_after = "30m"
escalate_to = "boss"
where = { sgment = "big" }

[[rule]]
name = "low"
on = "score"
score_at_mots = 6
fall_at_least = 11

[[rule]]
name = "f"
on = "figure"
figure = "ner"
abvoe = 3

[[sink]]
name = "crm"
kind = "webhook"
urll = "https://crm.example"
timeout = "long"

[[sink]]
name = "boss"
escalate_to = "cmr"

[[silence]]
name = "night"
hours = "22"
rules = ["r", "q"]
"""


def test_one_mistake_hides_no_other_and_makes_none() -> None:
    said = (re.match(r"line (\d+): (?:\w+ '\w+': )?(.+?)(?: cannot|:|$)", one) for one in problems(MANY, ["segment"]))
    told = [(int(one[1]), one[2]) for one in said if one is not None]
    assert told == [
        (2, "late = 'soon'"),
        (5, "on = 'chrun'"),
        (6, "mrr_at_least = 0"),
        (7, "there is no sink 'crn'"),
        (10, "no account is labelled 'sgment'"),
        (15, "there is no 'score_at_mots'"),
        (16, "it can never fire"),
        (21, "there is no figure 'ner'"),
        (22, "there is no 'abvoe'"),
        (26, "name the variable with its secret"),
        (27, "there is no 'urll'"),
        (28, "timeout = 'long'"),
        (30, "it does not say what it is"),
        (32, "it does not say when"),
        (32, "there is no other sink 'cmr'"),
        (36, "hours = '22'"),
        (37, "there is no rule 'q'"),
    ]


def test_labels_are_checked_where_they_are_known() -> None:
    text = HEAD + 'on = "churn"\nwhere = { sgment = "big" }'
    assert rulebook_of_toml(text).rules
    assert problems(text, ["segment"]) == ["line 5: rule 'r': no account is labelled 'sgment': did you mean segment?"]
    assert rulebook_of_toml(text.replace("sgment", "plan"), ["segment"]).rules


def test_secrets_are_checked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    text = "[[sink]]\nname = 's'\nkind = 'webhook'\nurl = 'https://crm.example'\nsecret_env = ['A', 'B']"
    monkeypatch.setenv("A", SECRET)
    monkeypatch.setenv("B", "whsec_short")
    assert "24 to 64 bytes" in problems(text)[0]
    monkeypatch.setenv("B", SECRET.removeprefix("whsec_"))
    assert rulebook_of_toml(text).sinks[0].name == "s"
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    assert rulebook_of_toml(text.replace("secret_env = ['A', 'B']", f"secret_file = '{tmp_path}/secret'")).sinks


def test_text_that_is_not_utf8(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_bytes(b"a = '\xff'")
    with pytest.raises(RulebookError, match="UTF-8"):
        rulebook_of_file(tmp_path / "a.toml")
