"""Send the requests of a finding again, and judge whether the same failure occurs."""

from __future__ import annotations

import json
import time
from base64 import b64decode
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from attrs import define, field

from wanflow_contract.checks.check import NotJudged, observing
from wanflow_contract.checks.documented_responses import packaged_contract
from wanflow_contract.checks.expectation import Expected, packaged_oracle
from wanflow_contract.checks.run_state import RunState
from wanflow_contract.findings.recorder import Recorder
from wanflow_contract.plan.budget import BudgetExceeded
from wanflow_contract.plan.prices import MARGIN, documented
from wanflow_contract.support.exchange import key_variants
from wanflow_contract.support.http_client import RateLimitedClient

if TYPE_CHECKING:
    from wanflow_contract.checks.expectation import Expectation
    from wanflow_contract.findings.finding import Finding, ShownExchange
    from wanflow_contract.plan.budget import SpendBudget
    from wanflow_contract.support.exchange import Exchange

VARIABLES = ("API_KEY", "API_KEY2")
_NOT_SENT = frozenset({"host", "content-length", "connection", "accept-encoding", "user-agent"})


class NotReplayed(Exception):
    """The requests can't be sent again; the message says why."""


@define(eq=False)
class Replay:
    """The requests of a finding, sent to one server within a budget.

    `keys` are API keys by their variables.
    """

    finding: Finding
    base_url: str
    keys: dict[str, str] = field(repr=False)
    budget: SpendBudget
    recorder: Recorder = field(init=False)
    _ids: dict[str, str] = field(factory=dict)

    def __attrs_post_init__(self) -> None:
        """Record every failure."""
        self.recorder = Recorder(strict=True, is_known=lambda _finding: True)

    def may_cost(self) -> float:
        """Return the most credits that the requests may cost; 0 if all must be refused."""
        return sum(_may_cost(one) for one in self.finding.exchanges)

    def run(self) -> Exchange:
        """Send the requests in order, and return the last exchange.

        Raises:
            NotReplayed: a key is absent, a request went to another host, or the next request may
                cost more than is left.
        """
        keys = tuple(self.keys.get(name, "") for name in VARIABLES)
        own = {name: key for name, key in zip(("one", "two"), keys, strict=True) if key}
        models = packaged_contract().catalog.models
        state = RunState(
            models, own, has_mock_controls=False, accepts_any_key=False, clock=time.time
        )
        client = RateLimitedClient(self.base_url, keys)
        requests = [self._checked(one) for one in self.finding.exchanges]
        try:
            with observing(self.recorder):
                sent = [self._send(client, state, one) for one in requests]
        except BudgetExceeded as error:
            raise NotReplayed(f"a request was not sent: {error}") from error
        finally:
            client.close()
        return sent[-1]

    def verdict(self, last: Exchange) -> tuple[bool, str]:
        """Return whether the failure occurs again, and a sentence that says so."""
        if self.finding.id in self.recorder.findings:
            again = self.recorder.findings[self.finding.id]
            return True, f"the same failure occurs: {again.detail}"
        if any(check == self.finding.check for check, _ in self.recorder.evaluations):
            return False, "the check passes: the failure doesn't occur"
        before = self.finding.exchanges[-1]
        same = (last.status, _form(last.decoded())) == (before.status, _form(_json(before.content)))
        how = "the same status and form as" if same else "another status or form than"
        return (
            same,
            f"the response has {how} in the report; the check needs more than these requests",
        )

    def _checked(self, one: ShownExchange) -> ShownExchange:
        if "://" in one.path:
            raise NotReplayed("a request of this finding went to the host of a result URL")
        return one

    def _send(self, client: RateLimitedClient, state: RunState, one: ShownExchange) -> Exchange:
        path, text = one.path, one.sent
        for was, now in self._ids.items():
            path, text = path.replace(was, now), text.replace(was, now)
        content = b64decode(text) if one.sent_binary else self._filled(text).encode()
        headers = {
            name: self._filled(value)
            for name, value in one.request_headers
            if name.lower() not in _NOT_SENT
        }
        expectation = _expectation(one.method, path, _json(content))
        try:
            exchange = self.budget.pay(
                expectation,
                content,
                lambda: client.send(one.method, self._filled(path), headers, content or None),
            )
        except NotJudged as error:  # there is no response
            return error.failure.exchanges[-1]
        self._remember(one, exchange)
        with suppress(NotJudged):
            state.check(packaged_contract().operation_at(path), expectation, exchange)
        return exchange

    def _remember(self, one: ShownExchange, exchange: Exchange) -> None:
        """Remember the id of a task, which later requests use."""
        was, made = _json(one.content), exchange.decoded()
        ids = [body.get("id") if isinstance(body, dict) else None for body in (was, made)]
        if one.method == "POST" and all(isinstance(name, str) for name in ids):
            self._ids[str(ids[0])] = str(ids[1])

    def _filled(self, text: str) -> str:
        """Return a text with the API keys in place of their variables.

        Raises:
            NotReplayed: a key is needed that there is not.
        """
        for name in VARIABLES:
            if f"{name}}}" not in text and f"{name}%?" not in text and f'"${name}"' not in text:
                continue
            key = self.keys.get(name, "")
            if not key:
                raise NotReplayed(f"an API key is needed: set WANFLOW_CONTRACT_{name}")
            text = text.replace(f"${{{name}}}", key)
            for real, shown in key_variants(key, name).items():
                text = text.replace(shown, real)
        return text


def _may_cost(one: ShownExchange) -> float:
    if one.method != "POST":
        return 0.0
    body = _json(one.sent)
    expectation = _expectation(one.method, one.path, body)
    if expectation is None or (expectation.expected is Expected.REJECT and one.status >= 400):
        return 0.0
    return MARGIN * documented(body if isinstance(body, dict) else {})


def _expectation(method: str, path: str, body: Any) -> Expectation | None:
    contract = packaged_contract().operation_at(path.partition("?")[0])
    if contract is None or not contract.is_submission or method != "POST":
        return None
    return packaged_oracle().expectation(contract.id, body)


def _form(body: Any) -> Any:
    """Return the fields of a body with the types of their values."""
    if isinstance(body, dict):
        return {name: _form(one) for name, one in body.items()}
    return type(body).__name__


def _json(text: str | bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
