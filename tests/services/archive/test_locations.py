"""Locations: paths and URLs, and nothing that carries a secret."""

from pathlib import Path

import pytest

from services.archive.locations import directory_of, location_of


@pytest.mark.parametrize(
    ("text", "directory"),
    [
        ("./archive", Path("archive")),
        ("/srv/books/archive", Path("/srv/books/archive")),
        ("file:///srv/my%20books", Path("/srv/my books")),
        ("s3://bucket", None),
        ("s3://bucket/a/folder", None),
        ("gs://bucket/folder", None),
        ("az://container/folder", None),
        ("abfss://container/folder", None),
    ],
)
def test_a_location_is_a_directory_or_a_bucket(text: str, directory: Path | None) -> None:
    assert location_of(text) == text
    assert directory_of(text) == directory


@pytest.mark.parametrize(
    "text",
    [
        *("", " x", "s3://", "s3:///folder", "s3://key:secret@bucket/x", "s3://bucket/x?region=eu", "gs://b#x"),
        *("http://host/x", "https://host/x", "ftp://host/x", "memory://x", "file://host/x", "file://", "://"),
    ],
)
def test_what_is_neither_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="credentials come from the environment"):
        location_of(text)
