"""Pinning writes what is new, and never what is pinned already."""

from pathlib import Path

from tests.wire.pin import pin_new, write_new
from tests.wire.samples import SAMPLES

SIGNED = "revledger.contract.signed.v1"


def contents(root: Path) -> dict[str, bytes]:
    """All files below a folder."""
    files = (path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


def test_everything_new_is_pinned_once(tmp_path: Path) -> None:
    assert pin_new(tmp_path, SAMPLES)
    before = contents(tmp_path)
    assert pin_new(tmp_path, SAMPLES) == []
    assert contents(tmp_path) == before


def test_pins_do_not_follow_their_samples(tmp_path: Path) -> None:
    pin_new(tmp_path, SAMPLES)
    before = contents(tmp_path)
    changed = SAMPLES | {SIGNED: SAMPLES[SIGNED].replace(b"evt-0001", b"evt-9999")}
    assert changed != SAMPLES
    assert pin_new(tmp_path, changed) == []
    assert contents(tmp_path) == before


def test_a_new_name_is_pinned_beside_the_others(tmp_path: Path) -> None:
    pin_new(tmp_path, SAMPLES)
    before = contents(tmp_path)
    fresh = SAMPLES[SIGNED].replace(b"evt-0001", b"evt-9999").replace(b"acct-1001", b"acct-9999")
    written = pin_new(tmp_path, SAMPLES | {f"{SIGNED}-fresh": fresh})
    assert sorted(path.name for path in written) == [
        f"{SIGNED}-fresh.data.json",
        f"{SIGNED}-fresh.headers.json",
        f"{SIGNED}-fresh.json",
        f"{SIGNED}-fresh.json",
    ]
    assert contents(tmp_path).items() > before.items()


def test_a_file_that_exists_is_left_alone(tmp_path: Path) -> None:
    assert write_new(tmp_path, "blocks/a.hex", b"00")
    assert not write_new(tmp_path, "blocks/a.hex", b"11")
    assert (tmp_path / "blocks/a.hex").read_bytes() == b"00"
