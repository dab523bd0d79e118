"""Alerts are sent as on their first day: receivers read them without us."""

import msgspec
import pytest

from projections.alerts import Alert, Crossing
from tests.wire.alerted import ALERTS, CHURN, FIGURE, RENEWAL, UNUSUAL
from tests.wire.pin import HERE


@pytest.mark.parametrize("name", ALERTS)
def test_bytes_are_those_pinned(name: str) -> None:
    pin = HERE / "alerts" / f"{name}.json"
    assert pin.is_file(), "run `python -m tests.wire.pin` and commit what it writes"
    assert ALERTS[name].body == pin.read_bytes()


def test_every_field_is_pinned() -> None:
    told = {name for alert in (CHURN, FIGURE, RENEWAL, UNUSUAL) for name in msgspec.to_builtins(alert)}
    assert told == {field.encode_name for field in msgspec.structs.fields(Alert)}
    assert FIGURE.figure is not None
    crossing = {field.encode_name for field in msgspec.structs.fields(Crossing)}
    assert crossing - {*msgspec.to_builtins(FIGURE.figure)} == {"above", "at"}
