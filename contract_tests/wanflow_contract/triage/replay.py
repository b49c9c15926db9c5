"""Send the requests of a finding again, and judge whether the same failure occurs."""

from __future__ import annotations

import json
import time
from base64 import b64decode
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

from attrs import define, field

from wanflow_contract.checks.check import NotJudged, observing
from wanflow_contract.checks.documented_responses import packaged_contract
from wanflow_contract.checks.expectation import Expected
from wanflow_contract.checks.request_expectation import expectation_of_request
from wanflow_contract.checks.run_state import RunState
from wanflow_contract.findings.recorder import Recorder
from wanflow_contract.plan.budget import BudgetExceeded
from wanflow_contract.plan.payable import payable, shows_key
from wanflow_contract.plan.prices import MARGIN, documented
from wanflow_contract.support.exchange import Exchange, key_variants, repeated_headers
from wanflow_contract.support.http_client import RateLimitedClient
from wanflow_contract.triage.emitted_assertions import LIFE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wanflow_contract.checks.expectation import Expectation
    from wanflow_contract.findings.finding import Finding, ShownExchange
    from wanflow_contract.plan.budget import SpendBudget

VARIABLES = ("API_KEY", "API_KEY2")
_REFUSED = 400
_LONGEST_TASK, _LONGEST_PAUSE, _AFTER_END = 600.0, 5.0, 3


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
    _ids: dict[str, str] = field(factory=dict[str, str])

    def __attrs_post_init__(self) -> None:
        """Record every failure."""
        self.recorder = Recorder(strict=True, is_known=lambda _finding: True)

    def may_cost(self) -> float:
        """Return the most credits that the requests may cost.

        What must be refused, and was, costs nothing. A valid request that was refused may cost
        something: the server may be right by now.
        """
        return sum(self._may_cost(one) for one in self.finding.exchanges)

    def _may_cost(self, one: ShownExchange) -> float:
        content, headers = _content(one), dict(one.request_headers)
        expected = self._payable(one.method, one.path, headers, content)
        if expected is None or (expected.expected is Expected.REJECT and one.status >= _REFUSED):
            return 0.0
        body = _json(content)
        return MARGIN * documented(cast("dict[str, Any]", body) if isinstance(body, dict) else {})

    def _payable(
        self, method: str, path: str, headers: Mapping[str, str], content: bytes
    ) -> Expectation | None:
        """Return what is expected of a request as far as its cost goes."""
        contract = packaged_contract().operation_at(path)
        expectation = expectation_of_request(contract, method, headers, content)
        variables = [f"${{{name}}}" for name in VARIABLES]
        keys = [*variables, *filter(None, self.keys.values())]
        return payable(expectation, method, shows_key=shows_key(headers, keys))

    def run(self) -> Exchange:
        """Send the requests in order, and return the last exchange.

        Raises:
            NotReplayed: a key is absent, a request went to another host, or the next request may
                cost more than is left.
        """
        client, state = RateLimitedClient(self.base_url, self._secrets()), self._state()
        requests = [self._checked(one) for one in self.finding.exchanges]
        try:
            with observing(self.recorder):
                sent = [self._send(client, state, one) for one in requests]
                sent += self._polled_to_end(client, state, sent[-1])
        except BudgetExceeded as error:
            raise NotReplayed(f"a request was not sent: {error}") from error
        finally:
            client.close()
        return sent[-1]

    def _polled_to_end(
        self, client: RateLimitedClient, state: RunState, last: Exchange
    ) -> list[Exchange]:
        """Repeat the last poll of a task that was submitted here, until its life shows the failure.

        In the report there may have been minutes between its requests. After its end a task is
        polled three times more.
        """
        one, found, after = self.finding.exchanges[-1], list[Exchange](), 0
        until = time.monotonic() + _LONGEST_TASK
        submitted = one.method == "GET" and any(was in one.path for was in self._ids)
        while submitted and self.finding.check in LIFE and after < _AFTER_END:
            if self.finding.id in self.recorder.findings or time.monotonic() >= until:
                break
            time.sleep(min(_LONGEST_PAUSE, 0.05 * 1.5 ** len(found)))
            last = self._send(client, state, one)
            found.append(last)
            ended = state.tasks.get(last.path.rpartition("/")[2])
            after += ended is None or ended.ended
        return found

    def _secrets(self) -> tuple[str, ...]:
        return tuple(self.keys.get(name, "") for name in VARIABLES)

    def _state(self) -> RunState:
        """Return what is known before the first exchange."""
        named = zip(("one", "two"), self._secrets(), strict=True)
        return RunState(
            packaged_contract().catalog.models,
            {name: key for name, key in named if key},
            has_mock_controls=False,
            accepts_any_key=False,
            clock=time.time,
        )

    def _shows_alone(self) -> bool:
        """Return whether the recorded exchanges show the failure, without the test behind them."""
        recorder, state = Recorder(strict=True, is_known=lambda _finding: True), self._state()
        with observing(recorder):
            for one in map(self._recorded, self.finding.exchanges):
                contract, sent = packaged_contract().operation_at(one.path), one.request_headers
                expectation = expectation_of_request(contract, one.method, dict(sent), one.sent)
                with suppress(NotJudged):
                    state.check(contract, expectation, one)
        return self.finding.id in recorder.findings

    def _recorded(self, one: ShownExchange) -> Exchange:
        """Return an exchange of the report, with the API keys in place of their variables."""
        content = one.content.encode()
        return Exchange(
            one.method,
            one.url,
            one.path,
            tuple((name, self._filled(value)) for name, value in one.request_headers),
            _content(one),
            one.status,
            tuple((name, value) for name, value in one.headers),
            b64decode(content) if one.content_binary else content,
            secrets=self._secrets(),
        )

    def verdict(self, last: Exchange) -> tuple[bool, str]:
        """Return whether the failure occurs again, and a sentence that says so."""
        if self.finding.id in self.recorder.findings:
            again = self.recorder.findings[self.finding.id]
            return True, f"the same failure occurs: {again.detail}"
        for one in self.recorder.findings.values():
            if one.check == self.finding.check:
                return True, f"the same check fails: {one.detail}"
        evaluated = any(check == self.finding.check for check, _ in self.recorder.evaluations)
        before = self.finding.exchanges[-1]
        # A response may be right by leaving out what is checked, such as a header.
        if (evaluated or last.status == before.status) and self._shows_alone():
            return False, "the check passes: the failure doesn't occur"
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
        path, content = one.path, _content(one)
        for was, now in self._ids.items():
            path, content = path.replace(was, now), content.replace(was.encode(), now.encode())
        if not one.sent_binary:
            content = self._filled(content.decode()).encode()
        headers = {
            name: client.decodable(value)
            if name.lower() == "accept-encoding"
            else self._filled(value)
            for name, value in repeated_headers(one.request_headers, one.headers)
        }
        contract = packaged_contract().operation_at(path)
        expectation = expectation_of_request(contract, one.method, headers, content)
        try:
            exchange = self.budget.pay(
                self._payable(one.method, path, headers, content),
                content,
                lambda: client.send(one.method, self._filled(path), headers, content or None),
            )
        except NotJudged as error:  # there is no response
            return error.failure.exchanges[-1]
        self._remember(one, exchange)
        with suppress(NotJudged):
            state.check(contract, expectation, exchange)
        return exchange

    def _remember(self, one: ShownExchange, exchange: Exchange) -> None:
        """Remember the id of a task, which later requests use."""
        was, made = _id(_json(one.content)), _id(exchange.decoded())
        if one.method == "POST" and was and made:
            self._ids[was] = made

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


def _content(one: ShownExchange) -> bytes:
    return b64decode(one.sent) if one.sent_binary else one.sent.encode()


def _form(body: Any) -> Any:
    """Return the fields of a body with the types of their values."""
    if isinstance(body, dict):
        return {name: _form(one) for name, one in cast("dict[str, Any]", body).items()}
    return type(body).__name__


def _id(body: Any) -> str:
    """Return the id of a task, empty if a body has none."""
    found = cast("dict[str, Any]", body).get("id") if isinstance(body, dict) else None
    return found if isinstance(found, str) else ""


def _json(text: str | bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
