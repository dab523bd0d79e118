"""The command line's entry: the commands put together, and how each of them ends."""

import os
import signal
import sys
from collections.abc import Sequence
from typing import Final

import typer
from typer.exceptions import Abort, TyperException

from services import output
from services.cli import (
    archive,
    check_proof,
    checkpoint,
    demo_data,
    explain,
    export,
    load,
    prove,
    redact,
    replay,
    restate,
    settings_check,
    sql,
    status,
    unmatched,
    up,
    verify,
)
from services.cli import listing as _tables  # noqa: F401 - its commands are part of `report`
from services.cli.alerts import alerts
from services.cli.dead_letters import dead_letters
from services.cli.failures import DONE, INTERRUPTED, NOT_DONE, REPORT, WRONG_USAGE, ending_of
from services.cli.options import examples
from services.cli.policy import policy
from services.cli.report import report
from services.cli.run import services
from services.cli.running import TERMINATED, Terminated, told
from services.cli.usage import usage_of

NAME: Final = "revledger"

app = typer.Typer(
    name=NAME,
    help="Books what happened to recurring revenue, and answers from the books.",
    epilog=examples("revledger up --demo", "revledger load events.jsonl", "revledger report bridge --every quarter"),
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command(epilog=up.EXAMPLES)(up.up)
app.add_typer(services, name="run", short_help="Run one service of the distributed form.")
app.command(epilog=load.EXAMPLES)(load.load)
app.command("demo-data", epilog=demo_data.EXAMPLES)(demo_data.demo_data)
app.add_typer(report, name="report")
app.command(epilog=replay.EXAMPLES)(replay.replay)
app.command(short_help="What changed about a period, by which events.", epilog=restate.EXAMPLES)(restate.restate)
app.command(epilog=explain.EXAMPLES)(explain.explain)
app.command(epilog=export.EXAMPLES)(export.export)
app.command(epilog=archive.EXAMPLES)(archive.archive)
app.command(epilog=sql.EXAMPLES)(sql.sql)
app.command(epilog=status.EXAMPLES)(status.status)
app.command(epilog=verify.EXAMPLES)(verify.verify)
app.command(epilog=checkpoint.EXAMPLES)(checkpoint.checkpoint)
app.command(epilog=prove.EXAMPLES)(prove.prove)
app.command("check-proof", epilog=check_proof.EXAMPLES)(check_proof.check_proof)
app.add_typer(alerts, name="alerts", short_help="Alerts on churn and on figures.")
app.command(epilog=redact.EXAMPLES)(redact.redact)
app.add_typer(policy, name="policy")
app.add_typer(dead_letters, name="dead-letters")
app.command(epilog=unmatched.EXAMPLES)(unmatched.unmatched)
app.command(epilog=settings_check.EXAMPLES)(settings_check.settings)


def main() -> None:
    """Runs the command that the process was started with, and ends the process with its status."""
    output.whole()
    status = status_of(sys.argv[1:])
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _drop_output()
    sys.exit(status)


def status_of(arguments: Sequence[str]) -> int:
    """Runs a command; its exit status. Whatever goes wrong is told on stderr."""
    try:
        ended = app(args=[*arguments] or ["--help"], prog_name=NAME, standalone_mode=False)
    except (BrokenPipeError, SystemExit) as error:
        return _dropped_status(error)
    except TyperException as error:
        told(usage_of(error))
        return WRONG_USAGE
    except (KeyboardInterrupt, Abort):
        ended = INTERRUPTED
    except Terminated:
        told("Ended by SIGTERM.")
        return TERMINATED
    except Exception as error:  # noqa: BLE001 - told, never swallowed: this is where every error ends
        return _told_status(error)
    if ended == INTERRUPTED:
        told("Interrupted.")
    return ended if isinstance(ended, int) else DONE


def _dropped_status(error: BrokenPipeError | SystemExit) -> int:
    """Done, if whoever read our output has had enough, which typer turns into an exit; silently."""
    if isinstance(error, SystemExit) and not isinstance(error.__context__, BrokenPipeError):
        raise error
    _drop_output()
    return DONE


def _told_status(error: Exception) -> int:
    ending = ending_of(error)
    if ending is not None:
        told(ending.text)
        return ending.status
    if os.environ.get("REVLEDGER_LOG") == "debug":
        import traceback

        told("".join(traceback.format_exception(error)).rstrip())
    told(f"Unexpected: {type(error).__name__}: {error}. {REPORT}")
    return NOT_DONE


def _drop_output() -> None:
    """Whoever read our output has had enough: what is still buffered goes nowhere, silently."""
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


if __name__ == "__main__":
    main()
