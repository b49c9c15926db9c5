"""The limits of an account: credits, rate and forbidden models."""

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
    """The requests allowed per window of the mock's clock; the first one starts the window."""

    requests: int = field(validator=ge(1))
    seconds: float = field(validator=gt(0))


@frozen
class AccountLimits:
    """The limits of an account; None is unlimited."""

    credits: float | None = None
    rate: RateLimit | None = None
    forbidden_models: frozenset[str] = frozenset()


def parse_rate(text: str) -> RateLimit:
    """Parse a rate such as `5/60`: 5 requests in 60 seconds.

    Raises:
        ValueError: the text isn't valid.
    """
    found = _RATE.fullmatch(text)
    if found is None:
        raise ValueError(f"a rate must be REQUESTS/SECONDS, such as 5/60, not {text!r}")
    return RateLimit(int(found[1]), int(found[2]))


def parse_limits(before: AccountLimits, raw: Mapping[str, Any]) -> AccountLimits:
    """Apply a change from JSON; omitted limits are unchanged, null removes one.

    Raises:
        ValueError: a name is unknown, or a value is invalid.
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
                raise ValueError(
                    f"{name} is unknown or invalid; limits are credits, rate and forbidden"
                )
    return evolve(before, **changes)
