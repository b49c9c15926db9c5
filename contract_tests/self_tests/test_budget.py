"""The spend limit: without one nothing is submitted, with one it is never exceeded."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from self_tests.reference_server.server import Server
from wanflow_contract.checks.boundaries import cheapest, probes_of
from wanflow_contract.checks.documented_responses import packaged_contract
from wanflow_contract.checks.expectation import Expectation, Expected, packaged_oracle
from wanflow_contract.support.budget import BudgetExceeded, SpendBudget
from wanflow_contract.support.exchange import Exchange
from wanflow_contract.support.shared_budget import SharedBudget

ROOT = Path(__file__).resolve().parents[2]
KEY, KEY2 = "the-key-that-pays-0001", "the-key-of-another-0002"
PICKED = "files or billing or idempotency or state_machine or not_encoded"
MODELS = packaged_contract().catalog.models


class CountingServer(Server):
    """The reference server; counts requests with their times, and the reserved credits."""

    def __init__(self, *keys: str) -> None:
        super().__init__(*keys)
        self.requests, self.reserved, self.active, self.max_active = 0, 0.0, 0, 0
        self.times: list[float] = []
        self.lock = threading.Lock()

    def account(self, header: str | None) -> str:
        with self.lock:
            self.requests += 1
            self.times.append(time.monotonic())
        return super().account(header)

    def submit(self, path, key, body):
        with self.lock:
            self.active += 1
            self.max_active = max(self.active, self.max_active)
        try:
            made = super().submit(path, key, body)
        finally:
            self.active -= 1
        with self.lock:
            self.reserved += made["usage"]["credits_reserved"]
        return made


def suite(server: Server, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the fast tests against a server that charges."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "contract_tests/wanflow_contract",
        "-q",
        "-m",
        "fast",
    ]
    aimed = ["--base-url", server.origin + server.base, "--contract-report", str(folder)]
    return subprocess.run(
        [*command, "-p", "no:cacheprovider", *aimed, *options],
        cwd=ROOT,
        env={**os.environ, "WANFLOW_CONTRACT_API_KEY": KEY},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_without_a_limit_nothing_is_submitted(tmp_path) -> None:
    """Against a server that isn't the mock, no valid submission is sent without a limit."""
    with CountingServer(KEY) as server:
        done = suite(server, tmp_path, "-k", PICKED)
    assert server.tasks == {}
    assert done.returncode == 0, done.stdout
    assert "not sent: this submission may cost" in done.stdout
    assert "0 credits spent" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("processes", ["0", "3"])
def test_no_more_is_spent_than_the_limit(tmp_path, processes) -> None:
    """All tests, in one process or several, stop at the limit, and report what was spent."""
    with CountingServer(KEY) as server:
        done = suite(server, tmp_path, "--spend-limit", "60", "-n", processes)
    assert done.returncode == 0, done.stdout
    assert 40 < server.reserved <= 60, "the limit is nearly used, and not exceeded"
    assert f"{round(server.reserved, 4):g} credits spent" in done.stdout
    assert f", {len(server.tasks)} tasks, " in done.stdout
    assert server.max_active <= 10, "a run sends few requests concurrently"
    assert "60 are spent" in done.stdout, "it reports what wasn't sent"


@pytest.mark.slow
def test_generated_requests_are_submitted_with_a_large_budget_only(tmp_path) -> None:
    """Generated requests that may be accepted are sent only with a large budget."""
    submitted = {}
    for limit in ("1999", "100000"):
        with CountingServer(KEY) as server:
            chosen = ("-k", "every_response_is_documented", "--spend-limit", limit)
            done = suite(server, tmp_path, *chosen)
        assert done.returncode == 0, done.stdout
        assert server.requests > 30, "invalid requests are sent in any case"
        submitted[limit] = len(server.tasks)
    assert submitted["1999"] == 0
    assert submitted["100000"] > 0


@pytest.mark.slow
def test_requests_stay_within_the_rate_limit(tmp_path) -> None:
    """No second has more requests than allowed, with any number of processes."""
    rate = 8
    with CountingServer(KEY) as server:
        chosen = ("-k", "equal_requests or as_its_default", "--rate", str(rate))
        done = suite(server, tmp_path, *chosen, "--spend-limit", "9999", "-n", "2")
    assert done.returncode == 0, done.stdout
    assert len(server.times) > 2 * rate
    for begin in server.times:
        within = sum(begin <= one < begin + 1 for one in server.times)
        assert within <= rate + 2, "each process may send one late"


@pytest.mark.slow
def test_the_cheapest_tests_come_first_with_a_small_budget(tmp_path) -> None:
    """With a small budget, the boundaries, which cost most, are tested last."""

    def order(limit: str) -> list[str]:
        with CountingServer(KEY) as server:
            done = suite(server, tmp_path, "--collect-only", "--spend-limit", limit)
        seen = [line.partition("::")[0] for line in done.stdout.splitlines() if "::" in line]
        return [Path(name).stem.removeprefix("test_") for name in dict.fromkeys(seen)]

    few, many = order("60"), order("9999")
    assert few.index("lifecycle") < few.index("files") < few.index("semantics")
    assert many.index("semantics") < many.index("lifecycle")


@pytest.mark.parametrize("name", sorted(MODELS))
def test_no_boundary_request_costs_less_than_the_cheapest(name) -> None:
    """The cheapest request of a model is valid, and no valid boundary request costs less."""
    model, oracle = MODELS[name], packaged_oracle()
    with Server(KEY) as server:
        path, body = server.base + model.path, cheapest(model)

        def price(asked: dict) -> float:
            return server.submit(path, KEY, asked)["usage"]["credits_reserved"]

        assert oracle.expectation(model.operation_id, body).expected is Expected.ACCEPT
        for probe in probes_of(model):
            if oracle.expectation(model.operation_id, probe.body).expected is Expected.ACCEPT:
                assert price(body) <= price(probe.body), probe


@pytest.mark.slow
def test_a_dry_run_sends_nothing_and_lists_all_requests(tmp_path) -> None:
    """A dry run sends nothing to the server, and lists what would be sent."""
    with CountingServer(KEY) as server:
        done = suite(server, tmp_path, "-k", PICKED, "--spend-limit", "60", "--dry-run")
    assert done.returncode == 0, done.stdout
    assert (server.requests, server.tasks) == (0, {})
    listed = (tmp_path / "would-be-sent.txt").read_text().splitlines()
    assert len([line for line in listed if line.startswith("POST /v1/")]) > 5
    assert done.stdout.count(f"{len(listed)} requests would be sent") == 1
    assert "credits would be spent at most" in done.stdout


def test_no_output_contains_the_key(tmp_path) -> None:
    """Neither the terminal output nor the report nor the JUnit file contains the key."""

    class EchoServer(CountingServer):
        def poll(self, key, task_id):
            return {**super().poll(key, task_id), "queue": key, "progress": 7}

    with EchoServer(KEY) as server:
        done = suite(server, tmp_path, "-k", PICKED, "--spend-limit", "60")
    assert done.returncode == 1
    assert "[leak]" in done.stdout
    written = [path.read_text() for path in tmp_path.iterdir()]
    assert len(written) >= 2
    assert not any(KEY in text for text in (done.stdout, done.stderr, *written))


class TestSpendBudget:
    """What may be spent."""

    accepted = Expectation(Expected.ACCEPT)

    def body(self, **more: object) -> bytes:
        return json.dumps({**cheapest(next(iter(MODELS.values()))), **more}).encode()

    def exchange(self, asked: bytes, receipt: dict) -> Exchange:
        return Exchange("POST", "", "", (), asked, 200, (), json.dumps(receipt).encode())

    def test_an_empty_budget_blocks_requests_that_may_be_accepted(self) -> None:
        """Without credits, only requests that must be rejected are sent."""
        budget = SpendBudget(0.0)
        for word in (Expected.ACCEPT, Expected.EITHER):
            with pytest.raises(BudgetExceeded):
                budget.reserve(Expectation(word), self.body())
        budget.reserve(Expectation(Expected.REJECT), self.body())
        budget.reserve(None, None)

    def test_invalid_requests_need_budget_once_a_server_accepts_one(self) -> None:
        """Once an invalid request was accepted and charged, all invalid ones need budget."""
        budget, wrong = SpendBudget(0.0), Expectation(Expected.REJECT)
        budget.record(self.exchange(self.body(), {"usage": {"credits_reserved": 3}}), wrong)
        with pytest.raises(BudgetExceeded, match="3 of 0 are spent"):
            budget.reserve(wrong, self.body())

    def test_the_first_estimate_is_the_highest_documented_price(self) -> None:
        """Before any price is known, the estimate is the highest documented price."""
        assert SpendBudget(1.0).estimate({"model": "unseen", "duration": 10}) >= 10

    def test_an_unknown_price_class_is_estimated_higher(self) -> None:
        """The price of one quality is not the estimate of another one."""
        budget, body = SpendBudget(1000.0), {"model": "a", "duration": 5, "quality": "480p"}
        budget.record_cost(body, {"usage": {"credits_reserved": 50}})
        assert budget.estimate(body) == 50
        assert budget.estimate({**body, "quality": "1080p"}) >= 100

    def test_estimates_do_not_grow_where_no_price_is_reported(self) -> None:
        """An estimate is not a reported price: estimates don't grow by themselves."""
        budget, body = SpendBudget(1e6), {"model": "a", "duration": 5, "quality": "480p"}
        first = budget.estimate(body)
        for quality in ("480p", "720p", "1080p"):
            budget.record_cost({**body, "quality": quality}, {})
            assert budget.estimate({**body, "quality": quality}) == first

    def test_an_estimate_never_exceeds_the_limit(self) -> None:
        """A submission is not sent if its estimate is more than what is left."""
        budget = SpendBudget(100.0)
        budget.settle(99.0, 0.0)
        with pytest.raises(BudgetExceeded, match="99 of 100 are spent"):
            budget.reserve(self.accepted, self.body())

    def test_a_submission_in_flight_is_reserved(self) -> None:
        """Until its response arrives, a submission counts by its estimate, in every process."""
        cost = SpendBudget(0.0).estimate(json.loads(self.body()))
        budget = SpendBudget(1.5 * cost)
        reserved = budget.reserve(self.accepted, self.body())
        with pytest.raises(BudgetExceeded):
            budget.reserve(self.accepted, self.body())
        budget.record(
            self.exchange(self.body(), {"usage": {"credits_reserved": 0}}), self.accepted, reserved
        )
        assert budget.reserve(self.accepted, self.body()) == 0

    def test_a_shared_budget_is_shared(self, tmp_path) -> None:
        """Two processes that open one budget reserve and spend the same credits."""
        one, two = SharedBudget(tmp_path / "budget"), SharedBudget(tmp_path / "budget")
        assert one.reserve(6, 10)
        assert not two.reserve(6, 10)
        one.settle(6, 2.5)
        assert two.spent == 2.5
        assert two.reserve(7.5, 10)
        one.close()
        two.close()
