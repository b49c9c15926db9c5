"""What a mock can be told, and whether what it is told makes sense."""

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
    """What every mock can be told, behind whatever door.

    api_key: the one key that is let in; None lets any key in, each as an account of its own.
    seed: what ids and files are made from; the same seed gives the same ones.
    looks: a task ends at this many queries (the default: 2); 0 ends it at once.
    seconds: a task ends after this many seconds of the clock.
    pace: any other way to a task's end, as a `Pace` or written (`seconds=60,queue=20`).
    clock: the time that tasks live by; the machine's if None.
    credits: what each account may spend; no end of them if None.
    rate: what each account may ask for, as a `Rate` or written (`5/60`); no limit if None.
    terms: both in one, and the models that an account may not use.
    idempotency: whether an `Idempotency-Key` is honoured; real deployments may not.
    loopback_callbacks: whether callbacks to this machine are taken and delivered, in http too;
        otherwise a callback goes to public hosts in https, or nowhere.
    scenario: a file to play before the first request, as `wanflow.mock.mock` has it.
    state: a SQLite file that tasks and accounts are kept in over restarts.
    document: a merged document; the one that this installation carries if None.
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
    scenario: str | Path | None
    state: str | Path | None
    document: JsonObject | None


@frozen
class _Rule:
    """What an option must be, in words and as a test; None is a value where `optional`."""

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
    """Tell whether something has such methods, and isn't a class whose instances do."""
    return lambda value: not isinstance(value, type) and all(hasattr(value, one) for one in names)


def _is_progression(value: Any) -> bool:
    return isinstance(value, str) or _has("phase", "due")(value)


def _is_key(value: Any) -> bool:
    return isinstance(value, str) and is_key(value)


SOCKET_OPTIONS = ("host", "port")
_PORTS = 65536
_NUMBER = _Rule("a number of at least 0", _number)
_FLAG = _Rule("True or False", _of(bool), optional=False)
_FILE = _Rule("a path", _of(str, PathLike))
_RULES = {
    "api_key": _Rule("a text of letters, digits and ._~+/-", _is_key),
    "seed": _Rule("a whole number", _whole, optional=False),
    "polls": _Rule("a whole number of at least 0", lambda value: _whole(value) and value >= 0),
    "seconds": _NUMBER,
    "progression": _Rule("a pace, or one written as seconds=60,queue=20", _is_progression),
    "clock": _Rule("a clock, such as VirtualClock()", _has("now", "advance")),
    "credits": _NUMBER,
    "rate": _Rule("a Rate, or one written as 5/60", _of(RateLimit, str)),
    "terms": _Rule("Terms(…)", _of(AccountLimits)),
    "idempotency": _FLAG,
    "loopback_callbacks": _FLAG,
    "scenario": _FILE,
    "state": _FILE,
    "document": _Rule("a document, as a mapping", _of(Mapping)),
    "host": _Rule("an address, as a text", _of(str), optional=False),
    "port": _Rule(
        "a whole number from 0 to 65535",
        lambda value: _whole(value) and value in range(_PORTS),
        optional=False,
    ),
}  # fmt: skip


def check(options: Mapping[str, Any], of: str, *more: str) -> None:
    """Have every option be one that `of` has, those of all mocks and `more`, with a fit value.

    Raises:
        TypeError: there is no such option; the message names the nearest.
        ValueError: an option has a value that makes no sense.
    """
    known = {*Options.__annotations__, *more}
    for name, value in options.items():
        if name not in known:
            raise TypeError(f"{of} has no option {name!r}; {_nearest(name, known)}")
        rule = _RULES[name]
        if not (rule.optional and value is None) and not rule.is_valid(value):
            told = "" if name == "api_key" else f", not {value!r:.100}"
            raise ValueError(f"{name} must be {rule.description}{told}")


def _nearest(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, sorted(known), n=1, cutoff=0.5)
    return f"the nearest is {near[0]!r}" if near else f"there are {', '.join(sorted(known))}"


def account_limits(options: Options) -> AccountLimits:
    """Return what each account may do.

    Raises:
        ValueError: a rate is written wrong.
    """
    terms = options.get("terms") or AccountLimits()
    credits, rate = options.get("credits"), options.get("rate")  # noqa: A001 - the word of the API
    if credits is not None:
        terms = evolve(terms, credits=float(credits))
    if rate is not None:
        terms = evolve(terms, rate=parse_rate(rate) if isinstance(rate, str) else rate)
    return terms
