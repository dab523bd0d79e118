"""A missing server is a skip that says why, unless it is required."""

import pytest

from tests.servers.needs import REQUIRE, Unavailable, needing, required, skip_or_fail


def test_nothing_is_required_by_default() -> None:
    assert required({}) == frozenset()
    assert required({REQUIRE: ""}) == frozenset()


def test_names_are_separated_by_commas() -> None:
    assert required({REQUIRE: "kafka, redis,"}) == {"kafka", "redis"}


def test_a_name_nobody_asks_for_is_an_error() -> None:
    with pytest.raises(ValueError, match="kafak"):
        required({REQUIRE: "kafak"})


def test_a_missing_server_is_a_skip_with_its_reason() -> None:
    with pytest.raises(pytest.skip.Exception, match="no kafka: there is no Java"):
        skip_or_fail("kafka", "there is no Java", {REQUIRE: "redis"})


def test_a_missing_server_that_is_required_is_a_failure() -> None:
    with pytest.raises(pytest.fail.Exception, match=r"requires kafka.*there is no Java"):
        skip_or_fail("kafka", "there is no Java", {REQUIRE: "redis,kafka"})


def test_only_what_is_unavailable_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(REQUIRE, raising=False)
    with pytest.raises(pytest.skip.Exception, match="not here"), needing("redis"):
        raise Unavailable("not here")
    with pytest.raises(OSError, match="broken"), needing("redis"):
        raise OSError("broken")
