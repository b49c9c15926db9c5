"""The admin API under `/_mock`: clock, faults, accounts, tasks and journal, for tests and tools."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING

from attrs import define, field

from wanflow.mock.admin.metrics import prometheus_text
from wanflow.mock.admin.paging import newest, parse_page
from wanflow.mock.admin.representation import (
    account_json,
    describe_config,
    rule_json,
    served_spec,
    task_json,
)
from wanflow.mock.admin.web_ui import assets, redirect_to_index
from wanflow.mock.errors import HTTPError
from wanflow.mock.gateway.fault import parse_latency
from wanflow.mock.gateway.limits import parse_limits
from wanflow.mock.http.response import Response, json_response
from wanflow.mock.json_body import parse_json_body

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from wanflow.catalog.document import JsonObject
    from wanflow.mock.admin.journal import Journal, LoggedRequest
    from wanflow.mock.callbacks.sender import CallbackSender
    from wanflow.mock.faults.rules import FaultRules
    from wanflow.mock.gateway.accounts import Account, AccountStore
    from wanflow.mock.gateway.gateway import Gateway
    from wanflow.mock.handlers.exchange import RequestContext
    from wanflow.mock.http.request import Request


_TEXT = (b"content-type", b"text/plain; version=0.0.4; charset=utf-8")
_RULE = re.compile(r"/_mock/faults/([0-9]{1,9})", re.ASCII)
_POLL = re.compile(r"/_mock/tasks/([a-z0-9-]{1,80})/poll", re.ASCII)


@define(eq=False)
class AdminApi:
    """Serves the admin API.

    With an `Authorization: Bearer …` header, faults, tasks and journal are those of that key's
    account; without one, those of all. Changes need a JSON content type, so that pages of other
    origins can't make them.
    """

    gateway: Gateway
    accounts: AccountStore
    faults: FaultRules
    journal: Journal
    callback_sender: CallbackSender
    _handlers: Mapping[tuple[str, str], Handler] = field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        """Set up the routes."""
        self._handlers = {
            ("GET", "/_mock/health"): self._health,
            ("GET", "/_mock/about"): self._about,
            ("GET", "/_mock/openapi.json"): self._document,
            ("GET", "/_mock/clock"): self._clock,
            ("POST", "/_mock/clock/advance"): self._advance,
            ("GET", "/_mock/faults"): self._list_faults,
            ("POST", "/_mock/faults"): self._add_fault,
            ("DELETE", "/_mock/faults"): self._clear_faults,
            ("GET", "/_mock/account"): self._show_account,
            ("PATCH", "/_mock/account"): self._change_account,
            ("GET", "/_mock/latency"): self._show_latency,
            ("PATCH", "/_mock/latency"): self._change_latency,
            ("GET", "/_mock/tasks"): self._tasks,
            ("GET", "/_mock/journal"): self._entries,
            ("DELETE", "/_mock/journal"): self._forget,
            ("GET", "/_mock/callbacks"): self._callbacks,
            ("GET", "/_mock/metrics"): self._metrics,
        }

    def handle(self, context: RequestContext) -> Response | None:
        """Handle a request for the admin API; return None for other paths.

        Raises:
            HTTPError: 400, a value is invalid; 404 and 405 as usual.
        """
        request = context.request
        path = request.path
        if not path.startswith("/_mock"):
            return None
        page = self._page(path)
        if page is not None:
            request.require_method("GET", "HEAD")
            return page
        method = "GET" if request.method == "HEAD" else request.method
        handler = self._handlers.get((method, path))
        if handler is not None:
            return handler(context)
        poll = _POLL.fullmatch(path)
        if poll is not None:
            request.require_method("POST")
            return self._poll(context, poll[1])
        rule = _RULE.fullmatch(path)
        if rule is not None:
            request.require_method("DELETE")
            if not self.faults.remove(int(rule[1])):
                raise HTTPError(404, f"there is no rule with id {rule[1]}")
            return json_response(200, {"removed": int(rule[1])})
        methods = [method for method, known in self._handlers if known == path]
        if methods:
            request.require_method(*methods, *(["HEAD"] if "GET" in methods else []))
        return None

    def _page(self, path: str) -> Response | None:
        return redirect_to_index() if path == "/_mock" else assets().get(path)

    def _account(self, request: Request) -> Account | None:
        known = b"authorization" in request.headers
        return self.accounts.authenticate(request.headers) if known else None

    def _health(self, _context: RequestContext) -> Response:
        return json_response(200, {"status": "ok", "tasks": len(self.gateway.tasks)})

    def _about(self, _context: RequestContext) -> Response:
        return json_response(200, describe_config(self.gateway, self.accounts, self.faults))

    def _document(self, context: RequestContext) -> Response:
        return json_response(200, served_spec(self.gateway, context.link_base))

    def _poll(self, context: RequestContext, name: str) -> Response:
        _json(context.request)
        task = self.gateway.tasks.get(name, self.gateway.clock.now())
        if task is None:
            raise HTTPError(404, "there is no such task")
        self.gateway.poll(task)
        return json_response(200, self.gateway.status_response(task, context.link_base))

    def _clock(self, _context: RequestContext) -> Response:
        clock = self.gateway.clock
        return json_response(200, {"now": clock.now(), "runs": clock.runs})

    def _advance(self, context: RequestContext) -> Response:
        seconds = _json(context.request).get("seconds")
        if isinstance(seconds, bool) or not isinstance(seconds, int | float):
            raise HTTPError(400, "seconds must be a number", param="seconds")
        try:
            self.gateway.clock.advance(seconds)
        except ValueError as error:
            raise HTTPError(400, str(error), param="seconds") from error
        return self._clock(context)

    def _list_faults(self, context: RequestContext) -> Response:
        account = self._account(context.request)
        shown = [rule_json(rule) for rule in self.faults if account in {None, rule.account}]
        return json_response(200, {"faults": shown})

    def _add_fault(self, context: RequestContext) -> Response:
        try:
            rule = self.faults.from_json(_json(context.request), self._account(context.request))
        except ValueError as error:
            raise HTTPError(400, str(error)) from error
        return json_response(201, rule_json(rule))

    def _clear_faults(self, context: RequestContext) -> Response:
        account = self._account(context.request)
        for rule in self.faults:
            if account in {None, rule.account}:
                self.faults.remove(rule.id)
        return json_response(200, {"faults": []})

    def _show_account(self, context: RequestContext) -> Response:
        return json_response(200, account_json(self.accounts.authenticate(context.request.headers)))

    def _change_account(self, context: RequestContext) -> Response:
        account = self.accounts.authenticate(context.request.headers)
        try:
            account.limits = parse_limits(account.limits, _json(context.request))
        except ValueError as error:
            raise HTTPError(400, str(error)) from error
        return json_response(200, account_json(account))

    def _show_latency(self, _context: RequestContext) -> Response:
        return json_response(200, {"latency": str(self.faults.latency) or None})

    def _change_latency(self, context: RequestContext) -> Response:
        wanted = _json(context.request).get("latency", 0)
        if not isinstance(wanted, str | None):
            raise HTTPError(400, "latency must be a string such as lognormal=0.2,1.5, or null")
        try:
            self.faults.latency = parse_latency(wanted)
        except ValueError as error:
            raise HTTPError(400, str(error)) from error
        return self._show_latency(context)

    def _tasks(self, context: RequestContext) -> Response:
        account, page = self._account(context.request), parse_page(context.request.query)
        stored = self.gateway.tasks
        stored.forget(self.gateway.clock.now())
        tasks = [task for task in stored if account in {None, task.account}]
        shown, older = newest(tasks, lambda task: task.id, page)
        found = [task_json(self.gateway, task, context.link_base) for task in reversed(shown)]
        counted = {"total": len(tasks), "dropped": stored.dropped, "next": older}
        return json_response(200, {"tasks": found, **counted})

    def _entries(self, context: RequestContext) -> Response:
        account, page = self._account(context.request), parse_page(context.request.query)
        entries = [one for one in self.journal if account is None or one.account == account.name]
        shown, older = newest(entries, lambda entry: str(entry.number), page)
        found = [{**one._asdict(), "near_miss": self._near_miss(one)} for one in shown]
        counted = {"total": len(entries), "dropped": self.journal.dropped, "next": older}
        return json_response(200, {"entries": found, **counted})

    def _near_miss(self, entry: LoggedRequest) -> str:
        """Return the documented operation closest to a request that matched none."""
        if entry.operation:
            return ""
        api = self.gateway.api
        known = {one.path: one for one in (*api.submit_endpoints, api.status_endpoint)}
        names = get_close_matches(entry.path, known, n=1, cutoff=0.5)
        return f"{known[names[0]].method} {names[0]}" if names else ""

    def _forget(self, _context: RequestContext) -> Response:
        self.journal.clear()
        return json_response(200, {"entries": []})

    def _callbacks(self, _context: RequestContext) -> Response:
        sender = self.callback_sender
        attempts = [one._asdict() for one in sender.attempts]
        counted = {"total": len(attempts), "dropped": sender.attempted - len(attempts)}
        return json_response(200, {"attempts": attempts, **counted})

    def _metrics(self, _context: RequestContext) -> Response:
        text = prometheus_text(self.gateway, self.journal)
        return Response(200, text.encode(), (_TEXT,))


def _json(request: Request) -> JsonObject:
    return parse_json_body(request.headers, request.body())


if TYPE_CHECKING:
    Handler = Callable[[RequestContext], Response]
