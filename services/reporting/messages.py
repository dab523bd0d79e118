"""Messages between a service and its process that answers: of each its length, then JSON, where numbers are exact."""

from asyncio import IncompleteReadError, StreamReader, StreamWriter
from typing import Final

import msgspec
from msgspec import Struct

from services.questions import Question
from services.rows import Answer

_LENGTH_BYTES: Final = 4


class Asked(Struct, frozen=True):
    """A question to a report, or what its values have to be there for: `VALUES`."""

    number: int
    report: str
    question: Question


class Told(Struct, frozen=True, tag=True):
    """The answer to a question; empty where only values were looked for."""

    number: int
    answer: Answer


class Refused(Struct, frozen=True, tag=True):
    """A question that cannot be answered as it is put, as QuestionError."""

    number: int
    parameter: str
    message: str


class Failed(Struct, frozen=True, tag=True):
    """A question that was not answered, for a reason that is in the log of the process."""

    number: int


Reply = Told | Refused | Failed

VALUES: Final = "values"
ASKED: Final = msgspec.json.Decoder(Asked)
REPLY: Final[msgspec.json.Decoder[Reply]] = msgspec.json.Decoder(Reply)


def send(writer: StreamWriter, message: Asked | Reply) -> None:
    """Sends a message, whole."""
    data = msgspec.json.encode(message)
    writer.write(len(data).to_bytes(_LENGTH_BYTES) + data)


async def received(reader: StreamReader) -> bytes | None:
    """The next message; None once the other side is gone."""
    try:
        return await reader.readexactly(int.from_bytes(await reader.readexactly(_LENGTH_BYTES)))
    except (IncompleteReadError, ConnectionError):
        return None
