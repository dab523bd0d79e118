"""Money as integers: currencies, the annual value of a price, and rounding once at the edge."""

from fractions import Fraction
from typing import Final

from events.refusals import Refused

_NO_MINOR_UNIT: Final = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_THREE_DIGITS: Final = "BHD IQD JOD KWD LYD OMR TND"
_FOUR_DIGITS: Final = "CLF UYW"
_TWO_DIGITS: Final = (
    "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF "
    "CHE CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD "
    "GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL "
    "MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR "
    "PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP "
    "TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XAD XCD XCG YER ZAR ZMW ZWG"
)
_WITHDRAWN: Final = "ANG BGN CUC HRK MRO SLL STD VEF ZWL"
MINOR_DIGITS: Final[dict[str, int]] = {
    **dict.fromkeys(_NO_MINOR_UNIT.split(), 0),
    **dict.fromkeys(_TWO_DIGITS.split(), 2),
    **dict.fromkeys(_WITHDRAWN.split(), 2),
    **dict.fromkeys(_THREE_DIGITS.split(), 3),
    **dict.fromkeys(_FOUR_DIGITS.split(), 4),
}
"""Currency -> digits of its minor unit (source: ISO 4217 list one, 2025, without metals and testing codes).

Codes withdrawn since 2015 (list three) stay, because the histories that are loaded still use them."""

E4: Final = 10_000
MRR_DIVISOR: Final = 12 * E4
AMOUNT_MAX: Final = 2**63 - 1
VALUE_MAX: Final = 2**60
"""The most a line may be worth, in annual_e4: so that no posting, a difference of differences, outgrows 64 bits."""

INTERVALS_PER_YEAR: Final[dict[str, int]] = {"month": 12, "year": 1, "week": 52, "day": 365}


Exact = int | Fraction
"""An amount before it is rounded: an integer, or a fraction once it was converted to another currency."""


def require_currency(code: str, field: str) -> str:
    """The code, if ISO 4217 has it as money; raises Refused `unknown_currency`."""
    if code not in MINOR_DIGITS:
        raise Refused("unknown_currency", f"{code!r} is not an ISO 4217 currency code such as USD or KRW", field)
    return code


def round_half_even(numerator: int, denominator: int) -> int:
    """The nearest integer to a fraction, ties to the even one; `denominator` > 0."""
    quotient, rest = divmod(numerator, denominator)
    twice = 2 * rest
    return quotient + (1 if twice > denominator or (twice == denominator and quotient & 1) else 0)


def round_half_up(numerator: Exact, denominator: Exact) -> int:
    """The nearest integer to a fraction, ties towards plus infinity; `denominator` > 0."""
    return (2 * numerator + denominator) // (2 * denominator)


def mrr_minor(annual_e4: Exact) -> int:
    """Monthly minor units of an annual value in 1/10,000 of a minor unit: the one rounding for a reader."""
    return round_half_up(annual_e4, MRR_DIVISOR)


def arr_minor(annual_e4: Exact) -> int:
    """Annual minor units of an annual value in 1/10,000 of a minor unit."""
    return round_half_up(annual_e4, E4)


def annual_e4(net: int | Fraction, interval: str, interval_count: int) -> int:
    """What `net` minor units per interval are worth a year, in 1/10,000 of a minor unit, half to even."""
    scaled = net * (E4 * INTERVALS_PER_YEAR[interval])
    if isinstance(scaled, int):
        return scaled if interval_count == 1 else round_half_even(scaled, interval_count)
    return round_half_even(scaled.numerator, scaled.denominator * interval_count)


def percent_of_text(text: str, field: str) -> Fraction:
    """A percentage from its decimal string, 0 to 100; raises Refused `invalid_percent`."""
    _, _, digits = text.partition(".")
    if not _is_decimal(text) or len(digits) > 12 or not 0 <= (value := Fraction(text)) <= 100:
        sentence = f"{text!r} is not a percentage: write a decimal string from 0 to 100, such as '12.5'"
        raise Refused("invalid_percent", sentence, field)
    return value


def rate_of_text(text: str, field: str) -> Fraction:
    """An exchange rate from its decimal string, above 0; raises Refused `invalid_rate`."""
    if not _is_decimal(text) or len(text) > 40 or (value := Fraction(text)) <= 0:
        sentence = f"{text!r} is not a rate: write a decimal string above 0, such as '1.0850'"
        raise Refused("invalid_rate", sentence, field)
    return value


def _is_decimal(text: str) -> bool:
    whole, point, digits = text.partition(".")
    return whole.isascii() and whole.isdigit() and (not point or (digits.isascii() and digits.isdigit()))


def ratio_text(numerator: Exact, denominator: Exact, digits: int = 8) -> str | None:
    """A ratio as a decimal string, half up, at least 6 digits; None where the denominator is zero."""
    if denominator == 0:
        return None
    if denominator < 0:
        numerator, denominator = -numerator, -denominator
    scaled = round_half_up(numerator * 10**digits, denominator)
    sign = "-" if scaled < 0 else ""
    whole, rest = divmod(abs(scaled), 10**digits)
    return f"{sign}{whole}.{rest:0{digits}}"
