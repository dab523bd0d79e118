"""Mirrored: the reports of a process that is asked again and again keep all accounts in memory."""

import logging
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Final

from services.ledgers.port import Chains
from services.reports import Reports
from services.views.port import Views

LIBRARY: Final = "numpy"
_log: Final = logging.getLogger("revledger")


def keep_accounts(reports: Reports, ledger: Chains, views: Views, partitions: Sequence[int]) -> None:
    """Has reports answer from a mirror of the views; where the library is not there, they go on without."""
    if find_spec(LIBRARY) is None:
        _log.warning("%s is not installed: figures that look at every account are slow", LIBRARY)
        return
    from services.mirror import Mirror  # noqa: PLC0415 - it needs the library

    reports.keep_accounts(Mirror(ledger, views, partitions, reports.rules))
