"""Letters: what people read of one alert, and of many."""

from msgspec.structs import replace

from projections.alerts import RESOLVED, message_of
from services.alerts.outbox import Batch, outgoing
from services.alerts.sending.bundling import bundled
from services.alerts.sending.letters import letter_of
from tests.wire.alerted import CHURN, FIGURE


def test_a_letter_of_one_says_all_of_it() -> None:
    letter = letter_of(message_of(CHURN))
    assert letter.title == CHURN.summary
    assert letter.severity == "critical"
    for part in ("owner: kim", "segment: smb", f"explain: {CHURN.explain}", "ledger: partition 3 height 41 seq 1999"):
        assert f"\n{part}\n" in letter.text
    assert letter_of(message_of(FIGURE, RESOLVED)).title == f"over: {FIGURE.summary} [{FIGURE.rule}]"


def test_letters_of_two_rules_on_one_loss_are_told_apart() -> None:
    titles = [letter_of(message_of(replace(CHURN, rule=rule))).title for rule in ("churn", "large", "price")]
    assert titles == [CHURN.summary, f"{CHURN.summary} [large]", f"{CHURN.summary} [price]"]
    stalled = replace(CHURN, rule="input-stalled", kind="input_stalled")
    assert letter_of(message_of(stalled)).title == CHURN.summary


def test_a_letter_of_many_says_the_largest_and_the_ids_of_all() -> None:
    alerts = [replace(CHURN, id=f"alr_{n:03}", share=f"0.{n:03}", summary=f"a{n:03} has left") for n in range(25)]
    batch = Batch("churn|fired", (("segment", "smb"),), 0)
    going = [replace(one, batch=batch) for each in alerts for one in outgoing(message_of(each), ["m"], 0)]
    letter = letter_of(bundled(going))
    lines = letter.text.splitlines()
    assert letter.title == lines[0] == "25 accounts of segment smb have left: 14,700.00 USD of MRR"
    assert lines[2:4] == ["a024 has left", f"  alr_024  {CHURN.explain}"]
    assert "and 15 more" in lines
    assert "segment: smb" in lines
    assert all(one.id in letter.text for one in alerts)
