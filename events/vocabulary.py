"""The vocabulary: every event that may enter the books, as frozen structs with literal wire names."""

from datetime import datetime
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct, field

from events.money import AMOUNT_MAX

Text = Annotated[str, Meta(min_length=1, max_length=256)]
FreeText = Annotated[str, Meta(max_length=10_000)]
"""What a person wrote in own words. It moves nothing, and may be taken out of the ledger: see `events.freetext`."""
DateText = Annotated[
    str,
    Meta(
        min_length=10,
        max_length=40,
        description="`YYYY-MM-DD`, or an RFC 3339 time, which means its day in the reporting zone.",
    ),
]
Amount = Annotated[
    int, Meta(ge=0, le=AMOUNT_MAX, description="Minor units of the currency (USD 12.50 is 1250, 1 won is 1).")
]
Quantity = Annotated[int, Meta(ge=0, le=AMOUNT_MAX)]
Currency = Annotated[str, Meta(min_length=3, max_length=3, description="ISO 4217 code.")]
Percent = Annotated[str, Meta(min_length=1, max_length=16, description="Decimal string, 0 to 100.")]
AttributeName = Annotated[str, Meta(min_length=1, max_length=64)]
AttributeValue = Annotated[str, Meta(max_length=256)] | Annotated[int, Meta(ge=-AMOUNT_MAX, le=AMOUNT_MAX)] | bool


class _Data(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """The `data` of an event; fields nobody defined are refused."""


class Discount(_Data, frozen=True):
    """A discount on one line: `percent` of the price, or `amount_minor` per interval for the whole line."""

    percent: Percent | None = None
    amount_minor: Amount | None = None
    from_: DateText | None = field(default=None, name="from")
    until: DateText | None = None
    label: Text | None = None


class Line(_Data, frozen=True):
    """One priced item of a contract; `amount_minor` is the price of one unit for one interval."""

    line_id: Text
    plan: Text
    amount_minor: Amount
    product: Text | None = None
    kind: Literal["recurring", "one_time", "usage"] = "recurring"
    quantity: Quantity = 1
    interval: Literal["day", "week", "month", "year"] = "month"
    interval_count: Annotated[int, Meta(ge=1, le=1_200)] = 1
    discounts: Annotated[tuple[Discount, ...], Meta(max_length=100)] = ()
    from_: DateText | None = field(default=None, name="from")
    until: DateText | None = None


Lines = Annotated[tuple[Line, ...], Meta(min_length=1, max_length=200)]


class Term(_Data, frozen=True):
    """How long a contract was agreed for; with `auto_renew` false it ends at `end`, first day without service."""

    start: DateText | None = None
    end: DateText | None = None
    auto_renew: bool = True


class SignedData(_Data, frozen=True):
    """A contract was signed: it opens with these lines and this term, afresh in everything."""

    contract_id: Text
    currency: Currency
    lines: Lines
    effective_at: DateText | None = None
    term: Term | None = None
    trial_end: DateText | None = None
    owner: Text | None = None
    campaign: Text | None = None
    channel: Text | None = None
    attributes: Annotated[dict[AttributeName, AttributeValue], Meta(max_length=50)] | None = None


class AmendedData(_Data, frozen=True):
    """An upgrade or downgrade: the complete set of lines in force from that day."""

    contract_id: Text
    lines: Lines
    effective_at: DateText | None = None


class RenewedData(_Data, frozen=True):
    """A renewal: a new term from its day (none given: open-ended), and new lines if there are any."""

    contract_id: Text
    effective_at: DateText | None = None
    term: Term | None = None
    lines: Lines | None = None


class CancelledData(_Data, frozen=True):
    """A cancellation; `effective_at` is the first day without service."""

    contract_id: Text
    effective_at: DateText | None = None
    reason: Text | None = None
    reason_text: FreeText | None = None
    initiative: Literal["voluntary", "involuntary"] | None = None


class PausedData(_Data, frozen=True):
    """A pause or its end."""

    contract_id: Text
    effective_at: DateText | None = None


class AccountChangedData(_Data, frozen=True):
    """Attributes of an account; null removes one."""

    attributes: Annotated[dict[AttributeName, AttributeValue | None], Meta(min_length=1, max_length=50)]
    effective_at: DateText | None = None


class SurveyAnsweredData(_Data, frozen=True):
    """One answer to a survey."""

    survey: Literal["nps", "csat", "ces", "fcr", "feedback"]
    score: Annotated[int, Meta(ge=0, le=1_000)] | None = None
    scale_max: Annotated[int, Meta(ge=1, le=1_000)] | None = None
    resolved_first_contact: bool | None = None
    touchpoint: Text | None = None
    respondent: Text | None = None
    comment: FreeText | None = None
    tags: Annotated[tuple[Text, ...], Meta(max_length=100)] = ()


class CostRecordedData(_Data, frozen=True):
    """A cost of winning or keeping customers, spread evenly over the days of its period."""

    kind: Literal["acquisition", "retention"]
    amount_minor: Amount
    currency: Currency
    from_: DateText = field(name="from")
    until: DateText
    category: Text | None = None
    campaign: Text | None = None
    owner: Text | None = None
    segment: Text | None = None


class PaymentData(_Data, frozen=True):
    """A payment that failed, or one that came after all; it moves nothing."""

    contract_id: Text
    amount_minor: Amount | None = None
    currency: Currency | None = None
    attempt: Annotated[int, Meta(ge=1, le=1_000)] | None = None
    reason: Text | None = None


class RatePublishedData(_Data, frozen=True):
    """An exchange rate: 1 `base` = `rate` `quote` from `effective_at` on."""

    base: Currency
    quote: Currency
    rate: Annotated[str, Meta(min_length=1, max_length=40)]
    effective_at: DateText | None = None


class EventRetractedData(_Data, frozen=True):
    """The event that no longer holds."""

    source: Text
    id: Text
    reason: Text


class PolicyAdoptedData(_Data, frozen=True):
    """The policy that is in force from now on, and the one before it, each by its stamp."""

    policy: Text
    instead_of: Text


class Event(Struct, frozen=True, kw_only=True, tag_field="type", gc=False):
    """What every event of the vocabulary carries (CloudEvents 1.0); extension attributes stay in its bytes."""

    specversion: Literal["1.0"]
    id: Text
    source: Text
    subject: Text
    time: Annotated[datetime, Meta(tz=True)]


class ContractSigned(Event, frozen=True, tag="revledger.contract.signed.v1"):
    """A contract was signed."""

    data: SignedData


class ContractUpgraded(Event, frozen=True, tag="revledger.contract.upgraded.v1"):
    """A contract was meant to grow."""

    data: AmendedData


class ContractDowngraded(Event, frozen=True, tag="revledger.contract.downgraded.v1"):
    """A contract was meant to shrink."""

    data: AmendedData


class ContractRenewed(Event, frozen=True, tag="revledger.contract.renewed.v1"):
    """A contract was renewed."""

    data: RenewedData


class ContractCancelled(Event, frozen=True, tag="revledger.contract.cancelled.v1"):
    """A contract was cancelled."""

    data: CancelledData


class ContractPaused(Event, frozen=True, tag="revledger.contract.paused.v1"):
    """A contract was paused."""

    data: PausedData


class ContractResumed(Event, frozen=True, tag="revledger.contract.resumed.v1"):
    """A paused contract goes on."""

    data: PausedData


class AccountChanged(Event, frozen=True, tag="revledger.account.changed.v1"):
    """Attributes of an account changed."""

    data: AccountChangedData


class SurveyAnswered(Event, frozen=True, tag="revledger.survey.answered.v1"):
    """A customer answered a survey."""

    data: SurveyAnsweredData


class CostRecorded(Event, frozen=True, tag="revledger.cost.recorded.v1"):
    """A cost was recorded."""

    data: CostRecordedData


class PaymentFailed(Event, frozen=True, tag="revledger.payment.failed.v1"):
    """A payment failed."""

    data: PaymentData


class PaymentRecovered(Event, frozen=True, tag="revledger.payment.recovered.v1"):
    """A payment that had failed came after all."""

    data: PaymentData


class RatePublished(Event, frozen=True, tag="revledger.rate.published.v1"):
    """An exchange rate was published."""

    data: RatePublishedData


class EventRetracted(Event, frozen=True, tag="revledger.event.retracted.v1"):
    """An earlier event no longer holds."""

    data: EventRetractedData


class PolicyAdopted(Event, frozen=True, tag="revledger.policy.adopted.v1"):
    """The ledger went over to another policy, and this is what that changed in the books of the subject.

    Written by the ledger itself, with the postings that make the difference; from outside it is refused.
    """

    data: PolicyAdoptedData


AnyEvent = (
    ContractSigned
    | ContractUpgraded
    | ContractDowngraded
    | ContractRenewed
    | ContractCancelled
    | ContractPaused
    | ContractResumed
    | AccountChanged
    | SurveyAnswered
    | CostRecorded
    | PaymentFailed
    | PaymentRecovered
    | RatePublished
    | EventRetracted
)

EVENT_TYPES: Final[dict[str, type[Event]]] = {
    "revledger.contract.signed.v1": ContractSigned,
    "revledger.contract.upgraded.v1": ContractUpgraded,
    "revledger.contract.downgraded.v1": ContractDowngraded,
    "revledger.contract.renewed.v1": ContractRenewed,
    "revledger.contract.cancelled.v1": ContractCancelled,
    "revledger.contract.paused.v1": ContractPaused,
    "revledger.contract.resumed.v1": ContractResumed,
    "revledger.account.changed.v1": AccountChanged,
    "revledger.survey.answered.v1": SurveyAnswered,
    "revledger.cost.recorded.v1": CostRecorded,
    "revledger.payment.failed.v1": PaymentFailed,
    "revledger.payment.recovered.v1": PaymentRecovered,
    "revledger.rate.published.v1": RatePublished,
    "revledger.event.retracted.v1": EventRetracted,
}
"""Wire name -> struct; a name here is for ever."""

OWN_TYPES: Final[dict[str, type[Event]]] = {"revledger.policy.adopted.v1": PolicyAdopted}
"""The same for events that only the ledger itself writes: to be read there, and taken from nobody."""

RecordedEvent = AnyEvent | PolicyAdopted
"""What a ledger may hold."""

BOOK_SUBJECT: Final = "~book"
"""The subject of events that belong to no account."""
