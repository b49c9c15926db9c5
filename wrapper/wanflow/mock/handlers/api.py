"""The document's operations: who asks, what goes wrong, and the gateway's answer."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote

from attrs import define, evolve, field

from wanflow.mock.errors import Refusal
from wanflow.mock.faults.inject import strike
from wanflow.mock.gateway.directives import preferred_code, wanted_faults, wanted_pace, wishes_of
from wanflow.mock.gateway.endpoints import Endpoint, Query, Submission
from wanflow.mock.gateway.fault import NO_FAULTS, Faults
from wanflow.mock.http.response import Answer, encoded_answer, json_answer
from wanflow.mock.json_body import parse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wanflow.mock.faults.rules import FaultRules
    from wanflow.mock.gateway.accounts import Accounts
    from wanflow.mock.gateway.gateway import Gateway
    from wanflow.mock.handlers.exchange import Exchange

_REPLAYED = ((b"idempotency-replayed", b"true"),)


@define(eq=False)
class Api:
    """Serves the operations of a gateway's document.

    `idempotency` tells whether an `Idempotency-Key` is honoured; real deployments may not.
    """

    gateway: Gateway
    accounts: Accounts
    rules: FaultRules
    idempotency: bool = True
    _submissions: Mapping[str, Submission] = field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        """Lay out the paths."""
        self._submissions = {one.path: one for one in self.gateway.contract.submissions}

    def endpoint(self, path: str, decoded: str | None = None) -> tuple[Endpoint, str] | None:
        """Return what is at a raw path, and the id in it; None where nothing is."""
        submission = self._submissions.get(path)
        if submission is not None:
            return submission, ""
        query = self.gateway.contract.query
        prefix, suffix = query.prefix, query.suffix
        if path.startswith(prefix) and path.endswith(suffix):
            name = path[len(prefix) : len(path) - len(suffix)]
            return (query, name) if name and "/" not in name else None
        return None if decoded in {None, path} else self.endpoint(decoded or "")

    async def answer(self, exchange: Exchange, endpoint: Endpoint, name: str) -> Answer:
        """Answer a request for an endpoint.

        Raises:
            Refusal: the request is wrong, or a fault wants it refused.
        """
        request = exchange.request
        request.allow(endpoint.method)
        headers = request.headers
        account = self.accounts.admit(headers) if endpoint.guarded else self.accounts.anyone()
        exchange.account = account
        exchange.faults = wanted_faults(headers)
        prefer(endpoint, preferred_code(headers))
        account.count(self.gateway.clock.now())
        if isinstance(endpoint, Submission):
            return await self._submit(exchange, endpoint)
        assert isinstance(endpoint, Query)
        return await self._look(exchange, endpoint, name)

    async def _submit(self, exchange: Exchange, endpoint: Submission) -> Answer:
        headers, account = exchange.request.headers, exchange.account
        assert account is not None
        exchange.body = exchange.request.body()
        body = parse(headers, exchange.body)
        wishes = wishes_of(body)
        prefer(endpoint, wishes.code)
        self._choose(exchange, wishes.fault)
        await strike(exchange.faults, self.rules)
        model = self.gateway.accept(endpoint, account, body)
        key = headers.get(b"idempotency-key") if self.idempotency else None
        seen = account.replays.find(key, body) if key is not None else None
        if seen is not None:
            exchange.task_id = seen.get("id")
            return json_answer(endpoint.success, seen, _REPLAYED)
        pace = wanted_pace(headers)
        if pace is not None:
            wishes = evolve(wishes, pace=pace)
        task = self.gateway.submit(account, model, body, wishes)
        exchange.task_id = task.id
        if key is not None:
            account.replays.keep(key, body, self.gateway.receipt(endpoint, task))
        return encoded_answer(endpoint.success, self.gateway.encoded_receipt(endpoint, task))

    async def _look(self, exchange: Exchange, endpoint: Query, raw: str) -> Answer:
        name = unquote(raw)
        assert exchange.account is not None
        exchange.task_id = name
        task = self.gateway.find(exchange.account, name)
        self._choose(exchange, task.query if task is not None else NO_FAULTS)
        await strike(exchange.faults, self.rules)
        if task is None:
            if endpoint.ids.is_valid(name):
                raise Refusal(404)
            raise Refusal(400, param=endpoint.parameter)
        self.gateway.look(task)
        return encoded_answer(endpoint.success, self.gateway.encoded_detail(task))

    def _choose(self, exchange: Exchange, worded: Faults) -> None:
        """Settle what goes wrong: as the headers, then the words, then the rules have it."""
        if not exchange.faults.all:
            exchange.faults = worded
        if not exchange.faults.all:
            operation = exchange.operation or ""
            exchange.faults = self.rules.choose(operation, exchange.account)


def prefer(endpoint: Endpoint, code: int | None) -> None:
    """Answer with the status that somebody prefers.

    Raises:
        Refusal: the status, as documented; 400, where the document has no such status.
    """
    if code is None or code == endpoint.success:
        return
    if code not in endpoint.statuses:
        known = ", ".join(str(status) for status in sorted(endpoint.statuses))
        name = endpoint.operation.operation_id
        raise Refusal(400, f"{code} is no documented status of {name}; {known} are")
    raise Refusal(code, headers=((b"preference-applied", b"code=%d" % code),))
