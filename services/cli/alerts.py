"""`revledger alerts`: rules checked, tried on the past, and what they fire on watched."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from services.cli import attended
from services.cli.failures import DONE, NOT_DONE
from services.cli.options import Data, Form, StatusForm, examples, settings_of
from services.cli.report import From, Until
from services.cli.running import run, told

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.alerts.replaying import Replayed, Span
    from services.alerts.rules.rulebook import Problem, Rulebook
    from services.alerts.rules.unbooked import Warned
    from services.ledgers.port import Chains
    from services.settings import Settings

alerts = typer.Typer(
    help="Alerts on churn and on figures: rules, what they fire on, and where alerts go.",
    epilog=examples(
        "revledger alerts example > alerts.toml",
        "revledger alerts check alerts.toml",
        "revledger alerts replay alerts.toml --from 2025-01-01 --until 2025-07-01",
        "revledger alerts tail",
        "revledger alerts list --given-up",
    ),
    rich_markup_mode=None,
    no_args_is_help=True,
)

File = Annotated[
    Path | None,
    typer.Argument(
        metavar="[FILE]", help="By default that of REVLEDGER_ALERTS, or alerts.toml in the data directory.", exists=True
    ),
]


@alerts.command(epilog=examples("revledger alerts check alerts.toml", "revledger alerts check --format json"))
def check(file: File = None, data: Data = None, form: StatusForm = "table") -> int:
    """Check the rules and sinks of alerts, and list those in force.

    Everything that is wrong is told at once, with its line: what cannot be read, names of figures, sinks and labels
    that are not there, rules that can never fire, secrets that are none. Labels are checked if the books can be read.
    A value, a reason or a currency that nothing was ever booked with is told with the nearest and is not wrong: it may
    still come. Nor is a secret that is not on this machine: the service needs it, not this command.

    Exit status 1 if anything is wrong.
    """
    from services.alerts.rules.rulebook import RulebookError
    from services.alerts.rules.rulefile import path_of_rules

    settings = settings_of(data)
    path = file or path_of_rules(settings)
    try:
        rulebook, warned = run(_checked(settings, path))
    except RulebookError as error:
        _show_problems(path, error.problems, form)
        return NOT_DONE
    if form == "json":
        _print_json({"file": None if path is None else str(path), "problems": [], **_shown(rulebook, warned)})
    else:
        _print(path, rulebook, warned)
    return DONE


@alerts.command(epilog=examples("revledger alerts example > revledger-data/alerts.toml"))
def example() -> None:
    """Print a file of rules to begin with: the ones that are on by default, others to choose from, and a webhook."""
    from services.alerts.rules.rulebook import DEFAULTS, EXAMPLE_RULES, EXAMPLE_SINK

    more = "".join(f"# {line}".rstrip() + "\n" for line in EXAMPLE_RULES.splitlines())
    sys.stdout.write(f"{DEFAULTS}\n# Rules that are off as long as they stand behind a #.\n{more}{EXAMPLE_SINK}")


@alerts.command(
    epilog=examples(
        "revledger alerts replay --from 2025-01-01 --until 2025-07-01",
        "revledger alerts replay new-rules.toml --from 2025-01-01 --format csv > would-have-fired.csv",
    )
)
def replay(
    file: File = None, start: From = None, until: Until = None, data: Data = None, form: Form = "table"
) -> None:
    """Tell what rules would have fired on, from the ledger; nothing is sent.

    Of what was recorded from one day until another, by default all of it. Figures are looked at as each day ends.
    Where a history was loaded long after it happened, nearly all of it is history to the rules too; how much is said.
    """
    from services.alerts.rules.rulebook import rulebook_of_file
    from services.alerts.rules.rulefile import path_of_rules
    from services.cli.alerted import show_replayed

    settings = settings_of(data)
    rulebook = rulebook_of_file(file or path_of_rules(settings), is_sent_by=False)
    found, late = run(_replayed(settings, rulebook, start, until))
    show_replayed(found, late, form)


@alerts.command(epilog=examples("revledger alerts tail", "revledger alerts tail --lines 100 --no-follow --format json"))
def tail(
    lines: Annotated[int, typer.Option("--lines", min=0, max=5_000, help="How many of the past to show first.")] = 10,
    follow: Annotated[bool, typer.Option("--follow/--no-follow", help="Go on with what fires from now on.")] = True,
    data: Data = None,
    form: StatusForm = "table",
) -> None:
    """Show the alerts that fired last, and each as it fires.

    Reads what the running service has put down: it sends nothing and takes nothing away. Ctrl-C ends it.
    """
    from services.cli.alerted import follow_alerts

    run(follow_alerts(settings_of(data), lines, form, is_followed=follow))


alerts.command("list", epilog=attended.LIST)(attended.list_alerts)
alerts.command("ack", epilog=attended.ACK)(attended.acknowledge)
alerts.command(epilog=attended.RESEND)(attended.resend)


async def _replayed(
    settings: "Settings", rulebook: "Rulebook", start: str | None, until: str | None
) -> "tuple[list[Replayed], int]":
    from services.alerts.replaying import Replay
    from services.audit.opening import ledger_read
    from services.cli.progress import Bar

    async with ledger_read(settings) as (ledger, genesis):
        span = _span(start, until)
        tails = [await ledger.tail(partition) for partition in range(genesis.partitions)]
        total = sum(one.height + 1 for one in tails if one is not None)
        newest = max(one.recorded_at for one in tails if one is not None)
        oldest = await _first(ledger, genesis.partitions)
        since, until_moment = span.within(oldest, newest)
        if until_moment <= oldest or since > newest:
            _say_when_recorded(oldest, newest)
        replay = Replay(ledger, genesis, rulebook, (since, until_moment))
        found: list[Replayed] = []
        with Bar("replaying", total) as bar:
            async for one in replay.run():
                found.append(one)
                bar.at(replay.blocks, f"{len(found):,} alerts")
        return sorted(found, key=lambda one: one.alert.recorded_at), replay.late


def _say_when_recorded(oldest: int, newest: int) -> None:
    """Why nothing can have fired: the days asked for are those of events, as after a load, and not of the ledger."""
    from events.days import text_of_moment

    first, last = (text_of_moment(one)[:10] for one in (oldest, newest))
    when = f"from {first} until {last}" if first != last else f"on {first}"
    print(f"Nothing was recorded then: the ledger was, {when}, and --from and --until go by that.", file=sys.stderr)


async def _first(ledger: "Chains", partitions: int) -> int:
    """When the first block of any partition was recorded."""
    firsts = [block.recorded_at for p in range(partitions) async for block in ledger.read(p, 0, 1)]
    return min(firsts)


def _span(start: str | None, until: str | None) -> "Span":
    from events.days import DAY_MICROSECONDS
    from services.alerts.replaying import Span
    from services.questions import question_of

    question = question_of({"from": [start or ""], "until": [until or ""]})
    days = (question.start, question.until)
    first, last = (None if day is None else day * DAY_MICROSECONDS for day in days)
    return Span(first, last)


async def _checked(settings: "Settings", path: Path | None) -> "tuple[Rulebook, list[Warned]]":
    """The rulebook of a file, held against the books if they are there to be asked."""
    from projections.pages import BOOK
    from services.alerts.rules.rulebook import rulebook_of_file
    from services.alerts.rules.unbooked import unbooked
    from services.compose import LEDGER_FILE, DataInUse, projection_of
    from services.evidence import evidence_of

    if not settings.is_distributed and (settings.data / LEDGER_FILE).is_file():
        try:
            async with projection_of(settings) as (ledger, views):
                counts = (await evidence_of(views, [0], [BOOK])).counts()
                fields = [field.split("|", 2) for field in counts if field.startswith("names|")]
                names = sorted({name for _, _, name in fields if name}) or None
                rulebook = rulebook_of_file(path, names, is_sent_by=False)
                currencies = sorted({one for _, one, _ in fields})
                return rulebook, await unbooked(ledger, views, [0], rulebook.rules, currencies)
        except DataInUse:  # by a service that starts, and has no figures yet
            told("The service is starting: labels are not compared with the books; check again.")
    return rulebook_of_file(path, is_sent_by=False), []


def _show_problems(path: Path | None, problems: "Sequence[Problem]", form: str) -> None:
    if form == "json":
        rows = [{"line": one.line, "where": one.where, "message": one.message} for one in problems]
        _print_json({"file": None if path is None else str(path), "problems": rows})
        return
    for one in problems:
        told(f"{path}: {one}")


def _print_json(answer: dict[str, Any]) -> None:
    import msgspec

    sys.stdout.write(msgspec.json.encode(answer).decode() + "\n")


def _shown(rulebook: "Rulebook", warned: "Sequence[Warned]") -> dict[str, Any]:
    from services.alerts.rules.sinks import away
    from services.alerts.rules.telling import text_of_rule

    return {
        "rules": [
            {"name": rule.name, "on": rule.on, "severity": rule.severity, "fires": text_of_rule(rule)}
            for rule in rulebook.rules
        ],
        "sinks": [{"name": sink.name, "kind": sink.kind} for sink in rulebook.sinks],
        "unbooked": [{"rule": one.rule, "message": one.message} for one in warned],
        "secrets_away": [
            {"sink": sink.name, "message": message} for sink in rulebook.sinks if (message := away(sink)) is not None
        ],
    }


def _print(path: Path | None, rulebook: "Rulebook", warned: "Sequence[Warned]") -> None:
    from rich.text import Text

    from services.cli.tables import console_for_output, new_table

    console = console_for_output()
    where = "the defaults, for there is no file" if path is None else str(path)
    console.print(Text(f"{len(rulebook.rules)} rules from {where}", style="bold"))
    table = new_table(["rule", "severity", "fires on"], [])
    table.columns[-1].no_wrap = False
    shown = _shown(rulebook, warned)
    for rule in shown["rules"]:
        table.add_row(rule["name"], rule["severity"], Text(rule["fires"]))
    console.print(table)
    sinks = ", ".join(f"{sink.name} ({sink.kind})" for sink in rulebook.sinks)
    console.print(Text(f"alerts go to {sinks}", style="dim"))
    for one in shown["unbooked"]:
        console.print(Text(f"not in the books yet: rule {one['rule']!r}: {one['message']}", style="yellow"))
    for one in shown["secrets_away"]:
        console.print(Text(f"not on this machine: sink {one['sink']!r}: {one['message']}", style="yellow"))
