"""Where an archive is kept: a directory, or an object store; whole files are put under names, and never changed."""

import asyncio
import os
import shutil
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import urlsplit
from uuid import uuid4

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import from_url

from services.archive.locations import directory_of

PARTIAL: Final = ".partial"
"""The folder of a directory in which files are written before they get their names."""
ABANDONED_SECONDS: Final = 3_600.0
"""From which age on a partial file is one that nobody writes any more."""
CHUNK_BYTES: Final = 16 * 1024 * 1024
RETRIES: Final = 5
RETRY_SECONDS: Final = 30.0


class ArchiveUnavailable(Exception):
    """The place of an archive does not give or take files now."""

    def __init__(self, place: str, problem: str) -> None:
        super().__init__(
            f"the archive {place} cannot be used ({problem}): check the location, that it can be reached, and the"
            " rights or credentials in the environment"
        )
        self.place = place
        self.problem = problem


class Store(Protocol):
    """Files under names with `/`; each is there whole or not at all. All methods raise ArchiveUnavailable."""

    place: str

    async def names(self, folder: str) -> list[str]:
        """The names in a folder, sorted."""
        ...

    async def sizes(self, folder: str) -> dict[str, int]:
        """How many bytes each file of a folder has, by name, as a listing of it tells."""
        ...

    async def read(self, name: str) -> bytes:
        """The bytes of a small file; raises FileNotFoundError."""
        ...

    async def fetch(self, name: str, path: Path) -> None:
        """Copies a file to a path of this machine; raises FileNotFoundError."""
        ...

    async def put(self, name: str, path: Path) -> None:
        """Keeps a copy of a file, durable when it returns. Names say what is in a file: one that is there may stay."""
        ...

    async def create(self, name: str, data: bytes) -> bool:
        """Keeps a small file unless the name is taken; whether it was free."""
        ...

    async def remove(self, name: str) -> None:
        """Removes a file; one that is not there is removed already."""
        ...

    def path_of(self, name: str) -> Path | None:
        """The file itself, where it is one of this machine."""
        ...


def store_of(location: str) -> Store:
    """The store at a path or URL (`file`, `s3`, `gs`, `az` and their relatives); raises ArchiveUnavailable.

    Credentials, regions and endpoints come from the environment, as the libraries of the clouds have them.
    """
    directory = directory_of(location)
    if directory is not None:
        return Directory(directory)
    parts = urlsplit(location)
    place = f"{parts.scheme}://{parts.hostname or ''}{parts.path}"
    options: Any = {"timeout": "60s", "connect_timeout": "5s"}
    if os.environ.get("AWS_ALLOW_HTTP", "").lower() in ("1", "true"):
        options["allow_http"] = True  # which the library reads from the environment only where no options are given
    retries: Any = {"max_retries": RETRIES, "retry_timeout": timedelta(seconds=RETRY_SECONDS)}
    try:
        store = from_url(location, client_options=options, retry_config=retries)
    except (BaseError, ValueError) as error:
        raise ArchiveUnavailable(place, _first_line(error)) from error
    return Objects(store, place)


class Directory:
    """An archive in a directory of this machine; made with the first file."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.place = str(directory)

    async def names(self, folder: str) -> list[str]:
        return await asyncio.to_thread(self._names, folder)

    async def sizes(self, folder: str) -> dict[str, int]:
        return await asyncio.to_thread(self._sizes, folder)

    async def read(self, name: str) -> bytes:
        with self._explained():
            return await asyncio.to_thread((self._directory / name).read_bytes)

    async def fetch(self, name: str, path: Path) -> None:
        with self._explained():
            await asyncio.to_thread(shutil.copyfile, self._directory / name, path)

    async def put(self, name: str, path: Path) -> None:
        with self._explained():
            await asyncio.to_thread(self._put, name, path)

    async def create(self, name: str, data: bytes) -> bool:
        with self._explained():
            return await asyncio.to_thread(self._create, name, data)

    async def remove(self, name: str) -> None:
        with self._explained():
            await asyncio.to_thread((self._directory / name).unlink, missing_ok=True)

    def path_of(self, name: str) -> Path | None:
        return self._directory / name

    def _names(self, folder: str) -> list[str]:
        with self._explained():
            if not (self._directory / folder).is_dir():
                return []
            return sorted(f"{folder}/{one.name}" for one in (self._directory / folder).iterdir())

    def _sizes(self, folder: str) -> dict[str, int]:
        found: dict[str, int] = {}
        for name in self._names(folder):
            with self._explained(), suppress(FileNotFoundError):  # removed since it was listed
                found[name] = (self._directory / name).stat().st_size
        return found

    def _put(self, name: str, path: Path) -> None:
        with self._partial() as (partial, file):
            with path.open("rb") as source:
                shutil.copyfileobj(source, file, CHUNK_BYTES)
            self._name(file, partial, name)

    def _create(self, name: str, data: bytes) -> bool:
        if (self._directory / name).exists():
            return False
        with self._partial() as (partial, file):
            file.write(data)
            self._name(file, partial, name)
        return True

    @contextmanager
    def _partial(self) -> Iterator[tuple[Path, Any]]:
        """A file that gets its name when it is whole and on the disk; those that nobody finished are cleared."""
        folder = self._directory / PARTIAL
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.iterdir():
            with suppress(FileNotFoundError):
                if time.time() - old.stat().st_mtime > ABANDONED_SECONDS:
                    old.unlink()
        partial = folder / uuid4().hex
        try:
            with partial.open("wb") as file:
                yield partial, file
        finally:
            partial.unlink(missing_ok=True)

    def _name(self, file: Any, partial: Path, name: str) -> None:
        file.flush()
        os.fsync(file.fileno())
        path = self._directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.replace(path)
        for folder in (path.parent, self._directory):
            _sync(folder)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise
        except OSError as error:
            raise ArchiveUnavailable(self.place, f"{error.filename or ''}: {error.strerror}") from error


def _sync(folder: Path) -> None:
    """Makes the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class Objects:
    """An archive in an object store."""

    def __init__(self, store: Any, place: str) -> None:
        self._store = store
        self.place = place

    async def names(self, folder: str) -> list[str]:
        with self._explained():
            return sorted([one["path"] async for some in obstore.list(self._store, f"{folder}/") for one in some])

    async def sizes(self, folder: str) -> dict[str, int]:
        with self._explained():
            return {one["path"]: one["size"] async for some in obstore.list(self._store, f"{folder}/") for one in some}

    async def read(self, name: str) -> bytes:
        with self._explained():
            return bytes(await (await obstore.get_async(self._store, name)).bytes_async())

    async def fetch(self, name: str, path: Path) -> None:
        with self._explained():
            found = await obstore.get_async(self._store, name)
            with path.open("wb") as file:
                async for chunk in _chunks(found):
                    await asyncio.to_thread(file.write, chunk)

    async def put(self, name: str, path: Path) -> None:
        with self._explained():
            await obstore.put_async(self._store, name, path)

    async def create(self, name: str, data: bytes) -> bool:
        with self._explained():
            try:
                await obstore.put_async(self._store, name, data, mode="create")
            except AlreadyExistsError:
                return False
            return True

    async def remove(self, name: str) -> None:
        with self._explained(), suppress(FileNotFoundError):
            await obstore.delete_async(self._store, name)

    def path_of(self, _name: str) -> Path | None:
        return None

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise
        except (BaseError, OSError) as error:
            raise ArchiveUnavailable(self.place, _first_line(error)) from error


async def _chunks(found: Any) -> AsyncIterator[bytes]:
    async for chunk in found.stream(min_chunk_size=CHUNK_BYTES):
        yield chunk


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).strip().splitlines()[0]
