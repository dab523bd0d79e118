"""Signed checkpoints: keys that stay secret, signatures that fit one text and one key."""

import stat
from pathlib import Path

import pytest

from events.checkpoint import Redactions, text_of_checkpoint
from services.audit import checkpoints
from services.audit.checkpoints import CheckpointRefused, KeyUnusable
from tests.services.audit.chains import Kept, chain_of
from tests.services.cli.calling import signed
from tests.services.running import asynchronous


def test_a_private_key_is_for_its_owner_alone_and_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "books.key"
    checkpoints.new_key(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(KeyUnusable, match="not overwritten"):
        checkpoints.new_key(path)
    path.chmod(0o640)
    with pytest.raises(KeyUnusable, match="chmod 600"):
        checkpoints.private_key_in(path)


def test_what_is_no_key_is_told(tmp_path: Path) -> None:
    path = tmp_path / "books.key"
    path.write_bytes(b"-----BEGIN nothing")
    path.chmod(0o600)
    with pytest.raises(KeyUnusable, match="no private key"):
        checkpoints.private_key_in(path)
    with pytest.raises(KeyUnusable, match="no public key"):
        checkpoints.public_key_in(path)


@asynchronous
async def test_a_signature_is_of_one_text_by_one_key(tmp_path: Path) -> None:
    chain = await chain_of([signed("s1")])
    key = checkpoints.new_key(tmp_path / "books.key")
    assert checkpoints.private_key_in(tmp_path / "books.key").private_bytes_raw() == key.private_bytes_raw()
    public = checkpoints.public_key_in(tmp_path / "books.key.pub")
    plain = await checkpoints.taken(Kept(chain), [0], Redactions())
    made = checkpoints.signed(plain, key)
    assert (made.ledger, made.heads[0].hash, made.key) == (chain[0].hash, chain[-1].hash, public)
    text = text_of_checkpoint(made)
    assert checkpoints.checked(text, public) == checkpoints.checked(text) == made
    for spot, letter in enumerate(text):
        with pytest.raises(CheckpointRefused):
            checkpoints.checked(text[:spot] + ("0" if letter != "0" else "1") + text[spot + 1 :], public)
    checkpoints.new_key(tmp_path / "other.key")
    with pytest.raises(CheckpointRefused, match="not by the one given"):
        checkpoints.checked(text, checkpoints.public_key_in(tmp_path / "other.key.pub"))
    with pytest.raises(CheckpointRefused, match="not signed"):
        checkpoints.checked(text_of_checkpoint(plain), public)
    assert checkpoints.checked(text_of_checkpoint(plain)) == plain
