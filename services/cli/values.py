"""Values of SQL as JSON and text have them: exact where they can be, and never two that look alike."""

import math
from datetime import date, datetime, time
from typing import Any


def plain(value: object) -> Any:
    """A value as JSON has it.

    Whole numbers stay whole, however large; decimals are texts; times are RFC 3339; bytes are hexadecimal; what is not
    a number is null; maps and structures are objects.
    """
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).hex()
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, dict):
        return {_key(name): plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return str(value)


def _key(name: object) -> str:
    found = plain(name)
    return found if isinstance(found, str) else str(found)
