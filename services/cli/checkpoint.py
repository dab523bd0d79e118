"""`revledger checkpoint`: what the ledger is at this moment, signed, for a third party to keep."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from services.cli.failures import WRONG_USAGE, Failure
from services.cli.options import Data, examples, settings_of
from services.cli.running import run, told, waiting

if TYPE_CHECKING:
    from events.checkpoint import Checkpoint
    from services.settings import Settings

EXAMPLES: Final = examples(
    "revledger checkpoint --new-key books.key -o 2024.checkpoint",
    "revledger checkpoint --key books.key > today.checkpoint",
)


def checkpoint(
    data: Data = None,
    key: Annotated[str | None, typer.Option("--key", metavar="FILE", help="Private key to sign with (PEM).")] = None,
    new_key: Annotated[
        str | None,
        typer.Option("--new-key", metavar="FILE", help="Make a private key there, and FILE.pub, and sign with it."),
    ] = None,
    output: Annotated[
        str | None, typer.Option("--output", "-o", metavar="FILE", help="Where to; by default standard output.")
    ] = None,
) -> None:
    """Note what the ledger is now.

    The last block of every partition, signed if there is a key. Give it to somebody else to keep: `verify
    --checkpoint` tells later whether the ledger still holds exactly the history up to there.
    """
    if key is not None and new_key is not None:
        raise Failure("--key signs with a key there is, --new-key makes one: give one of them.", WRONG_USAGE)
    settings = settings_of(data)
    made = run(_taken(settings))
    text = _text(made, key, new_key)
    if output is None:
        sys.stdout.write(text)
    else:
        write_new(Path(output), text.encode())
        told(f"Written to {output}: {_heads(made)}" + ("." if key or new_key else ", not signed."))


def write_new(path: Path, data: bytes) -> None:
    """Writes a file that is not there yet; raises Failure."""
    try:
        with path.open("xb") as file:
            file.write(data)
    except FileExistsError as error:
        raise Failure(f"{path} is there already and is not overwritten: name another file.") from error


def _text(made: "Checkpoint", key: str | None, new_key: str | None) -> str:
    from events.checkpoint import text_of_checkpoint
    from services.audit import checkpoints

    if new_key is not None:
        private = checkpoints.new_key(Path(new_key))
        told(f"The key is in {new_key}: keep it secret. Give {new_key}{checkpoints.PUBLIC_SUFFIX} to whoever checks.")
    elif key is not None:
        private = checkpoints.private_key_in(Path(key))
    else:
        return text_of_checkpoint(made)
    return text_of_checkpoint(checkpoints.signed(made, private))


async def _taken(settings: "Settings") -> "Checkpoint":
    from events.checkpoint import Redactions
    from services.audit.checkpoints import taken
    from services.audit.opening import NoLedger, chains_read
    from services.audit.redactions import redactions_in
    from services.audit.verifying.ledger import partitions_of
    from services.compose import LEDGER_FILE

    with waiting("reading the ledger"):
        async with chains_read(settings) as ledger:
            known = Redactions() if settings.is_distributed else redactions_in(settings.data / LEDGER_FILE)
            made = await taken(ledger, await partitions_of(settings, ledger), known)
    if not made.heads:
        raise NoLedger(settings.data)
    return made


def _heads(made: "Checkpoint") -> str:
    if len(made.heads) == 1:
        return f"block {made.heads[0].height}"
    return f"the last blocks of {len(made.heads):,} partitions"
