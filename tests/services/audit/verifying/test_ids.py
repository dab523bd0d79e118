"""Ids: which entries share a hash, however many are held against each other at once."""

import random
from pathlib import Path

import pytest

from services.audit.verifying.ids import Ids, id_hash


@pytest.mark.parametrize("at_once", [3, 100, 1_000_000])
def test_shared_ids_are_found(tmp_path: Path, at_once: int) -> None:
    rng = random.Random(7)
    keys = [f"s\n{number}" for number in range(1_000)]
    for place in (5, 77, 998):
        keys[place] = keys[3]
    keys[500] = keys[501]
    ids = Ids(rng.choice([None, tmp_path / "verify-0.ids"]))
    for start in range(0, len(keys), 40):
        ids.add([id_hash(key) for key in keys[start : start + 40]])
    assert sorted(ids.shared(at_once).values()) == [[3, 5, 77, 998], [500, 501]]
    ids.close()


def test_what_was_cut_off_is_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "verify-0.ids"
    ids = Ids(path)
    ids.add([id_hash(key) for key in "abca"])
    assert ids.shared()
    ids.close()
    ids = Ids(path)
    assert ids.cut(3)
    assert ids.shared() == {}
    ids.add([id_hash("b")])
    assert [*ids.shared().values()] == [[1, 3]]
    assert not ids.cut(5)
    ids.close()
