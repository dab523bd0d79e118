"""Locations of an archive: a path of this machine, or the URL of a bucket and a folder in it."""

from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

SCHEMES: Final = ("s3", "s3a", "gs", "az", "azure", "adl", "abfs", "abfss")
"""Of object stores; `file` and a plain path are directories."""
EXPECTED: Final = (
    "a directory or a URL such as s3://bucket/folder, gs://bucket/folder or az://container/folder, without user,"
    " password or options: credentials come from the environment"
)


def location_of(text: str) -> str:
    """The location as it is written; raises ValueError with what to write instead."""
    if not text or text != text.strip():
        raise ValueError(EXPECTED)
    if "://" not in text:
        return text
    parts = urlsplit(text)
    if parts.scheme == "file" and not parts.netloc and parts.path and not parts.query and not parts.fragment:
        return text
    if parts.scheme in SCHEMES and parts.netloc and "@" not in parts.netloc and not parts.query and not parts.fragment:
        return text
    raise ValueError(EXPECTED)


def directory_of(location: str) -> Path | None:
    """The directory a location means; None for an object store."""
    if "://" not in location:
        return Path(location)
    parts = urlsplit(location)
    return Path(unquote(parts.path)) if parts.scheme == "file" else None
