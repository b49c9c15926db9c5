"""What a run knows about the server under test; each exchange is checked against it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from attrs import define, field

from wanflow_contract.checks.account_access import AccountAccess
from wanflow_contract.checks.charges import Charges
from wanflow_contract.checks.check import independent, stop_judging
from wanflow_contract.checks.definitions.access import (
    KEY_REQUIRED,
)
from wanflow_contract.checks.definitions.idempotency import ONCE
from wanflow_contract.checks.definitions.responses import LEAK, NO_SERVER_ERROR
from wanflow_contract.checks.definitions.tasks import NEW
from wanflow_contract.checks.expectation import Expectation, Expected
from wanflow_contract.checks.faulty_field import (
    REQUEST,
    refused_field,
)
from wanflow_contract.checks.file_access import FileAccess
from wanflow_contract.checks.header_checks import check_headers
from wanflow_contract.checks.query_checks import check_query, check_query_error
from wanflow_contract.checks.recent import Recent
from wanflow_contract.checks.refusals import (
    IDEMPOTENCY_KEY,
    check_rejection,
    repeated_fields,
    require_accepted,
)
from wanflow_contract.checks.reported import Reported, check_created
from wanflow_contract.checks.response_checks import check_response
from wanflow_contract.checks.task_history import TaskHistory, start
from wanflow_contract.support.known_keys import KnownKeys

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from wanflow.catalog.catalog import Model
    from wanflow_contract.checks.documented_responses import OperationContract
    from wanflow_contract.support.exchange import Exchange


# What servers answer that refuse a used idempotency key.
_REFUSED_KEY = frozenset({409, 422})
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]{1,512}=*")


@define(eq=False, repr=False)
class RunState:
    """The tasks of this run, and what was reported about them.

    `keys` are API keys by account name. With `accepts_any_key` each key is an account; with
    `has_mock_controls` the server has the mock's controls; `clock` returns the server's time. With
    `prices_may_change` the exchanges are those of days, not of one run. `inputs` are parameters
    with files that the user has given.
    """

    models: Mapping[str, Model]
    keys: Mapping[str, str]
    has_mock_controls: bool
    accepts_any_key: bool
    clock: Callable[[], float]
    tasks: dict[str, TaskHistory] = field(factory=dict)
    prices_may_change: bool = False
    inputs: frozenset[str] = frozenset()
    _used_keys: Recent[tuple[str, str], int] = field(factory=Recent)
    _submissions: int = 0
    _access: AccountAccess = field(factory=AccountAccess)
    _known_keys: KnownKeys = field(init=False)
    _reported: Reported = field(init=False)
    _charges: Charges = field(init=False)
    _files: FileAccess = field(init=False)

    def __attrs_post_init__(self) -> None:
        """Nothing is reported yet."""
        self._known_keys = KnownKeys.of(self.keys)
        self._reported = Reported(self.tasks)
        self._files = FileAccess(self.inputs)
        self._charges = Charges(self.tasks, self.prices_may_change)

    @property
    def refused_files(self) -> frozenset[str]:
        """The parameters whose files the server may be unable to fetch."""
        return self._files.refused

    def add_account(self, account: str, key: str) -> None:
        """Add an account that is known by now."""
        self._known_keys.add(account, key)

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
        undocumented = expectation is None and exchange.method != "GET"
        if forced != exchange.status:
            NO_SERVER_ERROR.require(
                exchange.status < 500 or exchange.status == 501,
                f"answered with {exchange.status}",
                exchange,
                pointer=REQUEST if undocumented else refused_field(exchange),
            )
        shown = self._known_keys.shown_in(exchange.content)
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
                shape="" if exchange.status >= 500 else "taken for a valid key",
            )
        elif expectation is not None:
            with independent():
                self._check_submission(operation_id, expectation, account, body, exchange)
        else:
            with independent():
                self._check_query(account, body, exchange)

    def _check_query(self, account: str, body: Any, exchange: Exchange) -> None:
        if exchange.status >= 400 or not exchange.shows_task:
            with independent():
                check_query_error(self.models, self.tasks, account, exchange)
        history = check_query(self.tasks, account, body, exchange)
        if history is not None:
            with independent():
                self.register(history, history.links, exchange)
            with independent():
                self._charges.check_used(history, body, exchange)

    def register(self, history: TaskHistory, links: list[str], exchange: Exchange) -> None:
        """Check that result URLs belong to one task only; equal requests may share them.

        Raises:
            CheckFailed: a task of another request has one of them.
        """
        self._reported.register(history, links, exchange)

    def _check_submission(
        self,
        operation_id: str,
        expectation: Expectation,
        account: str,
        body: Any,
        exchange: Exchange,
    ) -> None:
        if self._blames_account(expectation, account, exchange):
            return
        if self._blames_file(operation_id, expectation, exchange):
            return
        if expectation.expected is Expected.ACCEPT:
            require_accepted(exchange)
        if expectation.expected is Expected.REJECT:
            with independent():
                check_rejection(operation_id, expectation, exchange)
        asked = exchange.request_body()
        model = self.models.get(str(asked.get("model"))) if isinstance(asked, dict) else None
        readable = isinstance(exchange.decoded(), dict)  # otherwise it has failed already
        if exchange.status // 100 == 2 and model is not None and readable:
            with independent():
                self._access.check_earlier(operation_id, account, model.name)
            with independent():
                self._files.check_earlier(exchange)
            history = start(model, asked, account, body, exchange)
            self._check_receipt(history, expectation, body, exchange)
            if not history.id:
                return
            known = self.tasks.setdefault(history.id, history)
            if known is not history:
                NEW.require(False, f"{history.id} already existed", known.first, exchange)

    def _check_receipt(
        self, history: TaskHistory, expectation: Expectation, body: Any, exchange: Exchange
    ) -> None:
        """Check what a submission's response reports, against what is known of others."""
        with independent():
            self._reported.check_rules(history, exchange)
        with independent():
            self._reported.check_price(history, exchange)
        if expectation.expected is Expected.ACCEPT:
            with independent():
                self._charges.check_reserved(history, exchange)
        with independent():
            clock = self.clock if self.has_mock_controls else None
            if "created" in body:
                check_created(body.get("created"), exchange, clock)

    def stop_without_access(self, expectation: Expectation | None, exchange: Exchange) -> None:
        """End a test, or a generated case of it, if the account is why a submission was refused.

        Raises:
            CheckFailed: it is, and notes are failures.
            NotJudged: it is.
        """
        account = self._account(exchange)
        if account is None or expectation is None:
            return
        if self._blames_account(expectation, account, exchange):
            stop_judging()
        if expectation.expected is not Expected.REJECT and self._blames_file(
            "", expectation, exchange
        ):
            stop_judging()

    def _blames_account(self, expectation: Expectation, account: str, exchange: Exchange) -> bool:
        """Return whether a submission is refused because of the account; a mock's has all."""
        return not self.has_mock_controls and self._access.refuses(account, expectation, exchange)

    def _blames_file(self, operation_id: str, expectation: Expectation, exchange: Exchange) -> bool:
        """Return whether a submission is refused because of a file; a mock fetches none."""
        return not self.has_mock_controls and self._files.refuses(
            operation_id, expectation, exchange
        )

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

    def _account(self, exchange: Exchange) -> str | None:
        shown = exchange.sent_header("authorization") or ""
        scheme, _, token = shown.partition(" ")
        if scheme.lower() != "bearer":
            return None
        token = token.strip()
        known = self._known_keys.account_of(token)
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
