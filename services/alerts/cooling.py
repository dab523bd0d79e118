"""Cooling down: a rule says nothing more about a subject for a while after it has spoken."""

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
