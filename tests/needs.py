"""What a test needs from its machine, and whether it may be skipped without it."""

import os
from collections.abc import Mapping
from typing import NoReturn

import pytest


def required(environ: Mapping[str, str] | None = None) -> frozenset[str]:
    """The names in REVLEDGER_REQUIRE (comma-separated): what must be there, as in `.ci/run`."""
    names = (os.environ if environ is None else environ).get("REVLEDGER_REQUIRE", "")
    return frozenset(name.strip() for name in names.split(",") if name.strip())


def lack(need: str, reason: str, environ: Mapping[str, str] | None = None) -> NoReturn:
    """Skips the test because `need` (such as "redis") is absent; fails it where `need` is required."""
    sentence = f"needs {need}: {reason}"
    if need in required(environ):
        pytest.fail(f"{sentence} (REVLEDGER_REQUIRE forbids to skip it)", pytrace=False)
    pytest.skip(sentence)
