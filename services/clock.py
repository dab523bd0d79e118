"""The one clock of the services."""

from time import time_ns


def now() -> int:
    """Microseconds since 1970-01-01 UTC."""
    return time_ns() // 1_000
