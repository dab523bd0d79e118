"""What happens when this machine cannot give a test its server: a skip that says why, or a failure."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final, NoReturn

import pytest

REQUIRE: Final = "REVLEDGER_REQUIRE"
"""Names, separated by commas, of what must be there: a test without it fails instead of being skipped."""

KNOWN: Final = frozenset({"apprise", "browser", "kafka", "redis"})

kafka_tests: Final = pytest.mark.xdist_group("kafka")
"""Puts a test into the one process that runs all tests with Kafka, and so has the one broker of the run.

A test that names a fixture of Kafka has it by itself; it is for those that ask for one by `getfixturevalue`.
"""


class Unavailable(Exception):
    """A server that cannot be had on this machine; the message says what was tried and what to install."""


def required(environment: Mapping[str, str] = os.environ) -> frozenset[str]:
    """What `REVLEDGER_REQUIRE` names.

    Raises:
        ValueError: a name that no test asks for, which would require nothing.
    """
    names = frozenset(name.strip() for name in environment.get(REQUIRE, "").split(",")) - {""}
    if unknown := names - KNOWN:
        raise ValueError(f"{REQUIRE} names {', '.join(sorted(unknown))}; write some of: {', '.join(sorted(KNOWN))}")
    return names


def skip_or_fail(name: str, reason: str, environment: Mapping[str, str] = os.environ) -> NoReturn:
    """Skips the test for want of a server, or fails it where that server is required."""
    if name in required(environment):
        pytest.fail(f"{REQUIRE} requires {name}, and there is none: {reason}", pytrace=False)
    pytest.skip(f"no {name}: {reason}")


@contextmanager
def needing(name: str) -> Iterator[None]:
    """A block that starts a server: where it is unavailable, the test is skipped or fails."""
    try:
        yield
    except Unavailable as unavailable:
        reason = str(unavailable)
    else:
        return
    skip_or_fail(name, reason)  # outside, so that what is printed is one sentence and no traceback
