"""Policies from files: what can be written, and what is said about everything else."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.policy import Policy
from services.cli.failures import WRONG_USAGE, ending_of
from services.policies import (
    PolicyDiffers,
    PolicyError,
    policy_in_force,
    policy_of_file,
    policy_of_toml,
    rules_of,
    zone_of,
)
from services.settings import SettingsError

WHOLE = """
name = "ours"        # any of the keys may be left out
version = 3
zone = "Asia/Seoul"
churn = "notice"
discounts = "forever_only"
paused = "full"
free_accounts = "active"
reactivation_days = 90
"""


def test_every_key_can_be_written() -> None:
    assert policy_of_toml(WHOLE) == Policy("ours", 3, "Asia/Seoul", "notice", "forever_only", "full", "active", 90)


@pytest.mark.parametrize("text", ["", "# nothing chosen\n", 'churn = "effective"\r\nzone = "UTC"\r\n'])
def test_what_is_left_out_is_the_default(text: str) -> None:
    assert policy_of_toml(text) == Policy()


@pytest.mark.parametrize(
    ("text", "key", "told"),
    [
        ('chrun = "notice"', "chrun", "no 'chrun': did you mean churn?"),
        ("[policy]", "policy", "write one of name, version, zone, churn,"),
        ('churn = "notify"', "churn", "churn = 'notify': did you mean notice?"),
        ("churn = 3", "churn", "churn = 3: write one of effective, notice"),
        ('discounts = "gross"', "discounts", "write one of net, forever_only, list"),
        ("paused = true", "paused", "write one of zero, full"),
        ('free_accounts = "actve"', "free_accounts", "did you mean active?"),
        ("gross_margin = 80", "gross_margin", "percent as a decimal string from 0 to 100"),
        ("gross_margin = '100.5'", "gross_margin", "percent as a decimal string from 0 to 100"),
        ("reactivation_days = -1", "reactivation_days", "a whole number of days from 0"),
        ("reactivation_days = 1.5", "reactivation_days", "a whole number of days from 0"),
        ("reactivation_days = true", "reactivation_days", "a whole number of days from 0"),
        ("reactivation_days = 9999999999999999999999", "reactivation_days", "a whole number of days from 0"),
        ('zone = "Asia/Soul"', "zone", "zone = 'Asia/Soul': write an IANA time zone such as Asia/Seoul"),
        ('zone = "../UTC"', "zone", "an IANA time zone"),
        ("zone = 9", "zone", "an IANA time zone"),
        ('name = ""', "name", "letters, digits"),
        ("version = 0", "version", "a whole number from 1"),
        ("version = 2024-01-01", "version", "a whole number from 1"),
        ('churn = "notice', "", "at end of document"),
        ("churn notice", "", "line 1, column 7"),
        ("churn = notice", "", "column 9); words stand in quotes, such as churn = 'notice'"),
        ('churn = "notice"\nchurn = "effective"', "", "Cannot overwrite"),
        ("[" * 100_000, "", "not TOML"),
        ("version = " + "[" * 10_000, "", "not TOML"),
        ("version = " + "9" * 10_000, "", "not TOML"),
        ('name = "\x00"', "", "not TOML"),
    ],
)
def test_what_cannot_be_read_is_named(text: str, key: str, told: str) -> None:
    with pytest.raises(PolicyError) as caught:
        policy_of_toml(text)
    assert caught.value.key == key
    assert told in str(caught.value)
    assert not str(caught.value).endswith("?.")
    assert len(str(caught.value)) < 300
    ending = ending_of(caught.value)
    assert ending is not None
    assert ending.status == WRONG_USAGE


@given(st.text(max_size=60))
def test_any_text_is_a_policy_or_an_error(text: str) -> None:
    with suppress(PolicyError):
        assert isinstance(policy_of_toml(text), Policy)


def test_files(tmp_path: Path) -> None:
    path = tmp_path / "ours.toml"
    path.write_bytes(b"\xef\xbb\xbf" + WHOLE.encode())
    assert policy_of_file(path).name == "ours"
    path.write_bytes(b'name = "\xff"')
    with pytest.raises(PolicyError, match="UTF-8"):
        policy_of_file(path)
    with pytest.raises(PolicyError, match=r"cannot be read from .*none\.toml: No such file or directory"):
        policy_of_file(tmp_path / "none.toml")


def test_a_file_that_names_no_policy_is_its_name(tmp_path: Path) -> None:
    """Unless it names none that a policy may have, or the ledger began under the same by another name."""
    for stem, name in (("as-of 2025", "as-of 2025"), ("über", "über"), (".hidden", "default"), ("x" * 70, "default")):
        path = tmp_path / f"{stem}.toml"
        path.write_text('churn = "notice"\n')
        assert policy_of_file(path) == Policy(name=name, churn="notice")
    path = tmp_path / "ours.toml"
    path.write_text('churn = "notice"\n')
    begun = Policy(churn="notice")
    assert policy_in_force(begun, path, "UTC") == begun
    assert policy_in_force(None, path, "UTC").name == "ours"


def test_utc_is_no_zone() -> None:
    assert zone_of(Policy()) is None
    assert str(zone_of(Policy(zone="Asia/Seoul"))) == "Asia/Seoul"
    assert rules_of(Policy(zone="Asia/Seoul")).zone == zone_of(Policy(zone="Asia/Seoul"))


def test_the_policy_in_force_is_the_one_a_ledger_began_under(tmp_path: Path) -> None:
    """A file decides how a new one begins, and afterwards has to say the same; it need not name the zone."""
    file = tmp_path / "policy.toml"
    file.write_text('name = "mine"\nchurn = "notice"\n')
    begun = Policy(name="mine", churn="notice", zone="Asia/Seoul")
    assert policy_in_force(None, None, "Asia/Seoul") == Policy(zone="Asia/Seoul")
    assert policy_in_force(None, file, "Asia/Seoul") == begun
    assert policy_in_force(begun, file, "UTC") == policy_in_force(begun, None, "UTC") == begun
    with pytest.raises(PolicyDiffers, match="with --policy"):
        policy_in_force(Policy(), file, "UTC")
    file.write_text('churn = "notise"\n')
    with pytest.raises(SettingsError, match=r"REVLEDGER_POLICY=.*did you mean notice"):
        policy_in_force(None, file, "UTC")
