"""`/_mock`: the mock's own side, for tests and tools: clock, faults, accounts, tasks, journal."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING

from attrs import define, field

from wanflow.mock.admin.metrics import exposition
from wanflow.mock.admin.web_ui import shipped, to_the_start, trust
from wanflow.mock.errors import Refusal
from wanflow.mock.gateway.accounts import DEFAULT_KEY, Accounts
from wanflow.mock.gateway.fault import KINDS
from wanflow.mock.gateway.lifecycle import written
from wanflow.mock.gateway.limits import terms_of
from wanflow.mock.http.response import Answer, json_answer
from wanflow.mock.json_body import parse

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from wanflow.mock.admin.journal import Entry, Journal
    from wanflow.mock.callbacks.sender import Courier
    from wanflow.mock.faults.rules import FaultRule, FaultRules
    from wanflow.mock.gateway.accounts import Account, Accounts
    from wanflow.mock.gateway.gateway import Gateway
    from wanflow.mock.gateway.lifecycle import Pace
    from wanflow.mock.gateway.tasks import Task
    from wanflow.mock.http.request import Request
    from wanflow.spec.document import Json


def about(gateway: Gateway, accounts: Accounts, faults: FaultRules) -> Json:
    """Say how the mock is set up; a key that it was given is not among it."""
    kinds = {
        name: {"takes": "" if kind.takes is None else kind.takes.words, "effect": kind.effect}
        for name, kind in KINDS.items()
    }
    return {
        "base_path": gateway.contract.base,
        "any_key": accounts.api_key is None,
        "example_key": DEFAULT_KEY,
        "pace": _pace(gateway.pace),
        "operations": faults.operations,
        "faults": kinds,
    }


def document_of(gateway: Gateway) -> Json:
    """Return the document that is served, with this mock as its server."""
    contract = gateway.contract
    servers = [{"url": gateway.origin + contract.base}]
    return {**contract.rules.catalog.document, "servers": servers}


def rule_shown(rule: FaultRule) -> Json:
    """Describe a fault's rule."""
    return {
        "id": rule.id,
        "fault": str(rule.faults),
        "operation": rule.operation,
        "probability": rule.probability,
        "nth": rule.nth,
        "count": rule.count,
        "account": None if rule.account is None else rule.account.name,
        "seen": rule.seen,
        "struck": rule.struck,
    }


def account_shown(account: Account) -> Json:
    """Describe an account."""
    rate = account.terms.rate
    return {
        "name": account.name,
        "credits": account.terms.credits,
        "left": account.left(),
        "reserved": account.reserved,
        "spent": account.spent,
        "rate": None if rate is None else f"{rate.requests}/{rate.seconds:g}",
        "forbidden": sorted(account.terms.forbidden),
    }


def task_shown(gateway: Gateway, task: Task) -> Json:
    """Describe a task: what the task query says, and what it doesn't."""
    return {
        **gateway.detail(task),
        "account": task.account.name,
        "prompt": task.prompt,
        "credits": task.credits,
        "looks": task.looks,
        "expired": task.expired(gateway.clock.now()),
    }


def _pace(pace: Pace) -> str:
    try:
        return written(pace)
    except TypeError:
        return type(pace).__name__


_TEXT = (b"content-type", b"text/plain; version=0.0.4; charset=utf-8")
_RULE = re.compile(r"/_mock/faults/([0-9]{1,9})", re.ASCII)
_LOOK = re.compile(r"/_mock/tasks/([a-z0-9-]{1,80})/look", re.ASCII)
_MOST_SHOWN = 500


@define(eq=False)
class Admin:
    """Shows and changes what the mock does.

    An `Authorization: Bearer …` header narrows faults, accounts, tasks and journal to that key's
    account; without one they are everybody's. Changes are made in JSON only, so that no page of
    another origin can make them.
    """

    gateway: Gateway
    accounts: Accounts
    faults: FaultRules
    journal: Journal
    courier: Courier
    _handlers: Mapping[tuple[str, str], Handler] = field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        """Lay out the paths."""
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

    def answer(self, request: Request) -> Answer | None:
        """Answer a request for the mock itself; None where the path is none of its own.

        Raises:
            Refusal: 400, a value makes no sense; 404 and 405 as usual.
        """
        path = request.path
        if not path.startswith("/_mock"):
            return None
        trust(request, self.gateway.origin)
        page = self._page(path)
        if page is not None:
            request.allow("GET", "HEAD")
            return page
        method = "GET" if request.method == "HEAD" else request.method
        handler = self._handlers.get((method, path))
        if handler is not None:
            return handler(request)
        look = _LOOK.fullmatch(path)
        if look is not None:
            request.allow("POST")
            return self._look(request, look[1])
        rule = _RULE.fullmatch(path)
        if rule is not None:
            request.allow("DELETE")
            if not self.faults.remove(int(rule[1])):
                raise Refusal(404, f"there is no rule {rule[1]}")
            return json_answer(200, {"removed": int(rule[1])})
        methods = [method for method, known in self._handlers if known == path]
        if methods:
            request.allow(*methods, *(["HEAD"] if "GET" in methods else []))
        return None

    def _page(self, path: str) -> Answer | None:
        return to_the_start() if path == "/_mock" else shipped().get(path)

    def _account(self, request: Request) -> Account | None:
        known = b"authorization" in request.headers
        return self.accounts.admit(request.headers) if known else None

    def _health(self, _request: Request) -> Answer:
        return json_answer(200, {"status": "ok", "tasks": len(self.gateway.tasks)})

    def _about(self, _request: Request) -> Answer:
        return json_answer(200, about(self.gateway, self.accounts, self.faults))

    def _document(self, _request: Request) -> Answer:
        return json_answer(200, document_of(self.gateway))

    def _look(self, request: Request, name: str) -> Answer:
        _json(request)
        task = self.gateway.tasks.get(name, self.gateway.clock.now())
        if task is None:
            raise Refusal(404, "there is no such task")
        self.gateway.look(task)
        return json_answer(200, self.gateway.detail(task))

    def _clock(self, _request: Request) -> Answer:
        clock = self.gateway.clock
        return json_answer(200, {"now": clock.now(), "runs": clock.runs})

    def _advance(self, request: Request) -> Answer:
        seconds = (_json(request)).get("seconds")
        if isinstance(seconds, bool) or not isinstance(seconds, int | float):
            raise Refusal(400, "seconds must be a number", param="seconds")
        try:
            self.gateway.clock.advance(seconds)
        except ValueError as error:
            raise Refusal(400, str(error), param="seconds") from error
        return self._clock(request)

    def _list_faults(self, request: Request) -> Answer:
        account = self._account(request)
        shown = [rule_shown(rule) for rule in self.faults if account in {None, rule.account}]
        return json_answer(200, {"faults": shown})

    def _add_fault(self, request: Request) -> Answer:
        try:
            rule = self.faults.load(_json(request), self._account(request))
        except ValueError as error:
            raise Refusal(400, str(error)) from error
        return json_answer(201, rule_shown(rule))

    def _clear_faults(self, request: Request) -> Answer:
        account = self._account(request)
        for rule in self.faults:
            if account in {None, rule.account}:
                self.faults.remove(rule.id)
        return json_answer(200, {"faults": []})

    def _show_account(self, request: Request) -> Answer:
        return json_answer(200, account_shown(self.accounts.admit(request.headers)))

    def _change_account(self, request: Request) -> Answer:
        account = self.accounts.admit(request.headers)
        try:
            account.terms = terms_of(account.terms, _json(request))
        except ValueError as error:
            raise Refusal(400, str(error)) from error
        return json_answer(200, account_shown(account))

    def _tasks(self, request: Request) -> Answer:
        account = self._account(request)
        self.gateway.tasks.forget(self.gateway.clock.now())
        tasks = [task for task in self.gateway.tasks if account in {None, task.account}]
        shown = [task_shown(self.gateway, task) for task in tasks[: -_MOST_SHOWN - 1 : -1]]
        return json_answer(200, {"tasks": shown})

    def _entries(self, request: Request) -> Answer:
        account = self._account(request)
        entries = [
            entry for entry in self.journal if account is None or entry.account == account.name
        ]
        shown = [{**one._asdict(), "near": self._near(one)} for one in entries[-_MOST_SHOWN:]]
        return json_answer(200, {"entries": shown})

    def _near(self, entry: Entry) -> str:
        """Return the documented operation that a request for nothing may have meant."""
        if entry.operation:
            return ""
        contract = self.gateway.contract
        known = {one.path: one for one in (*contract.submissions, contract.query)}
        names = get_close_matches(entry.path, known, n=1, cutoff=0.5)
        return f"{known[names[0]].method} {names[0]}" if names else ""

    def _forget(self, _request: Request) -> Answer:
        self.journal.clear()
        return json_answer(200, {"entries": []})

    def _callbacks(self, _request: Request) -> Answer:
        return json_answer(200, {"attempts": [one._asdict() for one in self.courier.attempts]})

    def _metrics(self, _request: Request) -> Answer:
        text = exposition(self.gateway, self.journal)
        return Answer(200, text.encode(), (_TEXT,))


def _json(request: Request) -> Json:
    return parse(request.headers, request.body())


if TYPE_CHECKING:
    Handler = Callable[[Request], Answer]
