"""Sides: what stands beside the sums of accounts in columns, such as what their people answered."""

from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Final, Self

import numpy as np
from msgspec import Struct

from events.notes import Agreed, Answer, AnyNote
from projections.columnar.numbering import Codes, Flags, Kinds, Vocabulary

UNSAID: Final = -1
"""Stands for a score, or whether something was resolved, that an answer does not tell."""
_MOMENT: Final = attrgetter("moment")


class Rows(Struct, frozen=True):
    """Rows that belong to accounts, in order of their places; all fields are columns of the same length."""

    accounts: Codes

    def kept(self, keeps: Flags) -> Self:
        """Those of some accounts, which have the places then that are left."""
        rows = keeps[self.accounts]
        places = (np.cumsum(keeps) - 1).astype(np.int32)
        others = [getattr(self, name)[rows] for name in self.__struct_fields__[1:]]
        return type(self)(places[self.accounts[rows]], *others)

    @classmethod
    def joined(cls, parts: Sequence[Self], firsts: Sequence[int]) -> Self:
        """Those of several columns, given the place that the first account of each has then."""
        accounts = [part.accounts + np.int32(first) for part, first in zip(parts, firsts, strict=True)]
        others = ([getattr(part, name) for part in parts] for name in cls.__struct_fields__[1:])
        return cls(np.concatenate(accounts), *(np.concatenate(some) for some in others))


class Answers(Rows, frozen=True):
    """Answers to surveys, those of an account in the order they were given.

    `surveys` and `tags` are numbers; `scores` and `resolved` may be `UNSAID`; `people` numbers whoever recommends an
    account or not, below the number of its answers; each who gave no name is somebody else.
    """

    days: Codes
    surveys: Kinds
    scores: Codes
    scales: Codes
    resolved: Kinds
    people: Codes
    tags: Codes


def answers_of(notes: Iterable[Sequence[AnyNote]], vocabulary: Vocabulary) -> Answers:
    """The answers among the notes of each account."""
    given = [[note for note in some if type(note) is Answer] for some in notes]
    for some in given:
        if len(some) > 1:
            some.sort(key=_MOMENT)
    flat = [answer for some in given for answer in some]
    told = (
        [answer.day for answer in flat],
        vocabulary.survey.numbers([answer.survey for answer in flat]),
        [UNSAID if answer.score is None else answer.score for answer in flat],
        [answer.scale for answer in flat],
        [UNSAID if answer.resolved is None else int(answer.resolved) for answer in flat],
        [person for some in given for person in _people(some)],
        vocabulary.tags.numbers([answer.tags for answer in flat]),
    )
    places = np.repeat(np.arange(len(given), dtype=np.int32), [len(some) for some in given])
    kinds = (np.int32, np.int8, np.int32, np.int32, np.int8, np.int32, np.int32)
    return Answers(places, *(np.array(one, dtype=kind) for one, kind in zip(told, kinds, strict=True)))


def _people(answers: Sequence[Answer]) -> list[int]:
    """Of each answer who gave it: the place of the first answer of whoever it was."""
    first: dict[str | int, int] = {}
    return [first.setdefault(answer.respondent or place, place) for place, answer in enumerate(answers)]


class Terms(Rows, frozen=True):
    """Terms that were agreed, by account, contract, day and time; `deals` numbers the contracts of each account."""

    deals: Codes
    days: Codes
    starts: Codes
    ends: Codes
    renews: Kinds


def terms_of(notes: Iterable[Sequence[AnyNote]], contracts: Iterable[Mapping[str, int]]) -> Terms:
    """The terms of contracts among the notes of each account, given the numbers of its contracts."""
    rows: list[tuple[int, int, int, int, int, int]] = []
    for place, (some, numbers) in enumerate(zip(notes, contracts, strict=True)):
        agreed = [(numbers[note.contract], note) for note in some if type(note) is Agreed and note.contract in numbers]
        if len(agreed) > 1:
            agreed.sort(key=lambda one: (one[0], one[1].day, one[1].moment))
        rows += [(place, deal, one.day, one.start, one.end, one.auto_renew) for deal, one in agreed]
    told = zip(*rows, strict=True) if rows else ((),) * 6
    kinds = (np.int32, np.int32, np.int32, np.int32, np.int32, np.int8)
    return Terms(*(np.array(one, dtype=kind) for one, kind in zip(told, kinds, strict=True)))
