"""`revledger unmatched`: the facts that move nothing yet, and what each waits for."""

import sys
from typing import TYPE_CHECKING, Final

from events.days import text_of_moment
from services import shown
from services.cli.options import Data, Form, examples, settings_of
from services.cli.running import run, waiting

if TYPE_CHECKING:
    from services.audit.unmatched import Unmatched
    from services.settings import Settings

EXAMPLES: Final = examples("revledger unmatched", "revledger unmatched --format csv > waiting.csv")
COLUMNS: Final = (
    *("account", "contract", "type", "source", "id", "time", "recorded_at"),
    *("partition", "height", "seq", "waits_for"),
)
"""Of the CSV."""
WIDTH_MAX: Final = 26


def unmatched(data: Data = None, form: Form = "table") -> None:
    """List the facts that move nothing yet.

    Changes of a contract that nobody has signed, most often because of a mistyped contract id, and retractions of
    events that nobody sent. Each starts to count when what it waits for arrives; a mistake is retracted and sent again.
    """
    position, found = run(_found(settings_of(data)))
    rows = [one.shown() for one in found]
    if form == "json":
        import msgspec

        answer = {"report": "unmatched", "as_of": {"position": position}, "rows": rows}
        sys.stdout.write(msgspec.json.encode(answer).decode() + "\n")
    elif form == "csv":
        from services.separated import text_of

        sys.stdout.write(text_of(COLUMNS, [[row.get(name, "") for name in COLUMNS] for row in rows]))
    else:
        _print(position, found)


async def _found(settings: "Settings") -> "tuple[dict[str, int], list[Unmatched]]":
    from services.archive.tables import ledger_tables
    from services.audit.opening import ledger_read
    from services.audit.unmatched import unmatched_of

    with waiting("reading the ledger"):
        async with ledger_read(settings) as (ledger, genesis):
            tails = {partition: await ledger.tail(partition) for partition in range(genesis.partitions)}
            heights = {partition: -1 if tail is None else tail.height for partition, tail in tails.items()}
            async with ledger_tables(ledger, heights, names=("entries",)) as tables:
                found = await unmatched_of(tables)
    return {str(partition): height for partition, height in heights.items()}, found


def _print(position: dict[str, int], found: "list[Unmatched]") -> None:
    from rich.text import Text

    from services.cli.tables import console_for_output, new_table

    console = console_for_output()
    many = "1 fact is unmatched" if len(found) == 1 else f"{len(found):,} facts are unmatched, the oldest first"
    title = many if found else "Every fact has what it needs: none is unmatched"
    console.print(Text(title, style="bold"))
    if found:
        table = new_table(["recorded", "account", "event", "waits for", "or did it mean"], [])
        for one in found:
            kind = one.type.removeprefix("revledger.").removesuffix(".v1")
            waits = f"contract {one.contract}" if one.contract else f"event {one.of_id} of {one.of_source}"
            texts = (text_of_moment(one.recorded_at)[:10], one.account, kind, waits, ", ".join(one.near))
            table.add_row(*(Text(shown.clipped(text, WIDTH_MAX)) for text in texts))
        console.print(table)
    console.print(Text(f"as of {shown.heights(position)}", style="dim"))
