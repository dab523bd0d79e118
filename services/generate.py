"""Writes the committed files that are generated, or checks that they are up to date: `make schemas`."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from events import reference as events_reference
from events.asyncapi import DOCUMENT, asyncapi_document
from events.catalogue import schema_documents
from projections.reference import markdown
from services.settings import settings_markdown

ROOT: Final = Path(__file__).resolve().parent.parent
SCHEMAS: Final = "events/schemas"
SETTINGS: Final = "deploy/settings.md"
FIGURES: Final = "docs/figures.md"
EVENTS: Final = "docs/events.md"


def generated_files() -> dict[str, bytes]:
    """Path from the root of the repository, with forward slashes -> what the file is to hold."""
    schemas = {f"{SCHEMAS}/{name}": _json(document) for name, document in schema_documents().items()}
    kafka = {f"{SCHEMAS}/{DOCUMENT}": _json(asyncapi_document())}
    pages = {SETTINGS: settings_markdown(), FIGURES: markdown(), EVENTS: events_reference.markdown()}
    return {**schemas, **kafka, **{path: text.encode() for path, text in pages.items()}}


def out_of_date(root: Path, files: Mapping[str, bytes]) -> list[str]:
    """The paths of files that are missing, differ, or are there though nothing generates them any more."""
    stale = [path for path, content in files.items() if _content(root / path) != content]
    return sorted([*stale, *_orphans(root, files)])


def write(root: Path, files: Mapping[str, bytes]) -> list[str]:
    """Brings all files up to date; the paths that changed."""
    changed = out_of_date(root, files)
    for path in changed:
        if path in files:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(files[path])
        else:
            (root / path).unlink()
    return changed


def main(arguments: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """Exit status 0, or 1 if `--check` found files that are out of date."""
    parser = argparse.ArgumentParser(prog="python -m services.generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, name what is out of date")
    files = generated_files()
    if not parser.parse_args(arguments).check:
        for path in write(root, files):
            sys.stdout.write(f"{path}: written\n" if path in files else f"{path}: removed\n")
        return 0
    stale = out_of_date(root, files)
    for path in stale:
        sys.stderr.write(f"{path}: out of date; run `make schemas` and commit it\n")
    return 1 if stale else 0


def _json(document: Any) -> bytes:
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def _content(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def _orphans(root: Path, files: Mapping[str, bytes]) -> list[str]:
    found = (path.relative_to(root).as_posix() for path in (root / SCHEMAS).glob("*.schema.json"))
    return [path for path in found if path not in files]


if __name__ == "__main__":
    sys.exit(main())
