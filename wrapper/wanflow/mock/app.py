"""The mock as an ASGI application: from a request to a response, or to an injected fault."""

from __future__ import annotations

import asyncio
import sys
import traceback
from random import Random
from time import perf_counter
from typing import TYPE_CHECKING, Any

from attrs import define, evolve, field

from wanflow.mock.admin.api import AdminApi
from wanflow.mock.admin.journal import Journal
from wanflow.mock.callbacks.sender import CallbackSender
from wanflow.mock.callbacks.ssrf_guard import SsrfGuard, is_loopback
from wanflow.mock.errors import HTTPError, unknown_path
from wanflow.mock.faults.corrupt import corrupt, html_response
from wanflow.mock.faults.inject import ConnectionFault
from wanflow.mock.faults.rules import FILES, FaultRules
from wanflow.mock.files.cache import FileCache
from wanflow.mock.gateway.accounts import AccountStore
from wanflow.mock.gateway.error_responses import retry_after
from wanflow.mock.gateway.fault import Stage
from wanflow.mock.handlers.api import OperationHandler
from wanflow.mock.handlers.exchange import RequestContext
from wanflow.mock.handlers.files import FileHandler
from wanflow.mock.handlers.inputs import InputHandler
from wanflow.mock.http.asgi import read_request, send_response
from wanflow.mock.http.hosts import Hosts
from wanflow.mock.http.response import Response, json_response, no_response, text_response

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from wanflow.catalog.violation import Violation
    from wanflow.mock.gateway.gateway import Gateway
    from wanflow.mock.gateway.state_file import StateFile
    from wanflow.mock.http.asgi import Message, Receive, Send
    from wanflow.mock.http.cors import Cors
    from wanflow.mock.http.request import Request

    Handler = Callable[[RequestContext], Awaitable[Response | None]]

_WAITING = frozenset({429, 503})
PREFLIGHT = "preflight"
"""What the journal and the metrics call a preflight request of a browser."""


@define(eq=False)
class MockApp:
    """Serves a gateway: the spec's operations, the files of results, and `/_mock`.

    `instead` handles a request in place of these, or returns None.
    """

    gateway: Gateway
    accounts: AccountStore = field(factory=AccountStore)
    idempotency: bool = True
    loopback_callbacks: bool = False
    fetch_files: bool = False
    state: StateFile | None = None
    instead: Handler | None = field(default=None, repr=False)
    public_url: str | None = None
    allow_hosts: frozenset[str] = frozenset()
    cors: Cors | None = None
    journal_entries: int = 1000
    file_cache: FileCache = field(init=False, repr=False)
    hosts: Hosts = field(init=False, repr=False)
    journal: Journal = field(init=False)
    callback_sender: CallbackSender = field(init=False, repr=False)
    faults: FaultRules = field(init=False)
    operation_handler: OperationHandler = field(init=False, repr=False)
    file_handler: FileHandler = field(init=False, repr=False)
    input_handler: InputHandler = field(init=False, repr=False)
    admin: AdminApi = field(init=False, repr=False)
    _loop: Any = field(default=None, init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        """Create the handlers."""
        api = self.gateway.api
        self.file_cache = FileCache(self.gateway.scheduler)
        self.hosts = Hosts(self.gateway, self.gateway.origin, self.public_url, self.allow_hosts)
        self.gateway.origin = self.public_url or self.gateway.origin
        self.journal = Journal(self.journal_entries, clock=self.gateway.clock)
        self.callback_sender = CallbackSender(self.gateway, SsrfGuard(self.loopback_callbacks))
        self.gateway.on_done = self.callback_sender.schedule
        if self.loopback_callbacks:
            self.gateway.ignore_violation = _is_loopback_callback
        endpoints = (*api.submit_endpoints, api.status_endpoint)
        self.faults = FaultRules(
            (*(one.operation.operation_id for one in endpoints), FILES),
            random=Random(self.gateway.seed),  # noqa: S311 - play, not secrets
            clock=self.gateway.clock,
        )
        self.input_handler = InputHandler(self.gateway, self.fetch_files)
        self.operation_handler = OperationHandler(
            self.gateway, self.accounts, self.faults, self.idempotency, self.input_handler
        )
        self.file_handler = FileHandler(self.gateway, self.file_cache, self.faults)
        self.admin = AdminApi(
            self.gateway, self.accounts, self.faults, self.journal, self.callback_sender
        )

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Handle one request of an ASGI server; scopes other than HTTP are ignored."""
        if scope["type"] != "http":
            return
        self.attach()
        request = await read_request(scope, receive)
        if request is not None:
            await send_response(await self.respond(request), send)

    async def respond(self, request: Request) -> Response:
        """Handle one request, with its faults if it has any, and record it."""
        started = perf_counter()
        context = RequestContext(request, self.hosts.link_base(request))
        response = await self._respond_to_page(context)
        if not request.path.startswith("/_mock"):
            self.journal.record(context, response.status, perf_counter() - started)
        return response

    async def _respond_to_page(self, context: RequestContext) -> Response:
        """Handle a request, and let the page of another origin read the response."""
        if self.cors is None:
            return await self._handle_with_faults(context)
        response = self.cors.preflight(context.request)
        if response is not None:
            context.operation = PREFLIGHT
            return response
        response = await self._handle_with_faults(context)
        return self.cors.apply(context.request, response) if response.status else response

    def attach(self) -> None:
        """Use the running event loop for timers; the first request does it otherwise."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            if self.state is not None:
                self.state.attach(self._loop)
            self.gateway.scheduler.attach(self._loop)

    def detach(self) -> None:
        """Leave the event loop."""
        if self.state is not None:
            self.state.detach()
        self.callback_sender.close()
        self.file_cache.close()
        self.gateway.scheduler.detach()
        self._loop = None

    async def _handle_with_faults(self, context: RequestContext) -> Response:
        """Handle a request, and apply its faults."""
        if self.faults.latency.all and not context.request.path.startswith("/_mock"):
            await asyncio.sleep(self.faults.delay(self.faults.latency))
        try:
            response = await self._handle(context)
        except ConnectionFault as connection_fault:
            if connection_fault.fault.name != "html":
                return no_response(connection_fault.fault)
            response = html_response()
        if not context.faults.all:
            return response
        on_answer = context.faults.at(Stage.RESPONSE_BODY)
        if on_answer is not None:
            response = corrupt(response, on_answer)
        return evolve(response, fault=context.faults.at(Stage.SOCKET))

    async def _handle(self, context: RequestContext) -> Response:
        try:
            return await self._dispatch(context)
        except HTTPError as error:
            context.error = error.with_traceback(None)  # its frames refer to the context
        except ConnectionFault:
            raise
        except Exception:
            traceback.print_exc(file=sys.stderr)  # a bug of the mock
            context.error = HTTPError(500)
        return self._error_response(context, context.error)

    async def _dispatch(self, context: RequestContext) -> Response:
        request = context.request
        found = self.operation_handler.endpoint(request.path)
        if found is None and "%" in request.path:
            found = self.operation_handler.endpoint(request.decoded)
        if found is not None:
            context.endpoint = found[0]
            context.operation = found[0].operation.operation_id
        if self.instead is not None and not request.path.startswith("/_mock"):
            other = await self.instead(context)
            if other is not None:
                return other
        if found is not None:
            return await self.operation_handler.handle(context, *found)
        response = await self.file_handler.handle(context)
        if response is None and request.path.startswith("/_mock"):
            self.hosts.check(request)
            response = self.input_handler.handle(context) or self.admin.handle(context)
        if response is None:
            base = f"{self.gateway.api.base}/"
            below = request.path.startswith(base)
            raise unknown_path(request.method, request.path[below * (len(base) - 1) :])
        return response

    def _error_response(self, context: RequestContext, error: HTTPError) -> Response:
        endpoint = context.endpoint or self.gateway.api.status_endpoint
        text = endpoint.errors.text(error)
        if text is not None:
            return text_response(error.status, *text, error.headers)
        body = endpoint.errors.body(error)
        headers = list(error.headers)
        waits = error.status in _WAITING and not any(h[0] == b"retry-after" for h in headers)
        if waits and (seconds := retry_after(body)):
            headers.append((b"retry-after", seconds))
        if error.status in {204, 304}:
            return Response(error.status, b"", tuple(headers), length=0)
        return json_response(error.status, body, headers)


def _is_loopback_callback(violation: Violation) -> bool:
    """Return whether a violation is only that a callback URL is a loopback URL."""
    value = violation.value
    return violation.parameter == "callback_url" and isinstance(value, str) and is_loopback(value)
