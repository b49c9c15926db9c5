"""Forwards the requests of a mock's clients to one server, and has the exchanges recorded."""

from __future__ import annotations

import asyncio
import sys
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import unquote, urlsplit

from attrs import define, field

from wanflow._http_library import http_library
from wanflow.mock.callbacks.ssrf_guard import is_loopback
from wanflow.mock.errors import HTTPError
from wanflow.mock.gateway.endpoints import StatusEndpoint, SubmitEndpoint
from wanflow.mock.http.response import Response
from wanflow.mock.recording.file_heads import FileHeads
from wanflow.mock.recording.recorder import Forwarded

if TYPE_CHECKING:
    from collections.abc import Generator

    from wanflow.mock.gateway.endpoints import Endpoint
    from wanflow.mock.handlers.exchange import RequestContext
    from wanflow.mock.http.request import Request
    from wanflow.mock.recording.recorder import OpenLife, Recorder

_FREE = frozenset({"GET", "HEAD", "OPTIONS"})
_TIMEOUT = 300.0
_THREADS, _HEAD_THREADS = 16, 4
_OF_A_CONNECTION = frozenset(
    {
        "connection",
        "content-encoding",
        "content-length",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
# Some servers take a GET with one of these for a POST, which may cost something.
_OTHER_METHOD = frozenset({"x-http-method", "x-http-method-override", "x-method-override"})
_NOT_SENT = _OF_A_CONNECTION | _OTHER_METHOD | {"accept-encoding", "expect", "host", "prefer"}
_OWN = "x-mock-"


class NotSent(Exception):
    """A submission is not sent, because it might cost more than is left; the message says so."""


class Spending(Protocol):
    """Decides which submissions are sent, and records what they cost; any thread calls it."""

    def reserve(self, content: bytes, /) -> Any:
        """Reserve the most that a submission may cost, and return the reservation.

        Raises:
            NotSent: that is more than what is left.
        """

    def record(self, reservation: Any, exchange: Forwarded | None, /) -> None:
        """End a reservation with the response; with None if there is none."""


class NothingToSpend:
    """Lets no submission be sent."""

    def reserve(self, _content: bytes, /) -> Any:
        """Refuse.

        Raises:
            NotSent: always.
        """
        raise NotSent("it might cost credits, and nothing may be spent")

    def record(self, _reservation: Any, _exchange: Forwarded | None, /) -> None:
        """Record nothing."""


class Judge(Protocol):
    """Judges exchanges by the spec; any thread calls it."""

    def __call__(self, exchange: Forwarded, /) -> list[dict[str, str]] | None:
        """Return the checks that an exchange fails, None if there is nothing to judge by."""


def no_judge(_exchange: Forwarded, /) -> None:
    """Judge nothing."""


@define(eq=False)
class Forwarder:
    """Forwards requests below `base` to the upstream server, and to no other.

    What may cost something is sent only if `spending` allows it: the submissions of the spec.
    Other requests than these, GET, HEAD and OPTIONS are not sent. Redirects are not followed. Keys
    are sent to the upstream server only; the heads of result files are read without them.

    Raises:
        ValueError: the upstream isn't an http or https URL without a user, a query or a fragment.
    """

    upstream: str
    base: str
    recorder: Recorder
    spending: Spending = field(factory=NothingToSpend)
    judge: Judge = no_judge
    refused: int = 0
    failures: int = 0
    _client: Any = field(init=False, repr=False)
    _threads: ThreadPoolExecutor = field(
        factory=lambda: ThreadPoolExecutor(_THREADS, "wanflow-record"), repr=False
    )
    _head_threads: ThreadPoolExecutor = field(
        factory=lambda: ThreadPoolExecutor(_HEAD_THREADS, "wanflow-heads"), repr=False
    )
    _heads: FileHeads = field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        """Open the client, without cookies, and without proxies and keys of the environment."""
        self.upstream = _checked(self.upstream)
        self._client = http_library().Client(
            trust_env=False,
            timeout=_TIMEOUT,
            follow_redirects=False,
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        )
        self._heads = FileHeads(is_loopback(self.upstream))

    async def __call__(self, context: RequestContext) -> Response | None:
        """Forward a request and return the response; None if it is not for the API.

        Raises:
            HTTPError: it isn't sent, or has no response.
        """
        request = context.request
        if not request.path.startswith(f"{self.base}/"):
            return None
        endpoint = context.endpoint
        submits = isinstance(endpoint, SubmitEndpoint) and request.method == endpoint.method
        if not submits and request.method not in _FREE:
            raise HTTPError(405, f"{request.method} may cost something here, and is not forwarded")
        context.body = request.body()
        loop = asyncio.get_running_loop()
        send = self._submit if submits else self._ask
        return await loop.run_in_executor(self._threads, send, request, endpoint)

    def close(self) -> None:
        """Read the heads of files that are still due, and close the connections."""
        self._threads.shutdown(wait=True)
        self._head_threads.shutdown(wait=True)
        self._client.close()
        self.recorder.close()

    def _submit(self, request: Request, endpoint: Endpoint | None) -> Response:
        del endpoint
        try:
            reservation = self.spending.reserve(request.body())
        except NotSent as reason:
            self.refused += 1
            message = f"the submission was not sent to {self.upstream}: {reason}"
            raise HTTPError(402, message) from reason
        try:
            exchange, response = self._exchange(request)
        except BaseException:
            self.spending.record(reservation, None)
            raise
        self.spending.record(reservation, exchange)
        with _reporting():
            self.recorder.submission(exchange, self.judge(exchange))
        return response

    def _ask(self, request: Request, endpoint: Endpoint | None) -> Response:
        exchange, response = self._exchange(request)
        with _reporting():
            findings = self.judge(exchange)
            if isinstance(endpoint, StatusEndpoint) and request.method == "GET":
                name = endpoint.name_in(request.path)
                found = self.recorder.poll(exchange, unquote(name), findings)
                if found is not None:
                    self._head_threads.submit(self._read_heads, *found)
        return response

    def _read_heads(self, life: OpenLife, links: list[str]) -> None:
        with _reporting():
            for link in links:
                head = self._heads.read(link)
                if head is not None:
                    self.recorder.download(life, link, *head)

    def _exchange(self, request: Request) -> tuple[Forwarded, Response]:
        library, started = http_library(), time.time()
        path, query = request.path.removeprefix(self.base), request.query.decode("latin-1")
        headers = {
            name.decode("latin-1"): value
            for name, value in request.headers.items()
            if name.decode("latin-1") not in _NOT_SENT and not name.startswith(_OWN.encode())
        }
        url = f"{self.upstream}{path}{'?' if query else ''}{query}"
        try:
            received = self._client.request(
                request.method,
                url,
                headers={**headers, "accept-encoding": "identity"},
                content=request.body(),
            )
        except (library.HTTPError, library.InvalidURL) as error:
            self.failures += 1
            reason = f"{self.upstream} gave no response: {type(error).__name__}"
            raise HTTPError(502, reason) from error
        raw = tuple((name.lower(), value) for name, value in received.headers.raw)
        pairs = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in raw)
        exchange = Forwarded(
            request.method,
            path,
            query,
            {name: value.decode("latin-1") for name, value in headers.items()},
            request.body(),
            received.status_code,
            pairs,
            received.content,
            started,
            time.time(),
            time.monotonic(),
        )
        kept = tuple(one for one in raw if one[0].decode("latin-1") not in _OF_A_CONNECTION)
        return exchange, Response(received.status_code, received.content, kept)


@contextmanager
def _reporting() -> Generator[None]:
    """Report an error of the recording; the client gets its response, which may be paid for."""
    try:
        yield
    except Exception:
        traceback.print_exc(file=sys.stderr)


def _checked(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("the upstream must be a URL that begins with http:// or https://")
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError("the upstream must be a URL without a user, a query and a fragment")
    return url.rstrip("/")
