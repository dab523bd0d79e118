"""Progress on a terminal: a bar on stderr for what takes longer than a second, nothing anywhere else."""

import sys
import time
from typing import TYPE_CHECKING, Self

from services.cli.running import PATIENCE_SECONDS

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class Bar:
    """How far a command is, in bytes of its input (None: nobody knows how many), and what to say beside it."""

    def __init__(self, what: str, total_bytes: int | None) -> None:
        self._what = what
        self._total_bytes = total_bytes
        self._is_shown = sys.stderr.isatty()
        self._began = time.monotonic()
        self._shown: tuple[Progress, TaskID] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self._shown is not None:
            self._shown[0].stop()

    def at(self, done_bytes: int, text: str) -> None:
        """Shows how far it is now."""
        if not self._is_shown or time.monotonic() - self._began < PATIENCE_SECONDS:
            return
        if self._shown is None:
            self._shown = self._started()
        progress, task = self._shown
        progress.update(task, completed=done_bytes, text=text)

    def _started(self) -> "tuple[Progress, TaskID]":
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[text]}"))
        progress = Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True)
        progress.start()
        return progress, progress.add_task(self._what, total=self._total_bytes, text="")
