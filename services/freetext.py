"""Free text at the writer: kept with a nonce beside it, or only its hash, as the settings say."""

from secrets import token_hex
from typing import Literal

from events.envelope import EVENT_BYTES_MAX, event_of
from events.freetext import NONCE_BYTES, texts_of, with_nonce, without_text
from events.refusals import Refused
from events.vocabulary import Event

Mode = Literal["keep", "hash"]


def as_kept(raw: bytes, event: Event, mode: Mode) -> tuple[bytes, Event]:
    """An event as the ledger keeps it, and what that says; raises Refused if it became too large.

    With `keep` a nonce is added, unless that made it larger than an event may be; with `hash` its free text does not
    get into the ledger.
    """
    if not texts_of(event):
        return raw, event
    nonce = token_hex(NONCE_BYTES)
    if mode == "keep":
        salted = with_nonce(raw, nonce)
        return (salted if len(salted) <= EVENT_BYTES_MAX else raw), event
    short = without_text(raw, event, nonce)
    if len(short) > EVENT_BYTES_MAX:
        sentence = f"the event has more than {EVENT_BYTES_MAX} bytes with the hashes of its texts: shorten it"
        raise Refused("too_large", sentence)
    return short, event_of(short)
