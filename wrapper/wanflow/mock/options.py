"""The options of a mock, and their validation."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from os import PathLike
from typing import TYPE_CHECKING, Any, TypedDict

from attrs import evolve, frozen

from wanflow.mock.gateway.accounts import is_key
from wanflow.mock.gateway.limits import AccountLimits, RateLimit, parse_rate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from wanflow.catalog.document import JsonObject
    from wanflow.mock.clock import Clock
    from wanflow.mock.gateway.lifecycle import Progression


class Options(TypedDict, total=False):
    """The options of every mock.

    api_key: the only accepted key; None accepts any key, each with its own account.
    seed: the seed for ids and files; the same seed gives the same ones.
    polls: a task ends at this number of polls (default 2); 0 ends it immediately.
    seconds: a task ends after this many seconds of the clock.
    progression: any other `Progression`, or its text form (`seconds=60,queue=20`).
    clock: the clock of tasks; the system's if None.
    credits: the credits of each account; unlimited if None.
    rate: the rate of each account, as a `RateLimit` or as text (`5/60`); unlimited if None.
    limits: credits, rate and forbidden models of each account, as `AccountLimits`.
    idempotency: whether an `Idempotency-Key` is honoured; real deployments may not.
    loopback_callbacks: whether callback URLs of this machine are accepted, also with http;
        otherwise only https URLs of public hosts are.
    fetch_files: whether links to input files are fetched and checked, those of this machine, too;
        files that were uploaded to the mock always are.
    scenario: a scenario file, see `wanflow.mock.mock.load_scenario`.
    state: a SQLite file that keeps tasks and accounts over restarts.
    document: a merged spec; the one of this installation if None.
    """

    api_key: str | None
    seed: int
    polls: int | None
    seconds: float | None
    progression: Progression | str | None
    clock: Clock | None
    credits: float | None
    rate: RateLimit | str | None
    limits: AccountLimits | None
    idempotency: bool
    loopback_callbacks: bool
    fetch_files: bool
    scenario: str | Path | None
    state: str | Path | None
    document: JsonObject | None


@frozen
class _Rule:
    """What an option must be, as text and as a function; None is allowed if `optional`."""

    description: str
    is_valid: Callable[[Any], bool]
    optional: bool = True


def _of(*kinds: type) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, kinds)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _has(*names: str) -> Callable[[Any], bool]:
    """Check for an object that has these methods, and isn't a class."""
    return lambda value: not isinstance(value, type) and all(hasattr(value, one) for one in names)


def _is_progression(value: Any) -> bool:
    return isinstance(value, str) or _has("phase", "ends_after")(value)


def _is_key(value: Any) -> bool:
    return isinstance(value, str) and is_key(value)


SOCKET_OPTIONS = ("host", "port")
_PORTS = 65536
_NUMBER = _Rule("a number of at least 0", _number)
_FLAG = _Rule("True or False", _of(bool), optional=False)
_FILE = _Rule("a path", _of(str, PathLike))
_RULES = {
    "api_key": _Rule("a string of letters, digits and ._~+/-", _is_key),
    "seed": _Rule("a whole number", _whole, optional=False),
    "polls": _Rule("a whole number of at least 0", lambda value: _whole(value) and value >= 0),
    "seconds": _NUMBER,
    "progression": _Rule("a progression, or a text such as seconds=60,queue=20", _is_progression),
    "clock": _Rule("a clock, such as VirtualClock()", _has("now", "advance")),
    "credits": _NUMBER,
    "rate": _Rule("a RateLimit, or a text such as 5/60", _of(RateLimit, str)),
    "limits": _Rule("AccountLimits(…)", _of(AccountLimits)),
    "idempotency": _FLAG,
    "loopback_callbacks": _FLAG,
    "fetch_files": _FLAG,
    "scenario": _FILE,
    "state": _FILE,
    "document": _Rule("a spec, as a mapping", _of(Mapping)),
    "host": _Rule("an address, as a string", _of(str), optional=False),
    "port": _Rule(
        "a whole number from 0 to 65535",
        lambda value: _whole(value) and value in range(_PORTS),
        optional=False,
    ),
}  # fmt: skip


def check(options: Mapping[str, Any], of: str, *more: str) -> None:
    """Check that `of` has each option (those of every mock, and `more`), and that values are valid.

    Raises:
        TypeError: an option is unknown; the message suggests the closest.
        ValueError: an option has an invalid value.
    """
    known = {*Options.__annotations__, *more}
    for name, value in options.items():
        if name not in known:
            raise TypeError(f"{of} has no option {name!r}; {_suggestion(name, known)}")
        rule = _RULES[name]
        if not (rule.optional and value is None) and not rule.is_valid(value):
            given = "" if name == "api_key" else f", not {value!r:.100}"
            raise ValueError(f"{name} must be {rule.description}{given}")


def _suggestion(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, sorted(known), n=1, cutoff=0.5)
    return f"did you mean {near[0]!r}?" if near else f"options are {', '.join(sorted(known))}"


def account_limits(options: Options) -> AccountLimits:
    """Return the limits of each account.

    Raises:
        ValueError: a rate has an invalid text form.
    """
    limits = options.get("limits") or AccountLimits()
    credits, rate = options.get("credits"), options.get("rate")  # noqa: A001 - the word of the API
    if credits is not None:
        limits = evolve(limits, credits=float(credits))
    if rate is not None:
        limits = evolve(limits, rate=parse_rate(rate) if isinstance(rate, str) else rate)
    return limits
