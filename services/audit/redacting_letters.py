"""Redacting dead letters: free text taken out of events that were refused, which may be wrong in any way."""

from datetime import tzinfo
from pathlib import Path
from secrets import token_hex
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from events.days import day_of_moment, moment_of_text
from events.freetext import FREE_FIELDS, NONCE, NONCE_BYTES, is_mark, mark_of
from services.audit.redacting import Wanted
from services.deadletters import FILE_NAME, DeadLetter, DeadLetters

_FIELDS: Final = frozenset(name for names in FREE_FIELDS.values() for name in names)
_OBJECT: Final = msgspec.json.Decoder(dict[str, Raw])
_JSON: Final = msgspec.json.Encoder()


class Letters(Struct):
    """How many letters had text taken out, and how many are no JSON, so that nobody knows what is in them."""

    taken: int = 0
    unreadable: int = 0


def redact_letters(data: Path, wanted: Wanted, zone: tzinfo | None, *, dry_run: bool) -> Letters:
    """Takes the text out of the dead letters of a data directory, resolved ones too, or only counts them.

    Raises DeadLettersUnavailable, TextRemains.
    """
    found = Letters()
    if not (data / FILE_NAME).is_file():
        return found

    def change(letter: DeadLetter) -> bytes | None:
        try:
            raw = _without_text(letter, wanted, zone)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            found.unreadable += 1
            return None
        found.taken += raw is not None
        return None if dry_run else raw

    letters = DeadLetters(data)
    try:
        letters.rewrite(change, clean=not dry_run)
    finally:
        letters.close()
    return found


def _without_text(letter: DeadLetter, wanted: Wanted, zone: tzinfo | None) -> bytes | None:
    """The event of a letter without its free text; None if it has none, or is not wanted."""
    document = _OBJECT.decode(letter.raw)
    if "data" not in document or not _is_wanted(document, letter, wanted, zone):
        return None
    data = _OBJECT.decode(document["data"])
    texts = {name: text for name in _FIELDS & data.keys() if not is_mark(text := _text(data[name]))}
    if not texts:
        return None
    nonce = token_hex(NONCE_BYTES)
    document.pop(NONCE, None)
    document["data"] = Raw(_JSON.encode({**data, **{name: mark_of(text, nonce) for name, text in texts.items()}}))
    return _JSON.encode(document)


def _is_wanted(document: dict[str, Raw], letter: DeadLetter, wanted: Wanted, zone: tzinfo | None) -> bool:
    named = {name: _text(document[name]) for name in ("source", "id", "subject", "time") if name in document}
    if wanted.key is not None:
        return (named.get("source"), named.get("id")) == wanted.key
    if wanted.account is not None:
        return named.get("subject") == wanted.account
    try:
        day = day_of_moment(moment_of_text(named.get("time", "")), zone)
    except (ValueError, OverflowError):
        day = day_of_moment(letter.first_at, zone)
    return wanted.before is not None and day < wanted.before


def _text(value: Raw) -> str:
    """A value as text: a string as it is, anything else as its JSON."""
    decoded: Any = msgspec.json.decode(value)
    return decoded if isinstance(decoded, str) else bytes(value).decode()
