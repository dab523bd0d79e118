"""Currencies against a list of their own, rounding against exact fractions."""

from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events import money as m
from events.refusals import Refused

# ISO 4217 list one, in the order of its entities (Afghanistan to Zimbabwe), with 2 digits unless said.
CURRENCIES = """
AFN EUR ALL DZD USD AOA XCD XAD ARS AMD AWG AUD AZN BSD BHD:3 BDT BBD BYN BZD XOF:0 BMD INR BTN BOB BOV BAM BWP
NOK BRL BND BIF:0 CVE KHR XAF:0 CAD KYD CLP:0 CLF:4 CNY COP COU KMF:0 CDF NZD CRC CUP XCG CZK DKK DJF:0 DOP EGP
SVC ERN SZL ETB FKP FJD XPF:0 GMD GEL GHS GIP GTQ GBP GNF:0 GYD HTG HNL HKD HUF ISK:0 IDR IRR IQD:3 ILS JMD JPY:0
JOD:3 KZT KES KPW KRW:0 KWD:3 KGS LAK LBP LSL ZAR LRD LYD:3 CHF MOP MKD MGA MWK MYR MVR MRU MUR MXN MXV MDL MNT
MAD MZN MMK NAD NPR NIO NGN OMR:3 PKR PAB PGK PYG:0 PEN PHP PLN QAR RON RUB RWF:0 SHP WST STN SAR RSD SCR SLE SGD
SBD SOS SSP LKR SDG SRD SEK CHE CHW SYP TWD TJS TZS THB TOP TTD TND:3 TRY TMT UGX:0 UAH AED USN UYU UYI:0 UYW:4
UZS VUV:0 VES VED VND:0 YER ZMW ZWG
"""
WITHDRAWN_SINCE_2015 = "ANG BGN CUC HRK MRO SLL STD VEF ZWL"
NO_MONEY = "XAU XAG XPT XPD XDR XSU XUA XBA XBB XBC XBD XTS"

FRACTIONS = st.fractions(min_value=-(10**20), max_value=10**20, max_denominator=10**6)
DECIMALS = st.decimals(0, 100, places=4).map(lambda value: f"{value:f}")


def test_currencies_are_those_of_the_standard() -> None:
    listed = {code[:3]: int(code[4:] or "2") for code in CURRENCIES.split()}
    listed |= dict.fromkeys(WITHDRAWN_SINCE_2015.split(), 2)
    assert listed == m.MINOR_DIGITS


@pytest.mark.parametrize("code", ["", "usd", "US", "USDX", "EUR ", "ABC", *NO_MONEY.split(), "X" * 3])
def test_what_is_no_currency(code: str) -> None:
    with pytest.raises(Refused) as refused:
        m.require_currency(code, "data.currency")
    assert (refused.value.code, refused.value.field) == ("unknown_currency", "data.currency")


def test_a_currency_comes_back() -> None:
    assert m.require_currency("KRW", "data.currency") == "KRW"


# ---------------------------------------------------------------- rounding


@given(FRACTIONS, st.integers(1, 1000))
def test_rounding(value: Fraction, scale: int) -> None:
    numerator, denominator = value.numerator * scale, value.denominator * scale
    assert m.round_half_even(numerator, denominator) == round(value)
    assert m.round_half_up(numerator, denominator) == (value + Fraction(1, 2)).__floor__()


@pytest.mark.parametrize(
    ("twice", "even", "up"), [(1, 0, 1), (3, 2, 2), (5, 2, 3), (-1, 0, 0), (-3, -2, -1), (-5, -2, -2), (0, 0, 0)]
)
def test_rounding_of_a_half(twice: int, even: int, up: int) -> None:
    assert (m.round_half_even(twice, 2), m.round_half_up(twice, 2)) == (even, up)


@given(st.integers(-(2**64), 2**64))
def test_the_edge_is_within_half_a_unit(annual_e4: int) -> None:
    assert 2 * abs(m.mrr_minor(annual_e4) * 120_000 - annual_e4) <= 120_000
    assert 2 * abs(m.arr_minor(annual_e4) * 10_000 - annual_e4) <= 10_000


def test_the_edge_goes_up_from_a_half() -> None:
    assert [m.mrr_minor(value) for value in (59_999, 60_000, -60_000, -60_001)] == [0, 1, 0, -1]
    assert [m.arr_minor(value) for value in (4_999, 5_000, -5_000, -5_001)] == [0, 1, 0, -1]


# ---------------------------------------------------------------- what a price is worth a year


@pytest.mark.parametrize(
    ("net", "interval", "count", "annual_e4"),
    [
        (1000, "month", 1, 120_000_000),
        (30_000, "month", 3, 1_200_000_000),
        (240_000, "year", 2, 1_200_000_000),
        (5000, "week", 2, 1_300_000_000),
        (10, "day", 1, 36_500_000),
        (1, "month", 7, 17_143),
        (0, "year", 1, 0),
        (Fraction(1, 3), "year", 1, 3_333),
        (Fraction(1, 20_000), "year", 1, 0),
        (Fraction(3, 20_000), "year", 1, 2),
    ],
)
def test_annual_value(net: int | Fraction, interval: str, count: int, annual_e4: int) -> None:
    assert m.annual_e4(net, interval, count) == annual_e4


@given(
    st.integers(0, 2**63) | st.fractions(0, 10**12, max_denominator=10**6),
    st.sampled_from(("day", "week", "month", "year")),
    st.integers(1, 1_200),
)
def test_annual_value_is_rounded_once(net: int | Fraction, interval: str, count: int) -> None:
    a_year = {"day": 365, "week": 52, "month": 12, "year": 1}[interval]
    assert m.annual_e4(net, interval, count) == round(Fraction(net) * a_year / count * 10_000)


# ---------------------------------------------------------------- decimal strings


@given(DECIMALS)
def test_a_percentage_is_exact(text: str) -> None:
    assert m.percent_of_text(text, "f") == Fraction(Decimal(text))


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "5.",
        ".5",
        "100.01",
        "101",
        "-1",
        "+1",
        "1e1",
        "1/2",
        " 1",
        "1 ",
        "\u0665",
        "1_0",
        "0x1",
        "nan",
        "0.1234567890123",
    ],
)
def test_what_is_no_percentage(text: str) -> None:
    with pytest.raises(Refused) as refused:
        m.percent_of_text(text, "f")
    assert (refused.value.code, refused.value.field) == ("invalid_percent", "f")


@pytest.mark.parametrize("text", ["", "0", "0.000", "-1", "1e3", "1/2", "inf", "1,5", "1" * 41])
def test_what_is_no_rate(text: str) -> None:
    with pytest.raises(Refused) as refused:
        m.rate_of_text(text, "f")
    assert (refused.value.code, refused.value.field) == ("invalid_rate", "f")


def test_a_rate_is_exact() -> None:
    assert m.rate_of_text("1300.50", "f") == Fraction(2601, 2)
    assert m.rate_of_text("0.0000000001", "f") == Fraction(1, 10**10)


# ---------------------------------------------------------------- ratios


@pytest.mark.parametrize(
    ("numerator", "denominator", "text"),
    [
        (1, 2, "0.50000000"),
        (-1, 3, "-0.33333333"),
        (1, -3, "-0.33333333"),
        (2, 3, "0.66666667"),
        (105, 100, "1.05000000"),
        (0, 5, "0.00000000"),
        (-1, 10**12, "0.00000000"),
        (1, 0, None),
        (0, 0, None),
    ],
)
def test_a_ratio_is_a_decimal_string_or_null(numerator: int, denominator: int, text: str | None) -> None:
    assert m.ratio_text(numerator, denominator) == text


@given(st.integers(-(10**15), 10**15), st.integers(1, 10**15), st.integers(6, 12))
def test_a_ratio_is_as_near_as_its_digits_allow(numerator: int, denominator: int, digits: int) -> None:
    text = m.ratio_text(numerator, denominator, digits)
    assert text is not None
    assert len(text.partition(".")[2]) == digits
    exact = Fraction(numerator, denominator)
    assert abs(Fraction(text) - exact) <= Fraction(1, 2 * 10**digits)
    nearest = (Decimal(numerator) / Decimal(denominator)).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_EVEN)
    assert abs(Fraction(text) - Fraction(nearest)) <= Fraction(1, 10**digits)
