"""What can go wrong, in words: every error a command ends with becomes a sentence and an exit status."""

import sys
import textwrap
from typing import Final

from msgspec import Struct

DONE: Final = 0
NOT_DONE: Final = 1
WRONG_USAGE: Final = 2
INTERRUPTED: Final = 130
"""As shells have it: 128 and the number of SIGINT."""

EXTRAS: Final = {"duckdb": "audit", "pyarrow": "audit", "obstore": "audit", "cryptography": "audit"}
"""Library that not everybody installs -> the extra it comes with."""
WIDTH: Final = 100
CHOICE: Final = "choose one of"
"""How a list of what there is begins in a sentence."""
REPORT: Final = (
    "This is a defect of revledger. Please report it with what this command prints when REVLEDGER_LOG=debug is set."
)


class Failure(Exception):
    """A command that cannot do what it was asked for; the message says what to do."""

    def __init__(self, message: str, status: int = NOT_DONE) -> None:
        super().__init__(message)
        self.status = status


class Ending(Struct, frozen=True):
    """How a command ends: its status, and what it tells on stderr."""

    status: int
    text: str


def ending_of(error: BaseException) -> Ending | None:
    """The ending that an error stands for; None for one that nobody expected."""
    if isinstance(error, Failure):
        return Ending(error.status, str(error))
    if isinstance(error, KeyboardInterrupt):
        return Ending(INTERRUPTED, "Interrupted.")
    if isinstance(error, ModuleNotFoundError) and error.name in EXTRAS:
        command = f"pip install 'revledger[{EXTRAS[error.name]}]'"
        return Ending(NOT_DONE, f"This command needs {error.name}, which is not installed: {command}.")
    return _asked_wrongly(error) or _services_error(error) or _system_error(error)


def _asked_wrongly(error: BaseException) -> Ending | None:
    from services.alerts.rules.rulebook import RulebookError
    from services.policies import PolicyError
    from services.questions import QuestionError
    from services.settings import SettingsError

    if isinstance(error, SettingsError):
        return Ending(WRONG_USAGE, "\n".join(error.problems))
    if isinstance(error, RulebookError):
        return Ending(WRONG_USAGE, f"The rules of alerts cannot be used:\n{error}\nSee `revledger alerts check`.")
    if isinstance(error, QuestionError):
        said = error.message.removeprefix(f"{error.parameter} ")  # which its option says already
        return Ending(WRONG_USAGE, filled(f"{_option(error.parameter)}: {said}"))
    if isinstance(error, PolicyError):
        return Ending(WRONG_USAGE, f"--policy: {error}")
    if "services.archive.statements" in sys.modules:  # else it cannot have come, and DuckDB may not be installed
        from services.archive.statements import StatementRefused

        if isinstance(error, StatementRefused):
            return Ending(WRONG_USAGE, str(error))
    return None


def filled(text: str) -> str:
    """A sentence that lists things, on lines that fit; others stay on one, to be searched for."""
    if CHOICE not in text:
        return text
    return "\n".join(textwrap.wrap(text, WIDTH, break_long_words=False, break_on_hyphens=False))


def _option(parameter: str) -> str:
    return "NAME" if parameter == "figures" else f"--{parameter.replace('_', '-')}"


def _services_error(error: BaseException) -> Ending | None:
    from events.block import BlockDamaged
    from events.redaction import NotesDamaged
    from services.adopting import AdoptionRefused
    from services.audit.checkpoints import AuditNotInstalled, CheckpointRefused, KeyUnusable
    from services.audit.entries import NoSuchEvent
    from services.audit.holding import NoProjection
    from services.audit.opening import NoLedger
    from services.audit.proofs import NotProvable
    from services.audit.rebooking import NotBookable
    from services.audit.restoring import NotEmpty
    from services.audit.verifying.job import VerifyingAlready
    from services.audit.verifying.processes import WorkerFailed
    from services.compose import DataInUse
    from services.deadletters import DeadLettersUnavailable, NoSuchDeadLetter
    from services.exports.files import IsThere
    from services.ledgers.port import LedgerError
    from services.ledgers.redactable import TextRemains
    from services.policies import PolicyDiffers
    from services.views.port import ViewsError
    from services.writer import BooksDiffer, ClockRunsBackwards

    if isinstance(error, BlockDamaged | BooksDiffer):
        text = f"{error}\nStop writing to this ledger: restore it from a copy, or use the revledger that wrote it."
        return Ending(NOT_DONE, text)
    if "services.archive.stores" in sys.modules:  # likewise: what it needs is an extra of its own
        from services.archive.manifests import ArchiveDamaged
        from services.archive.preparing_processes import PreparingFailed
        from services.archive.statements import QueryFailed
        from services.archive.stores import ArchiveUnavailable

        if isinstance(error, QueryFailed):
            return Ending(NOT_DONE, str(error))
        if isinstance(error, ArchiveDamaged | ArchiveUnavailable | PreparingFailed):
            return Ending(NOT_DONE, _sentence(str(error)))
    if "services.kafka.booking" in sys.modules:  # else its errors cannot have come, and it may not be installed
        from services.kafka.booking import InputMadeAnew, LedgersDiffer

        if isinstance(error, InputMadeAnew | LedgersDiffer):
            return Ending(NOT_DONE, _sentence(str(error)))
    known = (
        *(DataInUse, NoLedger, LedgerError, ViewsError, DeadLettersUnavailable, NoSuchDeadLetter, ClockRunsBackwards),
        *(AdoptionRefused, AuditNotInstalled, NotBookable, CheckpointRefused, KeyUnusable, NoSuchEvent, NotProvable),
        *(VerifyingAlready, WorkerFailed, IsThere, NoProjection, NotEmpty, NotesDamaged, PolicyDiffers, TextRemains),
    )
    return Ending(NOT_DONE, _sentence(str(error))) if isinstance(error, known) else None


def _system_error(error: BaseException) -> Ending | None:
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        return Ending(NOT_DONE, f"{error.filename}: {error.strerror}.")
    return None


def _sentence(text: str) -> str:
    first = text.partition(" ")[0]
    text = text[:1].upper() + text[1:] if first.isalpha() else text  # a path keeps its letters
    return text if text.endswith((".", "!", "?")) else f"{text}."
