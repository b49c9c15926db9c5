"""Effects: what a flow can ask its driver to do.

A flow is a generator that makes the decisions and yields effects; a driver performs them and sends
the results back. There is a sync and an async driver. So each rule is written once, and tests need
neither a clock nor a socket.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, Self, TypeAlias, TypeVar

from attrs import define, field, frozen

from wanflow._text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Generator, Mapping

T = TypeVar("T")


@frozen
class Response:
    """The API's response. Header names are in lower case."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    content: bytes = field(repr=False)


class TransportError(Exception):
    """No complete response came. `maybe_sent` says whether the server may have the request.

    `summary` is the reason without what the server wrote.
    """

    def __init__(self, reason: str, *, maybe_sent: bool, summary: str | None = None) -> None:
        self.reason = printable(reason, lines=False)
        super().__init__(self.reason)
        self.maybe_sent = maybe_sent
        self.summary = self.reason if summary is None else printable(summary, lines=False)


class TimePoint(NamedTuple):
    """A time: `monotonic` in seconds of a monotonic clock, `wall` in Unix seconds."""

    monotonic: float
    wall: float


class Sink(Protocol):
    """Where a streamed body goes."""

    def start(self, response: Response) -> bool:
        """Take the status and headers; True where the body is wanted."""
        ...

    def blocks(self, size: int) -> bool:
        """Return whether writing `size` bytes may block."""
        ...

    def write(self, chunk: bytes) -> None:
        """Take the next bytes of the body."""
        ...


class SendCancelled(Exception):
    """A request was cancelled before its first byte, and isn't sent."""


@define(eq=False)
class SendTracker:
    """Says whether a byte of a request may have been written; the flow that sends keeps it.

    It is right whatever ends the request, an interrupt or a cancellation included. A request can
    be cancelled from any thread until its first byte.
    """

    maybe_sent: bool = False
    received: Response | None = None
    """What came of a response that broke off."""
    # One entry, made once: setting the default of a key is one whole step for all threads.
    _decision: dict[str, bool] = field(factory=dict[str, bool], init=False, repr=False)

    def begin(self) -> None:
        """Take note that a byte may be written from now on.

        Raises:
            CalledOff: it may not.
        """
        if not self._decision.setdefault("sent", True):
            raise SendCancelled("the request was called off")
        self.maybe_sent = True

    def cancel(self) -> bool:
        """Have nothing be sent → whether that was in time."""
        return not self._decision.setdefault("sent", False)

    @property
    def cancelled(self) -> bool:
        """Whether it was called off in time."""
        return self._decision.get("sent") is False


@frozen
class Request:
    """Send an HTTP request to the API and read the whole response → Response, or TransportError.

    `path` is under the base URL; `content` is the body as it is sent. `timeout` in seconds, if it
    is shorter than the client's own, limits the request. `base_url` is for messages only.

    `before` is performed when a connection is free for the request, before a byte of it is
    written. If it raises, nothing is sent, and the exception goes to the flow.

    `tracker` says, after any exception, whether a byte of the request may have been written. If
    not, an intent that `before` has recorded can be taken back. Status requests have no tracker.
    """

    method: str
    path: str
    content: bytes | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(factory=dict[str, str], repr=False)
    timeout: float | None = None
    before: RunBlocking | None = field(default=None, repr=False)
    tracker: SendTracker | None = field(default=None, eq=False, repr=False)
    base_url: str = field(default="", eq=False, repr=False)

    def describe(self) -> str:
        """Return the method and the URL, for messages."""
        return f"{self.method} {self.base_url}{self.path}"


@define(eq=False)
class WakeHandle:
    """Ends the sleep of one flow early, or the next one where it doesn't sleep; from any thread."""

    woken: bool = field(default=False, init=False)
    _call: Callable[[], object] | None = field(default=None, init=False, repr=False)

    def wake(self) -> None:
        """End the sleep."""
        self.woken = True
        call = self._call
        if call is not None:
            call()

    def on_wake(self, call: Callable[[], object]) -> Self:
        """Return a block in which `wake` calls this. Entered, it says whether it came before."""
        self._call = call
        return self

    def __enter__(self) -> bool:
        return self.woken

    def __exit__(self, *_: object) -> None:
        self._call, self.woken = None, False


@frozen
class Sleep:
    """Wait for some seconds, or until the `topic` is notified → whether it was.

    A `waker` in place of a topic ends the sleep, too.
    """

    seconds: float
    topic: str | None = None
    waker: WakeHandle | None = None


@frozen
class ReadClock:
    """Read the clocks → TimePoint."""


@frozen
class RandomFloat:
    """Return a random float in [0, 1)."""


class EmitEvent:
    """Report what happened, without waiting: `kind` names a class of `wanflow.events`.

    Its duration is counted from `since`, in seconds of the monotonic clock, where that is given.
    Whatever its consumers raise, the flow goes on.
    """

    # Not made by attrs: each poll makes one, if anyone wants events.
    __slots__ = ("fields", "kind", "since")

    def __init__(self, kind: Any, fields: Any, since: float | None = None) -> None:
        self.kind = kind
        self.fields = fields
        self.since = since


@frozen
class InvokeCallback:
    """Call a callback of the user's with a value."""

    callback: Callable[[Any], object]
    value: Any


@frozen
class Outcome:
    """What a function came to: `value`, or the `error` that it raised where there is one."""

    value: Any = None
    error: BaseException | None = None

    @classmethod
    def capture(cls, function: Callable[[], Any]) -> Outcome:
        """Call a function, and keep what it returns or which exception it raises."""
        try:
            return cls(function())
        except Exception as error:
            return cls(error=error)

    def result(self) -> Any:
        """Return the value, or raise the error."""
        if self.error is not None:
            raise self.error
        return self.value


@frozen
class RunBlocking:
    """Do something that may block, such as touching a file → whatever it returns or raises.

    An async client passes the function to `submit`, if there is one, and waits for its outcome. A
    cancellation of a flow waits for the function, unless it is `abandonable`.
    """

    function: Callable[[], Any]
    submit: Submit | None = None
    abandonable: bool = False


@frozen
class StreamDownload:
    """Stream a link, without the key, into a sink → None, or raises TransportError.

    It may take `timeout` seconds in all; `on_chunk` is called after each chunk. Redirects aren't
    followed and bodies aren't decoded: the flow decides on both.
    """

    url: str
    headers: Mapping[str, str]
    sink: Sink
    timeout: float
    on_chunk: Callable[[], Any] | None = None


class ShieldedFlow(ABC):
    """Run a flow to its end, whatever interrupts or cancels it → what it returns or raises.

    The first interrupt or cancellation is raised after that, a second one immediately.
    """

    __slots__ = ()

    @abstractmethod
    def run(self) -> Flow[Any]:
        """Return the flow."""

    @abstractmethod
    def on_interrupt(self, error: BaseException) -> bool:
        """Handle the first interrupt → True if the end of the flow needn't be waited for."""


@frozen
class WithLock:
    """Change what all flows of a client share, while no other flow does → whatever it returns."""

    function: Callable[[], Any]


@frozen
class Spawn:
    """Run another flow concurrently; `WaitNext` returns its end, with this `key`."""

    key: Any
    flow: Flow[Any]


@frozen
class WaitNext:
    """Wait for the next event → Finished or Notified, or None after some seconds.

    Only notifications of `topics` count. A `waker` ends the wait early.
    """

    seconds: float | None
    topics: Container[str] = ()
    waker: WakeHandle | None = None


@frozen
class Finish:
    """Have the started flows come to an end: what was sent is finished, and nothing is begun.

    A second interrupt isn't held up. Nothing can be started afterwards.
    """


@frozen
class Finished:
    """A started flow has ended: with `value`, or with `error` where there is one."""

    key: Any
    value: Any = None
    error: BaseException | None = None


@frozen
class Notified:
    """A topic was notified from outside."""

    topic: str


@frozen
class Yield:
    """Pass a value to the caller that iterates over this flow; no spawned flow may be running."""

    value: Any


Deliver: TypeAlias = "Callable[[Outcome], Callable[[], object] | None]"
"""Gets an outcome, in any thread; what it returns is called once for all outcomes of a moment."""
Submit: TypeAlias = "Callable[[Callable[[], Any], Deliver], object]"
"""Starts a function elsewhere, and passes its outcome to another one, in any thread."""
_Exchange: TypeAlias = "Request | StreamDownload"
_Instant: TypeAlias = "ReadClock | RandomFloat | WithLock | EmitEvent"
_Local: TypeAlias = "_Instant | Sleep | InvokeCallback | RunBlocking"
Effect: TypeAlias = "_Exchange | _Local | ShieldedFlow | Yield | Spawn | WaitNext | Finish"

if TYPE_CHECKING:
    Flow: TypeAlias = Generator[Effect, Any, T]


_READ_CLOCK, _RANDOM_FLOAT = ReadClock(), RandomFloat()


def read_clock() -> Flow[TimePoint]:
    """Return the time of both clocks."""
    now: TimePoint = yield _READ_CLOCK
    return now


def random_float() -> Flow[float]:
    """Return a random float in [0, 1)."""
    number: float = yield _RANDOM_FLOAT
    return number


def sleep(seconds: float, topic: str | None = None, waker: WakeHandle | None = None) -> Flow[bool]:
    """Sleep, and return whether something ended the sleep early."""
    woken: bool = yield Sleep(seconds, topic, waker)
    return woken


def with_lock(function: Callable[[], T]) -> Flow[T]:
    """Call a function under the client's lock, and return its result."""
    result: T = yield WithLock(function)
    return result


def wait_next(
    seconds: float | None, topics: Container[str] = (), waker: WakeHandle | None = None
) -> Flow[Finished | Notified | None]:
    """Wait for the next event, and return it; None after the timeout."""
    event: Finished | Notified | None = yield WaitNext(seconds, topics, waker)
    return event


def run_blocking(
    function: Callable[[], T], submit: Submit | None = None, *, abandonable: bool = False
) -> Flow[T]:
    """Call a function that may block, and return its result."""
    result: T = yield RunBlocking(function, submit, abandonable)
    return result
