"""Files are there whole or not at all, and over nothing that was there."""

import errno
from pathlib import Path

import pytest

from services.exports.files import IsThere, whole_file


def half(partial: Path) -> None:
    partial.write_text("half of it")
    raise ValueError("no")


def both(partial: Path, path: Path) -> None:
    partial.write_text("ours")
    path.write_text("theirs")


@pytest.mark.parametrize("force", [False, True])
def test_a_file_gets_its_name_when_it_is_whole(force: bool, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    with whole_file(path, force=force) as partial:
        partial.write_text("all of it")
        assert not path.exists()
    assert [one.name for one in tmp_path.iterdir()] == ["a.csv"]
    assert path.read_text() == "all of it"


@pytest.mark.parametrize("force", [False, True])
def test_what_fails_leaves_nothing(force: bool, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no"), whole_file(tmp_path / "a.csv", force=force) as partial:
        half(partial)
    assert [*tmp_path.iterdir()] == []


def test_nothing_is_written_over_unless_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.symlink_to(tmp_path / "nowhere")
    with pytest.raises(IsThere, match=r"a\.csv is there already"), whole_file(path, force=False):
        pytest.fail("it is told before anything is written")
    with whole_file(path, force=True) as partial:
        partial.write_text("new")
    assert path.read_text() == "new"
    assert not path.is_symlink()


@pytest.mark.parametrize("links", [True, False])
def test_a_file_that_comes_meanwhile_is_not_lost(links: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On file systems without hard links too."""
    if not links:

        def refused(self: Path, _target: Path) -> None:
            raise OSError(errno.EPERM, "Operation not permitted", str(self))

        monkeypatch.setattr(Path, "hardlink_to", refused)
    path = tmp_path / "a.csv"
    with pytest.raises(IsThere), whole_file(path, force=False) as partial:
        both(partial, path)
    assert [one.name for one in tmp_path.iterdir()] == ["a.csv"]
    assert path.read_text() == "theirs"
    with whole_file(tmp_path / "b.csv", force=False) as partial:
        partial.write_text("ours")
    assert (tmp_path / "b.csv").read_text() == "ours"
