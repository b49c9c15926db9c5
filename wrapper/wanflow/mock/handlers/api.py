"""Handles the spec's operations: authentication, faults, and the gateway's response."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote

from attrs import define, evolve, field

from wanflow.mock.errors import HTTPError
from wanflow.mock.faults.inject import inject
from wanflow.mock.files.input_check import InvalidInput
from wanflow.mock.gateway.directives import (
    Directives,
    header_faults,
    header_progression,
    parse_directives,
    prefer_code,
)
from wanflow.mock.gateway.endpoints import Endpoint, StatusEndpoint, SubmitEndpoint
from wanflow.mock.gateway.fault import NO_FAULTS, FaultSet
from wanflow.mock.gateway.tasks import ID_PREFIX
from wanflow.mock.http.response import Response, encoded_response, json_response
from wanflow.mock.json_body import parse_json_body

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wanflow.catalog.catalog import Model
    from wanflow.catalog.document import JsonObject
    from wanflow.mock.faults.rules import FaultRules
    from wanflow.mock.gateway.accounts import AccountStore
    from wanflow.mock.gateway.gateway import Gateway
    from wanflow.mock.handlers.exchange import RequestContext
    from wanflow.mock.handlers.inputs import InputHandler

_REPLAYED = ((b"idempotency-replayed", b"true"),)


@define(eq=False)
class OperationHandler:
    """Serves the operations of the spec.

    `idempotency` is whether an `Idempotency-Key` is honoured; real deployments may not.
    """

    gateway: Gateway
    accounts: AccountStore
    rules: FaultRules
    idempotency: bool = True
    inputs: InputHandler | None = None
    _submissions: Mapping[str, SubmitEndpoint] = field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        """Set up the routes."""
        self._submissions = {one.path: one for one in self.gateway.api.submit_endpoints}

    def endpoint(self, path: str, decoded: str | None = None) -> tuple[Endpoint, str] | None:
        """Return the endpoint at a raw path and the id in it, None if there is none."""
        submission = self._submissions.get(path)
        if submission is not None:
            return submission, ""
        query = self.gateway.api.status_endpoint
        prefix, suffix = query.prefix, query.suffix
        if path.startswith(prefix) and path.endswith(suffix):
            name = path[len(prefix) : len(path) - len(suffix)]
            return (query, name) if name and "/" not in name else None
        return None if decoded in {None, path} else self.endpoint(decoded or "")

    async def handle(self, context: RequestContext, endpoint: Endpoint, name: str) -> Response:
        """Handle a request for an endpoint.

        Raises:
            HTTPError: the request is invalid, or a fault rejects it.
        """
        request = context.request
        request.require_method(endpoint.method)
        headers = request.headers
        account = (
            self.accounts.authenticate(headers)
            if endpoint.requires_auth
            else self.accounts.anonymous()
        )
        context.account = account
        context.faults = header_faults(headers)
        apply_prefer_header(endpoint, prefer_code(headers))
        account.count_request(self.gateway.clock.now())
        if isinstance(endpoint, SubmitEndpoint):
            return await self._submit(context, endpoint)
        assert isinstance(endpoint, StatusEndpoint)
        return await self._get_task(context, endpoint, name)

    async def _submit(self, context: RequestContext, endpoint: SubmitEndpoint) -> Response:
        headers, account = context.request.headers, context.account
        assert account is not None
        context.body = context.request.body()
        body = parse_json_body(headers, context.body)
        directives = parse_directives(body)
        apply_prefer_header(endpoint, directives.code)
        self._set_faults(context, directives.faults)
        await inject(context.faults, self.rules)
        model = self.gateway.validate(endpoint, account, body)
        key = headers.get(b"idempotency-key") if self.idempotency else None
        now = self.gateway.clock.now()
        cached = account.idempotency_cache.get(key, body, now) if key is not None else None
        if cached is not None:
            context.task_id = cached.get("id")
            return json_response(endpoint.success, cached, _REPLAYED)
        progression = header_progression(headers)
        if progression is not None:
            directives = evolve(directives, progression=progression)
        directives = await self._check_inputs(context, model, body, directives)
        task = self.gateway.submit(account, model, body, directives, context.link_base)
        context.task_id = task.id
        if key is not None:
            response = self.gateway.submit_response(endpoint, task)
            account.idempotency_cache.put(key, body, response, now)
        return encoded_response(
            endpoint.success, self.gateway.encoded_submit_response(endpoint, task)
        )

    async def _get_task(
        self, context: RequestContext, endpoint: StatusEndpoint, raw: str
    ) -> Response:
        name = unquote(raw)
        assert context.account is not None
        context.task_id = name
        task = self.gateway.get(context.account, name)
        faults = NO_FAULTS
        if task is not None and task.status_faults.all:
            faults = task.status_faults.active(task.created, self.gateway.clock.now())
        self._set_faults(context, faults)
        await inject(context.faults, self.rules)
        if task is None:
            if name.startswith(ID_PREFIX) and endpoint.ids.is_valid(name):
                raise HTTPError(404)
            raise HTTPError(400, param=endpoint.parameter)
        self.gateway.poll(task)
        return encoded_response(
            endpoint.success, self.gateway.encoded_status_response(task, context.link_base)
        )

    async def _check_inputs(
        self, context: RequestContext, model: Model, body: JsonObject, directives: Directives
    ) -> Directives:
        """Let the task fail where a file that the request names violates the spec."""
        if self.inputs is None or directives.failure is not None:
            return directives
        try:
            await self.inputs.check(model, body, context.link_base)
        except InvalidInput as error:
            return evolve(directives, failure=error.code, failure_detail=str(error))
        return directives

    def _set_faults(self, context: RequestContext, directive_faults: FaultSet) -> None:
        """Choose the faults: of the headers, else the directives, else the rules."""
        if not context.faults.all:
            context.faults = directive_faults
        if not context.faults.all:
            operation = context.operation or ""
            context.faults = self.rules.pick(operation, context.account)


def apply_prefer_header(endpoint: Endpoint, code: int | None) -> None:
    """Respond with the preferred status.

    Raises:
        HTTPError: the status, as documented; 400, it isn't documented.
    """
    if code is None or code == endpoint.success:
        return
    if code not in endpoint.statuses:
        known = ", ".join(str(status) for status in sorted(endpoint.statuses))
        name = endpoint.operation.operation_id
        raise HTTPError(400, f"{code} is not a documented status of {name}; these are {known}")
    raise HTTPError(code, headers=((b"preference-applied", b"code=%d" % code),))
