"""The policy: a default that hashes as nothing said, and a stamp that tells policies apart."""

from hashlib import sha256

import msgspec
import pytest

from events.policy import Policy, Rules


def test_the_default_policy_says_nothing() -> None:
    assert msgspec.json.encode(Policy()) == b"{}"
    assert Policy().stamp == "default@1:" + sha256(b"{}").hexdigest()[:8] == "default@1:44136fa3"


def test_every_choice_changes_the_stamp() -> None:
    stamps = {Policy().stamp, Policy(name="ours").stamp, Policy(version=2).stamp, Policy(zone="Asia/Seoul").stamp}
    assert len({stamp.rpartition(":")[2] for stamp in stamps}) == 4
    assert Policy(name="ours", version=2).stamp.startswith("ours@2:")


SWITCHES = [
    {"churn": "notice"},
    {"discounts": "list"},
    {"discounts": "forever_only"},
    {"paused": "full"},
    {"free_accounts": "active"},
    {"reactivation_days": 0},
    {"reactivation_days": 90},
]


def test_every_switch_changes_the_hash() -> None:
    policies = [msgspec.convert(one, Policy) for one in SWITCHES]
    assert len({policy.stamp for policy in [Policy(), *policies]}) == len(SWITCHES) + 1
    for said, policy in zip(SWITCHES, policies, strict=True):
        assert msgspec.json.decode(msgspec.json.encode(policy)) == said


@pytest.mark.parametrize(
    "wrong",
    [
        {"churn": "Notice"},
        {"churn": None},
        {"reactivation_days": -1},
        {"reactivation_days": True},
        {"name": ""},
        {"name": "a@b"},
        {"name": "a\n"},
        {"version": 0},
    ],
)
def test_a_choice_there_is_not_is_an_error(wrong: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(wrong, Policy)


def test_returns_within_the_window() -> None:
    assert Rules().is_return(10**6)
    limited = Rules(Policy(reactivation_days=30))
    assert [limited.is_return(days) for days in (1, 30, 31)] == [True, True, False]


def test_a_choice_spelt_out_at_its_default_changes_nothing() -> None:
    spelt = msgspec.json.decode(b'{"zone": "UTC", "version": 1, "name": "default"}', type=Policy)
    assert spelt.stamp == Policy().stamp


def test_an_unknown_choice_is_an_error() -> None:
    with pytest.raises(msgspec.ValidationError, match="unknown field"):
        msgspec.json.decode(b'{"zones": "UTC"}', type=Policy)


def test_a_policy_survives_its_bytes() -> None:
    policy = Policy(name="ours", zone="Asia/Seoul")
    assert msgspec.json.decode(msgspec.json.encode(policy), type=Policy) == policy
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(policy), type=Policy) == policy
