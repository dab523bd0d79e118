"""Mirrored: the reports of a process that is asked again and again keep all accounts in memory."""

import gc
import logging
from collections.abc import Sequence
from contextlib import suppress
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from services.ledgers.port import Chains, LedgerError
from services.reports import Reports
from services.views.port import Views, ViewsError

if TYPE_CHECKING:
    from services.mirror import Mirror

LIBRARY: Final = "numpy"
_log: Final = logging.getLogger("revledger")


def keep_accounts(
    reports: Reports, ledger: Chains, views: Views, partitions: Sequence[int]
) -> "Mirror | None":
    """Has reports answer from a mirror of the views; where the library is not there, they go on without: None."""
    if find_spec(LIBRARY) is None:
        _log.warning("%s is not installed: figures that look at every account are slow", LIBRARY)
        return None
    from services.mirror import Mirror  # noqa: PLC0415 - it needs the library

    mirror = Mirror(ledger, views, partitions, reports.rules)
    reports.keep_accounts(mirror)
    return mirror


async def warm(mirror: "Mirror | None") -> None:
    """Has all accounts read before anybody asks; of what goes wrong whoever asks is told."""
    if mirror is not None:
        with suppress(LedgerError, ViewsError):
            await mirror.warm()
            gc.freeze()  # what lives as long as the process need not be looked through for cycles
