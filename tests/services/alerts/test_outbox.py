"""The outbox: what changed is said until it is saved, and what is loaded does not undo it."""

from projections.alerts import ESCALATED, Message, message_of
from services.alerts.outbox import DEAD_MAX, HELD, OUTBOX, Outbox, Outgoing, alert_of, outgoing, written
from tests.wire.alerted import CHURN, FIGURE


def values(outbox: Outbox) -> dict[str, list[bytes]]:
    """What the views hold once everything of an outbox is written."""
    whole = outbox.everything()
    return {key: [one for one in fields.values() if isinstance(one, bytes)] for key, fields in whole.items()}


def some(outbox: Outbox, *ids: str, due: int = 0) -> list[Outgoing]:
    """Messages for the sink a."""
    found = [one for name in ids for one in outgoing(Message(name, b"{}"), ["a"], due)]
    outbox.put(found)
    return found


def test_what_was_put_is_there_after_a_restart() -> None:
    outbox, after = Outbox(), Outbox()
    some(outbox, "m1", "m2")
    after.load(values(outbox))
    assert [one.id for one in after.of_sink("a")] == ["m1", "m2"]
    assert written(after.of_sink("a"))[OUTBOX].keys() == {"a|m1", "a|m2"}


def test_changes_are_told_until_they_are_saved() -> None:
    outbox = Outbox()
    one, two = some(outbox, "m1", "m2")
    outbox.sent(one)
    first = outbox.writes()
    assert first == {OUTBOX: {"a|m1": None}}
    outbox.failed(two, 7, "no")
    outbox.saved(first)
    assert outbox.writes().keys() == {OUTBOX}
    assert list(outbox.writes()[OUTBOX]) == ["a|m2"]
    outbox.saved(outbox.writes())
    assert outbox.writes() == {}


def test_a_change_while_another_is_being_saved_stays_to_be_saved() -> None:
    outbox = Outbox()
    (one,) = some(outbox, "m1")
    outbox.failed(one, 7, "no")
    saving = outbox.writes()
    outbox.sent(outbox.of_sink("a")[0])
    outbox.saved(saving)
    assert outbox.writes() == {OUTBOX: {"a|m1": None}}


def test_loading_does_not_bring_back_what_was_sent() -> None:
    outbox = Outbox()
    (one,) = some(outbox, "m1")
    stored = values(outbox)
    outbox.sent(one)
    outbox.load(stored)
    assert outbox.of_sink("a") == []


def test_given_up_are_kept_up_to_a_number() -> None:
    outbox = Outbox()
    for one in some(outbox, *(f"m{number:04}" for number in range(DEAD_MAX + 2))):
        outbox.given_up(one, "no")
    assert len(outbox.dead()) == DEAD_MAX
    assert outbox.dead()[0].id == "m0002"
    assert outbox.of_sink("a") == []


def test_held_messages_are_released_or_withdrawn() -> None:
    outbox = Outbox()
    some(outbox, "m1", "m2", due=HELD)
    some(outbox, "m3")
    outbox.withdraw(["m1", "m3"])
    assert outbox.release(5) == 1
    assert [(one.id, one.due) for one in outbox.of_sink("a")] == [("m3", 0), ("m2", 5)]


def test_who_heard_that_nobody_looks_after_something_is_known_until_that_is_over() -> None:
    outbox, after = Outbox(), Outbox()
    for alert in (FIGURE, CHURN):
        some_of = outgoing(message_of(alert, ESCALATED), ["boss", "board"], 0)
        outbox.put(some_of)
        outbox.sent(some_of[0])
        assert outbox.escalated_to(alert.id) == (["boss"] if alert is FIGURE else []), "a loss is never over"
    outbox.failed(outbox.of_sink("board")[0], 7, "no answer, which may be lost")
    tried = alert_of(next(one.id for one in outbox.of_sink("board") if one.attempts))
    assert "board" in outbox.escalated_to(tried)
    after.load(values(outbox))
    assert after.escalated_to(FIGURE.id) == outbox.escalated_to(FIGURE.id)
    after.sent(next(one for one in after.of_sink("board") if alert_of(one.id) == FIGURE.id))
    assert sorted(after.escalated_to(FIGURE.id)) == ["board", "boss"]
    after.settle(FIGURE.id)
    assert after.escalated_to(FIGURE.id) == []
    assert set(after.writes()["reached"].values()) == {None}
