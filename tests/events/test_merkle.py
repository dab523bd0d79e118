"""The Merkle tree against the definition of RFC 6962, section 2.1, written down once more."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.merkle import EMPTY_ROOT, leaf_hash, merkle_path, merkle_root, root_of_path

# Leaves and roots of Certificate Transparency's reference tests (google/certificate-transparency, merkle_tree_test).
LEAVES = [bytes.fromhex(text) for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657")]
LEAVES.append(bytes.fromhex("606162636465666768696a6b6c6d6e6f"))
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def root_by_definition(entries: list[bytes]) -> bytes:
    """MTH of RFC 6962: split at the largest power of two smaller than n."""
    if not entries:
        return sha256(b"").digest()
    if len(entries) == 1:
        return sha256(b"\x00" + entries[0]).digest()
    split = 1 << (len(entries) - 1).bit_length() - 1
    left, right = root_by_definition(entries[:split]), root_by_definition(entries[split:])
    return sha256(b"\x01" + left + right).digest()


def entries_of(count: int) -> list[bytes]:
    """So many different entries."""
    return [b"entry %d" % index for index in range(count)]


@pytest.mark.parametrize("count", range(1, 9))
def test_roots_are_those_that_others_found(count: int) -> None:
    assert merkle_root([leaf_hash(leaf) for leaf in LEAVES[:count]]).hex() == ROOTS[count - 1]


@pytest.mark.parametrize("count", [*range(34), 63, 64, 65, 1_000])
def test_roots_are_those_of_the_definition(count: int) -> None:
    entries = entries_of(count)
    assert merkle_root([leaf_hash(entry) for entry in entries]) == root_by_definition(entries)


def test_of_none_the_root_is_the_hash_of_nothing() -> None:
    assert merkle_root([]) == EMPTY_ROOT == sha256(b"").digest()


@pytest.mark.parametrize("count", range(1, 34))
def test_every_path_leads_to_the_root(count: int) -> None:
    leaves = [leaf_hash(entry) for entry in entries_of(count)]
    root = merkle_root(leaves)
    for index, leaf in enumerate(leaves):
        path = merkle_path(leaves, index)
        assert root_of_path(leaf, path) == root
        assert len(path) <= (count - 1).bit_length()
        other = leaves[index - 1]
        assert count == 1 or root_of_path(other, path) != root


@given(st.data())
def test_a_changed_byte_leads_elsewhere(data: st.DataObject) -> None:
    leaves = [leaf_hash(entry) for entry in entries_of(data.draw(st.integers(2, 20)))]
    index = data.draw(st.integers(0, len(leaves) - 1))
    path = merkle_path(leaves, index)
    step = data.draw(st.integers(0, len(path) - 1))
    side, beside = path[step]
    spot, flip = data.draw(st.integers(0, 31)), data.draw(st.integers(1, 255))
    bad = beside[:spot] + bytes([beside[spot] ^ flip]) + beside[spot + 1 :]
    root = merkle_root(leaves)
    assert root_of_path(leaves[index], [*path[:step], (side, bad), *path[step + 1 :]]) != root
    other = "left" if side == "right" else "right"
    assert root_of_path(leaves[index], [*path[:step], (other, beside), *path[step + 1 :]]) != root


def test_an_entry_is_no_node() -> None:
    """Leaves and nodes are hashed apart, so a pair of hashes cannot pass for an entry."""
    left, right = leaf_hash(b"a"), leaf_hash(b"b")
    assert leaf_hash(left + right) != merkle_root([left, right])
