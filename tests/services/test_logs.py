"""The log: text for people, one JSON object a line for machines, and the libraries' chatter in neither."""

import json
import logging
from collections.abc import Iterator

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from services.kafka.connection import Names, client_options, producer_options
from services.logs import NEVER_DEBUG, QUIET, log_to_stderr
from tests.servers.kafka import Kafka
from tests.services.kafka.topics import distributed, made_topics
from tests.services.running import asynchronous


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """The log goes where it went before."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    levels = {name: logging.getLogger(name).level for name in (*QUIET, *NEVER_DEBUG)}
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


@pytest.mark.parametrize("name", NEVER_DEBUG)
def test_what_tells_passwords_and_events_is_unheard_at_any_level(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    for level, heard in (("debug", ["chatter", "trouble"]), ("info", ["trouble"])):
        logging.getLogger(name.split(".", 1)[0]).setLevel(logging.NOTSET)
        log_to_stderr(level)
        logging.getLogger(name).debug("SaslPlain ann s3cret")
        logging.getLogger(name).info("chatter")
        logging.getLogger(name).warning("trouble")
        assert [line.split()[-1] for line in lines(capsys)] == heard


@asynchronous
async def test_debug_does_not_tell_what_is_in_events(
    kafka: Kafka, prefix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = distributed(kafka, prefix=prefix)
    await made_topics(settings)
    topic = Names(prefix).events
    log_to_stderr("debug")
    async with AIOKafkaProducer(**producer_options(settings)) as producer:
        await producer.send_and_wait(topic, b"a customer of ours", key=b"acme", partition=0)
    async with AIOKafkaConsumer(topic, **client_options(settings), auto_offset_reset="earliest") as consumer:
        assert (await consumer.getone()).key == b"acme"
    told = capsys.readouterr().err
    assert "The KafkaConsumer has closed" in told
    assert "customer" not in told
    assert "acme" not in told
