"""What a verification keeps while it goes on, so that one which was interrupted can be resumed."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

import msgspec

from services.accounts import Accounts, Reached
from services.audit.verifying.findings import Verified
from services.audit.verifying.ids import Ids

FORM: Final = 3
"""Raise it with every change of what is kept or of what is checked: older states are then begun anew."""
_SCHEMA: Final = "CREATE TABLE IF NOT EXISTS verified (height INTEGER PRIMARY KEY, form INTEGER, state BLOB)"
_SUFFIXES: Final = ("", "-wal", "-shm")


class State:
    """The accounts, the ids and the counts of a partition that is being verified."""

    def __init__(self, path: Path | None, partition: int, hot_max: int) -> None:
        self._path = path
        self._partition = partition
        self._hot_max = hot_max
        self._branch: Accounts | None = None
        self.accounts = Accounts(path, partition, hot_max)
        self.ids = Ids(None if path is None else _ids_path(path))
        self.was_kept = False

    def resumed(self) -> Verified | None:
        """What was kept, if it is all there; else everything is forgotten."""
        verified = self._read(self.accounts.reached)
        if verified is not None and self.ids.cut(verified.next_seq):
            self.was_kept = True
            return verified
        self.forget()
        return None

    def forget(self) -> None:
        """Starts over from nothing."""
        self.accounts.forget()
        self.ids.cut(0)

    def keep(self, verified: Verified) -> None:
        """Keeps everything as of the last block: the counts first, which count once the accounts have reached them."""
        if self._branch is not None:
            self._branch.keep(Reached())  # nothing to resume from before all of it is verified
            self._branch.cool()
            return
        if self._path is None or verified.height < 0:
            return
        self.was_kept = True
        self.ids.flush()
        state = msgspec.msgpack.encode(verified)
        with _opened(self._path) as file:
            file.execute("INSERT OR REPLACE INTO verified VALUES (?, ?, ?)", (verified.height, FORM, state))
            file.commit()
            self.accounts.keep(Reached(verified.height, verified.stored_hash))
            file.execute("DELETE FROM verified WHERE height <> ?", (verified.height,))
            file.commit()
        self.accounts.cool()

    @property
    def is_full(self) -> bool:
        """Whether more accounts are in memory than should be."""
        return self.accounts.is_full or (self._branch is not None and self._branch.is_full)

    def branch(self) -> Accounts:
        """Accounts of their own, to be booked under another policy; those there are, are all in the file then."""
        self.accounts.keep(Reached())
        self._branch = Accounts(self._branch_path, self._partition, self._hot_max)
        self._branch.forget()
        return self._branch

    def settle(self, verified: Verified) -> Accounts:
        """Goes on with the accounts of the branch, instead of those there were."""
        assert self._branch is not None, "there is a branch to settle"
        branch, path = self._branch, self._branch_path
        self._branch = None
        self.accounts.close()
        if self._path is None or path is None:
            self.accounts = branch
            return branch
        branch.keep(Reached())
        branch.close()
        remove(self._path, ids=False)
        path.replace(self._path)
        self.accounts = Accounts(self._path, self._partition, self._hot_max)
        self.keep(verified)
        return self.accounts

    @property
    def _branch_path(self) -> Path | None:
        return None if self._path is None else self._path.with_suffix(".adopting")

    def close(self) -> None:
        """Lets go of the files."""
        if self._branch is not None:
            self._branch.close()
        if self._branch_path is not None:
            remove(self._branch_path, ids=False)
        self.accounts.close()
        self.ids.close()

    def close_or_remove(self) -> None:
        """Closes the files, and removes them if there is nothing to resume."""
        self.close()
        if self._path is not None and not self.was_kept:
            remove(self._path)

    def _read(self, reached: Reached) -> Verified | None:
        if self._path is None or reached.height < 0:
            return None
        with _opened(self._path) as file:
            query = "SELECT state FROM verified WHERE height = ? AND form = ?"
            row = file.execute(query, (reached.height, FORM)).fetchone()
        try:
            verified = None if row is None else msgspec.msgpack.decode(row[0], type=Verified)
        except msgspec.MsgspecError:
            return None
        is_same = verified is not None and verified.partition == self._partition
        return verified if is_same and verified is not None and verified.stored_hash == reached.hash else None


def is_kept(directory: Path) -> bool:
    """Whether a directory holds a kept state."""
    return any(directory.glob("verify-*.ids"))


def remove(path: Path, *, ids: bool = True) -> None:
    """Removes a kept state, with its ids or without."""
    for suffix in _SUFFIXES:
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    if ids:
        _ids_path(path).unlink(missing_ok=True)


def _ids_path(path: Path) -> Path:
    return path.with_suffix(".ids")


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path)) as file:
        file.execute(_SCHEMA)
        yield file
