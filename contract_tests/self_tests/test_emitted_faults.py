"""Tests that are emitted for a fault fail on the faulty server, and pass on a right one."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from self_tests.reference_server import header_faults, server
from self_tests.reference_server.server import Server
from self_tests.reference_server.variants import Replaying
from wanflow.mock import MockServer
from wanflow_contract.checks.boundaries import cheapest
from wanflow_contract.checks.check import REGISTRY, observing
from wanflow_contract.checks.documented_responses import packaged_contract
from wanflow_contract.checks.request_expectation import expectation_of_request
from wanflow_contract.checks.run_state import RunState
from wanflow_contract.findings.recorder import Recorder
from wanflow_contract.support.exchange import Exchange
from wanflow_contract.triage.emit_tests import render_test

if TYPE_CHECKING:
    from collections.abc import Callable

    from wanflow_contract.findings.finding import Finding

pytestmark = pytest.mark.processes  # they serve

KEY = "the-key-that-pays-0001"
CONTRACT = packaged_contract()
MODEL = next(one for one in CONTRACT.catalog.models.values() if one.kind == "image")
BODY = cheapest(MODEL)


class Sender:
    """Sends requests to a server, and has what came back."""

    def __init__(self, running: Server, key: str) -> None:
        self.key = key
        self.url = running.origin + running.base
        self.exchanges = list[Exchange]()

    def send(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> Exchange:
        given = {"Authorization": f"Bearer {self.key}", **(headers or {})}
        with httpx.Client(trust_env=False) as client:
            got = client.request(method, self.url + path, headers=given, json=body)
        sent = got.request
        found = Exchange(
            method,
            self.url + path,
            path,
            tuple(sent.headers.multi_items()),
            sent.content,
            got.status_code,
            tuple(got.headers.multi_items()),
            got.content,
            secrets=(self.key,),
        )
        self.exchanges.append(found)
        return found

    def submit(self, headers: dict[str, str] | None = None) -> Exchange:
        return self.send("POST", MODEL.path, BODY, headers)

    def poll(self, headers: dict[str, str] | None = None) -> Exchange:
        return self.send("GET", f"/v1/tasks/{self.exchanges[0].task_id}", headers=headers)


def submit(sender: Sender) -> None:
    sender.submit()


def repeat(sender: Sender) -> None:
    for _ in range(2):
        sender.submit({"Idempotency-Key": "contract-0123456789abcdef"})


def other_method(sender: Sender) -> None:
    sender.send("PUT", MODEL.path, BODY)


def refuse(sender: Sender) -> None:
    sender.send("POST", MODEL.path, {**BODY, "prompt": 5})


def life(sender: Sender) -> None:
    sender.submit()
    sender.poll()
    time.sleep(2 * server.TASK_SECONDS if server.TASK_SECONDS < 1 else 0)
    sender.poll()


def poll_plainly(sender: Sender) -> None:
    sender.submit()
    sender.poll({"Accept-Encoding": "identity"})


CASES: dict[str, tuple[type[Server], Callable[[Sender], None]]] = {
    "allow": (header_faults.WrongAllow, other_method),
    "date": (header_faults.OldDate, submit),
    "not-shared": (header_faults.Shared, life),
    "not-cached": (header_faults.Kept, life),
    "refusal-not-cached": (header_faults.KeptRefusals, submit),
    "retry-time": (header_faults.LateRetry, submit),
    "content-length": (header_faults.PaddedLength, submit),
    "encoding": (header_faults.AlwaysCompressed, poll_plainly),
    "success-only": (header_faults.ErrorInSuccess, refuse),
    "failure-code": (header_faults.UnknownCode, life),
    "ends": (header_faults.Endless, life),
    "idempotent": (Replaying, repeat),
}
OF_TESTS = {"encoding": 1, "ends": 2, "idempotent": 2}
"""Checks that a test of the suite evaluates, not each response, with the number of exchanges."""


def finding_of(check: str, running: Server, key: str = KEY) -> Finding:
    """Return what the suite finds on a server."""
    sender, recorder = Sender(running, key), Recorder(strict=True, is_known=lambda _finding: True)
    CASES[check][1](sender)
    state = RunState(CONTRACT.catalog.models, {"one": key}, False, False, time.time)
    with observing(recorder):
        for one in sender.exchanges:
            recorder.begin("a test")
            contract = CONTRACT.operation_at(one.path)
            sent = dict(one.request_headers)
            state.check(contract, expectation_of_request(contract, one.method, sent, one.sent), one)
        if check in OF_TESTS:
            shown = (sender.exchanges[0], *sender.exchanges[-OF_TESTS[check] + 1 :])
            REGISTRY[check].require(False, "as the test says", *shown[-OF_TESTS[check] :])
    return next(one for one in recorder.findings.values() if one.check == check)


def run_emitted(source: str, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the test of a source against a server."""
    monkeypatch.setenv("WANFLOW_API_KEY", KEY)
    monkeypatch.setenv("WANFLOW_CONTRACT_BASE_URL", url)
    monkeypatch.setenv("WANFLOW_CONTRACT_TIMEOUT", "1.5")
    names: dict[str, Any] = {}
    exec(compile(source, "an emitted test", "exec"), names)
    next(one for name, one in names.items() if name.startswith("test_"))()


@pytest.mark.parametrize("check", sorted(CASES))
def test_an_emitted_test_fails_on_the_server_with_the_fault_only(check, monkeypatch) -> None:
    """Each of them sends its requests once more, as new ones."""
    if check == "not-cached":
        monkeypatch.setattr(server, "TASK_SECONDS", 1.0)  # it still runs when it is polled
    with CASES[check][0](KEY) as faulty:
        found = finding_of(check, faulty)
        source = render_test(found, "http://127.0.0.1:9")
        assert source is not None
        assert KEY not in source
        with pytest.raises(AssertionError):
            run_emitted(source, faulty.origin + faulty.base, monkeypatch)
    with Server(KEY) as right:
        run_emitted(source, right.origin + right.base, monkeypatch)


def test_an_emitted_test_of_keys_uses_new_ones_in_each_run(monkeypatch) -> None:
    """A server that honours keys is right each time; with a used key, the first is a replay."""
    with Replaying(KEY) as faulty:
        source = render_test(finding_of("idempotent", faulty), "http://127.0.0.1:9")
    assert source is not None
    with MockServer(api_key=KEY) as mock:
        for _ in range(2):
            run_emitted(source, mock.base_url, monkeypatch)
