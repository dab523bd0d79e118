"""Cooling down: a rule says nothing more about a subject for a while after it has spoken."""

from collections.abc import Collection, Iterable, Mapping

from projections.alerts import Alert
from projections.rules import Rule


class Cooling:
    """When each rule last spoke about each subject, in microseconds."""

    def __init__(self) -> None:
        self._last: dict[tuple[str, str], int] = {}

    def spoke(self, rule: str, subject: str, moment: int) -> None:
        """Notes that a rule has spoken."""
        self._last[rule, subject] = moment

    def is_due(self, rule: Rule | None, alert: Alert) -> bool:
        """Whether an alert is told; then its rule has spoken."""
        last = self._last.get((alert.rule, alert.subject))
        if rule is not None and last is not None and alert.recorded_at - last < rule.cool_down_seconds * 1_000_000:
            return False
        self.spoke(alert.rule, alert.subject, alert.recorded_at)
        return True


class Settling:
    """States that are over, which they are once they have been so for as long as their rule cools down.

    A figure that goes back and forth over its line is one alert.
    """

    def __init__(self) -> None:
        self._since: dict[str, int] = {}

    def over(
        self, lasting: Iterable[str], beyond: Collection[str], rules: Mapping[str, Rule], moment: int
    ) -> list[str]:
        """Which of the lasting states are over at a moment; `rules` by the names of states."""
        found = []
        for name in lasting:
            if name in beyond:
                self._since.pop(name, None)
                continue
            since = self._since.setdefault(name, moment)
            rule = rules.get(name)
            if rule is None or moment - since >= rule.cool_down_seconds * 1_000_000:
                del self._since[name]
                found.append(name)
        return found
