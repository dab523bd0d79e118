"""Routing: to which sinks the alerts of a rule go, at once and where nobody acknowledges them."""

from collections.abc import Iterable

from msgspec import Struct

from projections.alerts import ESCALATED, FIRED, Message, retold
from projections.rules import Rule
from services.alerts.outbox import ESCALATION, HELD, Outgoing, outgoing
from services.alerts.rules.rulebook import Rulebook
from services.alerts.sending.windows import Grouping
from services.alerts.told import told_of


class Route(Struct, frozen=True):
    """The sinks of a rule; those of `escalate_to` after so many seconds without an acknowledgement."""

    sinks: tuple[str, ...]
    escalate_to: tuple[str, ...] = ()
    escalate_seconds: int = 0


class State:
    """What the alerts of one process share: the rules in force."""

    def __init__(self, rulebook: Rulebook) -> None:
        self.rulebook = rulebook

    def rule(self, name: str) -> Rule | None:
        """The rule of a name."""
        return next((rule for rule in self.rulebook.rules if rule.name == name), None)

    def route(self, rule_name: str) -> Route:
        """Where alerts of a rule go.

        Where the rule does not say, to all sinks but those it is escalated to, if there are others. A sink may say how
        alerts that went to it are escalated; what the rule says comes first.
        """
        rule = self.rule(rule_name)
        known = {sink.name: sink for sink in self.rulebook.sinks}
        after, to = (rule.escalate_seconds, rule.escalate_to) if rule is not None else (0, ())
        named = rule.sinks if rule is not None else None
        if named is None:
            spared = {*to, *(one for sink in known.values() for one in sink.escalate_to)}
            named = tuple(name for name in known if name not in spared) or tuple(known)
        if not to:
            said = [known[name] for name in named if name in known and known[name].escalate_to]
            after, to = (said[0].escalate_seconds, said[0].escalate_to) if said else (0, ())
        return Route(named, to, after)

    def grouping(self, sink_name: str, rule_name: str) -> Grouping:
        """How alerts of a rule are grouped for a sink: the sink says whether; how long and by what, the rule first."""
        sink = next((one for one in self.rulebook.sinks if one.name == sink_name), None)
        if sink is None or not sink.groups_seconds:
            return Grouping()
        rule = self.rule(rule_name)
        seconds = rule.group_seconds if rule is not None else None
        by = rule.group_by if rule is not None else ()
        return Grouping(sink.groups_seconds if seconds is None else seconds, by or sink.group_by)


def on_the_way(route: Route, message: Message, due: int, also: Iterable[str] = ()) -> list[Outgoing]:
    """A message to each sink of a route, and to others; of one that fired, what follows if nobody acknowledges it."""
    found = outgoing(message, dict.fromkeys((*route.sinks, *also)), due)
    if route.escalate_to and told_of(message.body).type == FIRED:
        after = route.escalate_seconds * 1_000_000
        later = HELD if due == HELD else due + after
        found += outgoing(retold(message.body, ESCALATED), route.escalate_to, later, after)
    return found


def escalation_id(alert_id: str) -> str:
    """The id of the message that nobody has acknowledged an alert."""
    return alert_id + ESCALATION
