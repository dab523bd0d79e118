"""Loading: good lines and bad ones, files of all kinds, and what is left when it is interrupted."""

import gzip
import json
import signal
import subprocess
import time
from pathlib import Path

import pytest

from services.deadletters import DeadLetters
from tests.services.cli.calling import called, ended, event, process, signed, started, written


def test_a_load_says_what_became_of_the_events(tmp_path: Path) -> None:
    file = written(tmp_path / "a.jsonl", [signed("1"), signed("1"), signed("2", subject="beta")])
    done = called("load", file, "--data", str(tmp_path / "books"))
    assert (done.status, done.err) == (0, "")
    assert done.json == {"accepted": 2, "duplicates": 1, "refused": 0, "unmatched": 0, "position": {"0": 1}}
    again = called("load", file, "--data", str(tmp_path / "books"))
    assert again.json == {"accepted": 0, "duplicates": 3, "refused": 0, "unmatched": 0, "position": {"0": 1}}


def test_refused_events_are_kept_with_their_place_and_summed_up(tmp_path: Path) -> None:
    file = written(tmp_path / "b.jsonl", [signed("1"), "garbage", "", "[]", "more garbage", event("2", kind="no.such")])
    done = called("load", file, "--data", str(tmp_path / "books"))
    assert done.status == 1
    assert (done.json["accepted"], done.json["refused"]) == (1, 4)
    assert done.err.startswith(f"4 refused:\n  not_json 2, the first at {file}:2: the event is not JSON")
    assert f"unknown_type 1, the first at {file}:6:" in done.err
    assert f"revledger dead-letters list --data {tmp_path / 'books'}" in done.err
    letters = DeadLetters(tmp_path / "books")
    kept = {letter.source: letter.raw for letter in letters.waiting()}
    letters.close()
    assert kept[f"{file}:2"] == b"garbage"
    assert [*kept] == [f"{file}:{line}" for line in (2, 4, 5, 6)]


def test_facts_that_wait_for_their_contract_are_counted(tmp_path: Path) -> None:
    cancelled = event("2", kind="contract.cancelled", contract_id="c-acme", time="2024-02-01")
    other = event("3", kind="contract.cancelled", contract_id="c-never", time="2024-02-01")
    file = written(tmp_path / "a.jsonl", [cancelled, other, signed("1")])
    assert called("load", file, "--data", str(tmp_path / "books")).json["unmatched"] == 1


def test_line_ends_blank_lines_and_marks_do_not_matter(tmp_path: Path) -> None:
    lines = [json.dumps(signed(str(number), subject=f"a{number}")).encode() for number in range(3)]
    (tmp_path / "dos.jsonl").write_bytes(b"\xef\xbb\xbf" + b"\r\n\r\n  ".join(lines))
    done = called("load", str(tmp_path / "dos.jsonl"), "--data", str(tmp_path / "books"))
    assert (done.status, done.json["accepted"]) == (0, 3)


def test_compressed_files_of_several_members_are_read(tmp_path: Path) -> None:
    members = [
        gzip.compress(json.dumps(signed(str(number), subject=f"a{number}")).encode() + b"\n") for number in range(3)
    ]
    (tmp_path / "a.jsonl.gz").write_bytes(b"".join(members) + bytes(512))
    done = called("load", str(tmp_path / "a.jsonl.gz"), "--data", str(tmp_path / "books"))
    assert (done.status, done.json["accepted"]) == (0, 3)


def test_a_compressed_file_that_is_cut_off_or_damaged_is_told(tmp_path: Path, demo_file: Path) -> None:
    packed = gzip.compress(demo_file.read_bytes())
    (tmp_path / "cut.gz").write_bytes(packed[:-2000])
    done = called("load", str(tmp_path / "cut.gz"), "--data", str(tmp_path / "books"))
    assert done.status == 1
    assert "ends in the middle: it was cut off" in done.err
    assert "accepted" in done.err
    (tmp_path / "bad.gz").write_bytes(packed[:1000] + bytes(100) + packed[1100:])
    done = called("load", str(tmp_path / "bad.gz"), "--data", str(tmp_path / "books"))
    assert done.status == 1
    assert "cannot be unpacked" in done.err


def test_an_empty_file_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    done = called("load", str(tmp_path / "empty"), "--data", str(tmp_path / "books"))
    assert (done.status, done.json["position"]) == (0, {"0": -1})


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (["no.jsonl"], "There is no file no.jsonl."),
        (["tests"], "tests is a directory"),
        (["-", "-"], "can be read only once"),
        (["pyproject.toml", "no.jsonl"], "Nothing was loaded."),
    ],
)
def test_sources_that_are_not_there_are_named_before_anything_is_loaded(
    names: list[str], sentence: str, tmp_path: Path
) -> None:
    done = called("load", *names, "--data", str(tmp_path / "books"))
    assert (done.status, done.out) == (2, "")
    assert sentence in done.err
    assert not (tmp_path / "books").exists()


def test_a_line_without_end_is_an_error_and_not_all_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.cli.lines.LINE_BYTES_MAX", 1_000_000)
    (tmp_path / "zeros").write_bytes(bytes(5_000_000))
    done = called("load", str(tmp_path / "zeros"), "--data", str(tmp_path / "books"))
    assert done.status == 1
    assert "zeros:1 is longer than 1000000 bytes: write one event a line." in done.err


def test_a_history_from_the_future_does_not_set_the_clock(tmp_path: Path) -> None:
    event = {**signed("1"), "recordedtime": "2999-01-01T00:00:00Z"}
    done = called("load", written(tmp_path / "a.jsonl", [event]), "--data", str(tmp_path / "books"), "--as-recorded")
    assert (done.status, done.json["refused"]) == (1, 1)
    assert "lies in the future" in done.err


def test_a_history_is_loaded_with_its_own_clock(tmp_path: Path) -> None:
    events = [{**signed(str(n), subject=f"a{n}"), "recordedtime": f"2024-01-0{n}T00:00:00Z"} for n in (1, 2, 3)]
    bad = [{**signed("8", subject="b"), "recordedtime": "yesterday"}, signed("9", subject="c")]
    file = written(tmp_path / "a.jsonl", ["garbage", *bad, *events])
    data = str(tmp_path / "books")
    done = called("load", file, "--data", data, "--as-recorded")
    assert done.status == 1
    assert (done.json["accepted"], done.json["refused"]) == (3, 3)
    assert f"invalid_time 2, the first at {file}:2: `recordedtime` is missing or no RFC 3339 time" in done.err
    asked = ("report", "figures", "accounts", "--known-at", "2024-01-02T12:00:00Z", "--format", "json")
    at = ("--at", "2030-01-01")  # what the events are about lies after they were recorded
    assert called(*asked, *at, "--data", data).json["rows"][0]["figures"] == {"accounts": 2}
    again = called("load", file, "--data", data, "--as-recorded")
    assert (again.json["duplicates"], again.json["refused"]) == (3, 3)


def test_a_clock_that_runs_backwards_ends_the_load(tmp_path: Path) -> None:
    events = [{**signed(str(n), subject=f"a{n}"), "recordedtime": f"2024-01-0{n}T00:00:00Z"} for n in (2, 3, 1)]
    file = written(tmp_path / "a.jsonl", events)
    done = called("load", file, "--data", str(tmp_path / "books"), "--as-recorded")
    assert (done.status, done.out) == (1, "")
    assert "sort the history by recordedtime" in done.err


def test_standard_input_is_read_plain_and_compressed(tmp_path: Path, demo_file: Path) -> None:
    plain = process("load", "-", "--data", str(tmp_path / "a"), stdin=demo_file.read_bytes())
    packed = process("load", "-", "--data", str(tmp_path / "b"), stdin=gzip.compress(demo_file.read_bytes()))
    assert plain.status == packed.status == 0
    assert plain.json["accepted"] == packed.json["accepted"] > 1_000


@pytest.mark.slow
def test_two_loads_at_once_take_turns(tmp_path: Path, demo_file: Path) -> None:
    arguments = ("load", str(demo_file), "--data", str(tmp_path / "books"))
    with started(*arguments) as one, started(*arguments) as other:
        first, second = ended(one), ended(other)
    assert (first.status, second.status) == (0, 0), first.err + second.err
    counts = sorted(done.json["accepted"] for done in (first, second))
    assert counts[0] == 0
    assert first.json["position"] == second.json["position"]


@pytest.mark.slow
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_load_keeps_what_it_took(
    tmp_path: Path, demo_file: Path, number: signal.Signals, status: int
) -> None:
    arguments = ("load", "-", "--data", str(tmp_path / "books"))
    with started(*arguments, stdin=subprocess.PIPE) as running:
        pipe = running.stdin
        assert pipe is not None
        pipe.write(demo_file.read_bytes())
        pipe.flush()
        _await_ledger(tmp_path / "books" / "ledger.db")
        running.send_signal(number)
        running.stdin = None  # it stays open: the load waits for more
        done = ended(running)
        pipe.close()
    assert done.status == status
    assert "Traceback" not in done.err
    assert "load the same again" in done.err
    again = called("load", str(demo_file), "--data", str(tmp_path / "books"))
    assert again.status == 0
    assert again.json["duplicates"] > 1_000


def _await_ledger(path: Path) -> None:
    """Until the load has written blocks: its write-ahead log has grown well beyond an empty ledger's."""
    log = path.with_name(path.name + "-wal")
    deadline = time.monotonic() + 20
    while not log.exists() or log.stat().st_size < 500_000:
        assert time.monotonic() < deadline, "the load has written nothing"
        time.sleep(0.02)
    time.sleep(0.3)
