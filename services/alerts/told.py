"""What was told: as much of a message as is read back."""

from typing import Final

import msgspec
from msgspec import Struct

from events.days import moment_of_text
from projections.alerts import ESCALATED, RESOLVED

PREFIXES: Final = {RESOLVED: "over: ", ESCALATED: "nobody has acknowledged: "}
"""Type of a message -> what becomes of the summary in it."""


class Behind(Struct, frozen=True):
    """The event behind an alert."""

    source: str
    id: str


class ToldData(Struct, frozen=True):
    """Of its data."""

    rule: str
    kind: str
    summary: str
    event: Behind | None = None


class Told(Struct, frozen=True):
    """A message that is kept, or on its way."""

    type: str
    time: str
    id: str
    subject: str
    data: ToldData

    @property
    def moment(self) -> int:
        """When it happened, in microseconds."""
        return moment_of_text(self.time)

    @property
    def prefix(self) -> str:
        """What its summary begins with, if it does not tell that something fired."""
        return PREFIXES.get(self.type, "")


_TOLD: Final = msgspec.json.Decoder(Told)


def told_of(body: bytes) -> Told:
    """What a message tells."""
    return _TOLD.decode(body)
