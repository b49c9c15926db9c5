"""The mock without a door: an application, and the handles to everything that it does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Unpack, cast

from wanflow.catalog.document import load_packaged
from wanflow.mock.app import MockApp
from wanflow.mock.clock import RealClock
from wanflow.mock.gateway.accounts import DEFAULT_KEY, AccountStore
from wanflow.mock.gateway.endpoints import load
from wanflow.mock.gateway.gateway import Gateway
from wanflow.mock.gateway.lifecycle import AfterPolls, AfterSeconds, Immediate, parse_progression
from wanflow.mock.gateway.limits import parse_limits
from wanflow.mock.gateway.self_check import check_responses
from wanflow.mock.gateway.state_file import StateFile
from wanflow.mock.options import Options, check, account_limits

if TYPE_CHECKING:
    from wanflow.mock.admin.journal import Journal
    from wanflow.mock.clock import Clock
    from wanflow.mock.faults.rules import FaultRules
    from wanflow.mock.gateway.lifecycle import Progression

_PARTS = ("progression", "faults", "terms")


def load_scenario(mock: Mock, path: str | Path) -> None:
    """Have a mock behave as a file says, before its first request.

    The file is a JSON object: `progression` is a text (`seconds=60`), `faults` a list of rules as
    POST /_mock/faults takes them, `terms` what each account may do, as PATCH /_mock/account has it.

    Raises:
        ValueError: the file can't be read, or something in it makes no sense.
    """
    try:
        _apply_scenario(mock, _object("it", json.loads(Path(path).read_bytes())))
    except (OSError, ValueError) as error:
        raise ValueError(f"the scenario {path} can't be played: {error}") from error


def _apply_scenario(mock: Mock, scenario: dict[str, Any]) -> None:
    unknown = scenario.keys() - set(_PARTS)
    if unknown:
        raise ValueError(f"it has {', '.join(_PARTS)}, but no {', '.join(sorted(unknown))}")
    if "progression" in scenario:
        pace = scenario["progression"]
        if not isinstance(pace, str):
            raise ValueError(f"progression must be a text, not {pace!r}")
        mock.gateway.progression = parse_progression(pace)
    faults = scenario.get("faults", [])
    if not isinstance(faults, list):
        raise ValueError("faults must be a list of objects")  # noqa: TRY004 - of a file
    for rule in cast("list[object]", faults):
        mock.faults.from_json(_object("each of faults", rule))
    if "terms" in scenario:
        terms = _object("terms", scenario["terms"])
        mock.accounts.limits = parse_limits(mock.accounts.limits, terms)


def _object(what: str, value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{what} must be a JSON object")  # noqa: TRY004 - of a file
    return cast("dict[str, Any]", value)


class Mock:
    """A mock gateway that somebody else gives a door; `origin` is what its links begin with.

    Raises:
        UnservableSpec: the document promises something that the mock can't keep.
        TypeError: there is no such option.
        ValueError: an option makes no sense.
    """

    _more_options: ClassVar[tuple[str, ...]] = ()

    def __init__(self, origin: str, **options: Unpack[Options]) -> None:
        check(options, type(self).__name__, *self._more_options)
        key = options.get("api_key")
        self.api_key = key or DEFAULT_KEY
        self.gateway = Gateway(
            load(options.get("document") or load_packaged()),
            origin,
            options.get("seed", 0),
            options.get("clock") or RealClock(),
            _progression(options),
        )
        check_responses(self.gateway)
        self.app = MockApp(
            self.gateway,
            AccountStore(key, account_limits(options), self.gateway.clock),
            idempotency=options.get("idempotency", True),
            loopback_callbacks=options.get("loopback_callbacks", False),
        )
        scenario = options.get("scenario")
        if scenario is not None:
            load_scenario(self, scenario)
        state = options.get("state")
        if state is not None:
            self.app.state = StateFile(Path(state), self.gateway, self.accounts)
            self.app.state.load()

    @property
    def url(self) -> str:
        """Scheme, host and port, without a closing slash."""
        return self.gateway.origin

    @property
    def base_url(self) -> str:
        """What a client takes as its base URL: the document's server path on this host."""
        return self.url + self.gateway.api.base

    @property
    def clock(self) -> Clock:
        """The time that tasks live by: `clock.advance(60)` lets a minute pass."""
        return self.gateway.clock

    @property
    def faults(self) -> FaultRules:
        """What goes wrong: `faults.add("status=503", operation=…, nth=2, count=1)`."""
        return self.app.faults

    @property
    def journal(self) -> Journal:
        """The latest exchanges."""
        return self.app.journal

    @property
    def accounts(self) -> AccountStore:
        """Who has asked: `accounts.of(key)` has credits, rate and models of its own."""
        return self.app.accounts


def _progression(options: Options) -> Progression:
    polls, seconds, progression = (options.get(way) for way in ("polls", "seconds", "progression"))
    if sum(way is not None for way in (polls, seconds, progression)) > 1:
        raise ValueError("a task ends by polls, by seconds or by a progression: give one of them")
    match polls, seconds, progression:
        case _, _, str(text):
            return parse_progression(text)
        case int(count), _, _:
            return AfterPolls(count) if count else Immediate()
        case _, int(total) | float(total), _:
            return AfterSeconds(total)
        case _:
            return options.get("progression") or AfterPolls()  # type: ignore[return-value] # a text is above
