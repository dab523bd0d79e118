"""Sorting: which cells in columns a question is about, and the groups that it sorts them into."""

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
from msgspec import Struct

from events.block import labels_of_raw
from projections.columnar.numbering import Codes, Flags, Numbered, Places, Vocabulary, begins
from projections.groups import Choice


class Groups(Struct, frozen=True):
    """Pairs of a group and an account in it, in order of group and account: of each cell its pair.

    `accounts` are those of the pairs, `firsts` the first pair of each group.
    """

    pairs: Places
    accounts: Codes
    firsts: Places
    values: Sequence[str]

    @property
    def places(self) -> Places:
        """Of each pair the place of its group."""
        lengths = np.diff(self.firsts, append=len(self.accounts))
        return np.repeat(np.arange(len(self.firsts), dtype=np.intp), lengths)

    def torn(self, count: int) -> Flags:
        """Which of so many accounts are in several groups."""
        return np.bincount(self.accounts, minlength=count) > 1


class Sorter:
    """Cells by what they say, and of which accounts they are; what was worked out once is kept."""

    def __init__(
        self,
        vocabulary: Vocabulary,
        names: Sequence[str],
        accounts: Codes,
        said: Sequence[Codes],
        contracts: Sequence[str],
        first_contracts: Places,
    ) -> None:
        currencies, plans, products, self._labels, self._deals = said
        self._vocabulary: Final = vocabulary
        self._names: Final = names
        self._accounts: Final = accounts
        self._contracts: Final = contracts
        self._first_contracts: Final = first_contracts
        self._values: dict[str, tuple[Codes, Sequence[str]]] = {
            "account": (accounts, names),
            "currency": (currencies, vocabulary.currency.values),
            "plan": (plans, vocabulary.plan.values),
            "product": (products, vocabulary.product.values),
        }
        self._groups: dict[str, Groups] = {}

    def fitting(self, choice: Choice) -> Flags | None:
        """The cells a question is about; None: all of them."""
        return self.fitting_all((("currency", choice.currency), *choice.where.items()))

    def fitting_all(self, asked: Iterable[tuple[str, str]]) -> Flags | None:
        """The cells that have all of some values under their names; None: all of them."""
        fitting: Flags | None = None
        for name, value in asked:
            codes, values = self.values(name)
            if value not in values:
                return np.zeros(len(codes), dtype=np.bool_)
            if len(values) > 1:
                own = codes == values.index(value)
                fitting = own if fitting is None else fitting & own
        return fitting

    def groups(self, by: str | None) -> Groups:
        """The groups that a question asks for."""
        found = self._groups.get(by or "")
        if found is None:
            found = self._groups[by or ""] = self._whole() if by is None else self._grouped(by)
        return found

    def values(self, name: str) -> tuple[Codes, Sequence[str]]:
        """The value of every cell under a name, as a place in a list of values."""
        found = self._values.get(name)
        if found is None:
            found = self._values[name] = self._of_contracts() if name == "contract" else self._of_labels(name)
        return found

    def values_or_none(self, by: str | None) -> tuple[Codes, Sequence[str]]:
        """The same of what a question asks for; the empty value where it does not."""
        return (np.zeros(len(self._accounts), dtype=np.int32), [""]) if by is None else self.values(by)

    def _whole(self) -> Groups:
        accounts = np.arange(len(self._names), dtype=np.int32)
        return Groups(self._accounts.astype(np.intp), accounts, np.zeros(1, dtype=np.intp), [""])

    def _grouped(self, by: str) -> Groups:
        codes, values = self.values(by)
        order = np.lexsort((self._accounts, codes))
        codes, accounts = codes[order], self._accounts[order]
        firsts_of_pairs = begins(codes) | begins(accounts)
        pairs = np.zeros(len(order), dtype=np.intp)
        pairs[order] = np.cumsum(firsts_of_pairs) - 1
        codes = codes[firsts_of_pairs]
        firsts = np.flatnonzero(begins(codes))
        return Groups(pairs, accounts[firsts_of_pairs], firsts, [values[code] for code in codes[firsts].tolist()])

    def contract_of_cells(self) -> Places:
        """The contract that each cell is of."""
        return self._first_contracts[self._accounts] + self._deals

    def _of_contracts(self) -> tuple[Codes, Sequence[str]]:
        """Contracts of different accounts may have the same name."""
        numbered = Numbered[str]()
        codes = np.array([numbered.number(name) for name in self._contracts], dtype=np.int32)
        return codes[self.contract_of_cells()], numbered.values

    def _of_labels(self, name: str) -> tuple[Codes, Sequence[str]]:
        labels, places = np.unique(self._labels, return_inverse=True)
        numbered, known = Numbered[str](), self._vocabulary.labels.values
        of_labels = [numbered.number(dict(labels_of_raw(known[one])).get(name, "")) for one in labels.tolist()]
        return np.array(of_labels, dtype=np.int32)[places], numbered.values
