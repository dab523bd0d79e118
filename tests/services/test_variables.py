"""Each variable is read as its table says, and a value that cannot be is answered with what to write."""

from pathlib import Path

import msgspec
import pytest

from services.settings import SettingsError, settings_from
from services.variables import SETTINGS

ROOT = Path(__file__).parents[2]
# Without these two at once there is no distributed form.
PAIR = {"REVLEDGER_KAFKA": "kafka:9092", "REVLEDGER_REDIS": "redis://redis"}
# Variable, value, what is read of it.
READ = [
    ("REVLEDGER_DATA", "books/2024", Path("books/2024")),
    ("REVLEDGER_HOST", "0.0.0.0", "0.0.0.0"),
    ("REVLEDGER_HOST", "::1", "::1"),
    ("REVLEDGER_PORT", "0", 0),
    ("REVLEDGER_PORT", "65535", 65_535),
    ("REVLEDGER_ZONE", "Asia/Seoul", "Asia/Seoul"),
    ("REVLEDGER_ACCOUNTS_HOT", "1", 1),
    ("REVLEDGER_QUEUE", "500", 500),
    ("REVLEDGER_BODY_MAX_BYTES", "262144", 262_144),
    ("REVLEDGER_LOG", "debug", "debug"),
    ("REVLEDGER_LOG_FORMAT", "json", "json"),
    ("REVLEDGER_KAFKA", "a:9092,b.example:9093,[::1]:9094", "a:9092,b.example:9093,[::1]:9094"),
    ("REVLEDGER_REDIS", "redis://localhost:6379/0", "redis://localhost:6379/0"),
    ("REVLEDGER_REDIS", "rediss://redis.example", "rediss://redis.example"),
    ("REVLEDGER_REDIS", "redis://[::1]:6379/3", "redis://[::1]:6379/3"),
    ("REVLEDGER_REDIS", "unix:///run/redis.sock", "unix:///run/redis.sock"),
    ("REVLEDGER_PREFIX", "books-2024.eu_1", "books-2024.eu_1"),
    ("REVLEDGER_PARTITIONS", "64", 64),
    ("REVLEDGER_REPLICATION", "5", 5),
    ("REVLEDGER_MIN_ISR", "1", 1),
    ("REVLEDGER_SESSION_SECONDS", "30", 30),
    ("REVLEDGER_KAFKA_SECURITY", "ssl", "ssl"),
    ("REVLEDGER_KAFKA_SASL", "plain", "plain"),
    ("REVLEDGER_REDIS_USER", "ann", "ann"),
    ("REVLEDGER_REDIS_PASSWORD", " with blanks ", " with blanks "),
]
# Variable, a value that cannot be, words of what is expected.
CANNOT_BE = [
    ("REVLEDGER_DATA", "", "the path of a directory"),
    ("REVLEDGER_HOST", "", "a host name or an IP address"),
    ("REVLEDGER_HOST", " localhost", "a host name or an IP address"),
    ("REVLEDGER_PORT", "http", "a whole number from 0 to 65535"),
    ("REVLEDGER_PORT", "65536", "a whole number from 0 to 65535"),
    ("REVLEDGER_PORT", "-1", "a whole number from 0 to 65535"),
    ("REVLEDGER_PORT", "8_000", "a whole number from 0 to 65535"),
    ("REVLEDGER_PORT", "²", "a whole number from 0 to 65535"),
    ("REVLEDGER_PORT", "9" * 5_000, "a whole number from 0 to 65535"),
    ("REVLEDGER_ZONE", "Europe/Berln", "an IANA time zone such as Europe/Berlin"),
    ("REVLEDGER_ZONE", "", "an IANA time zone such as"),
    ("REVLEDGER_ZONE", "../UTC", "an IANA time zone such as"),
    ("REVLEDGER_ZONE", "America", "an IANA time zone such as"),
    ("REVLEDGER_ACCOUNTS_HOT", "0", "a whole number from 1 to"),
    ("REVLEDGER_QUEUE", "1.5", "a whole number from 1 to"),
    ("REVLEDGER_BODY_MAX_BYTES", "16 MiB", "a whole number from 262144 to"),
    ("REVLEDGER_LOG", "INFO", "one of debug, info, warning, error"),
    ("REVLEDGER_LOG_FORMAT", "xml", "one of text, json"),
    ("REVLEDGER_KAFKA", "kafka", "servers as host:port"),
    ("REVLEDGER_KAFKA", ":9092", "servers as host:port"),
    ("REVLEDGER_KAFKA", "a:9092, b:9092", "no spaces"),
    ("REVLEDGER_KAFKA", "a:9092,", "servers as host:port"),
    ("REVLEDGER_KAFKA", "a:70000", "servers as host:port"),
    ("REVLEDGER_KAFKA", "a:²", "servers as host:port"),
    ("REVLEDGER_REDIS", "localhost:6379", "a URL such as redis://localhost:6379/0"),
    ("REVLEDGER_REDIS", "http://localhost", "a URL such as"),
    ("REVLEDGER_REDIS", "redis://", "a URL such as"),
    ("REVLEDGER_REDIS", "redis://localhost:port", "a URL such as"),
    ("REVLEDGER_REDIS", "redis://localhost/db", "a URL such as"),
    ("REVLEDGER_REDIS", "redis://::1:6379", "a URL such as"),
    ("REVLEDGER_REDIS", "unix://", "a URL such as"),
    ("REVLEDGER_PREFIX", "", "letters, digits"),
    ("REVLEDGER_PREFIX", "-x", "letters, digits"),
    ("REVLEDGER_PREFIX", "a{b}", "letters, digits"),
    ("REVLEDGER_PREFIX", "a" * 101, "at most 100"),
    ("REVLEDGER_PARTITIONS", "0", "a whole number from 1 to"),
    ("REVLEDGER_REPLICATION", "0", "a whole number from 1 to"),
    ("REVLEDGER_SESSION_SECONDS", "0.5", "a whole number from 1 to"),
    ("REVLEDGER_KAFKA_SECURITY", "SSL", "one of plaintext, ssl, sasl_plaintext, sasl_ssl"),
    ("REVLEDGER_KAFKA_SASL", "gssapi", "one of plain, scram-sha-256, scram-sha-512"),
    ("REVLEDGER_KAFKA_CA", "/nowhere/ca.pem", "the path of a file that exists"),
    ("REVLEDGER_KAFKA_CERT", "/", "the path of a file that exists"),
    ("REVLEDGER_REDIS_CA", "/nowhere/ca.pem", "the path of a file that exists"),
]


@pytest.mark.parametrize(("variable", "text", "value"), READ)
def test_a_value_is_read(variable: str, text: str, value: object) -> None:
    field = next(setting.field for setting in SETTINGS if setting.variable == variable)
    expected = msgspec.structs.replace(settings_from(PAIR), **{field: value})
    assert settings_from({**PAIR, variable: text}) == expected


@pytest.mark.parametrize(("variable", "text", "expected"), CANNOT_BE)
def test_a_value_that_cannot_be_is_named(variable: str, text: str, expected: str) -> None:
    with pytest.raises(SettingsError) as caught:
        settings_from({variable: text})
    (problem,) = caught.value.problems
    assert problem.startswith(f"{variable}={text!r} cannot be: write ")
    assert expected in problem


def test_a_file_is_read_as_its_path() -> None:
    path = str(ROOT / "README.md")
    settings = settings_from({**PAIR, "REVLEDGER_KAFKA_SECURITY": "ssl", "REVLEDGER_KAFKA_CA": path})
    assert settings.kafka_ca == Path(path)
    assert settings_from({"REVLEDGER_KAFKA_CA": ""}).kafka_ca is None


def test_every_variable_has_a_choice_of_text_that_is_its_default() -> None:
    for setting in SETTINGS:
        assert setting.read(setting.default) == getattr(settings_from({}), setting.field)
        assert setting.description.endswith("."), setting.variable


def test_what_is_secret_is_hidden_and_what_is_not_is_shown() -> None:
    by_name = {setting.variable: setting for setting in SETTINGS}
    assert by_name["REVLEDGER_KAFKA_PASSWORD"].shown("s3cret") == "(a secret)"
    assert by_name["REVLEDGER_REDIS"].shown("redis://ann:s3cret@redis/0?x=s3cret") == "'redis://...@redis/0?...'"
    assert by_name["REVLEDGER_PORT"].shown("x") == "'x'"
    assert {name for name, setting in by_name.items() if setting.is_secret} == {
        "REVLEDGER_KAFKA_PASSWORD",
        "REVLEDGER_REDIS_PASSWORD",
    }
