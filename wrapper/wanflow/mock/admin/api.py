"""The admin API under `/_mock`: clock, faults, accounts, tasks and journal, for tests and tools."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING

from attrs import define, field

from wanflow.mock.admin.metrics import prometheus_text
from wanflow.mock.admin.web_ui import assets, redirect_to_index
from wanflow.mock.errors import HTTPError
from wanflow.mock.gateway.accounts import DEFAULT_KEY, AccountStore
from wanflow.mock.gateway.fault import FAULT_KINDS
from wanflow.mock.gateway.lifecycle import format_progression
from wanflow.mock.gateway.limits import parse_limits
from wanflow.mock.http.response import Response, json_response
from wanflow.mock.json_body import parse_json_body

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from wanflow.catalog.document import JsonObject
    from wanflow.mock.admin.journal import Journal, LoggedRequest
    from wanflow.mock.callbacks.sender import CallbackSender
    from wanflow.mock.faults.rules import FaultRule, FaultRules
    from wanflow.mock.gateway.accounts import Account, AccountStore
    from wanflow.mock.gateway.gateway import Gateway
    from wanflow.mock.gateway.lifecycle import Progression
    from wanflow.mock.gateway.tasks import Task
    from wanflow.mock.http.request import Request


def describe_config(gateway: Gateway, accounts: AccountStore, faults: FaultRules) -> JsonObject:
    """Return the mock's configuration, without its API key."""
    kinds = {
        name: {
            "value": "" if kind.value_format is None else kind.value_format.description,
            "effect": kind.effect,
        }
        for name, kind in FAULT_KINDS.items()
    }
    return {
        "base_path": gateway.api.base,
        "any_key": accounts.api_key is None,
        "example_key": DEFAULT_KEY,
        "progression": _progression(gateway.progression),
        "operations": faults.operations,
        "faults": kinds,
    }


def served_spec(gateway: Gateway) -> JsonObject:
    """Return the served spec, with this mock as its server."""
    api = gateway.api
    servers = [{"url": gateway.origin + api.base}]
    return {**api.validator.catalog.document, "servers": servers}


def rule_json(rule: FaultRule) -> JsonObject:
    """Return a fault rule as JSON."""
    return {
        "id": rule.id,
        "fault": str(rule.faults),
        "operation": rule.operation,
        "probability": rule.probability,
        "nth": rule.nth,
        "count": rule.count,
        "account": None if rule.account is None else rule.account.name,
        "calls": rule.calls,
        "hits": rule.hits,
    }


def account_json(account: Account) -> JsonObject:
    """Return an account as JSON."""
    rate = account.limits.rate
    return {
        "name": account.name,
        "credits": account.limits.credits,
        "remaining": account.remaining(),
        "reserved": account.reserved,
        "spent": account.spent,
        "rate": None if rate is None else f"{rate.requests}/{rate.seconds:g}",
        "forbidden": sorted(account.limits.forbidden_models),
    }


def task_json(gateway: Gateway, task: Task) -> JsonObject:
    """Return a task as JSON: its status response, and more."""
    return {
        **gateway.status_response(task),
        "account": task.account.name,
        "prompt": task.prompt,
        "credits": task.credits,
        "polls": task.polls,
        "expired": task.expired(gateway.clock.now()),
    }


def _progression(progression: Progression) -> str:
    try:
        return format_progression(progression)
    except TypeError:
        return type(progression).__name__


_TEXT = (b"content-type", b"text/plain; version=0.0.4; charset=utf-8")
_RULE = re.compile(r"/_mock/faults/([0-9]{1,9})", re.ASCII)
_POLL = re.compile(r"/_mock/tasks/([a-z0-9-]{1,80})/poll", re.ASCII)
_MAX_SHOWN = 500


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
            ("GET", "/_mock/tasks"): self._tasks,
            ("GET", "/_mock/journal"): self._entries,
            ("DELETE", "/_mock/journal"): self._forget,
            ("GET", "/_mock/callbacks"): self._callbacks,
            ("GET", "/_mock/metrics"): self._metrics,
        }

    def handle(self, request: Request) -> Response | None:
        """Handle a request for the admin API; return None for other paths.

        Raises:
            HTTPError: 400, a value is invalid; 404 and 405 as usual.
        """
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
            return handler(request)
        poll = _POLL.fullmatch(path)
        if poll is not None:
            request.require_method("POST")
            return self._poll(request, poll[1])
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

    def _health(self, _request: Request) -> Response:
        return json_response(200, {"status": "ok", "tasks": len(self.gateway.tasks)})

    def _about(self, _request: Request) -> Response:
        return json_response(200, describe_config(self.gateway, self.accounts, self.faults))

    def _document(self, _request: Request) -> Response:
        return json_response(200, served_spec(self.gateway))

    def _poll(self, request: Request, name: str) -> Response:
        _json(request)
        task = self.gateway.tasks.get(name, self.gateway.clock.now())
        if task is None:
            raise HTTPError(404, "there is no such task")
        self.gateway.poll(task)
        return json_response(200, self.gateway.status_response(task))

    def _clock(self, _request: Request) -> Response:
        clock = self.gateway.clock
        return json_response(200, {"now": clock.now(), "runs": clock.runs})

    def _advance(self, request: Request) -> Response:
        seconds = (_json(request)).get("seconds")
        if isinstance(seconds, bool) or not isinstance(seconds, int | float):
            raise HTTPError(400, "seconds must be a number", param="seconds")
        try:
            self.gateway.clock.advance(seconds)
        except ValueError as error:
            raise HTTPError(400, str(error), param="seconds") from error
        return self._clock(request)

    def _list_faults(self, request: Request) -> Response:
        account = self._account(request)
        shown = [rule_json(rule) for rule in self.faults if account in {None, rule.account}]
        return json_response(200, {"faults": shown})

    def _add_fault(self, request: Request) -> Response:
        try:
            rule = self.faults.from_json(_json(request), self._account(request))
        except ValueError as error:
            raise HTTPError(400, str(error)) from error
        return json_response(201, rule_json(rule))

    def _clear_faults(self, request: Request) -> Response:
        account = self._account(request)
        for rule in self.faults:
            if account in {None, rule.account}:
                self.faults.remove(rule.id)
        return json_response(200, {"faults": []})

    def _show_account(self, request: Request) -> Response:
        return json_response(200, account_json(self.accounts.authenticate(request.headers)))

    def _change_account(self, request: Request) -> Response:
        account = self.accounts.authenticate(request.headers)
        try:
            account.limits = parse_limits(account.limits, _json(request))
        except ValueError as error:
            raise HTTPError(400, str(error)) from error
        return json_response(200, account_json(account))

    def _tasks(self, request: Request) -> Response:
        account = self._account(request)
        self.gateway.tasks.forget(self.gateway.clock.now())
        tasks = [task for task in self.gateway.tasks if account in {None, task.account}]
        shown = [task_json(self.gateway, task) for task in tasks[: -_MAX_SHOWN - 1 : -1]]
        return json_response(200, {"tasks": shown})

    def _entries(self, request: Request) -> Response:
        account = self._account(request)
        entries = [
            entry for entry in self.journal if account is None or entry.account == account.name
        ]
        shown = [
            {**one._asdict(), "near_miss": self._near_miss(one)} for one in entries[-_MAX_SHOWN:]
        ]
        return json_response(200, {"entries": shown})

    def _near_miss(self, entry: LoggedRequest) -> str:
        """Return the documented operation closest to a request that matched none."""
        if entry.operation:
            return ""
        api = self.gateway.api
        known = {one.path: one for one in (*api.submit_endpoints, api.status_endpoint)}
        names = get_close_matches(entry.path, known, n=1, cutoff=0.5)
        return f"{known[names[0]].method} {names[0]}" if names else ""

    def _forget(self, _request: Request) -> Response:
        self.journal.clear()
        return json_response(200, {"entries": []})

    def _callbacks(self, _request: Request) -> Response:
        return json_response(
            200, {"attempts": [one._asdict() for one in self.callback_sender.attempts]}
        )

    def _metrics(self, _request: Request) -> Response:
        text = prometheus_text(self.gateway, self.journal)
        return Response(200, text.encode(), (_TEXT,))


def _json(request: Request) -> JsonObject:
    return parse_json_body(request.headers, request.body())


if TYPE_CHECKING:
    Handler = Callable[[Request], Response]
