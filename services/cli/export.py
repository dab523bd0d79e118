"""`revledger export`: the journal of the ledger as CSV, Parquet or beancount."""

import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

from services import shown
from services.cli.failures import WRONG_USAGE, Failure
from services.cli.options import Data, examples, settings_of
from services.cli.report import From, KnownAt, Until, entries_in, question_from
from services.cli.running import run, told

if TYPE_CHECKING:
    from services.exports.exporting import Exported
    from services.exports.forms import Form
    from services.questions import Question
    from services.settings import Settings

EXAMPLES: Final = examples(
    "revledger export --format csv -o journal.csv",
    "revledger export --format parquet --from 2024-01-01 --until 2025-01-01 -o audit/",
    "revledger export --format csv -o - | gzip > journal.csv.gz",
    "revledger export --format beancount --known-at 2024-06-30T00:00:00Z",
)
NAME: Final = "journal"
STDOUT: Final = Path("-")


def export(
    form: Annotated[
        Literal["csv", "parquet", "beancount"], typer.Option("--format", help="What the file is to be.")
    ],
    start: From = None,
    until: Until = None,
    known_at: KnownAt = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE|DIR", help="By default ./journal.FORMAT; -: standard output."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    data: Data = None,
) -> None:
    """Write the journal to a file.

    Every posting of the ledger with the event that made it, in exact amounts, in the order of the ledger. The file is
    there whole or not at all, and is never written over without --force.

    Without --from and --until: all days. With them, postings that take effect on these days; a bridge's opening is
    the sum of all before.
    """
    question = question_from(start=start, until=until, known_at=known_at)
    settings = settings_of(data)
    if output == STDOUT:
        _put_out(settings, question, form)
        return
    path = _path(output or Path(), form)
    done = run(_exported(settings, question, path, form, force=force))
    print("\n".join(_about(done, str(path))))


def _put_out(settings: "Settings", question: "Question", form: "Form") -> None:
    """The file on standard output once it is whole, and what is to be said of it on stderr."""
    with TemporaryDirectory(prefix="revledger-") as directory:
        path = Path(directory) / f"{NAME}.{form}"
        done = run(_exported(settings, question, path, form, force=False))
        with path.open("rb") as file:
            shutil.copyfileobj(file, sys.stdout.buffer)
    sys.stdout.buffer.flush()
    told("\n".join(_about(done, "standard output")))


def _path(output: Path, form: "Form") -> Path:
    path = output / f"{NAME}.{form}" if output.is_dir() else output
    if not path.parent.is_dir():
        raise Failure(f"-o: there is no directory {path.parent}: make it, or name another", WRONG_USAGE)
    return path


async def _exported(
    settings: "Settings", question: "Question", path: Path, form: "Form", *, force: bool
) -> "Exported":
    from services.audit.opening import ledger_read
    from services.cli.progress import Bar
    from services.exports.exporting import Target, exported

    async with ledger_read(settings) as (ledger, genesis):
        entries = await entries_in(ledger, genesis)
        with Bar("exporting", 2 * entries) as bar:

            def wrote(postings: int, of: int) -> None:
                bar.at(entries + entries * postings // of, f"{shown.count(postings)} postings written")

            return await exported(
                ledger,
                genesis,
                question,
                Target(path, form, force),
                settings,
                read=lambda done: bar.at(done, f"{shown.count(done)} events read"),
                wrote=wrote,
            )


def _about(done: "Exported", place: str) -> list[str]:
    """What was written where, and what it reflects."""
    about = done.about
    asked = f", as known at {about.known_at}" if about.known_at else ""
    final = "" if about.final else ", not final: more may be recorded"
    return [
        f"{place}: {shown.count(done.postings)} postings, {shown.count(done.bytes)} bytes",
        f"as of {shown.heights(about.position)}{asked}{final}; policy {about.policy}",
    ]
