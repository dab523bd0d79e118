"""Policies as people write them: TOML in, checked key by key; and what booking makes of one."""

import difflib
import re
import tomllib
from collections.abc import Iterable
from datetime import tzinfo
from pathlib import Path
from typing import Any, Final, Literal, get_args, get_origin
from zoneinfo import ZoneInfo

import msgspec
from msgspec.structs import fields, replace

from events.policy import Policy, Rules
from services.settings import SettingsError
from services.variables import time_zone

_TYPES: Final[dict[str, Any]] = {field.name: field.type for field in fields(Policy)}
QUOTES: Final = "; words stand in quotes, such as churn = 'notice'"
"""What is most often wrong with a value."""
_NAME: Final = r"\w[\w .-]{0,63}"
"""What a policy may be called."""
_ADVICE: Final[dict[str, str]] = {
    "name": "a name of 1 to 64 letters, digits and _ . - or spaces, beginning with a letter or digit",
    "version": "a whole number from 1",
    "gross_margin": "percent as a decimal string from 0 to 100, such as '82.5'",
    "reactivation_days": "a whole number of days from 0; leave it out for no limit",
}
"""Key -> what it may be, where that is no list of words."""


class PolicyError(Exception):
    """A policy that cannot be read; `key` is what is wrong in it, empty for the text as a whole."""

    def __init__(self, key: str, problem: str) -> None:
        super().__init__(f"The policy {problem}" if problem.endswith("?") else f"The policy {problem}.")
        self.key = key


class PolicyDiffers(Exception):
    """The settings name another policy than the one in force; nothing was changed."""

    def __init__(self, begun: Policy, wanted: Policy) -> None:
        super().__init__(
            f"The ledger is under policy {begun.stamp}, and REVLEDGER_POLICY names {wanted.stamp}. To keep the books"
            " under that one from now on, run `revledger policy adopt FILE` with the service stopped; else unset"
            " REVLEDGER_POLICY. To see the books under another policy, ask for reports with --policy."
        )
        self.begun = begun
        self.wanted = wanted


def policy_in_force(begun: Policy | None, file: Path | None, zone: str) -> Policy:
    """The policy of a ledger: the one in force; of one that is to begin (None), that of a file, in a zone.

    A file that says nothing of the zone leaves it as it is. Raises SettingsError, and PolicyDiffers.
    """
    usual = zone if begun is None else begun.zone
    if file is None:
        return begun or Policy(zone=usual)
    try:
        wanted = policy_of_file(file, None if begun is None else begun.name)
    except PolicyError as error:
        raise SettingsError([f"REVLEDGER_POLICY={str(file)!r}: {error}"]) from error
    wanted = replace(wanted, zone=usual) if wanted.zone == "UTC" else wanted
    if begun is not None and begun.stamp != wanted.stamp:
        raise PolicyDiffers(begun, wanted)
    return wanted


def policy_of_file(path: Path, name: str | None = None) -> Policy:
    """The policy in a TOML file; raises PolicyError.

    One that does not name itself has a `name` that is given, else that of its file, where that can be one.
    """
    try:
        text = path.read_text("utf-8-sig")
    except OSError as error:
        raise PolicyError("", f"cannot be read from {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise PolicyError("", f"is not text in UTF-8: {error}") from error
    return policy_of_toml(text, name or (path.stem if re.fullmatch(_NAME, path.stem) else Policy().name))


def policy_of_toml(text: str, name: str = Policy().name) -> Policy:
    """The policy that TOML states, everything it leaves out at its default, its name too; raises PolicyError."""
    try:
        said = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, ValueError, RecursionError) as error:
        hint = QUOTES if "Invalid value" in str(error) else ""
        raise PolicyError("", f"is not TOML: {error}{hint}") from error
    return Policy(**{"name": name, **{key: _value(key, value) for key, value in said.items()}})


def _value(key: str, value: object) -> Any:
    if key not in _TYPES:
        raise PolicyError(key, f"has no {_shown(key)}: {_nearest(key, _TYPES)}")
    if key == "zone" and isinstance(value, str):
        try:
            return time_zone(value)
        except ValueError as error:
            raise PolicyError(key, f"says zone = {_shown(value)}: write {error}") from error
    try:
        return msgspec.convert(value, _TYPES[key])
    except msgspec.ValidationError as error:
        raise PolicyError(key, f"says {key} = {_shown(value)}: {_advice(key, value)}") from error


def _advice(key: str, value: object) -> str:
    if get_origin(_TYPES[key]) is Literal:
        return _nearest(str(value), get_args(_TYPES[key]))
    return f"write {_ADVICE.get(key, 'an IANA time zone such as Europe/Berlin')}"


def _nearest(word: str, words: Iterable[str]) -> str:
    words = list(words)
    near = difflib.get_close_matches(word, words, n=1)
    return f"did you mean {near[0]}?" if near else f"write one of {', '.join(words)}"


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def zone_of(policy: Policy) -> tzinfo | None:
    """The reporting zone; None is UTC, the fast way."""
    return None if policy.zone == "UTC" else ZoneInfo(policy.zone)


def rules_of(policy: Policy) -> Rules:
    """What booking under a policy goes by."""
    return Rules(policy, zone_of(policy))
