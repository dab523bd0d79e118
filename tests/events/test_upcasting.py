"""Upcasting with a made-up table: older events come up step by step, the rest stays as it is."""

import json
from copy import deepcopy

import pytest

from events.envelope import event_of
from events.refusals import Refused
from events.upcasting import UPCASTERS, Data, Upcaster, upcast
from events.vocabulary import EVENT_TYPES, ContractPaused

TABLE: dict[str, Upcaster] = {
    "test.paused.v0": ("test.paused.v1", lambda data: {"contract": data["c"]}),
    "test.paused.v1": ("revledger.contract.paused.v1", lambda data: {"contract_id": data["contract"]}),
}
OLD: Data = {
    "specversion": "1.0",
    "id": "1",
    "source": "/a",
    "type": "test.paused.v0",
    "subject": "acme",
    "time": "2024-01-01T00:00:00Z",
    "extension": "kept",
    "data": {"c": "k1"},
}


def test_an_old_event_comes_up_step_by_step() -> None:
    before = deepcopy(OLD)
    after = upcast(OLD, TABLE)
    assert after == OLD | {"type": "revledger.contract.paused.v1", "data": {"contract_id": "k1"}}
    assert before == OLD
    assert upcast(OLD | {"type": "test.paused.v1", "data": {"contract": "k1"}}, TABLE) == after


def test_an_event_that_is_up_to_date_comes_back_as_it_is() -> None:
    assert upcast(OLD, {}) is OLD
    assert upcast(OLD) is OLD


def test_the_table_leads_to_the_vocabulary_and_never_hides_it() -> None:
    assert set(UPCASTERS).isdisjoint(EVENT_TYPES)
    assert {to_type for to_type, _ in UPCASTERS.values()} <= {*EVENT_TYPES, *UPCASTERS}


def test_the_envelope_reads_old_events(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, step in TABLE.items():
        monkeypatch.setitem(UPCASTERS, name, step)
    event = event_of(json.dumps(OLD).encode())
    assert isinstance(event, ContractPaused)
    assert (event.subject, event.data.contract_id) == ("acme", "k1")
    with pytest.raises(Refused) as refused:
        event_of(json.dumps(OLD | {"data": {"c": ""}}).encode())
    assert (refused.value.code, refused.value.field) == ("invalid_field", "data.contract_id")
    bad: object
    for bad in ({}, [], None, {"c": [1]}):
        with pytest.raises(Refused):
            event_of(json.dumps(OLD | {"data": bad}).encode())


def test_without_its_upcaster_an_old_type_is_unknown() -> None:
    with pytest.raises(Refused) as refused:
        event_of(json.dumps(OLD).encode())
    assert refused.value.code == "unknown_type"
