"""Settings come from the environment alone, and everything wrong with it is said at once."""

from pathlib import Path

import msgspec
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
        accounts_hot=100_000,
        queue_events_max=10_000,
        body_bytes_max=16 * 1024 * 1024,
        log="info",
    )


@pytest.mark.parametrize(("variable", "text", "value"), READ)
def test_a_value_is_read(variable: str, text: str, value: object) -> None:
    field = next(setting.field for setting in SETTINGS if setting.variable == variable)
    expected = msgspec.structs.replace(settings_from({}), **{field: value})
    assert settings_from({variable: text}) == expected


@pytest.mark.parametrize(("variable", "text", "expected"), CANNOT_BE)
def test_a_value_that_cannot_be_is_named(variable: str, text: str, expected: str) -> None:
    (problem,) = problems({variable: text})
    assert problem.startswith(f"{variable}={text!r} cannot be: write ")
    assert expected in problem


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
        assert f"`{setting.default}`" in row
