"""The document's operations: who asks, what goes wrong, and the gateway's answer."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote

from attrs import define, evolve, field

from wanflow.mock.errors import HTTPError
from wanflow.mock.faults.inject import inject
from wanflow.mock.gateway.directives import (
    header_faults,
    header_progression,
    parse_directives,
    prefer_code,
)
from wanflow.mock.gateway.endpoints import Endpoint, StatusEndpoint, SubmitEndpoint
from wanflow.mock.gateway.fault import NO_FAULTS, FaultSet
from wanflow.mock.http.response import Response, encoded_response, json_response
from wanflow.mock.json_body import parse_json_body

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wanflow.mock.faults.rules import FaultRules
    from wanflow.mock.gateway.accounts import AccountStore
    from wanflow.mock.gateway.gateway import Gateway
    from wanflow.mock.handlers.exchange import RequestContext

_REPLAYED = ((b"idempotency-replayed", b"true"),)


@define(eq=False)
class OperationHandler:
    """Serves the operations of a gateway's document.

    `idempotency` tells whether an `Idempotency-Key` is honoured; real deployments may not.
    """

    gateway: Gateway
    accounts: AccountStore
    rules: FaultRules
    idempotency: bool = True
    _submissions: Mapping[str, SubmitEndpoint] = field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        """Lay out the paths."""
        self._submissions = {one.path: one for one in self.gateway.api.submit_endpoints}

    def endpoint(self, path: str, decoded: str | None = None) -> tuple[Endpoint, str] | None:
        """Return what is at a raw path, and the id in it; None where nothing is."""
        submission = self._submissions.get(path)
        if submission is not None:
            return submission, ""
        query = self.gateway.api.status_endpoint
        prefix, suffix = query.prefix, query.suffix
        if path.startswith(prefix) and path.endswith(suffix):
            name = path[len(prefix) : len(path) - len(suffix)]
            return (query, name) if name and "/" not in name else None
        return None if decoded in {None, path} else self.endpoint(decoded or "")

    async def handle(self, exchange: RequestContext, endpoint: Endpoint, name: str) -> Response:
        """Answer a request for an endpoint.

        Raises:
            Refusal: the request is wrong, or a fault wants it refused.
        """
        request = exchange.request
        request.require_method(endpoint.method)
        headers = request.headers
        account = (
            self.accounts.authenticate(headers)
            if endpoint.requires_auth
            else self.accounts.anonymous()
        )
        exchange.account = account
        exchange.faults = header_faults(headers)
        apply_prefer_header(endpoint, prefer_code(headers))
        account.count_request(self.gateway.clock.now())
        if isinstance(endpoint, SubmitEndpoint):
            return await self._submit(exchange, endpoint)
        assert isinstance(endpoint, StatusEndpoint)
        return await self._get_task(exchange, endpoint, name)

    async def _submit(self, exchange: RequestContext, endpoint: SubmitEndpoint) -> Response:
        headers, account = exchange.request.headers, exchange.account
        assert account is not None
        exchange.body = exchange.request.body()
        body = parse_json_body(headers, exchange.body)
        wishes = parse_directives(body)
        apply_prefer_header(endpoint, wishes.code)
        self._set_faults(exchange, wishes.faults)
        await inject(exchange.faults, self.rules)
        model = self.gateway.validate(endpoint, account, body)
        key = headers.get(b"idempotency-key") if self.idempotency else None
        seen = account.idempotency_cache.get(key, body) if key is not None else None
        if seen is not None:
            exchange.task_id = seen.get("id")
            return json_response(endpoint.success, seen, _REPLAYED)
        pace = header_progression(headers)
        if pace is not None:
            wishes = evolve(wishes, progression=pace)
        task = self.gateway.submit(account, model, body, wishes)
        exchange.task_id = task.id
        if key is not None:
            account.idempotency_cache.put(key, body, self.gateway.submit_response(endpoint, task))
        return encoded_response(
            endpoint.success, self.gateway.encoded_submit_response(endpoint, task)
        )

    async def _get_task(
        self, exchange: RequestContext, endpoint: StatusEndpoint, raw: str
    ) -> Response:
        name = unquote(raw)
        assert exchange.account is not None
        exchange.task_id = name
        task = self.gateway.get(exchange.account, name)
        self._set_faults(exchange, task.status_faults if task is not None else NO_FAULTS)
        await inject(exchange.faults, self.rules)
        if task is None:
            if endpoint.ids.is_valid(name):
                raise HTTPError(404)
            raise HTTPError(400, param=endpoint.parameter)
        self.gateway.poll(task)
        return encoded_response(endpoint.success, self.gateway.encoded_status_response(task))

    def _set_faults(self, exchange: RequestContext, worded: FaultSet) -> None:
        """Settle what goes wrong: as the headers, then the words, then the rules have it."""
        if not exchange.faults.all:
            exchange.faults = worded
        if not exchange.faults.all:
            operation = exchange.operation or ""
            exchange.faults = self.rules.pick(operation, exchange.account)


def apply_prefer_header(endpoint: Endpoint, code: int | None) -> None:
    """Answer with the status that somebody prefers.

    Raises:
        Refusal: the status, as documented; 400, where the document has no such status.
    """
    if code is None or code == endpoint.success:
        return
    if code not in endpoint.statuses:
        known = ", ".join(str(status) for status in sorted(endpoint.statuses))
        name = endpoint.operation.operation_id
        raise HTTPError(400, f"{code} is no documented status of {name}; {known} are")
    raise HTTPError(code, headers=((b"preference-applied", b"code=%d" % code),))
