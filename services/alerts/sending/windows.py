"""Windows: when alerts go to sinks that people read: the first of a rule at once, and what follows soon as one."""

from collections.abc import Callable, Iterable, Mapping
from typing import Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from projections.bundles import labels_of
from services.alerts.outbox import HELD, Batch, Outgoing
from services.views.port import Field, Value

WINDOWS: Final = "windows"
"""Key of the view of the windows that are open, by sink, rule, what became of its alerts, and labels."""


class Grouping(Struct, frozen=True):
    """For how many seconds alerts wait for one message, and by which labels they are apart; 0: each goes by itself."""

    seconds: int = 0
    by: tuple[str, ...] = ()


class Window(Struct, frozen=True, array_like=True):
    """A message goes at `opened`, and the next not before so many microseconds later; `is_awaited`: there is one."""

    opened: int
    micros: int
    is_awaited: bool = False

    @property
    def until(self) -> int:
        """When it ends, in microseconds."""
        return self.opened + self.micros

    def at(self, moment: int) -> "Window":
        """The window at a moment: that after this one, if a message goes as this one ends."""
        return Window(self.until, self.micros) if self.is_awaited and self.until <= moment else self


GroupingOf = Callable[[str, str], Grouping]
"""(sink, rule) -> how its alerts are grouped there."""
Changes = dict[str, dict[Field, Value | None]]
_WINDOW: Final = msgspec.msgpack.Decoder(Window)
_ENCODE: Final = msgspec.msgpack.Encoder().encode


class Windows:
    """The windows that are open; whoever changes them has committed that before."""

    def __init__(self) -> None:
        self._open: dict[str, Window] = {}

    def load(self, data: Mapping[bytes, bytes]) -> None:
        """Begins with what the views hold."""
        self._open = {name.decode(): _WINDOW.decode(window) for name, window in data.items()}

    def placed(
        self, going: Iterable[tuple[str, Outgoing]], grouping_of: GroupingOf, now: int
    ) -> tuple[list[Outgoing], Changes]:
        """Messages, each with its rule, with when they go and what they go with; and what is written for that."""
        known = dict(self._open)
        found = [_placed(rule, one, grouping_of(one.sink, rule), known) for rule, one in going]
        changes: dict[Field, Value | None] = {
            name: _ENCODE(window) for name, window in known.items() if window != self._open.get(name)
        }
        over = [name for name, window in self._open.items() if window.at(now).until <= now and name not in changes]
        return found, {WINDOWS: changes | dict.fromkeys(over)}

    def apply(self, changes: Mapping[str, Mapping[Field, Value | None]]) -> None:
        """Takes over what the views have now."""
        for name, window in changes.get(WINDOWS, {}).items():
            self._open.pop(str(name), None)
            if isinstance(window, bytes):
                self._open[str(name)] = _WINDOW.decode(window)

    def everything(self) -> Changes:
        """All of it, for views that have lost it."""
        return {WINDOWS: {name: _ENCODE(window) for name, window in self._open.items()}}


def _placed(rule: str, one: Outgoing, grouping: Grouping, known: dict[str, Window]) -> Outgoing:
    """A message with when it goes; notes its window. What is held back goes with all else that is, on its release."""
    if not grouping.seconds:
        return one
    labels = labels_of(msgspec.json.decode(one.body)["data"], grouping.by)
    kind = one.id.partition(".")[2] or "fired"
    name = msgspec.json.encode((one.sink, rule, kind, *labels)).decode()
    due = one.due
    if due != HELD:
        due, known[name] = _in_window(known.get(name), due, grouping.seconds * 1_000_000)
    return replace(one, due=due, batch=Batch(f"{rule}|{kind}", labels, due))


def _in_window(window: Window | None, due: int, micros: int) -> tuple[int, Window]:
    """When a message goes that could at a moment, and the window then.

    At once, or with what opened the window, or as the window ends.
    """
    now = None if window is None else window.at(due)
    if now is None or due < now.opened or due >= now.until:
        return due, Window(due, micros)
    return (due, now) if due == now.opened else (now.until, replace(now, is_awaited=True))
