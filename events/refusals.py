"""Why an event is refused: one stable reason code each, and a sentence that says what to change."""

from typing import Final

REASONS: Final[dict[str, str]] = {
    "too_large": "the event is larger than one event may be",
    "not_json": "the bytes are not one JSON value",
    "not_cloudevent": "the JSON is not a CloudEvent 1.0 in structured or binary mode",
    "unknown_type": "no event of the vocabulary has this type",
    "unknown_version": "the event exists, in another version",
    "missing_field": "a required field is absent",
    "unknown_field": "a field of `data` is not in the vocabulary",
    "amount_not_integer": "an amount or quantity is not an integer",
    "amount_negative": "an amount or quantity is below zero",
    "amount_too_large": "an amount does not fit in 64 bits",
    "invalid_field": "a field has the wrong type or form",
    "invalid_time": "`time` is not an RFC 3339 time with an offset",
    "invalid_date": "a date does not exist or has the wrong form",
    "invalid_period": "a period ends before it starts",
    "invalid_percent": "a percentage is not a decimal string from 0 to 100",
    "invalid_rate": "an exchange rate is not a positive decimal string between two currencies",
    "unknown_currency": "the currency is not in ISO 4217",
    "duplicate_line": "two lines of one contract share a line_id",
    "reserved_attribute": "an attribute has the name of something else one can group by",
    "too_many_attributes": "an account has more attributes than it may have",
    "too_many_postings": "one event would post more than a ledger keeps in one place",
    "invalid_subject": "the subject does not fit the type of the event",
    "currency_changed": "a contract keeps the currency it was signed in",
    "id_conflict": "another event with this source and id is already in the ledger",
}
"""Reason code -> what it means; codes are for ever."""


class Refused(Exception):
    """An event that cannot be booked as it stands."""

    def __init__(self, code: str, message: str, field: str = "") -> None:
        assert code in REASONS, code
        super().__init__(message)
        self.code = code
        self.message = message
        self.field = field
