"""The mock without a door: an application, and the handles to everything that it does."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Unpack

from wanflow.mock.account import DEFAULT_KEY, Accounts
from wanflow.mock.app import MockApp
from wanflow.mock.clock import RealClock
from wanflow.mock.contract import read
from wanflow.mock.gateway import Gateway
from wanflow.mock.options import Options, check, terms_in
from wanflow.mock.pace import Immediately, Looks, Seconds
from wanflow.mock.paces import pace_of
from wanflow.mock.proof import prove
from wanflow.mock.scenario import play
from wanflow.mock.state import StateFile
from wanflow.spec.document import packaged

if TYPE_CHECKING:
    from wanflow.mock.clock import Clock
    from wanflow.mock.fault_rules import FaultRules
    from wanflow.mock.journal import Journal
    from wanflow.mock.pace import Pace


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
            read(options.get("document") or packaged()),
            origin,
            options.get("seed", 0),
            options.get("clock") or RealClock(),
            _pace(options),
        )
        prove(self.gateway)
        self.app = MockApp(
            self.gateway,
            Accounts(key, terms_in(options), self.gateway.clock),
            idempotency=options.get("idempotency", True),
            loopback_callbacks=options.get("loopback_callbacks", False),
        )
        scenario = options.get("scenario")
        if scenario is not None:
            play(self, scenario)
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
        return self.url + self.gateway.contract.base

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
    def accounts(self) -> Accounts:
        """Who has asked: `accounts.of(key)` has credits, rate and models of its own."""
        return self.app.accounts


def _pace(options: Options) -> Pace:
    looks, seconds, pace = (options.get(way) for way in ("looks", "seconds", "pace"))
    if sum(way is not None for way in (looks, seconds, pace)) > 1:
        raise ValueError("a task ends by looks, by seconds or by a pace: not by two of them")
    match looks, seconds, pace:
        case _, _, str(text):
            return pace_of(text)
        case int(count), _, _:
            return Looks(count) if count else Immediately()
        case _, int(total) | float(total), _:
            return Seconds(total)
        case _:
            return options.get("pace") or Looks()  # type: ignore[return-value] # a text is above
