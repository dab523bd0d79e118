"""The settings as they are printed and tried."""

import csv
import io
import socket
from pathlib import Path

import pytest

from services.settings import SETTINGS
from tests.services.cli.calling import called, process


def test_every_setting_is_printed_with_its_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REVLEDGER_PORT", "0")
    done = called("settings", "--check", "--data", str(tmp_path))
    assert (done.status, done.err) == (0, "")
    assert all(setting.variable in done.out for setting in SETTINGS)
    rows = {row["name"]: row for row in called("settings", "--format", "json").json["settings"]}
    assert rows["REVLEDGER_PORT"]["source"] == "environment"
    assert rows["REVLEDGER_HOST"] == {**rows["REVLEDGER_HOST"], "value": "127.0.0.1", "source": "default"}
    assert len([*csv.DictReader(io.StringIO(called("settings", "--format", "csv").out))]) == len(SETTINGS)


def test_wrong_settings_are_all_told_at_once() -> None:
    done = process("settings", "--check", REVLEDGER_PROT="1", REVLEDGER_ZONE="Mars", REVLEDGER_PORT="x")
    assert (done.status, done.out) == (2, "")
    assert done.err.count("REVLEDGER_") >= 3
    assert "did you mean REVLEDGER_PORT?" in done.err
    assert process("status", REVLEDGER_PROT="1").status == 2


def test_what_cannot_work_here_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setenv("REVLEDGER_PORT", str(taken.getsockname()[1]))
        done = called("settings", "--check", "--data", str(tmp_path / "file"))
    assert done.status == 1
    assert "is a file: name a directory." in done.err
    assert "is taken by another program" in done.err


@pytest.mark.parametrize("form", ["table", "json", "csv"])
def test_no_password_is_ever_printed(form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environ = {
        "REVLEDGER_KAFKA": "127.0.0.1:1",
        "REVLEDGER_REDIS": "redis://127.0.0.1:1",
        "REVLEDGER_REDIS_PASSWORD": "s3cret",
        "REVLEDGER_KAFKA_SECURITY": "sasl_plaintext",
        "REVLEDGER_KAFKA_USER": "ann",
        "REVLEDGER_KAFKA_PASSWORD": "s3cret",
    }
    for wrong in ({}, {"REVLEDGER_PORT": "x"}, {"REVLEDGER_REDIS": "redis://:s3cret@127.0.0.1:1"}):
        for name, text in {**environ, **wrong}.items():
            monkeypatch.setenv(name, text)
        done = process("settings", "--check", "--format", form, "--data", str(tmp_path))
        assert done.out or done.err
        assert "s3cret" not in done.out + done.err
