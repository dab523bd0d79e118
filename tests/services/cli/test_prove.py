"""`revledger prove` and `check-proof`: an event proven from the command line, and what cannot be."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.services.cli.calling import ROOT, called, event, process, signed, written

SCRIPT = ROOT / "docs" / "check_proof.py"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A data directory with a few events, its checkpoint and its keys."""
    place = tmp_path_factory.mktemp("proven")
    events = [signed(f"s{number}", subject=f"a{number}") for number in range(30)]
    assert called("load", written(place / "one.jsonl", events), "--data", str(place)).status == 0
    noted = str(place / "one.checkpoint")
    done = called("checkpoint", "--data", str(place), "--new-key", str(place / "k"), "-o", noted)
    assert done.status == 0, done.err
    return str(place)


def test_an_event_is_proven_up_to_a_signed_checkpoint(data: str, tmp_path: Path) -> None:
    noted, public, path = f"{data}/one.checkpoint", f"{data}/k.pub", str(tmp_path / "s7.proof")
    made = called("prove", "/tests", "s7", "--checkpoint", noted, "--data", data, "-o", path)
    assert made.status == 0, made.err
    assert "a signed checkpoint" in made.err
    done = called("check-proof", path, "--public-key", public)
    assert done.status == 0
    for word in ("PROVEN", "source '/tests', id 's7', account 'a7'", "new +", "it is the key that was given"):
        assert word in done.out
    said = called("check-proof", path, "--format", "json").json
    assert (said["proven"], said["entry"]["seq"], said["held_against"]) == (True, 7, [])
    assert said["checkpoint"]["key"] in done.out
    assert called("prove", "/tests", "s7", "--data", data, "-o", path).status == 1, "it is there already"
    assert max(map(len, done.out.splitlines())) <= 100


def test_a_proof_on_standard_output_is_checked_from_standard_input(data: str) -> None:
    made = process("prove", "/tests", "s7", "--data", data)
    assert made.status == 0, made.err
    done = process("check-proof", "-", stdin=made.out.encode())
    assert done.status == 0
    assert "nowhere in the proof" in done.out
    head = called("verify", "--data", data, "--format", "json").json["partitions"][0]["hash"]
    done = process("check-proof", "-", "--head", head, stdin=made.out.encode())
    assert (done.status, done.err) == (0, "")
    assert "against the hash that was given" in done.out
    done = process("check-proof", "-", "--head", "0" * 64, stdin=made.out.encode())
    assert (done.status, done.out.splitlines()[0]) == (1, "NOT PROVEN. The step that fails: head.")
    done = process("check-proof", "-", "--format", "json", stdin=made.out.encode().replace(b"team", b"tean"))
    assert (done.status, done.json["proven"], done.json["step"]) == (1, False, "path")


def test_a_compressed_proof_is_smaller_and_holds(data: str, tmp_path: Path) -> None:
    plain, packed = tmp_path / "s7.proof", tmp_path / "s7.proof.gz"
    for path in (plain, packed):
        assert called("prove", "/tests", "s7", "--data", data, "-o", str(path)).status == 0
    assert packed.stat().st_size < plain.stat().st_size
    assert called("check-proof", str(packed)).out == called("check-proof", str(plain)).out


def test_an_event_with_text_taken_out_is_proven_by_its_hash(tmp_path: Path) -> None:
    answer = event("n1", "survey.answered", "a1", "2024-04-01", survey="nps", score=9, comment="call me: 555-0100")
    place, noted, before, after = (str(tmp_path / name) for name in ("data", "c", "before", "after"))
    called("load", written(tmp_path / "one.jsonl", [signed("s1", subject="a1"), answer]), "--data", place)
    called("checkpoint", "--data", place, "--new-key", f"{noted}.key", "-o", noted)
    prove = ("prove", "/tests", "n1", "--data", place, "--checkpoint", noted, "-o")
    assert called(*prove, before).status == 0
    assert called("redact", "/tests", "n1", "--data", place).status == 0
    assert called(*prove, after).status == 0
    assert "555-0100" not in Path(after).read_text("utf-8")
    good, left = (called("check-proof", path, "--format", "json").json for path in (before, after))
    assert (good["redacted"], left["redacted"]) == (False, True)
    assert left["event"] == good["event"], "the hash of what was received stays"
    done = called("check-proof", after, "--public-key", f"{noted}.key.pub")
    assert done.status == 0
    assert "an event with the hash below" in done.out
    script = subprocess.run([sys.executable, SCRIPT, after], capture_output=True, text=True, check=False)
    assert (script.returncode, script.stderr) == (0, "")
    assert "by its hash alone" in script.stdout
    assert "1 entry with free text taken out" in called("verify", "--data", place, "--checkpoint", noted).out


def test_what_cannot_be_proven_is_told(data: str, tmp_path: Path) -> None:
    done = called("prove", "/test", "S7", "--data", data)
    assert (done.status, done.out) == (1, "")
    assert "There is no event with source '/test' and id 'S7'" in done.err
    assert "There is: source '/tests', id 's7'." in done.err
    called("load", written(tmp_path / "two.jsonl", [signed("late", subject="b")]), "--data", data)
    done = called("prove", "/tests", "late", "--data", data, "--checkpoint", f"{data}/one.checkpoint")
    assert done.status == 1
    assert "before the event was recorded" in done.err
    assert called("prove", "/tests", "s7", "--data", str(tmp_path / "none")).status == 1
    assert called("check-proof", str(tmp_path / "none")).status == 1
    assert called("check-proof", "x", "--head", "12").status == 2
    done = called("check-proof", str(ROOT / "README.md"))
    assert (done.status, done.out.splitlines()[0]) == (1, "NOT PROVEN. The step that fails: form.")
