"""Generated files are written where they differ, and `--check` names them and writes nothing."""

from pathlib import Path

import msgspec
import pytest

from services.generate import SCHEMAS, SETTINGS, generated_files, main, out_of_date, write

EVENTS = f"{SCHEMAS}/events.schema.json"


def test_everything_is_written_into_an_empty_tree(tmp_path: Path) -> None:
    files = generated_files()
    assert out_of_date(tmp_path, files) == sorted(files)
    assert write(tmp_path, files) == sorted(files)
    assert {path: (tmp_path / path).read_bytes() for path in files} == files
    assert write(tmp_path, files) == []


def test_generated_bytes_are_the_same_every_time() -> None:
    assert generated_files() == generated_files()


def test_generated_files_are_readable_text() -> None:
    for path, content in generated_files().items():
        assert content.endswith(b"\n"), path
        assert not content.endswith(b"\n\n"), path
        if path.endswith(".json"):
            assert msgspec.json.decode(content).keys() & {"$schema", "asyncapi"}


def test_check_names_what_is_out_of_date(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([], tmp_path) == 0
    (tmp_path / EVENTS).write_bytes(b"{}\n")
    (tmp_path / SETTINGS).unlink()
    (tmp_path / SCHEMAS / "revledger.gone.v1.schema.json").write_bytes(b"{}\n")
    capsys.readouterr()
    assert main(["--check"], tmp_path) == 1
    named = [line.partition(":")[0] for line in capsys.readouterr().err.splitlines()]
    assert named == [SETTINGS, EVENTS, f"{SCHEMAS}/revledger.gone.v1.schema.json"]
    assert (tmp_path / EVENTS).read_bytes() == b"{}\n", "--check writes nothing"


def test_writing_brings_back_and_removes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main([], tmp_path)
    gone = tmp_path / SCHEMAS / "revledger.gone.v1.schema.json"
    gone.write_bytes(b"{}\n")
    (tmp_path / SETTINGS).write_bytes(b"")
    capsys.readouterr()
    assert main([], tmp_path) == 0
    said = capsys.readouterr().out.splitlines()
    assert said == [f"{SETTINGS}: written", f"{SCHEMAS}/revledger.gone.v1.schema.json: removed"]
    assert not gone.exists()
    assert main(["--check"], tmp_path) == 0


def test_other_files_beside_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / SCHEMAS).mkdir(parents=True)
    (tmp_path / SCHEMAS / "README.md").write_text("kept\n")
    main([], tmp_path)
    assert (tmp_path / SCHEMAS / "README.md").read_text() == "kept\n"
