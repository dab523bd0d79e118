"""Routing: where alerts go at once, and where they go if nobody acknowledges them."""

import pytest

from projections.alerts import RESOLVED, message_of
from services.alerts.outbox import HELD
from services.alerts.rules.routing import Route, State, on_the_way
from services.alerts.rules.rulebook import RulebookError, rulebook_of_toml
from tests.services.alerts.desk import ONLY, rule
from tests.wire.alerted import CHURN


def sinks(**said: str) -> str:
    """Sinks that log, each with more that is said of it."""
    return "".join(f'[[sink]]\nname = "{name}"\nkind = "log"\n{more}\n' for name, more in said.items())


LATER = 'escalate_after = "30m"\nescalate_to = ["boss"]'
THREE = sinks(crm="", chat="", boss="")


@pytest.mark.parametrize(
    ("text", "route"),
    [
        (rule("r", "churn") + THREE, Route(("crm", "chat", "boss"))),
        (rule("r", "churn", sinks='["crm"]') + THREE, Route(("crm",))),
        (
            rule("r", "churn", escalate_after='"30m"', escalate_to='["boss"]') + THREE,
            Route(("crm", "chat"), ("boss",), 1800),
        ),
        (rule("r", "churn", escalate_after='"30m"', escalate_to='["log"]'), Route(("log",), ("log",), 1800)),
        (rule("r", "churn") + sinks(crm=LATER, boss=""), Route(("crm",), ("boss",), 1800)),
        (rule("r", "churn", sinks='["chat"]') + sinks(crm=LATER, chat="", boss=""), Route(("chat",))),
        (
            rule("r", "churn", escalate_after='"1h"', escalate_to='["chat"]') + sinks(crm=LATER, chat="", boss=""),
            Route(("crm",), ("chat",), 3600),
        ),
    ],
)
def test_a_rule_says_where_to_or_its_sinks_do(text: str, route: Route) -> None:
    assert State(rulebook_of_toml(ONLY + text)).route("r") == route


def test_what_fired_is_followed_by_what_is_sent_if_nobody_acknowledges_it() -> None:
    route = Route(("crm",), ("boss",), 60)
    first, later = on_the_way(route, message_of(CHURN), 5)
    assert (first.sink, first.id, first.due) == ("crm", CHURN.id, 5)
    assert (later.sink, later.id, later.due, later.after) == ("boss", f"{CHURN.id}.escalated", 60_000_005, 60_000_000)
    assert [one.due for one in on_the_way(route, message_of(CHURN), HELD)] == [HELD, HELD]
    assert [one.sink for one in on_the_way(route, message_of(CHURN, RESOLVED), 5)] == ["crm"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (rule("r", "churn", escalate_after='"30m"'), "line 5: rule 'r': it does not say to whom"),
        (rule("r", "churn", escalate_to='["log"]'), "line 5: rule 'r': it does not say when"),
        (rule("r", "churn", escalate_after='"1m"', escalate_to='["lgo"]'), "there is no sink 'lgo': did you mean log?"),
        (sinks(crm=LATER), "line 6: sink 'crm': there is no other sink 'boss'"),
        (sinks(crm='escalate_after = "30m"'), "line 5: sink 'crm': it does not say to whom"),
    ],
)
def test_half_of_an_escalation_is_wrong(text: str, said: str) -> None:
    with pytest.raises(RulebookError) as caught:
        rulebook_of_toml(ONLY + text)
    assert said in str(caught.value)
    assert len(caught.value.problems) == 1
