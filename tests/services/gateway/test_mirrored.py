"""Mirrored: a service that is asked keeps the accounts in memory, and answers also where it cannot."""

from pathlib import Path

import pytest

from services.gateway import mirrored
from tests.model.notation import fact, line
from tests.services.gateway.served import served, until

SIGNED = [fact("signed", account, "2024-01-01", lines=[line(500)]) for account in ("a1", "b1", "c1")]
LATER = [fact("cancelled", "a1", "2024-02-01"), fact("signed", "d1", "2024-02-01", lines=[line(900)])]
RATES = {"from": "2024-01-10", "until": "2024-03-01", "figures": "nrr,share_top_1"}


@pytest.mark.parametrize("has_library", [True, False])
def test_figures_of_a_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, has_library: bool
) -> None:
    """Over HTTP, before and after more events; one that lacks the library says so in its log."""
    if not has_library:
        monkeypatch.setattr(mirrored, "LIBRARY", "a_library_that_nobody_has")
    with served(tmp_path) as service, service.client() as client:
        for events, count, rates in (
            (SIGNED, 3, ["1.00000000", "0.33333333"]),
            (LATER, 5, ["0.66666667", "0.47368421"]),
        ):
            client.post("/v1/events", json=[{"specversion": "1.0", **event} for event in events]).raise_for_status()
            until(lambda due=count: client.get("/v1/status").json()["entries"] == due)  # type: ignore[misc]
            answer = client.get("/v1/figures", params=RATES).json()
            assert [*answer["rows"][0]["figures"].values()] == rates
        mirror = service.books.reports._mirror
    if has_library:
        assert mirror is not None
        layers = mirror._parts[0]._layers
        assert layers is not None
        assert layers.held == 4
    else:
        assert mirror is None
        assert "a_library_that_nobody_has is not installed" in caplog.text
