"""The vocabulary: complete, its wire names written out, its structs frozen and strict."""

import ast
import inspect
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from events import vocabulary as v

# Section 1 of the contract of the books, typed once more: names are for ever.
DATA_FIELDS = {
    "revledger.contract.signed.v1": "contract_id currency lines effective_at term trial_end owner campaign channel "
    "attributes",
    "revledger.contract.upgraded.v1": "contract_id lines effective_at",
    "revledger.contract.downgraded.v1": "contract_id lines effective_at",
    "revledger.contract.renewed.v1": "contract_id effective_at term lines",
    "revledger.contract.cancelled.v1": "contract_id effective_at reason reason_text initiative",
    "revledger.contract.paused.v1": "contract_id effective_at",
    "revledger.contract.resumed.v1": "contract_id effective_at",
    "revledger.account.changed.v1": "attributes effective_at",
    "revledger.survey.answered.v1": "survey score scale_max resolved_first_contact touchpoint respondent comment tags",
    "revledger.cost.recorded.v1": "kind amount_minor currency from until category campaign owner segment",
    "revledger.payment.failed.v1": "contract_id amount_minor currency attempt reason",
    "revledger.payment.recovered.v1": "contract_id amount_minor currency attempt reason",
    "revledger.rate.published.v1": "base quote rate effective_at",
    "revledger.event.retracted.v1": "source id reason",
}
LINE_FIELDS = "line_id plan amount_minor product kind quantity interval interval_count discounts from until"
STRUCTS = [
    one
    for _, one in inspect.getmembers(v, inspect.isclass)
    if issubclass(one, msgspec.Struct) and one is not msgspec.Struct
]


def data_of(event: type[v.Event]) -> type[msgspec.Struct]:
    """The struct of an event's data."""
    found: type[msgspec.Struct] = event.__annotations__["data"]
    return found


def names_of(struct: type[msgspec.Struct]) -> set[str]:
    """The wire names of its fields."""
    return set(struct.__struct_encode_fields__)


def test_the_table_is_complete() -> None:
    assert set(v.EVENT_TYPES) == set(DATA_FIELDS)
    assert set(get_args(v.AnyEvent)) == set(v.EVENT_TYPES.values())
    assert {*v.EVENT_TYPES.values(), *v.OWN_TYPES.values()} == set(v.Event.__subclasses__())
    assert set(get_args(v.RecordedEvent)) == set(v.Event.__subclasses__())


@pytest.mark.parametrize("name", DATA_FIELDS)
def test_an_event_and_its_name(name: str) -> None:
    event = v.EVENT_TYPES[name]
    assert (event.__struct_config__.tag_field, event.__struct_config__.tag) == ("type", name)
    assert names_of(event) == {"specversion", "id", "source", "subject", "time", "data"}
    assert names_of(data_of(event)) == set(DATA_FIELDS[name].split())


def test_the_parts_of_a_contract() -> None:
    assert names_of(v.Line) == set(LINE_FIELDS.split())
    assert names_of(v.Discount) == {"percent", "amount_minor", "from", "until", "label"}
    assert names_of(v.Term) == {"start", "end", "auto_renew"}


def test_wire_names_are_written_out() -> None:
    """As literals, in the table and at the struct: a name that is put together can change unnoticed."""
    tree = ast.parse(Path(v.__file__).read_text("utf-8"))
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    for name in DATA_FIELDS:
        assert texts.count(name) == 2


@pytest.mark.parametrize("struct", STRUCTS, ids=lambda one: str(one.__name__))
def test_structs_are_frozen(struct: type[msgspec.Struct]) -> None:
    assert struct.__struct_config__.frozen
    assert struct.__doc__


DATA_STRUCTS = dict.fromkeys([*(data_of(one) for one in v.EVENT_TYPES.values()), v.Line, v.Discount, v.Term])


@pytest.mark.parametrize("struct", DATA_STRUCTS)
def test_data_takes_no_field_that_nobody_defined(struct: type[msgspec.Struct]) -> None:
    assert struct.__struct_config__.forbid_unknown_fields


def test_extension_attributes_are_no_mistake() -> None:
    assert not any(one.__struct_config__.forbid_unknown_fields for one in v.EVENT_TYPES.values())


@pytest.mark.parametrize(
    ("struct", "required"),
    [
        (v.SignedData, {"contract_id", "currency", "lines"}),
        (v.AmendedData, {"contract_id", "lines"}),
        (v.RenewedData, {"contract_id"}),
        (v.CancelledData, {"contract_id"}),
        (v.PausedData, {"contract_id"}),
        (v.AccountChangedData, {"attributes"}),
        (v.SurveyAnsweredData, {"survey"}),
        (v.CostRecordedData, {"kind", "amount_minor", "currency", "from", "until"}),
        (v.PaymentData, {"contract_id"}),
        (v.RatePublishedData, {"base", "quote", "rate"}),
        (v.EventRetractedData, {"source", "id", "reason"}),
        (v.Line, {"line_id", "plan", "amount_minor"}),
        (v.Discount, set()),
        (v.Term, set()),
    ],
)
def test_what_must_be_said(struct: type[msgspec.Struct], required: set[str]) -> None:
    fields = msgspec.structs.fields(struct)
    assert {one.encode_name for one in fields if one.required} == required


def test_defaults() -> None:
    line = v.Line("l1", "pro", 5)
    said: tuple[Any, ...] = (line.kind, line.quantity, line.interval, line.interval_count, line.discounts)
    assert said == ("recurring", 1, "month", 1, ())
    assert v.Term().auto_renew
    assert v.BOOK_SUBJECT == "~book"
