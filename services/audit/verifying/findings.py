"""What verifying found: each thing that is wrong as data and as a sentence, and what was checked so far."""

from typing import Final

from msgspec import Struct

from events.block import Genesis
from events.days import text_of_moment
from events.policy import Policy

FINDINGS_MAX: Final = 20
"""How many findings of a partition are told; of more only the number."""


class Finding(Struct, frozen=True):
    """One thing that is wrong: where, which check found it, what was due, what is there.

    `height` is None where it concerns no one block, `seq` where no one entry; `source` and `id` are those of the
    entry's event, where it could be read.
    """

    partition: int
    height: int | None
    seq: int | None
    check: str
    expected: str
    found: str
    sentence: str
    source: str = ""
    id: str = ""


class Taken(Struct, frozen=True):
    """An entry whose event had free text taken out."""

    partition: int
    height: int
    seq: int
    source: str
    id: str


class Verified(Struct, kw_only=True):
    """How far a partition was verified, and what came of it; kept between runs, so it only holds data.

    `hash` is that of the last block's header as worked out, `stored_hash` the one kept beside it: they differ only
    where that was found. `policies` are those of the ledger so far, the one in force last. `unbooked_height` is the
    first block whose entries could not be booked again because of damage before them, `doubted` the accounts whose
    books were damaged. `resumed_height`: where a kept state was taken up; `misfit_height`: that of a kept state which
    is not of this ledger.
    """

    partition: int
    height: int = -1
    hash: bytes = b""
    stored_hash: bytes = b""
    next_seq: int = 0
    recorded_at: int = 0
    sources: dict[str, int] = {}
    genesis: Genesis | None = None
    policies: list[Policy] = []
    blocks: int = 0
    entries: int = 0
    postings: int = 0
    findings: list[Finding] = []
    findings_count: int = 0
    taken: list[Taken] = []
    taken_count: int = 0
    unbooked_height: int | None = None
    doubted: list[str] = []
    forks: int = 0
    resumed_height: int | None = None
    misfit_height: int | None = None
    is_pinned: bool = False
    seconds: float = 0.0

    def add(self, finding: Finding) -> None:
        """Notes a finding."""
        self.findings_count += 1
        if len(self.findings) < FINDINGS_MAX:
            self.findings.append(finding)

    def add_taken(self, taken: Taken) -> None:
        """Notes an entry whose event had free text taken out."""
        self.taken_count += 1
        if len(self.taken) < FINDINGS_MAX:
            self.taken.append(taken)


def moment_text(moment: int) -> str:
    """A moment as RFC 3339, also one that a damaged block makes up."""
    try:
        return text_of_moment(moment)
    except (ValueError, OverflowError):
        return f"microsecond {moment}"
