"""What an account may do: how much it can spend, how often it can ask, which models it can't."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, cast

from attrs import evolve, field, frozen
from attrs.validators import ge, gt

if TYPE_CHECKING:
    from collections.abc import Mapping

_RATE = re.compile(r"([1-9][0-9]{0,6})/([1-9][0-9]{0,6})", re.ASCII)


@frozen
class RateLimit:
    """So many requests in so many seconds of the mock's clock, counted from the first of them."""

    requests: int = field(validator=ge(1))
    seconds: float = field(validator=gt(0))


@frozen
class AccountLimits:
    """The terms of an account: `credits` None is no end of them, `rate` None no limit."""

    credits: float | None = None
    rate: RateLimit | None = None
    forbidden_models: frozenset[str] = frozenset()


def parse_rate(text: str) -> RateLimit:
    """Read a rate written as `5/60`: 5 requests in 60 seconds.

    Raises:
        ValueError: the text is none.
    """
    found = _RATE.fullmatch(text)
    if found is None:
        raise ValueError(f"a rate is written as REQUESTS/SECONDS, such as 5/60, not {text!r}")
    return RateLimit(int(found[1]), int(found[2]))


def parse_limits(before: AccountLimits, raw: Mapping[str, Any]) -> AccountLimits:
    """Read a change of terms from JSON; what isn't named stays as it was, null lifts a limit.

    Raises:
        ValueError: a name is unknown, or a value makes no sense.
    """
    changes: dict[str, Any] = {}
    for name, value in raw.items():
        match name, value:
            case "credits" | "rate", None:
                changes[name] = None
            case "credits", int() | float() if value >= 0 and not isinstance(value, bool):
                changes[name] = float(value)
            case "rate", str():
                changes[name] = parse_rate(value)
            case "forbidden", [*names] if all(isinstance(one, str) for one in names):
                changes["forbidden_models"] = frozenset(cast("list[str]", names))
            case _:
                raise ValueError(f"an account has credits, rate and forbidden; {name} is wrong")
    return evolve(before, **changes)
