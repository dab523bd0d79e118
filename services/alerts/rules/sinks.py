"""Sinks as a file names them: where alerts go, and by which secrets."""

import os
import re
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Collection
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlsplit

from msgspec import Struct

from services.alerts.rules import reading
from services.alerts.rules.reading import Wrong

Kind = Literal["log", "webhook", "mail", "apprise", "kafka"]
KINDS: Final = ("log", "webhook", "mail", "apprise", "kafka")
READ_BY_PEOPLE: Final = frozenset({"mail", "apprise"})
GROUP_SECONDS: Final = 300
"""For how long alerts to people wait for one message, where nothing else is said."""
KEY_PREFIX: Final = "whsec_"
SECRET_BYTES: Final = range(24, 65)
"""How long the key of a signature may be (source: the Standard Webhooks specification)."""
RETRIES: Final = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""Seconds from one attempt to the next, as that specification recommends; then the message is a dead letter."""


class Sink(Struct, frozen=True, kw_only=True):
    """One place that alerts go to; which fields count depends on its kind."""

    name: str
    kind: Kind
    url: str = ""
    secret_env: tuple[str, ...] = ()
    secret_file: tuple[str, ...] = ()
    timeout_seconds: int = 15
    retries: tuple[int, ...] = RETRIES
    host: str = ""
    port: int = 0
    tls: Literal["none", "starttls", "tls"] = "starttls"
    user: str = ""
    from_: str = ""
    to: tuple[str, ...] = ()
    escalate_seconds: int = 0
    escalate_to: tuple[str, ...] = ()
    group_seconds: int | None = None
    group_by: tuple[str, ...] = ()

    @property
    def groups_seconds(self) -> int:
        """For how long alerts wait for one message; where nothing is said, that is so for what people read."""
        if self.group_seconds is not None:
            return self.group_seconds
        return GROUP_SECONDS if self.kind in READ_BY_PEOPLE else 0


class SecretMissing(Exception):
    """A secret that a sink names and that is not there, or is none; the message says what to do."""


class SecretAway(SecretMissing):
    """A secret that is nowhere on this machine, though it may be where the service runs."""


SINK_KEYS: Final[dict[str, tuple[str, reading.Reader]]] = {
    "name": ("name", reading.text),
    "kind": ("kind", reading.one_of(*KINDS)),
    "url": ("url", reading.text),
    "secret_env": ("secret_env", reading.texts),
    "secret_file": ("secret_file", reading.texts),
    "timeout": ("timeout_seconds", reading.duration),
    "retries": ("retries", reading.durations),
    "host": ("host", reading.text),
    "port": ("port", reading.whole(1, 65_535)),
    "tls": ("tls", reading.one_of("none", "starttls", "tls")),
    "user": ("user", reading.text),
    "from": ("from_", reading.text),
    "to": ("to", reading.texts),
    "escalate_after": ("escalate_seconds", reading.duration),
    "escalate_to": ("escalate_to", reading.texts),
    "group_within": ("group_seconds", reading.duration_or_no),
    "group_by": ("group_by", reading.texts),
}
"""Key of a sink -> its field, and how it is read."""

_OWN_KEYS: Final[dict[str, tuple[str, ...]]] = {
    "log": (),
    "webhook": ("url", "secret_env", "secret_file", "timeout", "retries"),
    "mail": ("host", "port", "tls", "user", "secret_env", "secret_file", "from", "to", "timeout", "retries"),
    "apprise": ("secret_env", "secret_file", "timeout", "retries"),
    "kafka": ("retries",),
}
_OF_ALL: Final = ("name", "kind", "escalate_after", "escalate_to", "group_within", "group_by")
_SECRETS: Final = ("secret_env", "secret_file")
OF_SECRETS: Final = ("kind", *_SECRETS)
"""What the secrets of a sink go by."""
_NAMED: Final = "secret_env = ..., or a file: secret_file = ..."
_NEEDED: Final[dict[str, tuple[str, ...]]] = {
    **dict.fromkeys(("log", "kafka", "apprise"), ()),
    "webhook": ("url",),
    "mail": ("host", "from", "to"),
}


def problems_of_sink(sink: Sink, keys: Collection[str], unread: Collection[str]) -> list[Wrong]:
    """What is wrong in a sink beside its keys that are `unread`, because they cannot be; `keys` are those it states."""
    if "kind" in unread:
        return []
    wrong = [
        Wrong(key, f"{key} means nothing for a sink of kind {sink.kind}: leave it out")
        for key in sorted({*keys} - {*_OF_ALL, *_OWN_KEYS[sink.kind]})
    ]
    needed = [key for key in _NEEDED[sink.kind] if key not in keys]
    wrong += [Wrong("kind", f"a {sink.kind} needs {key}: add it", (key,)) for key in needed]
    if sink.kind == "webhook":
        wrong += _of_webhook(sink)
    if sink.kind == "mail" and sink.user and sink.tls == "none":
        wrong.append(Wrong("tls", "a password would go over the line for all to read: write starttls or tls"))
    secrets = len(sink.secret_env) + len(sink.secret_file)
    if sink.kind == "mail" and sink.user and not secrets:
        wrong.append(Wrong("user", f"name the variable with its password: {_NAMED}", _SECRETS))
    if sink.kind == "apprise" and secrets != 1:
        wrong.append(Wrong("kind", f"name the one variable with its URL: {_NAMED}", _SECRETS))
    return reading.causes(wrong, unread)


def _of_webhook(sink: Sink) -> list[Wrong]:
    place = urlsplit(sink.url)
    wrong: list[Wrong] = []
    if not (sink.secret_env or sink.secret_file):
        wrong.append(Wrong("url" if sink.url else "kind", f"name the variable with its secret: {_NAMED}", _SECRETS))
    if not sink.url:
        return wrong
    if place.scheme not in ("http", "https") or not place.hostname or re.search(r"\s", sink.url):
        wrong.append(Wrong("url", "write a URL such as https://crm.example/hooks/revenue"))
    elif place.username or place.password:
        shows = "it holds a user or a password, which every log would show: sign with a secret instead"
        wrong.append(Wrong("url", shows))
    return wrong


def problems_of_secrets(sink: Sink) -> list[Wrong]:
    """What is wrong with the secrets of a sink that names them rightly, by key."""
    try:
        keys_of_webhook(sink) if sink.kind == "webhook" else secrets_of(sink)
    except SecretMissing as error:
        return [Wrong("secret_env" if sink.secret_env else "secret_file", str(error))]
    return []


def away(sink: Sink) -> str | None:
    """What to say of a secret of a sink that is nowhere on this machine; None where all are here."""
    try:
        secrets_of(sink)
    except SecretAway as error:
        return str(error)
    except SecretMissing:
        return None  # here, and wrong
    return None


def secrets_of(sink: Sink) -> list[str]:
    """The secrets that a sink names, the newest first; raises SecretMissing."""
    found: list[str] = []
    for name in sink.secret_env:
        secret = os.environ.get(name, "").strip()
        if not secret:
            raise SecretAway(f"the variable {name} is not set: set it to the secret, or name another")
        found.append(secret)
    for path in sink.secret_file:
        try:
            secret = Path(path).read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise SecretAway(f"the secret in {path} cannot be read ({error}): mend that, or name another") from error
        if not secret:
            raise SecretMissing(f"the file {path} is empty: put the secret into it")
        found.append(secret)
    return found


def keys_of_webhook(sink: Sink) -> list[bytes]:
    """The keys that messages to a webhook are signed with, one signature each; raises SecretMissing."""
    return [_key(secret) for secret in secrets_of(sink)]


def _key(secret: str) -> bytes:
    try:
        key = b64decode(secret.removeprefix(KEY_PREFIX), validate=True)
    except (Base64Error, ValueError):
        key = b""
    if len(key) not in SECRET_BYTES:
        raise SecretMissing(
            "a secret is whsec_ and 24 to 64 bytes in base64: make one with"
            " `python3 -c \"import base64, os; print('whsec_' + base64.b64encode(os.urandom(32)).decode())\"`"
        )
    return key
