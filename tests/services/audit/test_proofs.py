"""Proofs of a ledger: our check and the stand-alone script of the docs say the same of each, whatever is done to it."""

import asyncio
import gzip
import io
import json
import random
import runpy
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout, suppress
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import pytest
from msgspec.structs import replace

from events import block as blocks
from events.checkpoint import Redactions
from events.proof import Proof, ProofRefused, proof_of, text_of_proof
from services.audit import checkpoints
from services.audit.entries import located
from services.audit.proofs import NotProvable, checked_proof, made_proof
from services.ledgers.port import StoredBlock
from tests.services.audit.chains import Kept, chain_of, rebooked, resealed, with_column
from tests.services.cli.calling import ROOT, event, signed
from tests.services.running import asynchronous

SCRIPT: Final = ROOT / "docs" / "check_proof.py"
KEY: Final = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.ed25519").Ed25519PrivateKey.generate()


def some_events() -> list[dict[str, Any]]:
    """Contracts of several accounts, some of them not in ASCII."""
    made = [signed(f"s{number}", subject=f"a{number}", attributes={"land": "Österreich"}) for number in range(12)]
    return [*made, event("n1", "survey.answered", "a1", "2024-04-01", survey="nps", score=9, comment='"good"\n')]


async def proof_for(chain: list[StoredBlock], event_id: str, **given: Any) -> Proof:
    """The proof of an event of a chain."""
    return await made_proof(Kept(chain), await located(Kept(chain), [0], "/tests", event_id), **given)


async def noted(chain: list[StoredBlock]) -> Any:
    """A signed checkpoint of a chain."""
    return checkpoints.signed(await checkpoints.taken(Kept(chain), [0], Redactions()), KEY)


def script(data: bytes, *noted_hash: str) -> str | None:
    """What the script of the docs says of a proof that holds; None for one that does not."""
    said = io.StringIO()
    try:
        with redirect_stdout(said):
            CHECK(data, *noted_hash)
    except SystemExit as ended:
        return None if str(ended).startswith("NOT PROVEN") else str(ended)
    assert said.getvalue().startswith("PROVEN")
    return said.getvalue()


CHECK: Final = runpy.run_path(str(SCRIPT))["main"]


def verdict(data: bytes) -> tuple[bytes, bytes] | None:
    """The event that a proof proves and the block it leads to, by our check and by the script; None: it does not."""
    said = script(data)
    found = None
    with suppress(ProofRefused):
        found = checked_proof(data)
    if found is None:
        assert said is None, "the script takes what we refuse"
        return None
    assert said is not None, "the script refuses what we take"
    assert found.chain[-1].hex() in said
    return found.entry.event, found.chain[-1]


async def _proofs() -> dict[str, bytes]:
    chain = await chain_of(some_events(), a_block=5)
    block = blocks.block_of(chain[1].data)
    entry, left = block.entries[2], block.entries[2].event.replace(b"team", b"----")
    hashes = sha256(entry.event).digest() + sha256(left).digest()
    entries = [*block.entries[:2], blocks.kept_entry(left, entry.booking, hashes), *block.entries[3:]]
    head = blocks.header_bytes(block.data)
    redacted = proof_of(blocks.block_of(blocks.data_of(head, entries)), 2, [], await noted(chain[:2]))
    proofs = {
        "to the head": await proof_for(chain, "s7"),
        "of the last block": await proof_for(chain, "n1"),
        "to a checkpoint": await proof_for(chain, "s4", checkpoints=[await noted(chain)]),
        "of an event with text taken out": redacted,
    }
    texts = {name: text_of_proof(proof).encode() for name, proof in proofs.items()}
    return {**texts, "compressed": gzip.compress(texts["to a checkpoint"], mtime=0)}


PROOFS: Final = asyncio.run(_proofs())


@pytest.mark.parametrize("name", PROOFS)
def test_a_proof_holds_by_both(name: str) -> None:
    assert verdict(PROOFS[name]) is not None


def mutations(data: bytes, rng: random.Random, times: int) -> Iterator[bytes]:
    """So many changes of one byte, half of them to one that is likely in such a text."""
    likely = b'{}[]",: \n0aAzZ/+=\\'
    for _ in range(times):
        spot = rng.randrange(len(data))
        byte = rng.choice(likely) if rng.random() < 0.5 else rng.randrange(256)
        if byte != data[spot]:
            yield data[:spot] + bytes([byte]) + data[spot + 1 :]


def hold_against_changes(name: str, times: int) -> None:
    """A changed byte is refused, or means the same: never another event, never another block."""
    rng = random.Random(times)
    good = verdict(PROOFS[name])
    for data in mutations(PROOFS[name], rng, times):
        found = verdict(data)
        assert found in (None, good)
        if found is not None and name != "compressed":
            assert json.loads(data) == json.loads(PROOFS[name]), "only what does not matter"


@pytest.mark.parametrize("name", PROOFS)
def test_a_changed_byte_is_refused_or_does_not_matter(name: str) -> None:
    hold_against_changes(name, 400)


@pytest.mark.crash
@pytest.mark.parametrize("name", PROOFS)
def test_twenty_thousand_changed_bytes(name: str) -> None:
    hold_against_changes(name, 20_000)


def test_what_is_put_together_of_two_proofs_is_refused() -> None:
    names = [name for name in PROOFS if name != "compressed"]
    fields = ("event", "hashes", "booking", "path", "headers", "head", "checkpoint")
    for one in names:
        for other in names:
            good, bad = json.loads(PROOFS[one]), json.loads(PROOFS[other])
            for field in fields:
                mixed = {**good, **({field: bad[field]} if field in bad else {})}
                if field not in bad:
                    mixed.pop(field, None)
                found = verdict(json.dumps(mixed).encode())
                assert (found is not None) == (mixed == good), (one, other, field)


CHANGES: Final = (
    ("headers", lambda value: value[1:]),
    ("headers", lambda value: [*value, value[-1]]),
    ("headers", lambda value: [*reversed(value)]),
    ("path", lambda value: value[:-1]),
    ("path", lambda value: [["right" if side == "left" else "left", beside] for side, beside in value]),
    ("path", lambda value: [*value, value[-1]]),
    ("event", lambda value: value + " "),
    ("booking", lambda value: value + "\n"),
    ("proof", lambda value: "revledger proof 2"),
    ("more", lambda value: value),
    ("head", lambda value: value and value.upper()),
    ("checkpoint", lambda value: value and value.rpartition("key ")[0]),
    ("checkpoint", lambda value: value and value.replace("taken 2", "taken 3")),
    ("hashes", lambda value: "AAAA"),
)


@pytest.mark.parametrize("number", range(len(CHANGES)))
def test_what_is_built_otherwise_is_refused(number: int) -> None:
    field, change = CHANGES[number]
    for name in ("to the head", "to a checkpoint"):
        said = json.loads(PROOFS[name])
        if (value := change(said.get(field, ""))) != said.get(field):
            assert (verdict(json.dumps({**said, field: value}).encode()) is None) or not value, (name, field)


def test_layout_does_not_matter() -> None:
    for name in ("to the head", "to a checkpoint"):
        said = json.loads(PROOFS[name])
        laid_out = json.dumps(dict(reversed(said.items())), indent=7).encode()
        assert verdict(laid_out) == verdict(PROOFS[name]) is not None


def test_a_proof_is_held_against_what_was_noted(tmp_path: Path) -> None:
    plain, good = PROOFS["to the head"], PROOFS["to a checkpoint"]
    own = KEY.public_key().public_bytes_raw()
    assert checked_proof(good, own).checkpoint is not None
    with pytest.raises(ProofRefused, match="not by the one given"):
        checked_proof(good, bytes(32))
    with pytest.raises(ProofRefused, match="no signed checkpoint"):
        checked_proof(plain, own)
    for one in checked_proof(plain).chain:
        assert checked_proof(plain, head=one.hex()).chain
        assert script(plain, one.hex())
    with pytest.raises(ProofRefused, match="has the hash that was given"):
        checked_proof(plain, head="0" * 64)
    assert script(plain, "0" * 64) is None
    (tmp_path / "one.proof").write_bytes(good)
    run = [sys.executable, "-I", str(SCRIPT), str(tmp_path / "one.proof")]
    done = subprocess.run(run, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"signed by the key {own.hex()}" in done.stdout
    (tmp_path / "one.proof").write_bytes(good.replace(b"team", b"tea."))
    done = subprocess.run(run, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert len(SCRIPT.read_text("utf-8").splitlines()) <= 40


@pytest.mark.parametrize(
    ("field", "value", "step"),
    [("booking", "abc", "form: "), ("headers", ["AAAA"], "form of a header"), ("path", 1, "form: ")],
)
def test_the_script_names_the_step_that_fails(field: str, value: Any, step: str, tmp_path: Path) -> None:
    (tmp_path / "one").write_text(json.dumps({**json.loads(PROOFS["to the head"]), field: value}), "utf-8")
    for given, status, said in (
        ([str(tmp_path / "one")], 1, f"NOT PROVEN, because of the {step}"),
        ([str(tmp_path / "none")], 1, "NOT PROVEN, because of the file: "),
        ([], 2, "Checks a proof of revledger"),
    ):
        done = subprocess.run([sys.executable, "-I", str(SCRIPT), *given], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (status, "", 1)
        assert done.stderr.startswith(said)


def test_without_its_library_the_script_says_that_it_did_not_check_the_signature(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.asymmetric.ed25519", None)
    assert "NOT CHECKED" in (script(PROOFS["to a checkpoint"]) or "")


@asynchronous
async def test_a_proof_leads_to_the_nearest_checkpoint() -> None:
    chain = await chain_of(some_events(), a_block=1)
    early, late = await noted(chain[:4]), await noted(chain[:9])
    proof = await proof_for(chain, "s1", checkpoints=[late, early])
    assert len(proof.headers) == 2
    proof = await proof_for(chain, "s5", checkpoints=[late, early])
    assert len(proof.headers) == 3
    with pytest.raises(NotProvable, match="before the event was recorded: it reaches block 3"):
        await proof_for(chain, "s5", checkpoints=[early])
    plain = replace(early, key=b"", signature=b"")
    proof = await proof_for(chain, "s1", checkpoints=[plain])
    assert (proof.head, proof.checkpoint) == (chain[3].hash.hex(), ""), "an unsigned one only says where to end"


@asynchronous
async def test_a_history_that_was_rewritten_proves_nothing() -> None:
    chain = await chain_of(some_events(), a_block=3)
    checkpoint = await noted(chain)
    with pytest.raises(NotProvable, match="of another ledger"):
        await proof_for(chain, "s1", checkpoints=[replace(checkpoint, ledger=bytes(32))])
    forged = resealed(
        chain,
        2,
        lambda block: [*rebooked(block.entries[:1], lambda raw: raw.replace(b"1000", b"1001")), *block.entries[1:]],
    )
    for event_id in ("s1", "s3", "s11"):
        with pytest.raises(NotProvable, match="was rewritten after the checkpoint was taken"):
            await proof_for(forged, event_id, checkpoints=[checkpoint])
    assert (await proof_for(forged, "s3")).head
    torn = with_column(chain, 2, data=chain[2].data[:-1] + b"\0")
    assert (await proof_for(torn, "s1")).head, "other entries are proven all the same: headers are all it takes"
    gone = [one for one in chain if one.height != 3]
    with pytest.raises(NotProvable, match="verify"):
        await proof_for(gone, "s1")
