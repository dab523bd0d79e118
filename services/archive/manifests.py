"""Manifests: what each segment of the archive is, the hashes of its files, and a digest of the manifest itself."""

from hashlib import sha256
from importlib.metadata import version
from typing import Final, Literal, get_args

import msgspec
from msgspec import Struct

FORMAT: Final = 1
FOLDER: Final = "manifests"
REST_MICROSECONDS: Final = 24 * 60 * 60 * 1_000_000
"""From which age on what is too little for a segment is sealed all the same."""
Table = Literal["postings", "entries", "blocks"]
TABLES: Final[tuple[Table, ...]] = get_args(Table)
KEY: Final = b"revledger.segment"
"""Under which key each Parquet file of a segment carries its `Segment`, as JSON."""


class ArchiveDamaged(Exception):
    """Something in the archive is missing, was altered, or does not fit the rest; `name` says what."""

    def __init__(self, place: str, name: str, problem: str, remedy: str = "") -> None:
        super().__init__(f"{name} in the archive {place} {problem}: {remedy or REMEDY}")
        self.place = place
        self.name = name
        self.problem = problem


REMEDY: Final = (
    "restore it from a copy of the archive, or run `revledger archive --reseal`, if the ledger still has its blocks"
)


class Ledgers(Struct, frozen=True, forbid_unknown_fields=True):
    """Which ledger it is: how many partitions it has, and the hashes of the first blocks of partition 0 and its own."""

    partitions: int
    first: str
    own: str


class Segment(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Blocks `from_height` to `until_height - 1` of a partition; numbers and hashes chain it to its neighbours.

    Times are RFC 3339; `newest_event` is null where no event is in it. Hashes are in hexadecimal.
    """

    format: int
    ledger: Ledgers
    partition: int
    from_height: int
    until_height: int
    first_seq: int
    entries: int
    postings: int
    recorded_first: str
    recorded_last: str
    newest_event: str | None
    prev_hash: str
    hash: str
    policy: str
    software: str

    @property
    def end_seq(self) -> int:
        """The number of the first entry of the next segment."""
        return self.first_seq + self.entries

    @property
    def range(self) -> str:
        """Partition and heights, as the names of its files have them."""
        return f"{self.partition:04}-{self.from_height:012}-{self.until_height:012}"


class File(Struct, frozen=True, forbid_unknown_fields=True):
    """One file of a segment."""

    name: str
    bytes: int
    rows: int
    sha256: str


class Manifest(Struct, frozen=True, forbid_unknown_fields=True):
    """A segment, its files by table, and the SHA-256 of the JSON of both, without white space, in this order."""

    segment: Segment
    files: dict[Table, File]
    digest: str

    @property
    def name(self) -> str:
        """Where the manifest is kept."""
        return manifest_name(self.segment, self.files)


class _Signed(Struct, frozen=True):
    segment: Segment
    files: dict[Table, File]


class _Format(Struct, frozen=True):
    format: int


class _Form(Struct, frozen=True):
    segment: _Format


_FORM: Final = msgspec.json.Decoder(_Form)
_MANIFEST: Final = msgspec.json.Decoder(Manifest)


def software() -> str:
    """The name and version of what seals."""
    return f"revledger {version('revledger')}"


def manifest_of(segment: Segment, files: dict[Table, File]) -> Manifest:
    """The manifest of a segment with these files."""
    return Manifest(segment, files, _digest(segment, files))


def manifest_bytes(manifest: Manifest) -> bytes:
    """A manifest as it is kept: the same bytes for the same segment."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"


def manifest_in(data: bytes, place: str, name: str) -> Manifest:
    """The manifest in a file of this name; raises ArchiveDamaged."""
    try:
        form = _FORM.decode(data).segment.format
        if form != FORMAT:
            problem = f"has format {form}, and this revledger reads {FORMAT}"
            raise ArchiveDamaged(place, name, problem, "upgrade revledger, if a newer one wrote it")
        manifest = _MANIFEST.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ArchiveDamaged(place, name, f"was altered, or is no manifest ({error})") from error
    if manifest_bytes(manifest) != data or manifest.digest != _digest(manifest.segment, manifest.files):
        raise ArchiveDamaged(place, name, "was altered: its digest is that of another text")
    if set(manifest.files) != set(TABLES):
        raise ArchiveDamaged(place, name, f"lies: it names the files {sorted(manifest.files)}")
    if manifest.name != name:
        raise ArchiveDamaged(place, name, f"lies: by what it says, its name is {manifest.name}")
    for table, file in manifest.files.items():
        if file.name != file_name(manifest.segment, table, file.sha256):
            raise ArchiveDamaged(place, name, f"lies about the name of its file of {table}")
    return manifest


def file_name(segment: Segment, table: Table, digest: str) -> str:
    """Where a file of a segment is kept: by table, partition, heights and content."""
    return f"{table}/{segment.range}-{digest[:16]}.parquet"


def manifest_name(segment: Segment, files: dict[Table, File]) -> str:
    """Where the manifest of a segment is kept: by partition, heights and the content of its files."""
    content = sha256("".join(files[table].sha256 for table in TABLES if table in files).encode()).hexdigest()
    return f"{FOLDER}/{segment.range}-{content[:16]}.json"


def _digest(segment: Segment, files: dict[Table, File]) -> str:
    return sha256(msgspec.json.encode(_Signed(segment, files))).hexdigest()
