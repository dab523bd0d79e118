"""`revledger replay --check` and `--into`: the live projection held against a replay, and restored from one."""

import sys
from typing import TYPE_CHECKING, Any, Final

import typer

from services import shown
from services.cli.failures import NOT_DONE, WRONG_USAGE, Failure
from services.cli.progress import Bar
from services.cli.report import entries_in
from services.cli.running import run

if TYPE_CHECKING:
    from pathlib import Path

    from services.audit.comparing import Hearing
    from services.questions import Question
    from services.settings import Settings

TOLD_MAX: Final = 100
"""How many differences a table tells; JSON and CSV tell all of them."""
COLUMNS: Final = ("partition", "place", "cell", "live", "replayed")


def restore_and_check(
    settings: "Settings", question: "Question", policy: "Path | None", form: str, *, into: str | None, check: bool
) -> None:
    """Restores a projection, compares one, or restores one and compares it then."""
    if policy is not None:
        raise Failure("--policy: a projection is of the ledger's own policy: leave one of them out.", WRONG_USAGE)
    if check and question.known_at is not None:
        raise Failure("--known-at: --check compares with what is live, which is as known now.", WRONG_USAGE)
    if into is not None:
        answer = run(_restored(settings, question, into, check=check))
        _show(answer["restored"], form, _print_restored)
        if not check:
            return
        answer = answer["check"]
    else:
        answer = run(_checked(settings, question))
    data = None if settings.is_distributed or into is not None else settings.data
    _show(answer, form, lambda told: _print_check(told, settings.prefix, data))
    if not answer["equal"]:
        raise typer.Exit(NOT_DONE)


async def _checked(settings: "Settings", question: "Question") -> dict[str, Any]:
    from services.audit.comparing import comparison, document
    from services.audit.holding import projection_read

    async with projection_read(settings) as (ledger, genesis, views):
        with Bar("comparing", entries := await entries_in(ledger, genesis)) as bar:
            found = await comparison(ledger, genesis, views, question, settings, _hearing(bar, entries))
        return document(found)


async def _restored(settings: "Settings", question: "Question", into: str, *, check: bool) -> dict[str, Any]:
    from services.audit.asking import genesis_at, known_or_now
    from services.audit.comparing import comparison, document
    from services.audit.opening import ledger_read
    from services.audit.restoring import WrongPlace, restored, views_at
    from services.views.redis import check_eviction

    try:
        views = views_at(settings, into)
    except WrongPlace as error:
        raise Failure(f"--into: {error}.", WRONG_USAGE) from error
    try:
        await check_eviction(views)
        async with ledger_read(settings) as (ledger, genesis):
            known = await known_or_now(ledger, genesis, question.known_at)
            entries = await entries_in(ledger, genesis)
            with Bar("restoring", entries) as bar:
                told = await restored(
                    ledger, views, known.heights, lambda done: bar.at(done, f"{shown.count(done)} events")
                )
            answer: dict[str, Any] = {
                "restored": {
                    "report": "restore",
                    "into": into,
                    "prefix": settings.prefix,
                    "policy": (await genesis_at(ledger, genesis, known)).policy.stamp,
                    "position": {str(partition): height for partition, height in told.heights.items()},
                    "entries": told.entries,
                    "projected": told.projected,
                }
            }
            if check:
                with Bar("comparing", entries) as bar:
                    found = await comparison(ledger, genesis, views, question, settings, _hearing(bar, entries))
                answer["check"] = document(found)
            return answer
    finally:
        await views.close()


def _hearing(bar: Bar, entries: int) -> "Hearing":
    from services.audit.comparing import Hearing

    return Hearing(
        told=lambda done: bar.at(done, f"{shown.count(done)} events"),
        said=lambda what: bar.at(entries, what),
    )


def _show(answer: dict[str, Any], form: str, printed: Any) -> None:
    """Prints an answer in one of the three forms."""
    if form == "json":
        import msgspec

        sys.stdout.write(msgspec.json.encode(answer).decode() + "\n")
    elif form == "csv":
        from services.separated import text_of

        if answer["report"] == "check":
            sys.stdout.write(text_of(COLUMNS, [[one[name] for name in COLUMNS] for one in answer["differences"]]))
        else:
            names = ("into", "prefix", "entries", "projected")
            sys.stdout.write(text_of(names, [[answer[name] for name in names]]))
    else:
        printed(answer)


def _print_restored(answer: dict[str, Any]) -> None:
    projected, entries = shown.count(answer["projected"]), shown.count(answer["entries"])
    print(f"Restored the projection under {answer['prefix']}:* in {answer['into']}: {entries} events, {projected} now")
    print(f"as of {shown.heights(answer['position'])}; policy {answer['policy']}; a projector goes on from there")


def _print_check(answer: dict[str, Any], prefix: str, data: "Path | None") -> None:
    counts = {name: shown.count(number) for name, number in answer["compared"].items()}
    print(f"Live projection against a replay, both at {shown.heights(answer['position'])}; policy {answer['policy']}")
    if counts:
        print(
            f"compared {counts['accounts']} accounts, {counts['pages']} pages of months with {counts['cells']} sums"
            f" of days,\n{counts['figures']} cells of bridges and figures"
        )
    if answer["equal"]:
        print("Equal: no cell differs.")
        return
    total = answer["differences_count"]
    print("DIFFERENT: 1 cell." if total == 1 else f"DIFFERENT: {shown.count(total)} cells.")
    for number, one in enumerate(answer["differences"][:TOLD_MAX], 1):
        of = "" if one["partition"] is None or len(answer["position"]) == 1 else f"partition {one['partition']}, "
        cell = shown.clipped(f"{of}{one['place']}: {one['cell']}", 96)
        print(f"{number:>3} {cell}")
        for side in ("live", "replayed"):
            value = shown.NOTHING if one[side] is None else str(one[side])
            print(f"      {side:<8}  {shown.clipped(value, 80)}")
    if total > TOLD_MAX:
        print(f"{shown.count(total - TOLD_MAX)} more are not told here: --format json and csv tell all.")
    print("The ledger is right, and the projection is its cache: find out who else wrote to it, then")
    if data is None:
        print(f"remove the keys {prefix}:* there; projectors that run build them again by themselves.")
    else:
        print(f"stop revledger, delete {data / 'views'} and start again: it is rebuilt.")
