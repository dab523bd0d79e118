"""Deals: how one is drawn for a new customer, how it changes, and the contract lines it is written as."""

import random

from msgspec.structs import replace

from services.demo.chance import below, between, hit, pick, weighted
from services.demo.company import (
    ADD_ONS,
    API_CALLS,
    BILLING,
    INSIGHTS,
    LADDER,
    PLANS,
    SEGMENTS,
    SETUP,
    SOLD_BY_SEAT,
    Segment,
)
from services.demo.dates import add_months, iso_day
from services.demo.facts import Deal, Discount, JsonObject, Step, price

_PERCENT_TENTHS = (50, 100, 100, 150, 200, 250, 125, 300)


def drawn_deal(rng: random.Random, segment: Segment, day: int, generosity: int) -> Deal:
    """What a customer of this segment signs on that day; `generosity`: points more discounts than usual."""
    billing = weighted(rng, segment.billing)
    seats = _drawn_seats(rng, segment)
    steps: tuple[Step, ...] = ()
    if hit(rng, segment.ramp_percent) and billing == "annual":
        steps = _ramp(rng, seats, day)
    return Deal(
        plan=weighted(rng, segment.plans),
        seats=seats,
        billing=billing,
        add_ons=(pick(rng, tuple(ADD_ONS)),) if hit(rng, segment.add_on_percent) else (),
        discount=_drawn_discount(rng, day) if hit(rng, segment.discount_percent + generosity) else None,
        steps=steps,
        usage_units=between(rng, 5, 80) if hit(rng, segment.usage_percent) else 0,
    )


def _drawn_seats(rng: random.Random, segment: Segment) -> int:
    """Seats within the segment; the smaller of two draws, since most customers are small."""
    lowest, highest = segment.seats
    return min(between(rng, lowest, highest), between(rng, lowest, highest))


def _ramp(rng: random.Random, seats: int, day: int) -> tuple[Step, ...]:
    """Seats that grow with each of two or three years."""
    years = between(rng, 2, 3)
    growth = between(rng, 20, 60)
    starts = [add_months(day, 12 * year) for year in range(years)]
    ends = [*starts[1:], None]
    return tuple(
        Step(first, until, seats + seats * growth * year // 100)
        for year, (first, until) in enumerate(zip(starts, ends, strict=True))
    )


def _drawn_discount(rng: random.Random, day: int) -> Discount:
    """Mostly a percentage for some months; sometimes an amount, for ever, or everything free for a start."""
    roll = below(rng, 100)
    if roll < 4:
        return Discount(1000, add_months(day, between(rng, 1, 3)), "free-start")
    if roll < 22:
        return Discount(pick(rng, _PERCENT_TENTHS), add_months(day, 12), "welcome-credit", as_amount=True)
    if roll < 45:
        return Discount(pick(rng, _PERCENT_TENTHS), None, "negotiated")
    until = add_months(day, pick(rng, (3, 6, 12, 12)))
    return Discount(pick(rng, _PERCENT_TENTHS), until, "launch-offer")


def lines_of(deal: Deal, currency: str, day: int) -> list[JsonObject]:
    """The complete set of recurring and usage lines of a deal, as in force from that day."""
    billing = BILLING[deal.billing]
    seat = price(PLANS[deal.plan], currency, billing.price_percent, deal.uplift_percent)
    rhythm: JsonObject = {}
    if deal.billing != "monthly":
        rhythm["interval"] = billing.interval
        if billing.count != 1:
            rhythm["interval_count"] = billing.count
    lines = [
        _seats_line(deal, f"seats-y{number}", seat, step.seats, rhythm, day)
        | ({"from": iso_day(step.first)} if number > 1 else {})
        | ({"until": iso_day(step.until)} if step.until is not None else {})
        for number, step in enumerate(deal.steps, start=1)
        if step.until is None or step.until > day
    ] or [_seats_line(deal, "seats", seat, deal.seats, rhythm, day)]
    for name in deal.add_ons:
        amount = price(ADD_ONS[name], currency, billing.price_percent, deal.uplift_percent)
        line: JsonObject = {"line_id": name, "plan": deal.plan, "product": name, "amount_minor": amount}
        if name in SOLD_BY_SEAT:
            line["quantity"] = deal.seats
        lines.append(line | rhythm)
    if deal.usage_units:
        lines.append(_usage_line(deal, currency))
    return lines


def _seats_line(
    deal: Deal, line_id: str, amount: int, seats: int, rhythm: JsonObject, day: int
) -> JsonObject:
    """The plan's line: so many seats at one price, less the discount if it has not run out by that day."""
    line: JsonObject = {"line_id": line_id, "plan": deal.plan, "product": "workspace"}
    line |= {"amount_minor": amount, "quantity": seats} | rhythm
    discount = deal.discount
    if discount is None or (discount.until is not None and discount.until <= day):
        return line
    tenths = discount.percent_tenths
    entry: JsonObject = (
        {"amount_minor": amount * seats * tenths // 1000}
        if discount.as_amount
        else {"percent": f"{tenths // 10}.{tenths % 10}" if tenths % 10 else str(tenths // 10)}
    )
    if discount.until is not None:
        entry["until"] = iso_day(discount.until)
    line["discounts"] = [entry | {"label": discount.label}]
    return line


def _usage_line(deal: Deal, currency: str) -> JsonObject:
    """Thousands of interface calls a month, an estimate: usage never counts as recurring."""
    return {
        "line_id": "api-calls",
        "plan": deal.plan,
        "product": "api",
        "kind": "usage",
        "amount_minor": API_CALLS[currency],
        "quantity": deal.usage_units,
    }


def setup_line(deal: Deal, currency: str) -> JsonObject:
    """What the introduction costs, once."""
    line: JsonObject = {"line_id": "setup", "plan": deal.plan, "product": "onboarding", "kind": "one_time"}
    return line | {"amount_minor": SETUP[currency]}


def insights_line(currency: str) -> JsonObject:
    """The one line of the second contract that some customers sign."""
    line: JsonObject = {"line_id": "insights", "plan": "insights", "product": "insights"}
    return line | {"amount_minor": INSIGHTS[currency]}


def invoice_minor(deal: Deal, currency: str) -> int:
    """About what one invoice comes to, in minor units: the seats for one interval, before add-ons."""
    seat = price(PLANS[deal.plan], currency, BILLING[deal.billing].price_percent, deal.uplift_percent)
    tenths = deal.discount.percent_tenths if deal.discount else 0
    return seat * deal.seats * (1000 - tenths) // 1000


def enlarged(rng: random.Random, deal: Deal) -> Deal:
    """More seats, the next plan or an add-on; the same deal where none of them fits."""
    roll = below(rng, 100)
    missing = tuple(name for name in ADD_ONS if name not in deal.add_ons)
    if (roll < 18 or deal.steps) and missing:
        return replace(deal, add_ons=(*deal.add_ons, pick(rng, missing)))
    if deal.steps:
        return deal
    rung = LADDER.index(deal.plan)
    if roll < 34 and rung + 1 < len(LADDER) - (deal.seats < 60):
        return replace(deal, plan=LADDER[rung + 1])
    return replace(deal, seats=deal.seats + max(1, deal.seats * between(rng, 6, 34) // 100))


def reduced(rng: random.Random, deal: Deal) -> Deal:
    """Fewer seats, the plan below or one add-on less; the same deal where none of them fits."""
    roll = below(rng, 100)
    if roll < 25 and deal.add_ons:
        return replace(deal, add_ons=deal.add_ons[:-1])
    if deal.steps:
        return deal
    rung = LADDER.index(deal.plan)
    if roll < 40 and rung > 0:
        return replace(deal, plan=LADDER[rung - 1])
    if deal.seats > 1:
        return replace(deal, seats=max(1, deal.seats - max(1, deal.seats * between(rng, 8, 30) // 100)))
    return deal


def renegotiated(rng: random.Random, deal: Deal, day: int) -> Deal:
    """The deal after a renewal: ramps end at their last step, prices rise, seats move a little."""
    seats = deal.steps[-1].seats if deal.steps else deal.seats
    seats = max(1, seats + seats * between(rng, -6, 16) // 100)
    discount = deal.discount if deal.discount and deal.discount.until is None else None
    uplift = min(deal.uplift_percent + pick(rng, (0, 3, 4, 5, 7)), 40)
    if discount is None and hit(rng, 8):
        discount = Discount(pick(rng, _PERCENT_TENTHS), add_months(day, 12), "renewal-offer")
    return replace(deal, seats=seats, steps=(), discount=discount, uplift_percent=uplift)


def outgrown(segment_name: str, deal: Deal) -> bool:
    """Whether the customer now has more seats than its segment is meant for."""
    return deal.seats > SEGMENTS[segment_name].outgrown_at_seats
