"""What a run knows about the server under test; each exchange is checked against it."""

from __future__ import annotations

import json
import re
import time
from hashlib import blake2b
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from attrs import define, field

from wanflow_contract.checks.check import independent
from wanflow_contract.checks.definitions.access import (
    EQUIVALENT_ID,
    FOUND,
    KEY_REQUIRED,
    PRIVATE,
    PRIVATE_ERROR,
    QUERY_ERROR,
    UNKNOWN,
)
from wanflow_contract.checks.definitions.billing import ONE_RULE, STABLE_PRICE
from wanflow_contract.checks.definitions.ends import UNIQUE_LINKS
from wanflow_contract.checks.definitions.idempotency import ONCE
from wanflow_contract.checks.definitions.responses import LEAK, NO_SERVER_ERROR
from wanflow_contract.checks.definitions.tasks import CREATED, NEW
from wanflow_contract.checks.expectation import Expectation, Expected
from wanflow_contract.checks.faulty_field import (
    REQUEST,
    refused_field,
    response_field,
)
from wanflow_contract.checks.header_checks import check_headers, check_running
from wanflow_contract.checks.recent import Recent
from wanflow_contract.checks.refusals import (
    IDEMPOTENCY_KEY,
    check_for,
    check_rejection,
    repeated_fields,
    require_accepted,
)
from wanflow_contract.checks.response_checks import check_response
from wanflow_contract.checks.task_history import TaskHistory, start
from wanflow_contract.support.exchange import MIN_KEY_LENGTH

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from wanflow.catalog.catalog import Model
    from wanflow_contract.checks.documented_responses import OperationContract
    from wanflow_contract.support.exchange import Exchange


_HOUR = 3600
# What servers answer that refuse a used idempotency key.
_REFUSED_KEY = frozenset({409, 422})
_TASK_ID = re.compile(rb"task-unified-[A-Za-z0-9._~-]+")
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]{1,512}=*")


@define(eq=False, repr=False)
class RunState:
    """The tasks of this run, with the prices, billing rules and result URLs that were reported.

    `keys` are API keys by account name. With `accepts_any_key` each key is an account; with
    `has_mock_controls` the server has the mock's controls; `clock` returns the server's time.
    """

    models: Mapping[str, Model]
    keys: Mapping[str, str]
    has_mock_controls: bool
    accepts_any_key: bool
    clock: Callable[[], float]
    tasks: dict[str, TaskHistory] = field(factory=dict)
    _prices: Recent[tuple[str, bytes], tuple[Any, str]] = field(factory=Recent)
    _links: Recent[str, str] = field(factory=Recent)
    _used_keys: Recent[tuple[str, str], int] = field(factory=Recent)
    _rules: dict[tuple[str, str, str], tuple[Any, str]] = field(factory=dict)
    _submissions: int = 0

    def check(
        self,
        contract: OperationContract | None,
        expectation: Expectation | None,
        exchange: Exchange,
    ) -> None:
        """Check an exchange, and add it to what is known.

        Raises:
            CheckFailed: a check fails.
        """
        forced = _forced_status(exchange) if self.has_mock_controls else None
        self._check_any(forced, expectation, exchange)
        if contract is None:
            return
        with independent():
            check_headers(contract, exchange)
        if exchange.method != contract.operation.method.upper():
            return
        account = self._account(exchange)
        repeated = self._repeats_key(account, exchange)
        if repeated and exchange.status in _REFUSED_KEY:
            return
        body = check_response(contract, exchange)
        if repeated and self._is_replay(account, body, exchange):
            return
        if forced is None or exchange.status < 400:
            self._check_operation(contract.id, expectation, account, body, exchange)

    def _check_any(
        self, forced: int | None, expectation: Expectation | None, exchange: Exchange
    ) -> None:
        """Check what is true of a response to any request."""
        if forced != exchange.status:
            NO_SERVER_ERROR.require(
                exchange.status < 500 or exchange.status == 501,
                f"answered with {exchange.status}",
                exchange,
                pointer=refused_field(exchange) if expectation is not None else REQUEST,
            )
        shown = any(
            key.encode() in exchange.content
            for key in self.keys.values()
            if len(key) >= MIN_KEY_LENGTH
        )
        LEAK.require(not shown or exchange.status >= 500, "a key is in the response", exchange)

    def _check_operation(
        self,
        operation_id: str,
        expectation: Expectation | None,
        account: str | None,
        body: Any,
        exchange: Exchange,
    ) -> None:
        if account is None:
            guarded = exchange.status == 401 or (
                400 <= exchange.status < 500 and not _is_valid(expectation)
            )
            KEY_REQUIRED.require(
                guarded,
                f"{exchange.status} without a valid key",
                exchange,
                pointer=f"{REQUEST} header Authorization",
            )
        elif expectation is not None:
            with independent():
                self._check_submission(operation_id, expectation, account, body, exchange)
        else:
            with independent():
                self._check_poll(account, body, exchange)

    def _check_submission(
        self,
        operation_id: str,
        expectation: Expectation,
        account: str,
        body: Any,
        exchange: Exchange,
    ) -> None:
        if expectation.expected is Expected.ACCEPT:
            require_accepted(exchange)
        if expectation.expected is Expected.REJECT:
            with independent():
                check_rejection(operation_id, expectation, exchange)
        asked = exchange.request_body()
        model = self.models.get(str(asked.get("model"))) if isinstance(asked, dict) else None
        readable = isinstance(exchange.decoded(), dict)  # otherwise it has failed already
        if exchange.status // 100 == 2 and model is not None and readable:
            history = start(model, asked, account, body, exchange)
            with independent():
                self._check_rules(history, exchange)
            with independent():
                self._check_price(history, exchange)
            with independent():
                self._check_clock(body.get("created"), exchange)
            known = self.tasks.get(history.id)
            if known is None:
                self.tasks[history.id] = history
            else:
                NEW.fail(f"{history.id} already existed", known.first, exchange)

    def _repeats_key(self, account: str | None, exchange: Exchange) -> bool:
        """Record the idempotency key of a submission; return whether it was used before."""
        key = exchange.sent_header(IDEMPOTENCY_KEY)
        if account is None or key is None or exchange.method != "POST":
            return False
        self._submissions += 1
        return self._used_keys.setdefault((account, key), self._submissions) != self._submissions

    def _is_replay(self, account: str | None, body: Any, exchange: Exchange) -> bool:
        """Return whether a response repeats the task of an earlier request with the same key."""
        key, named = exchange.sent_header(IDEMPOTENCY_KEY), body if isinstance(body, dict) else {}
        known = self.tasks.get(str(named.get("id")))
        if known is None or known.account != account or exchange.status != 200:
            return False
        if known.first.sent_header(IDEMPOTENCY_KEY) != key:
            return False
        was, now = repeated_fields(known.receipt), repeated_fields(named)
        ONCE.require(
            was == now,
            f"{was} was replayed as {now}",
            known.first,
            exchange,
            shape="replayed with other fields",
        )
        return True

    def _check_clock(self, created: Any, exchange: Exchange) -> None:
        """Compare with this machine's clock, or with a mock's, which may have been advanced."""
        number = isinstance(created, int | float)
        now = time.time()
        if number and abs(created - now) >= _HOUR and self.has_mock_controls:
            now = self.clock()
        CREATED.require(
            number and abs(created - now) < _HOUR,
            f"created {created!r}, now {now:.0f}",
            exchange,
            pointer=response_field("created"),
            shape="" if number else "not a number",
        )

    def _check_rules(self, history: TaskHistory, exchange: Exchange) -> None:
        usage = history.receipt.get("usage")
        for name, of in (("billing_rule", history.model.name), ("user_group", "")):
            value = usage.get(name) if isinstance(usage, dict) else None
            if value is not None:
                whose = (history.account, name, of)
                was, first = self._rules.setdefault(whose, (value, history.id))
                ONE_RULE.require(
                    was == value,
                    f"{name} was {was}, is {value}",
                    *self._submission_of(first),
                    exchange,
                    pointer=response_field("usage", name),
                    shape="another value",
                )

    def _check_price(self, history: TaskHistory, exchange: Exchange) -> None:
        usage = history.receipt.get("usage")
        value = usage.get("credits_reserved") if isinstance(usage, dict) else None
        if value is not None:
            request = json.dumps(history.request, sort_keys=True).encode()
            whose = (history.account, blake2b(request, digest_size=16).digest())
            was, first = self._prices.setdefault(whose, (value, history.id))
            STABLE_PRICE.require(
                was == value,
                f"it was {was}, and is {value}",
                *self._submission_of(first),
                exchange,
                pointer=response_field("usage", "credits_reserved"),
            )

    def _submission_of(self, task_id: str) -> tuple[Exchange, ...]:
        """Return the exchange that submitted a task, if the task is still known."""
        known = self.tasks.get(task_id)
        return () if known is None else (known.first,)

    def register(self, history: TaskHistory, links: list[str], exchange: Exchange) -> None:
        """Check that result URLs belong to one task only; equal requests may share them.

        Raises:
            CheckFailed: a task of another request has one of them.
        """
        for link in links:
            owner = self.tasks.get(self._links.setdefault(link, history.id), history)
            UNIQUE_LINKS.require(
                owner.id == history.id or owner.request == history.request,
                link,
                owner.first,
                owner.last,
                exchange,
                pointer=response_field("results"),
                shape="a URL of two tasks",
            )

    def _check_poll(self, account: str, body: Any, exchange: Exchange) -> None:
        written = exchange.path.partition("?")[0].rpartition("/")[2]
        queried = unquote(written)
        history = self.tasks.get(queried)
        if exchange.status >= 400:
            with independent():
                self._check_query_error(account, queried, body, exchange)
        if history is None:
            if exchange.status != 200:
                UNKNOWN.require(exchange.status in {400, 404}, f"{exchange.status}", exchange)
            else:
                UNKNOWN.require(
                    str(body.get("id")) in queried,
                    "another task",
                    exchange,
                    pointer=response_field("id"),
                )
            return
        if history.account != account:
            PRIVATE.require(
                exchange.status in {403, 404},
                f"{exchange.status} for {account}",
                history.first,
                exchange,
                shape=f"{exchange.status} for another account",
            )
            shown = history.model.name.encode() in exchange.content
            PRIVATE_ERROR.require(
                not shown,
                "the error names its model",
                history.first,
                exchange,
                pointer=response_field("error"),
            )
            return
        check = check_for(exchange, FOUND) if written == queried else EQUIVALENT_ID
        check.require(exchange.status == 200, f"{exchange.status}", history.first, exchange)
        if exchange.status != 200 or not isinstance(exchange.decoded(), dict):
            return
        history.observe(body, exchange)
        if not history.ended:
            with independent():
                check_running(exchange)
        self.register(history, history.links, exchange)

    def _check_query_error(self, account: str, queried: str, body: Any, exchange: Exchange) -> None:
        error = body.get("error") if isinstance(body, dict) else None
        param = error.get("param") if isinstance(error, dict) else None
        fields = {"model", *(name for one in self.models.values() for name in one.parameters)}
        QUERY_ERROR.require(
            not isinstance(param, str) or param not in fields,
            f"param is {param!r}",
            exchange,
            pointer=response_field("error", "param"),
            shape=f"{exchange.status}: a parameter of a submission",
        )
        for name in map(bytes.decode, _TASK_ID.findall(exchange.content)):
            other = self.tasks.get(name)
            foreign = other is not None and name != queried and other.account != account
            PRIVATE_ERROR.require(
                not foreign,
                f"the error names {name} of another account",
                exchange,
                pointer=response_field("error"),
                shape="an id of another account",
            )

    def _account(self, exchange: Exchange) -> str | None:
        shown = exchange.sent_header("authorization") or ""
        scheme, _, token = shown.partition(" ")
        if scheme.lower() != "bearer":
            return None
        token = token.strip()
        known = next((name for name, key in self.keys.items() if key == token), None)
        return (
            token if known is None and self.accepts_any_key and _TOKEN.fullmatch(token) else known
        )


def _forced_status(exchange: Exchange) -> int | None:
    """Return the status that a `Prefer: code=` header asks a mock for, None without one."""
    preference = exchange.sent_header("prefer") or ""
    name, _, code = preference.partition("=")
    return int(code) if name == "code" and code.isdigit() else None


def _is_valid(expectation: Expectation | None) -> bool:
    return expectation is None or expectation.expected is Expected.ACCEPT
