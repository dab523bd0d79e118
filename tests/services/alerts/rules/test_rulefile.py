"""The file of rules: found by the settings, taken over when it changes, left alone while it cannot be used."""

from pathlib import Path

import pytest

from services.alerts.rules.rulebook import RulebookError
from services.alerts.rules.rulefile import RuleFile, path_of_rules
from services.metrics import Metrics
from services.settings import settings_from
from tests.services.alerts.desk import ONLY, rule

MINE = ONLY + rule("mine", "churn")


def rules_in(file: RuleFile) -> list[str]:
    """The rules in force by name."""
    return [one.name for one in file.state.rulebook.rules]


def measured(metrics: Metrics) -> float | None:
    """What is told of the rules."""
    return metrics.registry.get_sample_value("revledger_alert_rules")


def test_changes_are_taken_over_and_mistakes_are_not(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    settings, metrics = settings_from({"REVLEDGER_DATA": str(tmp_path)}), Metrics()
    file = RuleFile(settings, metrics)
    assert "churn" in rules_in(file)
    (tmp_path / "alerts.toml").write_text(MINE)
    file.look()
    assert (rules_in(file), measured(metrics)) == (["mine"], 1)
    (tmp_path / "alerts.toml").write_text(MINE + "[[rule]]\n")
    for _ in range(2):
        file.look()
    assert (rules_in(file), measured(metrics)) == (["mine"], -1)
    assert caplog.text.count("cannot be used") == 1
    assert "line 5: rule 2: it needs a name" in caplog.text
    (tmp_path / "alerts.toml").unlink()
    file.look()
    assert "churn" in rules_in(file)


def test_the_file_that_is_named_comes_first(tmp_path: Path) -> None:
    (tmp_path / "alerts.toml").write_text("defaults = false")
    (tmp_path / "mine.toml").write_text(MINE)
    environ = {"REVLEDGER_DATA": str(tmp_path), "REVLEDGER_ALERTS": str(tmp_path / "mine.toml")}
    assert path_of_rules(settings_from(environ)) == tmp_path / "mine.toml"
    assert rules_in(RuleFile(settings_from(environ), Metrics())) == ["mine"]


def test_a_service_does_not_start_with_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "alerts.toml").write_text("[[rule]]\n")
    with pytest.raises(RulebookError):
        RuleFile(settings_from({"REVLEDGER_DATA": str(tmp_path)}), Metrics())
