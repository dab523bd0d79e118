"""`revledger checkpoint`, and `verify` against what it noted."""

from pathlib import Path

from tests.services.cli.calling import called, signed, written


def test_a_checkpoint_holds_for_the_ledger_it_was_taken_of(tmp_path: Path) -> None:
    data, key, noted = str(tmp_path / "data"), tmp_path / "books.key", tmp_path / "one.checkpoint"
    called("load", written(tmp_path / "one.jsonl", [signed("s1")]), "--data", data)
    made = called("checkpoint", "--data", data, "--new-key", str(key), "-o", str(noted))
    assert made.status == 0, made.err
    public = str(key) + ".pub"
    check = ("--checkpoint", str(noted), "--public-key", public)
    assert called("verify", "--data", data, *check).status == 0
    called("load", written(tmp_path / "two.jsonl", [signed("s2", subject="b")]), "--data", data)
    done = called("verify", "--data", data, *check)
    assert done.status == 0
    assert "checkpoint" in done.out
    assert called("checkpoint", "--data", data, "--key", str(key), "-o", str(noted)).status == 1, "it is there already"
    other = str(tmp_path / "other")
    called("load", written(tmp_path / "one.jsonl", [signed("s1", 900)]), "--data", other)
    done = called("verify", "--data", other, *check)
    assert (done.status, done.out) == (2, "")
    assert "--checkpoint: it is of another ledger, whose first block is" in done.err
    assert max(map(len, done.err.splitlines())) <= 100


def test_without_a_key_a_checkpoint_is_not_signed(tmp_path: Path) -> None:
    data = str(tmp_path / "data")
    called("load", written(tmp_path / "one.jsonl", [signed("s1")]), "--data", data)
    done = called("checkpoint", "--data", data)
    assert done.status == 0
    assert "signature" not in done.out
    noted = tmp_path / "one.checkpoint"
    noted.write_text(done.out, "utf-8")
    assert called("verify", "--data", data, "--checkpoint", str(noted)).status == 0
    called("checkpoint", "--data", data, "--new-key", str(tmp_path / "k"))
    done = called("verify", "--data", data, "--checkpoint", str(noted), "--public-key", str(tmp_path / "k.pub"))
    assert (done.status, done.out) == (1, "")
    assert "not signed" in done.err


def test_wrong_usage_is_told(tmp_path: Path) -> None:
    assert called("checkpoint", "--key", "a", "--new-key", "b").status == 2
    assert called("checkpoint", "--data", str(tmp_path)).status == 1
    assert called("verify", "--data", str(tmp_path), "--checkpoint", str(tmp_path / "none")).status == 1
