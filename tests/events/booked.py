"""Histories of the model as events of the books, and the books of the model in the shape of ours."""

import json
from collections.abc import Iterable, Sequence
from datetime import tzinfo

from events.account import Account, Booking, Duplicate, book
from events.envelope import event_of
from events.movements import Posting
from events.policy import Policy, Rules
from events.timeline import Cell
from events.vocabulary import Event
from tests.model import books
from tests.model.choices import USUAL, Choices
from tests.model.days import Event as ModelEvent
from tests.model.figures import committed_cells

Key = tuple[str, int, str, Cell, str, str]


def event_from(said: ModelEvent) -> Event:
    """The event that a dictionary of the model states."""
    return event_of(json.dumps({"specversion": "1.0", **said}).encode())


def cell_from(cell: books.Cell) -> Cell:
    """A cell of the model as one of ours: a term of no whole month has no label, no product is empty."""
    labels = tuple(pair for pair in cell.dims if pair != ("term_months", "0"))
    return Cell(cell.currency, cell.contract, cell.line_id, cell.plan, cell.product or "", labels)


def model_sums(history: Sequence[ModelEvent], account: str, choices: Choices = USUAL) -> dict[Key, int]:
    """The movements of one account of the model, added up by everything but their amount, without zeros."""
    sums: dict[Key, int] = {}
    for one in books.movements_of(list(history), account, choices):
        said = (one.reason or "", one.initiative or "")
        key = (account, one.day, one.movement, cell_from(one.cell), *said)
        sums[key] = sums.get(key, 0) + one.amount_e4
    return {key: amount for key, amount in sums.items() if amount}


def committed_by_cell(
    history: Sequence[ModelEvent], account: str, day: int, choices: Choices = USUAL
) -> dict[Cell, int]:
    """The committed level of one account of the model at a day, by cell."""
    sums: dict[Cell, int] = {}
    own = [event for event in history if event["subject"] == account]
    for (_, cell), amount in committed_cells(own, day, choices).items():
        sums[cell_from(cell)] = sums.get(cell_from(cell), 0) + amount
    return sums


def posted_sums(account: str, postings: Iterable[Posting], *, ahead: bool = False) -> dict[Key, int]:
    """Postings added up by everything but their amount, without zeros; `ahead` ones only if asked."""
    sums: dict[Key, int] = {}
    for one in postings:
        if ahead or one.movement != "ahead":
            key = (account, one.day, str(one.movement), one.cell, one.reason, one.initiative)
            sums[key] = sums.get(key, 0) + one.amount
    return {key: amount for key, amount in sums.items() if amount}


def level_before(postings: Iterable[Posting], day: int, *, ahead: bool) -> dict[Cell, int]:
    """What postings before a day add up to by cell; with `ahead` the committed level."""
    sums: dict[Cell, int] = {}
    for one in postings:
        if one.day < day and (ahead or one.movement != "ahead"):
            sums[one.cell] = sums.get(one.cell, 0) + one.amount
    return {cell: amount for cell, amount in sums.items() if amount}


class Booked:
    """A book of several accounts, booked one event at a time; `postings` by account, in order of booking."""

    def __init__(self, zone: tzinfo | None = None, first_seq: int = 1, policy: Policy | None = None) -> None:
        self.rules = Rules(policy or Policy(), zone)
        self.next_seq = first_seq
        self.accounts: dict[str, Account] = {}
        self.postings: dict[str, list[Posting]] = {}
        self.unmatched: dict[str, int] = {}

    def account(self, name: str) -> Account:
        """The account of this name, new if there is none."""
        return self.accounts.setdefault(name, Account(name))

    def book(self, said: ModelEvent) -> Booking | Duplicate:
        """Books one event of the model."""
        event = event_from(said)
        booking = book(self.account(event.subject), event, self.next_seq, self.rules)
        if isinstance(booking, Booking):
            self.next_seq += 1
            self.postings.setdefault(event.subject, []).extend(booking.postings)
            self.unmatched[event.subject] = self.unmatched.get(event.subject, 0) + booking.unmatched
        return booking

    def book_all(self, history: Iterable[ModelEvent]) -> list[Booking | Duplicate]:
        """Books events in the order given."""
        return [self.book(said) for said in history]
