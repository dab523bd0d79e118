"""A test that lacks something is skipped with its reason, and fails where that thing is required."""

import pytest

from tests.needs import lack, required


def test_names_are_separated_by_commas() -> None:
    assert required({"REVLEDGER_REQUIRE": "redis, kafka,"}) == {"redis", "kafka"}
    assert required({}) == frozenset()


def test_what_is_not_required_is_skipped() -> None:
    with pytest.raises(pytest.skip.Exception, match="needs redis: no server"):
        lack("redis", "no server", {"REVLEDGER_REQUIRE": "kafka"})


def test_what_is_required_fails() -> None:
    with pytest.raises(pytest.fail.Exception, match="needs redis: no server"):
        lack("redis", "no server", {"REVLEDGER_REQUIRE": "redis"})
