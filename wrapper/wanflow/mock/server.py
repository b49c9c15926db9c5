"""The mock on a socket: bound before it starts, ready when entered, gone when left."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING, Any, Self

from wanflow.mock.account import Accounts
from wanflow.mock.app import MockApp
from wanflow.mock.clock import RealClock
from wanflow.mock.contract import read
from wanflow.mock.gateway import Gateway
from wanflow.mock.pace import Immediately, Looks, Pace, Seconds
from wanflow.mock.paces import pace_of
from wanflow.mock.proof import prove
from wanflow.mock.terms import Terms
from wanflow.spec.document import Json, packaged

if TYPE_CHECKING:
    from types import TracebackType

    from uvicorn import Server

    from wanflow.mock.clock import Clock
    from wanflow.mock.fault_rules import FaultRules
    from wanflow.mock.journal import Journal

DEFAULT_KEY = "mock-key"
_PATIENCE = 10.0


class MockUnavailable(Exception):
    """The mock can't run here; the message says what is missing."""


class PortInUse(MockUnavailable):
    """Something else listens on the port that was asked for."""


class MockServer:
    """A mock gateway on a loopback port, in a thread of its own, from `with` to its end.

    Args:
        api_key: the one key that is let in; None lets any key in, each as an account of its own.
        host, port: where to listen; port 0 takes a free one.
        seed: what ids and files are made from; the same seed gives the same ones.
        looks: a task ends at this many queries (the default: 2); 0 ends it at once.
        seconds: a task ends after this many seconds of the clock.
        pace: any other way to a task's end, as a `Pace` or written (`seconds=60,queue=20`).
        clock: the time that tasks live by; None is the machine's.
        terms: what each account may spend and ask for; no limits if None.
        idempotency: whether an `Idempotency-Key` is honoured; real deployments may not.
        loopback_callbacks: whether callbacks to this machine are taken and delivered, in http
            too; otherwise a callback goes to public hosts in https, or nowhere.
        document: a merged document; None is the one that this installation carries.

    Raises:
        UnservableSpec: the document promises something that the mock can't keep.
        MockUnavailable: the `mock` extra is missing, or the port is taken.
    """

    def __init__(
        self,
        *,
        api_key: str | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        seed: int = 0,
        looks: int | None = None,
        seconds: float | None = None,
        pace: Pace | str | None = None,
        clock: Clock | None = None,
        terms: Terms | None = None,
        idempotency: bool = True,
        loopback_callbacks: bool = False,
        document: Json | None = None,
    ) -> None:
        self._wanted = (host, port)
        self.host = host
        self.api_key = api_key or DEFAULT_KEY
        self.gateway = Gateway(
            read(document or packaged()),
            "http://mock.invalid",
            seed,
            clock or RealClock(),
            _pace(looks, seconds, pace),
        )
        prove(self.gateway)
        accounts = Accounts(api_key, terms or Terms())
        self.app = MockApp(
            self.gateway,
            accounts,
            idempotency=idempotency,
            loopback_callbacks=loopback_callbacks,
        )
        self._socket: socket.socket | None = None
        self._server: Server | None = None
        self._thread: threading.Thread | None = None

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

    @property
    def port(self) -> int:
        """The port that is listened on.

        Raises:
            MockUnavailable: the server isn't running.
        """
        if self._socket is None:
            raise MockUnavailable("the mock isn't running; enter it with `with`")
        port: int = self._socket.getsockname()[1]
        return port

    @property
    def url(self) -> str:
        """Scheme, host and port, without a closing slash."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    @property
    def base_url(self) -> str:
        """What a client takes as its base URL: the document's server path on this host."""
        return self.url + self.gateway.contract.base

    def __enter__(self) -> Self:
        """Start; the first request may be sent as soon as this returns."""
        serving = _import_serving()
        self._socket = _bind(*self._wanted)
        self.gateway.origin = self.url
        self._server = serving.make(self.app)
        arguments = (self._server, self._socket)
        self._thread = threading.Thread(
            target=serving.run, args=arguments, name="wanflow-mock", daemon=True
        )
        self._thread.start()
        if not serving.ready(self._server, _PATIENCE):
            self.__exit__(None, None, None)
            raise MockUnavailable("the mock didn't start; its thread ended early")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop listening, end open requests, and wait for the thread."""
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join(_PATIENCE)
        if self._socket is not None:
            self._socket.close()
        self.app.detach()
        self.app.gallery.close()
        self._socket = self._server = self._thread = None


def _pace(looks: int | None, seconds: float | None, pace: Pace | str | None) -> Pace:
    if sum(way is not None for way in (looks, seconds, pace)) > 1:
        raise ValueError("a task ends by looks, by seconds or by a pace: not by two of them")
    if isinstance(pace, str):
        return pace_of(pace)
    if seconds is not None:
        return Seconds(seconds)
    if looks is not None:
        return Looks(looks) if looks else Immediately()
    return pace or Looks()


def _import_serving() -> Any:
    try:
        from wanflow.mock import serving  # noqa: PLC0415 - needs the extra
    except ImportError as error:
        raise MockUnavailable(
            f"the mock server needs {error.name}; run: pip install 'wanflow[mock]'"
        ) from error
    return serving


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
        bound.listen(2048)
    except OSError as error:
        bound.close()
        raise PortInUse(f"the mock can't listen on {host}:{port}: {error.strerror}") from error
    return bound
