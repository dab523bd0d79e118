"""The log: text for people, one JSON object a line for machines, and the libraries' chatter in neither."""

import json
import logging
from collections.abc import Iterator

import pytest

from services.logs import QUIET, log_to_stderr


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """The log goes where it went before."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    levels = {name: logging.getLogger(name).level for name in QUIET}
    root.handlers = []
    yield
    root.handlers = handlers
    root.setLevel(level)
    for name, was in levels.items():
        logging.getLogger(name).setLevel(was)


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().err.splitlines()


def test_text_is_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    log_to_stderr("info")
    logging.getLogger("revledger").info("partition %d is ours", 3)
    logging.getLogger("revledger").debug("unheard")
    (line,) = lines(capsys)
    assert line.endswith("INFO partition 3 is ours")


def test_json_is_for_machines(capsys: pytest.CaptureFixture[str]) -> None:
    log_to_stderr("warning", "json")
    logging.getLogger("revledger").warning("partition %d\nis ours", 3, extra={"partition": 3})
    logging.getLogger("revledger").info("unheard")
    try:
        int("a reason")
    except ValueError:
        logging.getLogger("other").exception("it failed")
    first, second = [json.loads(line) for line in lines(capsys)]
    assert first.pop("time").endswith("Z")
    assert first == {"level": "WARNING", "logger": "revledger", "message": "partition 3\nis ours", "partition": 3}
    assert (second["level"], second["logger"], second["message"]) == ("ERROR", "other", "it failed")
    assert second["error"].endswith("'a reason'")


@pytest.mark.parametrize("name", QUIET)
def test_libraries_are_heard_when_something_is_wrong_or_in_debug(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    log_to_stderr("info")
    logging.getLogger(f"{name}.inside").info("chatter")
    logging.getLogger(f"{name}.inside").warning("trouble")
    assert [line.split()[-1] for line in lines(capsys)] == ["trouble"]
    logging.getLogger(name).setLevel(logging.NOTSET)
    log_to_stderr("debug", "json")
    logging.getLogger(f"{name}.inside").info("chatter")
    assert json.loads(lines(capsys)[0])["message"] == "chatter"
