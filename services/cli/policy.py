"""`revledger policy`: the policies a ledger has had, and going over to another."""

import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from services import shown
from services.cli.failures import DONE, WRONG_USAGE, Failure
from services.cli.options import Data, Form, examples, settings_of
from services.cli.running import run, waiting

if TYPE_CHECKING:
    from events.policy import Policy
    from services.adopting import Effect
    from services.settings import Settings

ON_KAFKA: Final = (
    "A ledger on Kafka keeps the policy it began under: its partitions are written by processes of their own, and a"
    " policy is adopted by all of a ledger at once. Ask for reports with --policy, or load its events into another."
)
SAYS_NOTHING: Final = (
    "{file} says nothing, which is every choice at its default: if that is meant, write one of them, such as"
    " churn = 'effective'. Nothing was adopted."
)
COLUMNS: Final = ("policy", "since_block", "since", "entries", "choices")

policy = typer.Typer(
    help="See the policies a ledger has had, and adopt another.",
    epilog=examples("revledger policy show", "revledger policy adopt notice.toml --dry-run"),
    rich_markup_mode=None,
    no_args_is_help=True,
)


@policy.command(epilog=examples("revledger policy show", "revledger policy show --data ./books --format json"))
def show(data: Data = None, form: Form = "table") -> None:
    """List the policies the ledger has had.

    Each with the block it came into force with; the last is in force. `entries` are those that made the difference to
    the one before: one for each account whose books it changed.
    """
    rows = run(_spans(settings_of(data)))
    if form == "json":
        import msgspec

        sys.stdout.write(msgspec.json.encode({"report": "policies", "rows": rows}).decode() + "\n")
    elif form == "csv":
        from services.separated import text_of

        sys.stdout.write(text_of(COLUMNS, [[_text(row[name]) for name in COLUMNS] for row in rows]))
    else:
        _print_policies(rows)


@policy.command(
    epilog=examples("revledger policy adopt notice.toml --dry-run", "revledger policy adopt notice.toml --data ./books")
)
def adopt(
    file: Annotated[Path, typer.Argument(metavar="FILE", show_default=False, help="The policy, in TOML.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")] = False,
    data: Data = None,
    form: Form = "table",
) -> None:
    """Keep the books under another policy from now on.

    Every event is booked again under it, and what that changes is recorded now, with the days it belongs to: for each
    account whose books change, one entry, which `restate` and `explain` tell as such. What is known now is then what
    the new policy says of all days; what was known before stays, under the policy of then.

    All that it changes is seen before in reports with --policy FILE, as --dry-run only counts.

    It is one append: whoever is killed in it leaves the old policy in force, or the new one. The service must not run
    meanwhile. A file that leaves out the zone keeps that of the ledger, which cannot change.
    """
    from services.policies import PolicyError, policy_of_file

    settings = settings_of(data)
    if settings.is_distributed:
        raise Failure(ON_KAFKA)
    try:
        wanted = policy_of_file(file)
        says_nothing = not tomllib.loads(file.read_text("utf-8-sig"))
    except PolicyError as error:
        raise Failure(str(error) if str(file) in str(error) else f"{file}: {error}", WRONG_USAGE) from error
    if says_nothing:
        raise Failure(SAYS_NOTHING.format(file=file), WRONG_USAGE)
    effect = run(_adopted(settings, wanted, form, dry_run=dry_run))
    if effect is None:
        raise typer.Exit(DONE)
    if form == "table":
        _print(effect)
    else:
        _write(effect, form)


async def _adopted(settings: "Settings", wanted: "Policy", form: str, *, dry_run: bool) -> "Effect | None":
    from services.adopting import PolicyInForce, adopt
    from services.audit.opening import ledger_read
    from services.cli.progress import Bar
    from services.cli.report import entries_in

    async with ledger_read(settings) as (ledger, genesis):
        entries = await entries_in(ledger, genesis)
    try:
        with Bar("adopting", entries) as bar:
            return await adopt(
                settings, wanted, dry_run=dry_run, told=lambda done: bar.at(done, f"{shown.count(done)} events")
            )
    except PolicyInForce as error:
        # it is no answer, so whoever reads JSON or CSV gets none
        print(f"{error} Nothing to do.", file=sys.stdout if form == "table" else sys.stderr)
        return None


async def _spans(settings: "Settings") -> list[dict[str, Any]]:
    from events.days import text_of_moment
    from services.adoptions import policies_of
    from services.audit.opening import ledger_read

    with waiting("reading the ledger"):
        async with ledger_read(settings) as (ledger, _):
            policies = await policies_of(ledger)
    assert policies is not None, "a ledger that is read has a block"
    return [
        {
            "policy": span.policy.stamp,
            "since_block": span.height,
            "since": text_of_moment(span.recorded_at),
            "entries": span.entries,
            "choices": choices_of(span.policy),
        }
        for span in policies.spans
    ]


def _print_policies(rows: list[dict[str, Any]]) -> None:
    from services.cli.tables import console_for_output, new_table

    console = console_for_output()
    table = new_table(["policy", "since"], ["block", "entries"])
    for row in rows:
        table.add_row(row["policy"], row["since"], str(row["since_block"]), shown.count(row["entries"]))
    console.print(table)
    for row in rows:
        choices = [f"{name} = {value}" for name, value in row["choices"].items()] or ["every choice at its default"]
        lines = shown.wrapped([f"{row['policy']}: {choices[0]}", *choices[1:]], console.width - 2)
        print("\n  ".join(lines))


def choices_of(chosen: "Policy") -> dict[str, Any]:
    """What a policy says that is not the default, apart from its name and version."""
    import msgspec

    said = msgspec.to_builtins(chosen)
    return {name: value for name, value in said.items() if name not in ("name", "version")}


def _text(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}={one}" for name, one in value.items()) or "all defaults"
    return str(value)


def _levels(effect: "Effect") -> list[dict[str, Any]]:
    from events.money import mrr_minor

    rows = []
    for currency, (then, now) in sorted(effect.levels.items()):
        before, after = mrr_minor(then), mrr_minor(now)
        rows.append({"currency": currency, "before_minor": before, "after_minor": after})
    return rows


def _write(effect: "Effect", form: str) -> None:
    import msgspec

    from events.days import text_of_day
    from services.separated import text_of

    rows = _levels(effect)
    if form == "csv":
        names = ("currency", "before_minor", "after_minor")
        sys.stdout.write(text_of(names, [[row[name] for name in names] for row in rows]))
        return
    answer = {
        "report": "adoption",
        "policy": effect.now.stamp,
        "instead_of": effect.then.stamp,
        "adopted": effect.is_adopted,
        "blocks": [effect.height, effect.settled],
        "accounts": effect.accounts,
        "changed": effect.changed,
        "postings": effect.postings,
        "on": text_of_day(effect.today),
        "mrr": rows,
    }
    sys.stdout.write(msgspec.json.encode(answer).decode() + "\n")


def _changed(effect: "Effect") -> Iterator[str]:
    """Each choice that is another."""
    import msgspec

    for name, value in msgspec.structs.asdict(effect.now).items():
        before = getattr(effect.then, name)
        if name not in ("name", "version") and value != before:
            yield f"{name} = {_choice(value)} instead of {_choice(before)}"


def _choice(value: object) -> str:
    return "no limit" if value is None else str(value)


def _print(effect: "Effect") -> None:
    from events.days import text_of_day
    from services.cli.tables import console_for_output, new_table

    verb = "Adopted" if effect.is_adopted else "Would adopt"
    print(f"{verb} policy {effect.now.stamp} instead of {effect.then.stamp}.")
    console = console_for_output()
    choices = [*_changed(effect)] or ["No choice is another: it has another name."]
    print("\n".join(shown.wrapped(choices, console.width)))
    many = "1 account changes" if effect.changed == 1 else f"{effect.changed:,} accounts change"
    print(f"{many}, of {effect.accounts:,}: {effect.postings:,} postings")
    table = new_table([f"MRR on {text_of_day(effect.today)}"], ["before", "after", "change"])
    for row in _levels(effect):
        currency, before, after = row["currency"], row["before_minor"], row["after_minor"]
        amounts = [shown.money(one, currency) for one in (before, after)]
        table.add_row(currency, *amounts, shown.change(after - before, currency))
    if effect.levels:
        console.print(table)
    if effect.is_adopted:
        is_one = effect.height == effect.settled
        where = f"block {effect.height}" if is_one else f"blocks {effect.height} to {effect.settled}"
        print(f"Recorded in {where}; see what it changed of a period with")
        print(f"  revledger restate --between 0:{effect.height - 1} now --from DAY --until DAY")
