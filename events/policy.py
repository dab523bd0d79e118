"""The policy of the books: the choices no standard makes, named, versioned and hashed."""

from datetime import tzinfo
from fractions import Fraction
from functools import lru_cache
from hashlib import sha256
from typing import Annotated, Final, Literal

import msgspec
from msgspec.structs import fields

Counted = Literal["net", "forever_only", "list"]
"""Which discounts lower the level: all of them, those without an end, or none."""


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The choices that are in force; those left at their default are not part of the hash.

    `zone`: in which a time becomes a day. `churn`: whether a cancelled contract counts until its effective day or
    only until the day of the notice. `discounts`: which of them lower the level, all, those without an end, or none.
    `paused`: what a paused contract counts. `free_accounts`: whether revenue discounted to nothing keeps an account
    active. `reactivation_days`: a return after more days without revenue is `new`; None: however long it took.
    `gross_margin`: what is left of revenue once it is served, in percent; figures of what an account earns use it.
    """

    name: Annotated[str, msgspec.Meta(max_length=64, pattern=r"^\w[\w .-]*\Z")] = "default"
    version: Annotated[int, msgspec.Meta(ge=1, le=2**31)] = 1
    zone: str = "UTC"
    churn: Literal["effective", "notice"] = "effective"
    discounts: Counted = "net"
    paused: Literal["zero", "full"] = "zero"
    free_accounts: Literal["inactive", "active"] = "inactive"
    reactivation_days: Annotated[int, msgspec.Meta(ge=0, le=100_000)] | None = None
    gross_margin: Annotated[str, msgspec.Meta(pattern=r"^(100(\.0{1,4})?|[1-9]?[0-9](\.[0-9]{1,4})?)\Z")] = "100"

    @property
    def margin(self) -> Fraction:
        """The gross margin as a part of 1."""
        return Fraction(self.gross_margin) * Fraction(1, 100)

    @property
    def stamp(self) -> str:
        """What every figure carries: name, version and the first 8 hexadecimal digits of the hash."""
        return _stamp(self)


@lru_cache(maxsize=64)  # asked for with every block, and slow to look up
def _stamp(policy: Policy) -> str:
    chosen = {
        field.encode_name: value for field in fields(policy) if (value := getattr(policy, field.name)) != field.default
    }
    return f"{policy.name}@{policy.version}:{sha256(msgspec.json.encode(chosen)).hexdigest()[:8]}"


class Rules(msgspec.Struct, frozen=True):
    """What booking goes by: a policy, and its zone as the world knows it (None: UTC, the fast way)."""

    policy: Policy = Policy()
    zone: tzinfo | None = None

    def is_return(self, idle_days: int) -> bool:
        """Whether an account that was active before comes back, or is new after so many days without revenue."""
        days_max = self.policy.reactivation_days
        return days_max is None or idle_days <= days_max


DEFAULT_RULES: Final = Rules()
"""The default policy, in UTC."""
