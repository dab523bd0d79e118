"""What the made-up company is: plans and prices, customers, sellers, campaigns, seasons."""

import msgspec

from services.demo.chance import Weighted
from services.demo.dates import Month

Prices = dict[str, int]

# One seat for one month, in minor units of each currency (JPY and KRW have none).
PLANS: dict[str, Prices] = {
    "starter": {"USD": 1_200, "EUR": 1_100, "GBP": 1_000, "JPY": 1_600, "KRW": 14_000},
    "team": {"USD": 2_400, "EUR": 2_200, "GBP": 1_900, "JPY": 3_200, "KRW": 29_000},
    "business": {"USD": 4_500, "EUR": 4_200, "GBP": 3_600, "JPY": 6_200, "KRW": 55_000},
    "enterprise": {"USD": 6_500, "EUR": 6_000, "GBP": 5_200, "JPY": 9_200, "KRW": 83_000},
}
LADDER: tuple[str, ...] = tuple(PLANS)

# An add-on costs this for one month; `sso` is sold by the seat, the others once a contract.
ADD_ONS: dict[str, Prices] = {
    "analytics": {"USD": 9_900, "EUR": 8_900, "GBP": 7_900, "JPY": 13_800, "KRW": 120_000},
    "sso": {"USD": 300, "EUR": 280, "GBP": 240, "JPY": 420, "KRW": 3_800},
    "support-plus": {"USD": 19_900, "EUR": 18_500, "GBP": 15_900, "JPY": 28_000, "KRW": 250_000},
}
SOLD_BY_SEAT = frozenset({"sso"})

INSIGHTS: Prices = {"USD": 49_000, "EUR": 45_000, "GBP": 39_000, "JPY": 69_000, "KRW": 620_000}
SETUP: Prices = {"USD": 150_000, "EUR": 140_000, "GBP": 120_000, "JPY": 210_000, "KRW": 1_900_000}
API_CALLS: Prices = {"USD": 50, "EUR": 45, "GBP": 40, "JPY": 70, "KRW": 600}


class Billing(msgspec.Struct, frozen=True):
    """How often a contract is billed, and what that costs in hundredths of a monthly price."""

    interval: str
    count: int
    months: int
    price_percent: int


BILLING: dict[str, Billing] = {
    "monthly": Billing("month", 1, 1, 100),
    "quarterly": Billing("month", 3, 3, 285),
    "annual": Billing("year", 1, 12, 1_000),
    "two_years": Billing("year", 2, 24, 1_900),
}


class Segment(msgspec.Struct, frozen=True):
    """What customers of one size buy: seats [lowest, highest], and shares of 100 for everything else."""

    seats: tuple[int, int]
    outgrown_at_seats: int
    sizes: tuple[str, ...]
    plans: Weighted[str]
    billing: Weighted[str]
    channels: Weighted[str]
    has_seller_percent: int
    trial_percent: int
    discount_percent: int
    fixed_term_percent: int
    ramp_percent: int
    setup_percent: int
    usage_percent: int
    add_on_percent: int


SEGMENTS: dict[str, Segment] = {
    "smb": Segment(
        seats=(2, 22),
        outgrown_at_seats=36,
        sizes=("1-10", "11-50"),
        plans=(("starter", 55), ("team", 38), ("business", 7)),
        billing=(("monthly", 66), ("quarterly", 7), ("annual", 27)),
        channels=(("self-serve", 58), ("inbound", 24), ("marketplace", 10), ("partner", 8)),
        has_seller_percent=35,
        trial_percent=34,
        discount_percent=14,
        fixed_term_percent=6,
        ramp_percent=0,
        setup_percent=2,
        usage_percent=6,
        add_on_percent=10,
    ),
    "midmarket": Segment(
        seats=(20, 110),
        outgrown_at_seats=190,
        sizes=("51-200", "201-1000"),
        plans=(("team", 45), ("business", 50), ("enterprise", 5)),
        billing=(("monthly", 22), ("quarterly", 15), ("annual", 58), ("two_years", 5)),
        channels=(("inbound", 45), ("outbound", 28), ("partner", 20), ("marketplace", 7)),
        has_seller_percent=96,
        trial_percent=10,
        discount_percent=32,
        fixed_term_percent=30,
        ramp_percent=3,
        setup_percent=25,
        usage_percent=14,
        add_on_percent=35,
    ),
    "enterprise": Segment(
        seats=(100, 360),
        outgrown_at_seats=1_000_000_000,
        sizes=("1001-5000", "5001+"),
        plans=(("business", 40), ("enterprise", 60)),
        billing=(("quarterly", 10), ("annual", 75), ("two_years", 15)),
        channels=(("outbound", 62), ("inbound", 20), ("partner", 18)),
        has_seller_percent=100,
        trial_percent=0,
        discount_percent=60,
        fixed_term_percent=65,
        ramp_percent=35,
        setup_percent=70,
        usage_percent=25,
        add_on_percent=60,
    ),
}
SEGMENT_SHARES: Weighted[str] = (("smb", 71), ("midmarket", 22), ("enterprise", 7))
GROWS_INTO: dict[str, str] = {"smb": "midmarket", "midmarket": "enterprise"}

REGIONS: Weighted[str] = (("north-america", 56), ("europe", 26), ("asia-pacific", 18))
CURRENCIES: dict[str, Weighted[str]] = {
    "north-america": (("USD", 100),),
    "europe": (("EUR", 58), ("GBP", 27), ("USD", 15)),
    "asia-pacific": (("KRW", 40), ("JPY", 38), ("USD", 22)),
}
INDUSTRIES: Weighted[str] = (
    ("software", 24),
    ("retail", 14),
    ("healthcare", 12),
    ("finance", 14),
    ("manufacturing", 13),
    ("education", 8),
    ("media", 8),
    ("logistics", 7),
)

# Invented people. Sellers join one after another; the earlier one joined, the lower the place in this list.
SELLERS: tuple[str, ...] = (
    "mina.park",
    "jonas.weber",
    "grace.okafor",
    "liam.carter",
    "sofia.rossi",
    "kenji.sato",
    "ana.silva",
    "omar.haddad",
    "priya.nair",
    "hana.kim",
    "lucas.martin",
    "emma.lindqvist",
    "daniel.reyes",
    "chloe.bernard",
    "tomas.novak",
    "ruth.adeyemi",
)
# Percentage points by which a seller gives discounts more often than the segment does, by place modulo 4.
SELLER_GENEROSITY: tuple[int, ...] = (0, 18, -8, 6)


class Campaign(msgspec.Struct, frozen=True):
    """A way to win customers: the calendar months it runs, its costs, and how happy its customers start."""

    name: str
    category: str
    months: frozenset[int]
    budget_usd: int
    per_account_usd: int
    mood: int


_ALWAYS = frozenset(range(1, 13))
CAMPAIGNS: tuple[Campaign, ...] = (
    Campaign("search-ads", "advertising", _ALWAYS, 1_500, 420, -9),
    Campaign("referral", "rewards", _ALWAYS, 150, 200, 9),
    Campaign("spring-webinar", "events", frozenset({3, 4, 5}), 1_200, 260, 2),
    Campaign("autumn-summit", "events", frozenset({9, 10, 11}), 4_000, 350, 4),
)
CAMPAIGN_PERCENT = 46

# New customers by calendar month: the year closes strongly, August is weak.
SEASON: tuple[int, ...] = (92, 95, 115, 94, 98, 114, 84, 58, 106, 116, 126, 140)


def new_accounts(accounts: int, months: int, first_month_number: int) -> list[int]:
    """How many accounts sign in each month; adds up to `accounts`.

    Each month brings a little more than the one before, bent by the season; the first brings those who were
    customers before the books begin.
    """
    weights = [
        SEASON[(first_month_number - 1 + index) % 12] * (24 + index) * (9 if index == 0 else 1)
        for index in range(months)
    ]
    total, passed, given, counts = sum(weights), 0, 0, []
    for weight in weights:
        passed += weight
        due = accounts * passed // total
        counts.append(due - given)
        given = due
    return counts


def sellers_at(accounts: int, months: int, index: int) -> tuple[str, ...]:
    """The sellers employed in the month `index`: the team doubles over the life of the company."""
    team = min(len(SELLERS), 4 + accounts // 150)
    return SELLERS[: max(2, team * (months + index) // (2 * months))]


class Market(msgspec.Struct, frozen=True):
    """A month with who sells in it and what advertises in it."""

    month: Month
    sellers: tuple[str, ...]
    campaigns: tuple[Campaign, ...]


def campaigns_at(month_number: int) -> tuple[Campaign, ...]:
    """The campaigns that run in a calendar month (1 to 12)."""
    return tuple(campaign for campaign in CAMPAIGNS if month_number in campaign.months)
