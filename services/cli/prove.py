"""`revledger prove`: that one event is in the ledger, in a file that anybody can check without it."""

import gzip
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from services.cli.checkpoint import write_new
from services.cli.options import Data, examples, settings_of
from services.cli.running import run, told

if TYPE_CHECKING:
    from events.checkpoint import Checkpoint
    from events.proof import Proof
    from services.audit.entries import Located
    from services.ledgers.port import Chains
    from services.settings import Settings

EXAMPLES: Final = examples(
    "revledger prove /billing e1 --checkpoint 2024.checkpoint -o e1.proof",
    "revledger prove /billing e1 -o e1.proof.gz",
)


def prove(
    source: Annotated[str, typer.Argument(metavar="SOURCE", show_default=False, help="The event's source.")],
    event_id: Annotated[str, typer.Argument(metavar="ID", show_default=False, help="The event's id.")],
    checkpoint: Annotated[
        list[str] | None,
        typer.Option("--checkpoint", metavar="FILE", help="Prove it up to there; of several, up to the nearest."),
    ] = None,
    data: Data = None,
    output: Annotated[
        str | None,
        typer.Option("--output", "-o", metavar="FILE", help="Where to (.gz: compressed); by default standard output."),
    ] = None,
) -> None:
    """Prove that an event is in the ledger.

    The proof holds the event as it was received, what was booked for it, and the headers of all blocks from there to a
    checkpoint that somebody keeps, or to the last block there is. `revledger check-proof` checks it, and so does a
    script of 40 lines (docs/proofs.md), both without the ledger.
    """
    settings = settings_of(data)
    proof = run(_made(settings, source, event_id, _checkpoints(checkpoint or [])))
    from events.proof import text_of_proof

    text = text_of_proof(proof)
    if output is None:
        sys.stdout.write(text)
        return
    written = text.encode()
    write_new(Path(output), gzip.compress(written, mtime=0) if output.endswith(".gz") else written)
    size, headers = Path(output).stat().st_size, len(proof.headers)
    to = "a signed checkpoint" if proof.checkpoint else f"the block {proof.head}, which somebody must have noted"
    told(f"Written to {output}: {size:,} bytes, headers of {headers:,} blocks up to {to}.")


def _checkpoints(paths: list[str]) -> "list[Checkpoint]":
    from services.audit.checkpoints import checkpoint_in

    return [checkpoint_in(Path(path)) for path in paths]


async def _made(settings: "Settings", source: str, event_id: str, checkpoints: "list[Checkpoint]") -> "Proof":
    from services.audit.opening import chains_read
    from services.audit.proofs import made_proof
    from services.cli.progress import Bar

    async with chains_read(settings) as ledger:
        found = await _found(settings, ledger, source, event_id)
        with Bar("proving", None) as bar:
            return await made_proof(ledger, found, checkpoints, lambda headers: bar.at(headers, f"{headers:,} headers"))


async def _found(settings: "Settings", ledger: "Chains", source: str, event_id: str) -> "Located":
    from services.audit.entries import located
    from services.audit.verifying.ledger import partitions_of
    from services.cli.progress import Bar
    from services.compose import ACCOUNTS_FILE

    accounts = None if settings.is_distributed else settings.data / ACCOUNTS_FILE
    partitions = await partitions_of(settings, ledger)
    with Bar("looking for it", None) as bar:

        def looked(partition: int, entries: int) -> None:
            bar.at(entries, f"{entries:,} entries of partition {partition}")

        return await located(ledger, partitions, source, event_id, accounts=accounts, looked=looked)
