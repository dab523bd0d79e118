"""The choices of a policy, as the model knows them."""

from typing import NamedTuple


class Choices(NamedTuple):
    """What no standard says; the defaults are what everybody gets who chooses nothing."""

    churn: str = "effective"
    discounts: str = "net"
    paused: str = "zero"
    free_accounts: str = "inactive"
    reactivation_days: int | None = None


USUAL = Choices()
