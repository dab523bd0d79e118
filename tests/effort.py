"""Effort: with how many examples a law is tried; `make thorough` tries them with all."""

import os
from typing import Final

PERCENT: Final = int(os.environ.get("TEST_EFFORT", "40"))
"""Of the examples that a test names, so many are tried: each run draws new ones, and has what others left out."""


def examples(thorough: int) -> int:
    """How many examples to try, of those a thorough run tries; never none."""
    return max(1, thorough * PERCENT // 100)
