"""Signed checkpoints: keys of Ed25519 in files, heads of ledgers taken and signed, checkpoints read and checked."""

import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from events import block as blocks
from events.block import BlockDamaged
from events.checkpoint import Checkpoint, Head, NotACheckpoint, Redactions, checkpoint_of_text, statement
from services import clock
from services.audit.verifying.ledger import rule_of
from services.ledgers.port import Chains

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

PUBLIC_SUFFIX: Final = ".pub"
PRIVATE_MODE: Final = 0o600


class AuditNotInstalled(Exception):
    """Signatures need `cryptography`, which is not installed."""

    def __init__(self) -> None:
        super().__init__("signatures need the cryptography package: pip install 'revledger[audit]'")


class KeyUnusable(Exception):
    """A file that holds no key of the kind that is needed, or is readable for others."""


class CheckpointRefused(Exception):
    """A checkpoint that cannot be read, or is not signed as it has to be."""


def new_key(path: Path) -> "Ed25519PrivateKey":
    """Makes a private key in a file that only its owner can read, and its public key beside it; raises KeyUnusable."""
    ed25519, serialization = _cryptography()
    public = path.with_name(path.name + PUBLIC_SUFFIX)
    for one in (path, public):
        if one.exists():
            raise KeyUnusable(f"{one} is there already and is not overwritten: name another file")
    key: Ed25519PrivateKey = ed25519.Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    _write_new(path, private, PRIVATE_MODE)
    subject = serialization.PublicFormat.SubjectPublicKeyInfo
    _write_new(public, key.public_key().public_bytes(serialization.Encoding.PEM, subject), 0o644)
    return key


def private_key_in(path: Path) -> "Ed25519PrivateKey":
    """The private key in a file (PEM, PKCS 8); raises KeyUnusable, or OSError if there is none."""
    ed25519, serialization = _cryptography()
    data = path.read_bytes()
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise KeyUnusable(f"{path} can be read by others than its owner: chmod 600 it, or make a new key")
    try:
        key = serialization.load_pem_private_key(data, None)
    except (ValueError, TypeError) as error:
        raise KeyUnusable(f"{path} is no private key in PEM without a passphrase: {error}") from error
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise KeyUnusable(f"{path} is a private key of another kind than Ed25519: make one with --new-key")
    private: Ed25519PrivateKey = key
    return private


def public_key_in(path: Path) -> bytes:
    """The 32 bytes of the public key in a file (PEM); raises KeyUnusable, or OSError if there is none."""
    ed25519, serialization = _cryptography()
    try:
        key = serialization.load_pem_public_key(path.read_bytes())
    except ValueError as error:
        raise KeyUnusable(f"{path} is no public key in PEM: {error}") from error
    if not isinstance(key, ed25519.Ed25519PublicKey):
        raise KeyUnusable(f"{path} is a public key of another kind than Ed25519")
    raw: bytes = key.public_bytes_raw()
    return raw


async def taken(ledger: Chains, partitions: Sequence[int], redactions: Redactions) -> Checkpoint:
    """A checkpoint of the heads of a ledger, not signed yet; raises BlockDamaged or LedgerError."""
    _, name = await rule_of(ledger)
    heads: list[Head] = []
    for partition in partitions:
        tail = await ledger.tail(partition)
        if tail is None:
            continue
        if blocks.block_of(tail.data).hash != tail.hash:
            raise BlockDamaged(f"block {tail.height} of partition {partition} is damaged: `revledger verify` says how")
        heads.append(Head(partition, tail.height, tail.recorded_at, tail.hash))
    return Checkpoint(name, clock.now(), tuple(heads), redactions)


def signed(checkpoint: Checkpoint, key: "Ed25519PrivateKey") -> Checkpoint:
    """The checkpoint with the public key in it, signed."""
    named = replace(checkpoint, key=key.public_key().public_bytes_raw(), signature=b"")
    return replace(named, signature=key.sign(statement(named)))


def checkpoint_in(path: Path, public_key: bytes | None = None) -> Checkpoint:
    """The checkpoint in a file, as `checked`; raises CheckpointRefused, or OSError if there is none."""
    try:
        text = path.read_bytes().decode()
    except UnicodeDecodeError as error:
        raise CheckpointRefused(f"{path} is no checkpoint: it is no text") from error
    try:
        return checked(text, public_key)
    except CheckpointRefused as refused:
        raise CheckpointRefused(f"{path}: {refused}") from refused


def checked(text: str, public_key: bytes | None = None) -> Checkpoint:
    """The checkpoint in a text whose signature is good; with `public_key` it must be signed by its owner.

    One that nobody signed passes where no key is given: it is as good as the place it was kept in.
    """
    try:
        checkpoint = checkpoint_of_text(text)
    except NotACheckpoint as error:
        raise CheckpointRefused(f"it is no checkpoint: {error}") from error
    if public_key is not None and not checkpoint.key:
        raise CheckpointRefused("the checkpoint is not signed, and a public key was given")
    if public_key is not None and checkpoint.key != public_key:
        due, found = public_key.hex(), checkpoint.key.hex()
        raise CheckpointRefused(f"the checkpoint is signed by the key {found}, and not by the one given, {due}")
    if checkpoint.key and not _is_signed(checkpoint):
        raise CheckpointRefused("the signature is not of this text by this key: the checkpoint was altered or forged")
    return checkpoint


def _is_signed(checkpoint: Checkpoint) -> bool:
    ed25519, _ = _cryptography()
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - of the audit extra

    try:
        key = ed25519.Ed25519PublicKey.from_public_bytes(checkpoint.key)
        key.verify(checkpoint.signature, statement(checkpoint))
    except (InvalidSignature, ValueError):
        return False
    return True


def _cryptography() -> "tuple[Any, Any]":
    """Ed25519 and the forms of keys; raises AuditNotInstalled."""
    try:
        from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - of the audit extra
        from cryptography.hazmat.primitives.asymmetric import ed25519  # noqa: PLC0415 - of the audit extra
    except ModuleNotFoundError as error:
        raise AuditNotInstalled from error
    return ed25519, serialization


def _write_new(path: Path, data: bytes, mode: int) -> None:
    """A file that was not there before, durable; raises OSError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
