"""`revledger demo-data`: a made-up company's events, one a line."""

import sys
from itertools import islice
from typing import Annotated, Final

import typer

from services.cli.failures import WRONG_USAGE, Failure
from services.cli.options import examples

_LINES = 1_000


EXAMPLES: Final = examples(
    "revledger demo-data > events.jsonl",
    "revledger demo-data --accounts 5000 --seed 7 | revledger load - --as-recorded",
)


def demo_data(
    accounts: Annotated[int, typer.Option("--accounts", metavar="N", help="How many customers it ever wins.")] = 200,
    months: Annotated[int, typer.Option("--months", metavar="N", help="For how many months.")] = 36,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Another number, another company.")] = 1,
    start: Annotated[str, typer.Option("--start", metavar="DAY", help="The first of a month.")] = "2023-01-01",
) -> None:
    """Print a made-up company's events.

    The same options give the same bytes.
    """
    from services.demo import demo_events

    try:
        events = demo_events(accounts, months, seed, start)
    except ValueError as error:
        raise Failure(f"{error}.", WRONG_USAGE) from error
    out = sys.stdout.buffer
    while some := list(islice(events, _LINES)):
        out.write(b"\n".join(some) + b"\n")
    out.flush()
