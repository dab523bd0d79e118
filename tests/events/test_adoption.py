"""Adoption: whatever was booked under whichever policies before, the books are then those of the last one."""

from hypothesis import given, settings
from hypothesis import strategies as st

from events.account import Account, Booking, book
from events.adoption import Step, booking_of_change, change_of, level_on, raw_of_change
from events.envelope import recorded_event_of
from events.movements import Posting
from events.policy import Policy, Rules
from events.vocabulary import PolicyAdopted
from tests.effort import examples
from tests.events.booked import Booked, event_from, model_sums, posted_sums
from tests.events.test_switches import CHOICES, arrivals, policy_of
from tests.model.books import BOOK
from tests.model.choices import Choices
from tests.model.days import Event, day_of
from tests.model.notation import fact, line

HASH = bytes(range(32))


class Ledger:
    """A ledger of one partition, as far as booking goes: all events there were, and what was posted to each account."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.entries: list[bytes | Event] = []
        self.accounts: dict[str, Account] = {}
        self.postings: dict[str, list[Posting]] = {}

    def book(self, said: Event) -> None:
        """Books an event, unless it is there already."""
        booking = book(self._account(said["subject"]), event_from(said), len(self.entries), self.rules)
        if isinstance(booking, Booking):
            self.entries.append(said)
            self.postings.setdefault(said["subject"], []).extend(booking.postings)

    def adopt(self, rules: Rules) -> None:
        """Goes over to other rules."""
        then, step = self.accounts, Step(self.rules, rules, HASH, 1_700_000_000_000_000 + len(self.entries))
        self.accounts, self.rules = {}, rules
        for seq, one in enumerate(self.entries):
            event = recorded_event_of(one) if isinstance(one, bytes) else event_from(one)
            assert isinstance(book(self._account(event.subject), event, seq, rules), Booking)
        for name in sorted(self.accounts):
            postings = change_of(step, then[name], self.accounts[name]).postings
            if postings:
                self._append(step, name, postings)

    def _append(self, step: Step, name: str, postings: list[Posting]) -> None:
        seq = len(self.entries)
        raw = raw_of_change(step, name, seq)
        as_any = book(self.accounts[name], recorded_event_of(raw), seq, self.rules)
        assert isinstance(as_any, Booking)
        made = booking_of_change(step, name, seq, postings)
        assert (as_any.postings, as_any.moment, as_any.unmatched) == ([], made.moment, made.unmatched)
        self.entries.append(raw)
        self.postings.setdefault(name, []).extend(made.postings)

    def _account(self, name: str) -> Account:
        return self.accounts.setdefault(name, Account(name))


@settings(max_examples=examples(120), deadline=None)
@given(arrivals(), st.lists(st.tuples(CHOICES, st.integers(0, 12)), min_size=2, max_size=4))
def test_after_adoptions_the_books_are_those_of_the_last_policy(
    arrived: list[Event], eras: list[tuple[Choices, int]]
) -> None:
    """At the end of every era and after every event of it, by an independent model: late, in order and taken back."""
    (first, count), *others = eras
    ledger = Ledger(Rules(policy_of(first)))
    done: list[Event] = []
    for choices, more in [(first, count), *others, (others[-1][0], len(arrived))]:
        if policy_of(choices) != ledger.rules.policy:
            ledger.adopt(Rules(policy_of(choices)))
        for said in [None, *arrived[len(done) : len(done) + more]]:
            if said is not None:
                ledger.book(said)
                done.append(said)
            for name in {one["subject"] for one in done} - {BOOK}:
                assert posted_sums(name, ledger.postings.get(name, [])) == model_sums(done, name, choices)
        scratch = Booked(policy=policy_of(choices))
        scratch.book_all(done)
        for name, postings in scratch.postings.items():
            found = posted_sums(name, ledger.postings[name], ahead=True)
            assert found == posted_sums(name, postings, ahead=True), "also what is agreed for later, to the last bit"


def test_an_adoption_says_what_it_is_and_nobody_could_know_its_id() -> None:
    step = Step(Rules(), Rules(Policy(name="notice", churn="notice")), HASH, 1_700_000_000_000_001)
    event = recorded_event_of(raw_of_change(step, "acme", 7))
    assert isinstance(event, PolicyAdopted)
    assert (event.data.policy, event.data.instead_of) == (step.now.policy.stamp, step.then.policy.stamp)
    assert (event.source, event.id, event.subject) == ("revledger", "0001020304050607-7", "acme")


def test_the_level_of_a_day_is_before_and_after() -> None:
    """Notice in February for March: under the one policy it counts until then, under the other no longer."""
    signed = fact("signed", "a1", "2024-01-01", lines=[line(1000)])
    ended = fact("cancelled", "a1", "2024-02-15", effective_at="2024-03-01")
    step = Step(Rules(), Rules(Policy(name="notice", churn="notice")), HASH, 1_700_000_000_000_000)
    accounts = []
    for rules in (step.then, step.now):
        account = Account("a")
        for seq, said in enumerate((signed, ended)):
            book(account, event_from(said), seq, rules)
        accounts.append(account)
    change = change_of(step, *accounts)
    day = day_of("2024-02-20")
    assert (level_on(change.then, day), level_on(change.now, day)) == ({"USD": 1000 * 120_000}, {"USD": 0})
    assert {(one.day, one.movement, one.amount) for one in change.postings if one.movement != "ahead"} == {
        (day_of("2024-02-15"), "churn", -1000 * 120_000),
        (day_of("2024-03-01"), "churn", 1000 * 120_000),
    }
