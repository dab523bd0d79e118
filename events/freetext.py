"""Free text: what people wrote in their own words, and how it is taken out of an event whose hash stays in the chain.

Free text is what the vocabulary types as `FreeText`. Where it was, `removed:sha256:` stands and the SHA-256 of a nonce
of 128 bits and the text. The nonce is in the extension attribute `textnonce` of the event, and goes together with the
text: so neither that hash nor the hash of the event as it was received tells whether a guess was right.
"""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final, get_args, get_type_hints

import msgspec
from msgspec import Raw

from events import vocabulary as v

MARK: Final = "removed:sha256:"
NONCE: Final = "textnonce"
NONCE_BYTES: Final = 16
_JSON: Final = msgspec.json.Encoder()
_OBJECT: Final = msgspec.json.Decoder(dict[str, Raw])
_STRING: Final = msgspec.json.Decoder(str)


def _free_fields(event_type: type[v.Event]) -> tuple[str, ...]:
    hints = get_type_hints(get_type_hints(event_type)["data"], include_extras=True)
    return tuple(name for name, hint in hints.items() if v.FreeText in (hint, *get_args(hint)))


FREE_FIELDS: Final[Mapping[type[v.Event], tuple[str, ...]]] = {
    event_type: fields for event_type in v.EVENT_TYPES.values() if (fields := _free_fields(event_type))
}
"""Type of event -> the fields of its data that are free text."""


def texts_of(event: v.Event) -> dict[str, str]:
    """The free text in an event by field, without what was taken out before."""
    data: Any = event
    named = {name: getattr(data.data, name) for name in FREE_FIELDS.get(type(event), ())}
    return {name: text for name, text in named.items() if text is not None and not is_mark(text)}


def is_mark(text: str) -> bool:
    """Whether a text stands for one that was taken out."""
    return text.startswith(MARK)


def mark_of(text: str, nonce: str) -> str:
    """What stands for a text: the SHA-256 of the nonce in hexadecimal, as ASCII, and the text, as UTF-8."""
    return MARK + sha256((nonce + text).encode()).hexdigest()


def with_nonce(raw: bytes, nonce: str) -> bytes:
    """An event in JSON with a nonce in it; one that has a nonce of its own comes back as it is."""
    document = _OBJECT.decode(raw)
    if _own_nonce(document):
        return raw
    if NONCE in document:  # it is none: anybody could guess it
        return _JSON.encode({**document, NONCE: nonce})
    whole = raw.rstrip()
    return b'%s,"%s":"%s"}' % (whole[:-1], NONCE.encode(), nonce.encode())


def has_nonce(raw: bytes) -> bool:
    """Whether an event in JSON has a nonce, so that its hashes tell nothing of its text."""
    return bool(_own_nonce(_OBJECT.decode(raw)))


def without_text(raw: bytes, event: v.Event, nonce: str) -> bytes:
    """An event in JSON with marks in place of its free text and without its nonce; all else is spelt as it was.

    `nonce` is for an event that has none of its own.
    """
    document = _OBJECT.decode(raw)
    chosen = _own_nonce(document) or nonce
    document.pop(NONCE, None)
    data = _OBJECT.decode(document["data"])
    for name, text in texts_of(event).items():
        data[name] = Raw(_JSON.encode(mark_of(text, chosen)))
    document["data"] = Raw(_JSON.encode(data))
    return _JSON.encode(document)


def _own_nonce(document: Mapping[str, Raw]) -> str:
    """The nonce in an event; empty if there is none, or one that a sender set and that is too short to be one."""
    try:
        nonce = _STRING.decode(document.get(NONCE, Raw(b'""')))
    except msgspec.MsgspecError:
        return ""
    return nonce if len(nonce) >= 2 * NONCE_BYTES else ""
