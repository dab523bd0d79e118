"""Settings come from the environment alone, and everything wrong with it is said at once."""

from pathlib import Path

import pytest

from services.settings import (
    NOT_SETTINGS,
    SETTINGS,
    Settings,
    SettingsError,
    settings_from,
    settings_markdown,
    settings_table,
)

# What else is set for the distributed form; each contradiction adds to it.
DISTRIBUTED = {"REVLEDGER_KAFKA": "kafka:9092", "REVLEDGER_REDIS": "redis://redis"}
SASL = {"REVLEDGER_KAFKA_SECURITY": "sasl_ssl", "REVLEDGER_KAFKA_USER": "ann", "REVLEDGER_KAFKA_PASSWORD": "s3cret"}
# Variables without the prefix -> the words that say what is wrong.
CONTRADICTIONS = [
    ({"KAFKA": "kafka:9092", "REDIS": ""}, ["REVLEDGER_REDIS is not: the distributed form needs both"]),
    ({"KAFKA": "", "REDIS": "redis://redis"}, ["REVLEDGER_KAFKA is not: the distributed form needs both"]),
    ({"REPLICATION": "1"}, ["REVLEDGER_MIN_ISR=2 cannot be above REVLEDGER_REPLICATION=1"]),
    ({"KAFKA_SECURITY": "sasl_ssl"}, ["set REVLEDGER_KAFKA_USER and REVLEDGER_KAFKA_PASSWORD"]),
    ({"KAFKA_SECURITY": "sasl_plaintext", "KAFKA_USER": "ann"}, ["asks for SASL"]),
    ({"KAFKA_USER": "ann", "KAFKA_PASSWORD": "s3cret"}, ["plaintext uses no password, and one is set"]),
    ({"KAFKA_SECURITY": "ssl", "KAFKA_PASSWORD": "s3cret"}, ["ssl uses no password, and one is set"]),
    ({"KAFKA_CA": "FILE"}, ["plaintext uses no TLS, and certificates are set"]),
    ({"KAFKA_SECURITY": "ssl", "KAFKA_CERT": "FILE"}, ["belong together"]),
    ({"KAFKA_SECURITY": "ssl", "KAFKA_KEY": "FILE"}, ["belong together"]),
    ({"REDIS_CA": "FILE"}, ["REVLEDGER_REDIS is not rediss://"]),
    ({"KAFKA_SECURITY": "sasl_plaintext", "KAFKA_CA": "FILE", "REPLICATION": "1"}, ["MIN_ISR", "asks for", "no TLS"]),
]


def problems(environ: dict[str, str]) -> list[str]:
    """What is wrong with an environment."""
    with pytest.raises(SettingsError) as caught:
        settings_from(environ)
    return caught.value.problems


def test_defaults_are_those_that_are_documented() -> None:
    assert settings_from({"PATH": "/bin"}) == Settings(
        data=Path("revledger-data"),
        host="127.0.0.1",
        port=8_000,
        zone="UTC",
        policy=None,
        free_text="keep",
        accounts_hot=100_000,
        queue_events_max=10_000,
        body_bytes_max=16 * 1024 * 1024,
        tick_seconds=3_600,
        log="info",
        log_format="text",
        kafka="",
        redis="",
        prefix="revledger",
        partitions=8,
        replication=3,
        min_isr=2,
        session_seconds=10,
        kafka_security="plaintext",
        kafka_sasl="scram-sha-512",
        kafka_user="",
        kafka_password="",
        kafka_ca=None,
        kafka_cert=None,
        kafka_key=None,
        redis_user="",
        redis_password="",
        redis_ca=None,
        archive="",
        sealing="on",
        segment_entries=500_000,
        alerts=None,
    )


def test_the_form_is_distributed_with_kafka_and_embedded_without() -> None:
    assert settings_from(DISTRIBUTED).is_distributed
    assert not settings_from({}).is_distributed


@pytest.mark.parametrize(("wrong", "words"), CONTRADICTIONS)
def test_settings_that_contradict_each_other_are_told(wrong: dict[str, str], words: list[str], tmp_path: Path) -> None:
    file = tmp_path / "file.pem"
    file.write_text("")
    given = {f"REVLEDGER_{name}": str(file) if text == "FILE" else text for name, text in wrong.items()}
    found = problems({**DISTRIBUTED, **given})
    assert len(found) == len(words), found
    assert all(any(word in problem for problem in found) for word in words), found
    assert "s3cret" not in "".join(found)


@pytest.mark.parametrize("security", ["ssl", "sasl_ssl", "sasl_plaintext", "plaintext"])
def test_every_kind_of_security_can_be_had(security: str, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("")
    given = {**DISTRIBUTED, **(SASL if security.startswith("sasl") else {}), "REVLEDGER_KAFKA_SECURITY": security}
    if security.endswith("ssl"):
        given["REVLEDGER_KAFKA_CA"] = str(tmp_path / "ca.pem")
    assert settings_from(given).kafka_security == security


def test_secrets_are_shown_nowhere() -> None:
    environ = {**DISTRIBUTED, **SASL, "REVLEDGER_REDIS_PASSWORD": "s3cret"}
    settings = settings_from(environ)
    assert (settings.kafka_password, settings.redis_password) == ("s3cret", "s3cret")
    shown = {row.name: row.value for row in settings_table(settings, environ)}
    assert (shown["REVLEDGER_KAFKA_PASSWORD"], shown["REVLEDGER_REDIS_PASSWORD"]) == ("(set)", "(set)")
    assert "s3cret" not in "".join(shown.values()) + repr(settings) + str(settings)
    assert "kafka_user='ann'" in repr(settings)
    unset = settings_from({})
    assert {row.value for row in settings_table(unset, {}) if row.name.endswith("PASSWORD")} == {""}


def test_a_secret_in_the_wrong_place_is_not_repeated() -> None:
    for url in ("redis://ann:s3cret@redis:6379", "redis://redis/0?password=s3cret", "redis://:s3cret/@redis"):
        (problem,) = problems({**DISTRIBUTED, "REVLEDGER_REDIS": url})
        assert "REVLEDGER_REDIS_PASSWORD" in problem
        assert "s3cret" not in problem


@pytest.mark.parametrize(
    ("unknown", "nearest"),
    [
        ("REVLEDGER_PROT", "REVLEDGER_PORT"),
        ("REVLEDGER_DATA_DIR", "REVLEDGER_DATA"),
        ("REVLEDGER_LOGLEVEL", "REVLEDGER_LOG"),
        ("REVLEDGER_MAX_BODY_BYTES", "REVLEDGER_BODY_MAX_BYTES"),
        ("revledger_port", "REVLEDGER_PORT"),
    ],
)
def test_an_unknown_variable_names_the_nearest(unknown: str, nearest: str) -> None:
    assert problems({unknown: "1"}) == [f"{unknown} is not a setting: did you mean {nearest}?"]


def test_all_problems_are_said_at_once() -> None:
    environ = {"REVLEDGER_PROT": "1", "REVLEDGER_PORT": "x", "REVLEDGER_LOG": "loud", "REVLEDGER_": ""}
    found = problems(environ)
    assert [problem.split("=")[0].split(" ")[0] for problem in found] == [
        "REVLEDGER_",
        "REVLEDGER_PROT",
        "REVLEDGER_PORT",
        "REVLEDGER_LOG",
    ]
    with pytest.raises(SettingsError) as caught:
        settings_from(environ)
    assert str(caught.value).splitlines() == found


def test_variables_of_others_and_of_the_test_suite_are_left_alone() -> None:
    environ = {"REVLEDGERS": "1", "MY_REVLEDGER_PORT": "x", "REVLEDGER_REQUIRE": "redis"}
    assert settings_from(environ) == settings_from({})
    assert {"REVLEDGER_REQUIRE"} == NOT_SETTINGS


def test_every_field_has_one_variable() -> None:
    assert sorted(setting.field for setting in SETTINGS) == sorted(Settings.__struct_fields__)
    assert len({setting.variable for setting in SETTINGS}) == len(SETTINGS)


def test_the_table_says_where_a_value_comes_from() -> None:
    environ = {"REVLEDGER_PORT": "8000", "HOME": "x"}
    rows = {row.name: row for row in settings_table(settings_from(environ), environ)}
    assert list(rows) == [setting.variable for setting in SETTINGS]
    assert (rows["REVLEDGER_PORT"].value, rows["REVLEDGER_PORT"].source) == ("8000", "environment")
    assert (rows["REVLEDGER_HOST"].value, rows["REVLEDGER_HOST"].source) == ("127.0.0.1", "default")
    assert all(row.description.endswith(".") for row in rows.values())


def test_the_page_has_every_setting_in_one_table() -> None:
    lines = settings_markdown().splitlines()
    for setting in SETTINGS:
        (row,) = [line for line in lines if line.startswith(f"| `{setting.variable}` |")]
        assert row.count("|") == 5
        assert row.split("|")[3].strip() == (f"`{setting.default}`" if setting.default else "")
