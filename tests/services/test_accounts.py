"""The writer's accounts: in memory as far as hot, the rest in a file that is written all or nothing."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from events.account import Account, AccountState, book
from events.envelope import event_of
from events.policy import DEFAULT_RULES
from services.accounts import SCHEMA_VERSION, Accounts, Reached
from services.ledgers.memory import memory_ledger
from services.writer import Submitted, Writer
from tests.model.notation import fact, line
from tests.services.books import POLICY, raw_of
from tests.services.running import asynchronous

HEAD = Reached(7, b"hash")


def touched(accounts: Accounts, *names: str) -> None:
    """A contract booked for each account."""
    found = accounts.get_many(names)
    for seq, name in enumerate(names):
        said = fact("signed", f"{name}1", "2024-01-10", lines=[line(1000)]) | {"subject": name}
        book(found[name], event_of(raw_of(said)), seq, DEFAULT_RULES)
    accounts.changed(names, {f"/examples\n{name}": name for name in names})


def facts_of(account: Account) -> int:
    """How many facts an account holds."""
    return len(account.facts)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the file is."""
    return tmp_path / "accounts.db"


@pytest.fixture
def kept(path: Path) -> Iterator[Accounts]:
    """Accounts a, b and c, kept."""
    accounts = Accounts(path, 0, 10)
    touched(accounts, "a", "b", "c")
    accounts.keep(HEAD)
    yield accounts
    accounts.close()


def test_what_was_kept_is_there_again(kept: Accounts, path: Path) -> None:
    again = Accounts(path, 0, 10)
    assert again.reached == HEAD
    found = again.get_many(["a", "b", "nobody"])
    assert {name: facts_of(account) for name, account in found.items()} == {"a": 1, "b": 1, "nobody": 0}
    assert found["a"].state() == kept.get_many(["a"])["a"].state()
    assert found["a"].frontier == kept.get_many(["a"])["a"].frontier
    assert again.owners(["/examples\na", "/examples\nz"]) == {"/examples\na": "a"}
    again.close()


def test_what_was_not_kept_is_not(kept: Accounts, path: Path) -> None:
    """Until it is kept, only this process knows of it."""
    touched(kept, "d")
    assert kept.owners(["/examples\nd"]) == {"/examples\nd": "d"}
    again = Accounts(path, 0, 10)
    assert facts_of(again.get_many(["d"])["d"]) == 0
    assert again.owners(["/examples\nd"]) == {}
    again.close()


def test_keeping_is_all_or_nothing(kept: Accounts, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failure half-way leaves the file as it was, and all is kept the next time."""
    touched(kept, "d", "e")

    def state(_: Account) -> AccountState:
        raise sqlite3.OperationalError("disk I/O error")

    with monkeypatch.context() as failing:
        failing.setattr(Account, "state", state)
        with pytest.raises(sqlite3.OperationalError):
            kept.keep(Reached(9, b"later"))
    assert kept.reached == HEAD
    kept.keep(Reached(9, b"later"))
    again = Accounts(path, 0, 10)
    assert again.reached == Reached(9, b"later")
    assert [facts_of(account) for account in again.get_many(["d", "e"]).values()] == [1, 1]
    again.close()


def test_forgetting_starts_over(kept: Accounts, path: Path) -> None:
    touched(kept, "d")
    kept.forget()
    for accounts in (kept, Accounts(path, 0, 10)):
        assert accounts.reached == Reached()
        assert [facts_of(account) for account in accounts.get_many("abcd").values()] == [0] * 4
        assert accounts.owners(["/examples\na", "/examples\nd"]) == {}
    accounts.close()


def test_cooling_lets_go_of_what_is_kept_and_longest_unused(path: Path) -> None:
    """What is ahead of the file stays in memory, however long nobody used it."""
    accounts = Accounts(path, 0, 4)
    touched(accounts, *"abcdef")
    assert accounts.is_full
    accounts.cool()
    assert len(accounts._hot) == 6, "none of them is in the file yet"
    accounts.keep(HEAD)
    accounts.get_many("a")
    touched(accounts, "b")
    accounts.cool()
    assert set(accounts._hot) == {"a", "b", "f"}
    assert [facts_of(account) for account in accounts.get_many("abcdef").values()] == [1] * 6
    accounts.close()


def test_partitions_share_a_file(kept: Accounts, path: Path) -> None:
    other = Accounts(path, 1, 10)
    assert other.reached == Reached()
    assert facts_of(other.get_many(["a"])["a"]) == 0
    touched(other, "a", "z")
    other.keep(Reached(3, b"other"))
    other.forget()
    other.close()
    again = Accounts(path, 0, 10)
    assert again.reached == HEAD
    assert facts_of(again.get_many(["a"])["a"]) == 1
    again.close()


def test_many_accounts_are_read_at_once(path: Path) -> None:
    names = [f"account {number}" for number in range(1_203)]
    accounts = Accounts(path, 0, 10_000)
    touched(accounts, *names)
    accounts.keep(HEAD)
    accounts.close()
    again = Accounts(path, 0, 10_000)
    assert {facts_of(account) for account in again.get_many(names).values()} == {1}
    assert len(again.owners([f"/examples\n{name}" for name in names])) == len(names)
    again.close()


def test_a_file_of_another_version_is_emptied(kept: Accounts, path: Path) -> None:
    """It is a cache: what another version wrote into it is read again from the ledger."""
    with sqlite3.connect(path) as file:
        file.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    file.close()
    again = Accounts(path, 0, 10)
    assert again.reached == Reached()
    assert facts_of(again.get_many(["a"])["a"]) == 0
    again.close()


def test_a_damaged_file_is_begun_anew(kept: Accounts, path: Path) -> None:
    """All of it is in the ledger."""
    kept.close()
    path.write_bytes(b"not a database " * 1_000)
    again = Accounts(path, 0, 100)
    assert again.reached == Reached()
    again.close()


def test_without_a_path_all_is_in_memory() -> None:
    accounts = Accounts(None, 0, 10)
    touched(accounts, "a")
    accounts.keep(HEAD)
    accounts.cool()
    assert accounts.reached == HEAD
    accounts.close()


def signed_raw(account: str) -> bytes:
    """A contract of an account, as it comes in."""
    return raw_of(fact("signed", f"{account}1", "2024-01-10", lines=[line(1000)]) | {"subject": account})


@asynchronous
async def test_accounts_that_cannot_be_kept_fail_no_event(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ledger has it; the accounts are only a cache, and are kept the next time."""
    writer = Writer(memory_ledger(), Accounts(tmp_path / "accounts.db", 0, 10), POLICY, None, keep_every=1)
    await writer.start()

    def full(_: Accounts, __: Reached) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as failing:
        failing.setattr(Accounts, "keep", full)
        (first,) = await writer.write([Submitted(signed_raw("a"))])
    assert first.status == "accepted"
    assert [one.status for one in await writer.write([Submitted(signed_raw(a)) for a in "ab"])] == [
        "duplicate",
        "accepted",
    ]
    await writer.close()
    kept_now = Accounts(tmp_path / "accounts.db", 0, 10)
    assert kept_now.reached.height == 2  # the genesis block and one block a call
    assert all(account.facts for account in kept_now.get_many("ab").values())
    kept_now.close()
