"""What a flow can ask its driver to do. A flow yields these; a driver does them and sends back.

A flow is a generator that decides; the two drivers, one for each colour, act. So every rule of
the library is written once, and can be tested without a clock or a socket.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar, cast

from attrs import field, frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

T = TypeVar("T")


@frozen
class Request:
    """An HTTP request to the API: `path` is under the base URL, `content` its body as sent."""

    method: str
    path: str
    content: bytes | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(factory=dict[str, str], repr=False)


@frozen
class Reply:
    """The API's answer. Header names are in lower case."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    content: bytes = field(repr=False)


class Fault(Exception):
    """No whole answer came. `sent` tells whether the request may have reached the server."""

    def __init__(self, reason: str, *, sent: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.sent = sent


@frozen
class Instant:
    """A moment: `ticks` in seconds of a clock that only goes forward, `unix` in seconds UTC."""

    ticks: float
    unix: float


class Sink(Protocol):
    """Where a streamed body goes."""

    def head(self, reply: Reply) -> bool:
        """Take the status and headers; True where the body is wanted."""
        ...

    def write(self, chunk: bytes) -> None:
        """Take the next bytes of the body."""
        ...


@frozen
class Send:
    """Send a request to the API and read the whole answer → Reply, or raises Fault."""

    request: Request


@frozen
class Sleep:
    """Wait for some seconds."""

    seconds: float


@frozen
class Now:
    """Read the clocks → Instant."""


@frozen
class Draw:
    """Draw a random number → float in [0, 1)."""


@frozen
class Notify:
    """Call what the user gave us to call."""

    callback: Callable[[Any], object]
    value: Any


@frozen
class Act:
    """Do something that may block, such as touching a file → whatever it returns or raises."""

    function: Callable[[], Any]


@frozen
class Fetch:
    """Stream a link, without the key, into a sink → None, or raises Fault.

    Redirects aren't followed and bodies aren't decoded: both are the flow's to decide.
    """

    url: str
    headers: Mapping[str, str]
    sink: Sink


Effect: TypeAlias = Send | Sleep | Now | Draw | Notify | Act | Fetch

if TYPE_CHECKING:
    Flow: TypeAlias = Generator[Effect, Any, T]


def send(request: Request) -> Flow[Reply]:
    """Yield Send, and say what comes back."""
    return cast("Reply", (yield Send(request)))


def now() -> Flow[Instant]:
    """Yield Now, and say what comes back."""
    return cast("Instant", (yield Now()))


def draw() -> Flow[float]:
    """Yield Draw, and say what comes back."""
    return cast("float", (yield Draw()))


def sleep(seconds: float) -> Flow[None]:
    """Yield Sleep."""
    yield Sleep(seconds)


def act(function: Callable[[], T]) -> Flow[T]:
    """Yield Act, and say what comes back."""
    return cast("T", (yield Act(function)))
