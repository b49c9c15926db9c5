"""The options of a mock, and their validation."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from os import PathLike
from typing import TYPE_CHECKING, Any, TypedDict, cast

from attrs import evolve, frozen

from wanflow.mock.gateway.accounts import is_key
from wanflow.mock.gateway.fault import parse_latency
from wanflow.mock.gateway.idempotency import IdempotencyLimits
from wanflow.mock.gateway.limits import AccountLimits, RateLimit, parse_rate
from wanflow.mock.http.cors import Cors, parse_origin
from wanflow.mock.http.hosts import is_public_url, split_host

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
    idempotency_keys: how many keys of each account are remembered (default 10,000); a request
        with a forgotten key is a new one, and is paid for again.
    idempotency_seconds: for how many seconds of the clock a key is remembered; for ever if None.
    latency: the delay of every response, such as `lognormal=0.2,1.5`; see the table of faults.
    public_url: what links begin with, whatever host a request names; see `Links` in the guide.
    allow_hosts: further hosts that links may name, `name` or `name:port`.
    cors: origins whose pages in a browser may use the mock, such as `http://localhost:5173`; `*`
        is every origin.
    journal_entries: how many requests the journal keeps (default 1,000).
    loopback_callbacks: whether callback URLs of this machine are accepted, also with http;
        otherwise only https URLs of public hosts are.
    fetch_files: whether links to input files are fetched and checked, those of this machine, too;
        files that were uploaded to the mock always are.
    scenario: a scenario file, see `wanflow.mock.mock.load_scenario`.
    state: a SQLite file that keeps tasks and accounts over restarts.
    replay: a folder of recorded lives, which are played in place of the spec's mock.
    replay_or_mock: whether the spec's mock answers a submission that no life matches.
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
    idempotency_keys: int
    idempotency_seconds: float | None
    latency: str | None
    public_url: str | None
    allow_hosts: Iterable[str]
    cors: Iterable[str]
    journal_entries: int
    loopback_callbacks: bool
    fetch_files: bool
    scenario: str | Path | None
    state: str | Path | None
    replay: str | Path | None
    replay_or_mock: bool
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


def _each(is_valid: Callable[[str], bool]) -> Callable[[Any], bool]:
    """Check for a collection of valid strings."""
    return lambda value: (
        isinstance(value, list | tuple | set | frozenset)
        and all(isinstance(one, str) and is_valid(one) for one in cast("Iterable[object]", value))
    )


def _is_latency(value: Any) -> bool:
    try:
        return bool(parse_latency(value).all)
    except (ValueError, TypeError):
        return False


SOCKET_OPTIONS = ("host", "port")
_PORTS = 65536
_NUMBER = _Rule("a number of at least 0", _number)
_COUNT = _Rule(
    "a whole number of at least 0", lambda value: _whole(value) and value >= 0, optional=False
)
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
    "idempotency_keys": _COUNT,
    "idempotency_seconds": _NUMBER,
    "latency": _Rule("a delay, such as latency=0.2 or lognormal=0.2,1.5", _is_latency),
    "public_url": _Rule(
        "a URL such as https://mock.example/path, without query and user",
        lambda value: isinstance(value, str) and is_public_url(value),
    ),
    "allow_hosts": _Rule(
        "a list of hosts, such as ['mock', 'mock.test:8700']",
        _each(lambda host: split_host(host) is not None),
        optional=False,
    ),
    "cors": _Rule(
        "a list of origins, such as ['http://localhost:5173'], or ['*']",
        _each(lambda origin: parse_origin(origin) is not None),
        optional=False,
    ),
    "journal_entries": _COUNT,
    "loopback_callbacks": _FLAG,
    "fetch_files": _FLAG,
    "scenario": _FILE,
    "state": _FILE,
    "replay": _FILE,
    "replay_or_mock": _FLAG,
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


def idempotency_limits(options: Options) -> IdempotencyLimits:
    """Return how many idempotency keys are remembered, and how long."""
    keys = options.get("idempotency_keys", IdempotencyLimits().keys)
    return IdempotencyLimits(keys, options.get("idempotency_seconds"))


def cors_of(options: Options) -> Cors | None:
    """Return which origins may use the mock, None if there are none."""
    parsed = (parse_origin(one) for one in options.get("cors", ()))
    origins = frozenset(one for one in parsed if one is not None)
    return Cors(origins) if origins else None


def public_url_of(options: Options) -> str | None:
    """Return what links begin with, without a closing slash; None if requests decide."""
    url = options.get("public_url")
    return None if url is None else url.rstrip("/")
