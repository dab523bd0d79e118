"""`revledger archive`: seals what there is, says what it did, and finds and mends what is damaged."""

import csv
import io
from pathlib import Path

import pytest

from services.cli.archive import COLUMNS
from tests.services.archive.buckets import serving_s3
from tests.services.cli.calling import called, signed, started, written

COUNT = ("sql", "SELECT count(*) AS n, sum(amount_e4) AS total FROM postings", "--format", "json")


@pytest.fixture
def data(tmp_path: Path) -> str:
    """A data directory with nine events in three blocks or more."""
    events = [signed(f"{number}", subject=f"a{number}") for number in range(9)]
    for number in range(3):
        file = written(tmp_path / f"{number}", events[number * 3 : number * 3 + 3])
        assert called("load", file, "--data", str(tmp_path / "data")).status == 0
    return str(tmp_path / "data")


def test_all_is_sealed_and_answers_stay_the_same(data: str) -> None:
    before = called(*COUNT, "--data", data).json
    done = called("archive", "--segment-entries", "4", "--data", data)
    assert (done.status, done.err) == (0, "")
    assert done.out.splitlines()[0] == f"Sealed 2 segments, 9 entries, in {data}/archive"
    assert done.out.splitlines()[-1] == "Every entry of the ledger is sealed."
    assert max(map(len, done.out.splitlines()[1:])) <= 100
    again = called("archive", "--data", data)
    assert (again.status, again.out.splitlines()[0]) == (0, f"Nothing was sealed: nothing was due for {data}/archive")
    assert called(*COUNT, "--data", data).json["rows"] == before["rows"] == [{"n": 9, "total": 9 * 1000 * 120_000}]


def test_archive_and_tail_answer_as_one(data: str, tmp_path: Path) -> None:
    assert called("archive", "--data", data).status == 0
    more = written(tmp_path / "more", [signed("more", subject="more")])
    assert called("load", more, "--data", data).status == 0
    assert called(*COUNT, "--data", data).json["rows"] == [{"n": 10, "total": 10 * 1000 * 120_000}]
    assert called("archive", "--list", "--data", data).out.splitlines()[-1].startswith("1 entry is not sealed")


def test_what_is_due_is_whole_segments_and_what_is_a_day_old(data: str) -> None:
    document = called("archive", "--due", "--segment-entries", "6", "--data", data, "--format", "json").json
    assert [row["entries"] for row in document["rows"]] == [6]
    assert all((Path(data) / "archive" / name).is_file() for name in document["rows"][0]["files"].values())
    assert (document["sealed_entries"], document["unsealed_entries"]) == ({"0": 6}, {"0": 3})
    listed = called("archive", "--list", "--data", data, "--format", "json").json
    assert listed == document
    rows = [*csv.DictReader(io.StringIO(called("archive", "--list", "--data", data, "--format", "csv").out))]
    assert [[row[name] for name in COLUMNS] for row in rows] == [[str(listed["rows"][0][name]) for name in COLUMNS]]


def test_another_place_is_named(data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "elsewhere"
    assert called("archive", "--to", str(place), "--data", data).status == 0
    assert len([*(place / "manifests").iterdir()]) == 1
    assert called("archive", "--list", "--data", data, "--format", "json").json["rows"] == []
    monkeypatch.setenv("REVLEDGER_ARCHIVE", place.as_uri())
    assert len(called("archive", "--list", "--data", data, "--format", "json").json["rows"]) == 1


def test_a_sound_archive_is_said_to_be(data: str) -> None:
    assert called("archive", "--segment-entries", "4", "--data", data).status == 0
    done = called("archive", "--verify", "--data", data)
    assert (done.status, done.err) == (0, "")
    assert done.out.splitlines()[0].startswith("Checked 2 segments, 9 entries, ")
    assert done.out.splitlines()[-1] == "No damage found."
    document = called("archive", "--verify", "--data", data, "--format", "json").json
    assert (document["sound"], document["segments"], document["findings"]) == (True, 2, [])


@pytest.mark.parametrize(("folder", "what"), [("postings", "was altered"), ("manifests", "was altered")])
def test_damage_is_named_everywhere_and_mended(folder: str, what: str, data: str) -> None:
    assert called("archive", "--segment-entries", "4", "--data", data).status == 0
    rows = called(*COUNT, "--data", data).json["rows"]
    path = min((Path(data) / "archive" / folder).iterdir())
    path.write_bytes(path.read_bytes()[:-3] + b"???")
    for command in (COUNT, ("replay", "--currency", "USD")):
        done = called(*command, "--data", data)
        assert (done.status, done.out) == (1, "")
        assert path.name in done.err
        assert "--reseal" in done.err
    done = called("archive", "--verify", "--data", data)
    assert done.status == 1
    assert "DAMAGED: 1 finding." in done.out
    assert f"  1 {folder}/{path.name}\n    {what}" in done.out
    found = called("archive", "--verify", "--data", data, "--format", "json").json
    assert (found["sound"], [one["file"] for one in found["findings"]]) == (False, [f"{folder}/{path.name}"])
    assert called("archive", "--verify", "--data", data, "--format", "csv").out.startswith("file,problem\n")
    mended = called("archive", "--reseal", "--segment-entries", "4", "--data", data)
    assert (mended.status, mended.err) == (0, "")
    assert mended.out.startswith("Sealed 1 segment, ")
    assert f"Was damaged, and is made again:\n  1 {folder}/{path.name}\n    {what}" in mended.out
    assert mended.out.endswith("\nEvery entry of the ledger is sealed.\n")
    assert called("archive", "--verify", "--data", data).status == 0
    assert called(*COUNT, "--data", data).json["rows"] == rows


@pytest.mark.parametrize("table", ["postings", "entries", "blocks"])
def test_a_list_and_sealing_name_files_that_are_missing_or_of_another_size(table: str, data: str) -> None:
    assert called("archive", "--segment-entries", "4", "--data", data).status == 0
    first, second = sorted((Path(data) / "archive" / table).iterdir())
    first.unlink()
    second.write_bytes(second.read_bytes() + b"?")
    for option in ((), ("--list",), ("--due",)):
        done = called("archive", *option, "--data", data)
        assert (done.status, done.err) == (1, "")
        assert f"DAMAGED: 2 findings.\n  1 {table}/{first.name}\n    is missing\n" in done.out
        assert f"  2 {table}/{second.name}\n" in done.out
        assert "was altered: it has" in done.out
        assert "--reseal" in done.out
        assert "Every entry" not in done.out
    told = called("archive", "--list", "--data", data, "--format", "json")
    assert (told.status, [one["file"] for one in told.json["findings"]]) == (
        1,
        [f"{table}/{first.name}", f"{table}/{second.name}"],
    )
    rows = called("archive", "--list", "--data", data, "--format", "csv")
    assert (rows.status, len(rows.out.splitlines()), "is missing" in rows.err) == (1, 3, True)
    mended = called("archive", "--reseal", "--data", data, "--format", "json")
    assert (mended.status, mended.json["findings"]) == (0, [])
    assert [one["problem"][:11] for one in mended.json["mended"]] == ["is missing", "was altered"]
    assert called("archive", "--list", "--data", data).out.endswith("Every entry of the ledger is sealed.\n")


def test_the_archive_of_another_ledger_is_refused(data: str, tmp_path: Path) -> None:
    assert called("archive", "--data", data).status == 0
    other = str(tmp_path / "other")
    for number in range(4):
        file = written(tmp_path / f"other-{number}", [signed(f"{number}", subject="b")])
        assert called("load", file, "--data", other).status == 0
    for option in ((), ("--reseal",)):
        done = called("archive", *option, "--to", f"{data}/archive", "--data", other)
        assert (done.status, done.out) == (1, "")
        assert "another ledger" in done.err
    assert called("archive", "--verify", "--data", data).status == 0


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--list", "--verify"), "ask for one of them"),
        (("--to", "ftp://somewhere/else"), "s3://bucket/folder"),
        (("--segment-entries", "0"), "a whole number from 1"),
    ],
)
def test_wrong_usage_is_said(arguments: tuple[str, ...], sentence: str, data: str) -> None:
    done = called("archive", *arguments, "--data", data)
    assert (done.status, done.out) == (2, "")
    assert sentence in done.err


def test_a_place_that_cannot_be_written_is_named(data: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", "utf-8")
    done = called("archive", "--to", str(tmp_path / "file"), "--data", data)
    assert (done.status, done.out) == (1, "")
    assert str(tmp_path / "file") in done.err


def test_without_a_ledger_there_is_nothing_to_archive(tmp_path: Path) -> None:
    done = called("archive", "--data", str(tmp_path / "nothing"))
    assert (done.status, "There is no ledger" in done.err) == (1, True)


def test_a_bucket_is_sealed_into_read_and_checked(data: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = called(*COUNT, "--data", data).json["rows"]
    with serving_s3():
        monkeypatch.setenv("REVLEDGER_ARCHIVE", "s3://books/cli/archive")
        done = called("archive", "--segment-entries", "4", "--data", data)
        assert (done.status, done.err) == (0, "")
        assert done.out.startswith("Sealed 2 segments, 9 entries, in s3://books/cli/archive\n")
        assert called(*COUNT, "--data", data).json["rows"] == rows
        assert called("archive", "--verify", "--data", data).out.endswith("No damage found.\n")
        assert len([*(Path(data) / "archive-cache").rglob("*.parquet")]) > 0
        monkeypatch.setenv("REVLEDGER_ARCHIVE", "s3://no-such-bucket/archive")
        lost = called("archive", "--data", data)
        assert (lost.status, lost.out) == (1, "")
        assert "s3://no-such-bucket/archive cannot be used" in lost.err


def test_it_seals_beside_a_running_service(data: str) -> None:
    with started("up", "--data", data, "--port", "0") as service:
        assert service.poll() is None
        assert called("archive", "--data", data).status == 0
    assert called("archive", "--verify", "--data", data).status == 0
