"""A process that prepares blocks, job after job, for whoever writes them to its standard input."""

import sys
from contextlib import suppress
from pathlib import Path
from typing import IO, BinaryIO, Final

import msgspec
import pyarrow as pa
from msgspec import Struct

from events.block import BlockDamaged
from services import output
from services.archive.manifests import TABLES
from services.archive.preparing import Job, prepared
from services.ledgers.port import StoredBlock
from services.tuning import garbage_spared

LENGTH_BYTES: Final = 8


class Asked(Struct, frozen=True):
    """A job whose blocks follow, so many, and the folder where the tables are to be written."""

    job: Job
    blocks: int
    folder: str


class Done(Struct, frozen=True, tag="done"):
    """What `Columns` tells beside its tables, which are in the folder."""

    count: int
    newest_event: int | None


class Damaged(Struct, frozen=True, tag="damaged"):
    """Why the blocks could not be prepared."""

    message: str


Answer = Done | Damaged
ANSWER: Final[msgspec.json.Decoder[Answer]] = msgspec.json.Decoder(Answer)
_ENCODER: Final = msgspec.msgpack.Encoder()
_ASKED: Final = msgspec.msgpack.Decoder(Asked)
_BLOCK: Final = msgspec.msgpack.Decoder(StoredBlock)


def main() -> None:
    """Does jobs, until the input ends; answers in lines."""
    output.whole()
    with garbage_spared(), suppress(BrokenPipeError):  # whoever asked is gone
        while data := _read(sys.stdin.buffer):
            asked = _ASKED.decode(data)
            some = [_BLOCK.decode(_read(sys.stdin.buffer)) for _ in range(asked.blocks)]
            answer = _answer(msgspec.structs.replace(asked.job, blocks=some), Path(asked.folder))
            sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n")
            sys.stdout.buffer.flush()


def ask(out: IO[bytes], job: Job, folder: Path) -> None:
    """Writes a job, block by block: all at once would be copied in full on both sides."""
    _write(out, Asked(msgspec.structs.replace(job, blocks=[]), len(job.blocks), str(folder)))
    for one in job.blocks:
        _write(out, one)
    out.flush()


def _write(out: IO[bytes], what: Asked | StoredBlock) -> None:
    data = _ENCODER.encode(what)
    out.write(len(data).to_bytes(LENGTH_BYTES))
    out.write(data)


def _read(jobs: BinaryIO) -> bytes:
    return jobs.read(int.from_bytes(jobs.read(LENGTH_BYTES)))


def _answer(job: Job, folder: Path) -> Answer:
    try:
        columns = prepared(job)
    except BlockDamaged as error:
        return Damaged(str(error))
    for name in TABLES:
        table = getattr(columns, name)
        with pa.OSFile(str(folder / name), "wb") as file, pa.ipc.new_file(file, table.schema) as out:
            out.write_table(table)
    return Done(columns.count, columns.newest_event)


if __name__ == "__main__":
    main()
