"""The spend limit: without one nothing is submitted, with one it is never exceeded."""

from __future__ import annotations

import gc
import json
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext, suppress
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from self_tests.limited_runs import KEY, suite
from self_tests.reference_server.server import Server
from self_tests.submissions import ACCEPTED, accepted_exchange, submission, submit
from wanflow import errors
from wanflow_contract.checks.boundaries import cheapest, probes_of
from wanflow_contract.checks.check import CheckFailed
from wanflow_contract.checks.documented_responses import packaged_contract
from wanflow_contract.checks.expectation import Expectation, Expected, packaged_oracle
from wanflow_contract.checks.request_expectation import expectation_of_request
from wanflow_contract.plan.budget import BudgetExceeded, SpendBudget
from wanflow_contract.plan.order import cheapest_model
from wanflow_contract.plan.payable import payable, shows_key
from wanflow_contract.plan.prices import documented, documented_of_model
from wanflow_contract.plan.shared_budget import Decision, SharedBudget
from wanflow_contract.report.result import ExitCode
from wanflow_contract.support.end_to_end import submit_and_record
from wanflow_contract.support.exchange import Exchange
from wanflow_contract.support.target_options import TargetOptions

if TYPE_CHECKING:
    from pathlib import Path

CHEAP = ("test_billing.py", "test_idempotency.py", "test_json_forms.py")
PICKED = (*CHEAP, "test_files.py", "test_client_state_machine.py", "test_task_ids.py")
MODELS = packaged_contract().catalog.models
ANY = next(iter(MODELS.values()))
VALID = json.dumps(cheapest(ANY))
JSON = "application/json"


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


@pytest.mark.processes
def test_without_a_limit_nothing_is_submitted(tmp_path) -> None:
    """Against a server that isn't the mock, no valid submission is sent without a limit."""
    with CountingServer(KEY) as server:
        done = suite(server, tmp_path, files=PICKED)
    assert server.tasks == {}
    assert done.returncode == 0, done.stdout
    assert "not sent: this submission may cost" in done.stdout
    assert "0 credits spent" in done.stdout


@pytest.mark.processes
@pytest.mark.parametrize("processes", ["0", "2"])
def test_a_run_counts_what_its_processes_did_before_it_is_judged(tmp_path, processes) -> None:
    """In one process or several, the exit code and the report have the requests of all of them."""
    with CountingServer(KEY) as server:
        done = suite(server, tmp_path, "-n", processes, "--require-complete", files=PICKED)
    result = json.loads((tmp_path / "report.json").read_text())
    assert done.returncode == result["exit_code"] == ExitCode.INCOMPLETE, done.stdout
    assert result["counters"]["requests"] >= server.requests > 20
    assert result["plan"]["coverage"]["untested"]


FREE = """
import sys, pytest
from wanflow_contract.plan.order import Stage, step_of

class Free:
    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items):
        items[:] = [one for one in items if step_of(one).stage <= Stage.GENERATED]

sys.exit(pytest.main(sys.argv[1:], plugins=[Free()]))
"""


@pytest.mark.slow  # some 40 s
def test_what_is_declared_free_is_sent_without_a_limit_and_costs_nothing(tmp_path) -> None:
    """A test with `costs(0)` that needs a valid request would be skipped, since nothing is left."""
    with CountingServer(KEY) as server:
        done = suite(server, tmp_path, files=("",), program=("-c", FREE))
    result = json.loads((tmp_path / "report.json").read_text())
    unsent = [one["name"] for one in result["tests"] if one["reason"].startswith("not sent")]
    passed = [one["name"] for one in result["tests"] if one["outcome"] == "passed"]
    assert done.returncode == 0, done.stdout
    assert unsent == []
    assert len(passed) > 1500
    assert server.tasks == {}


@pytest.mark.parametrize(
    ("content", "sent"),
    [
        (b'{"model": "\xff\xfe"}', True),
        (b'{"model": "\0"}', True),
        (b'{"model": "a", "model": "b"}', True),
        (json.dumps({"model": "a"}).encode("utf-16"), True),
        (VALID.encode("utf-16"), False),
        (VALID.encode() + b"\0", False),
        (b"\xef\xbb\xbf" + VALID.encode(), False),
        (VALID[:-1].encode() + b', "model": "a"}', False),
        (b'{"model": "a", ' + VALID[1:].encode(), False),
        (VALID.encode().replace(b'"prompt": "', b'"prompt": "\xff'), False),
    ],
)
def test_a_body_is_paid_for_if_a_parser_may_read_a_valid_one(content: bytes, sent: bool) -> None:
    """Of encodings and of names that occur twice, parsers take one or another."""
    contract = packaged_contract().operation_at(ANY.path)
    expectation = expectation_of_request(contract, "POST", {"Content-Type": JSON}, content)
    with nullcontext() if sent else pytest.raises(BudgetExceeded):
        SpendBudget(0.0).reserve(payable(expectation, "POST", shows_key=True), content)


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "Token", "BearerToken", "Basic"])
def test_only_the_documented_scheme_shows_a_key(scheme: str) -> None:
    """Schemes are compared without case; a server that follows the documents takes no other one."""
    right = scheme.lower() == "bearer"
    assert shows_key({"Authorization": f"{scheme} {KEY}"}, [KEY]) == right


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
    assert "91 of 91 rules tested on both sides" in done.stdout, "60 credits are enough for that"
    assert done.stdout.index("a full run would submit") < done.stdout.index("passed")


class HalfReported(CountingServer):
    """Once a task has ended it says that it charges twice, or ten times, what it said first."""

    times_reported = 2.0

    def submit(self, path, key, body):
        made = super().submit(path, key, body)
        receipt_says = made["usage"]["credits_reserved"]
        with self.lock:
            self.reserved += (self.times_reported - 1) * receipt_says
        self.tasks[made["id"]]["task"]["usage"] = {
            "credits_used": self.times_reported * receipt_says
        }
        if self.times_reported > 2:
            made["usage"] = {"billing_rule": made["usage"]["billing_rule"]}
        return made


class ReportedLate(HalfReported):
    """It says nothing before."""

    times_reported = 10.0


class OneModelReported(CountingServer):
    """It charges ten times what its documents say, and says so in the receipts of one model."""

    def submit(self, path, key, body):
        made = super().submit(path, key, body)
        price, usage = 10 * documented_of_model(body), made["usage"]
        with self.lock:
            self.reserved += price - usage["credits_reserved"]
        shown = {"credits_reserved": price} if body["model"] == cheapest_model().name else {}
        self.tasks[made["id"]]["task"]["usage"] = {}
        return {**made, "usage": {"billing_rule": usage["billing_rule"], **shown}}


@pytest.mark.slow  # a run each
@pytest.mark.parametrize("processes", [(), ("-n", "3")], ids=["one process", "three"])
@pytest.mark.parametrize("kind", [HalfReported, ReportedLate, OneModelReported])
def test_no_more_is_spent_than_the_limit_where_not_all_receipts_say_what_is_charged(
    tmp_path, kind, processes
) -> None:
    """The first task alone says what a task has used, before another one is submitted."""
    with kind(KEY) as server:
        done = suite(server, tmp_path, "--spend-limit", "60", *processes)
    assert done.returncode == 0, done.stdout
    assert 10 < server.reserved <= 60


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
        done = suite(server, tmp_path, "--spend-limit", "60", "--dry-run", files=PICKED)
    assert done.returncode == 0, done.stdout
    assert (server.requests, server.tasks) == (0, {})
    listed = (tmp_path / "would-be-sent.txt").read_text().splitlines()
    assert len([line for line in listed if line.startswith("POST /v1/")]) > 5
    assert done.stdout.count(f"{len(listed)} requests would be sent") == 1
    assert "credits would be spent at most" in done.stdout


@pytest.mark.processes
def test_no_output_contains_the_key(tmp_path) -> None:
    """Neither the terminal output nor the report nor the JUnit file contains the key."""

    class EchoServer(CountingServer):
        def poll(self, key, task_id):
            return {**super().poll(key, task_id), "queue": key, "progress": 7}

    with EchoServer(KEY) as server:
        done = suite(server, tmp_path, "--spend-limit", "60", files=CHEAP)
    assert done.returncode == 1
    assert "[leak]" in done.stdout
    written = [path.read_text() for path in tmp_path.iterdir()]
    assert len(written) >= 2
    assert not any(KEY in text for text in (done.stdout, done.stderr, *written))


def test_an_empty_budget_blocks_requests_that_may_be_accepted() -> None:
    """Without credits, only requests that must be rejected are sent."""
    budget = SpendBudget(0.0)
    for word in (Expected.ACCEPT, Expected.EITHER):
        with pytest.raises(BudgetExceeded):
            budget.reserve(Expectation(word), submission())
    budget.reserve(Expectation(Expected.REJECT), submission())
    budget.reserve(None, None)


def test_invalid_requests_need_budget_once_a_server_accepts_one() -> None:
    """Once an invalid request was accepted, others are sent only within the budget."""
    budget, wrong = SpendBudget(0.0), Expectation(Expected.REJECT)
    sent = budget.reserve(wrong, submission())
    budget.record(accepted_exchange(submission(), {"usage": {"credits_reserved": 3}}), wrong, sent)
    with pytest.raises(BudgetExceeded, match="3 of 0 are spent"):
        budget.reserve(wrong, submission())


def test_other_invalid_requests_are_sent_after_one_was_accepted() -> None:
    """While the budget can pay for them, invalid requests are sent after one was accepted."""
    budget, wrong = SpendBudget(50.0), Expectation(Expected.REJECT)
    sent = budget.reserve(wrong, submission())
    budget.record(accepted_exchange(submission(), {"usage": {"credits_reserved": 3}}), wrong, sent)
    for _ in range(500):
        rejected = Exchange("POST", "", "", (), submission(), 400, (), b"{}")
        budget.record(rejected, wrong, budget.reserve(wrong, submission()))
    assert (budget.shared_budget.spent, budget.submissions) == (3, 1)
    assert (budget.spent_on_invalid, budget.invalid_tasks) == (3, 1)


def test_an_invalid_request_is_sent_if_its_estimate_is_left() -> None:
    """Where the margin isn't left, what it costs in proportion is enough."""
    budget, wrong = SpendBudget(30.0), Expectation(Expected.REJECT)
    submit(budget, submission(), {"credits_reserved": 4})
    budget.shared_budget.record_accepted_invalid()
    assert budget.reserve(wrong, submission(n=5)).credits == 5 * 4
    with pytest.raises(BudgetExceeded):
        budget.reserve(ACCEPTED, submission(n=5))


def test_a_replay_is_believed_only_of_a_used_key_and_a_known_task() -> None:
    """A response that claims to be a replay costs nothing only if it can be one."""
    budget, body = SpendBudget(50.0), submission()
    keyed = (("Idempotency-Key", "a-key-of-sixteen"),)
    receipt = json.dumps({"id": "a", "usage": {"credits_reserved": 2}}).encode()
    for headers, replay in (((), 2), (keyed, 4), (keyed, 4), ((), 6)):
        exchange = Exchange("POST", "", "", headers, body, 200, (), receipt)
        budget.record(exchange, ACCEPTED, budget.reserve(ACCEPTED, body))
        assert budget.shared_budget.spent == replay


def test_a_broken_response_to_a_valid_request_may_have_been_charged() -> None:
    """After a 5xx a valid request counts, and a request that must be rejected doesn't."""
    budget = SpendBudget(50.0)
    broken = Exchange("POST", "", "", (), submission(), 502, (), b"")
    wrong = Expectation(Expected.REJECT)
    budget.record(broken, wrong, budget.reserve(wrong, submission()))
    assert budget.shared_budget.spent == 0
    budget.record(broken, ACCEPTED, budget.reserve(ACCEPTED, submission()))
    assert budget.shared_budget.spent == 2 * documented(json.loads(submission()))


def test_a_submission_in_flight_is_reserved() -> None:
    """Before its response is there, a submission counts the most that it may cost."""
    most = SpendBudget(9.0).prices.most(json.loads(submission()))
    budget = SpendBudget(1.5 * most, wait=0)
    reserved = budget.reserve(ACCEPTED, submission())
    with pytest.raises(BudgetExceeded):
        budget.reserve(ACCEPTED, submission())
    receipt = {"id": "a", "usage": {"credits_reserved": 0}}
    budget.record(accepted_exchange(submission(), receipt), ACCEPTED, reserved)
    assert budget.reserve(ACCEPTED, submission()).credits == 0


def test_a_submission_waits_for_what_others_reserved(tmp_path) -> None:
    """A submission is not refused only because another's cost isn't known yet."""
    shared = SharedBudget(tmp_path / "budget")
    budget = SpendBudget(15.0, shared)
    first = budget.reserve(ACCEPTED, submission())
    assert shared.reserve(10, 15, 15) is Decision.WAIT
    timer = threading.Timer(0.1, budget.release, [first])
    timer.start()
    assert budget.reserve(ACCEPTED, submission()).credits == 10
    timer.join()


def test_a_budget_is_closed_with_its_last_user() -> None:
    """Python warns of a database that nobody closes, since 3.13."""
    budget = SharedBudget()
    rows = budget._rows
    del budget
    gc.collect()
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        rows.execute("SELECT 1")


def test_a_shared_budget_is_shared(tmp_path) -> None:
    """Two processes that open a shared budget reserve and spend from the same credits."""
    one, two = SharedBudget(tmp_path / "budget"), SharedBudget(tmp_path / "budget")
    assert one.reserve(6, 10, 10) is Decision.RESERVED
    assert two.reserve(6, 10, 10) is Decision.WAIT
    assert two.reserve(11, 10, 10) is Decision.TOO_MUCH
    one.settle(6, 2.5, 1)
    assert (two.spent, two.submissions) == (2.5, 1)
    assert two.reserve(7.5, 10, 10) is Decision.RESERVED
    one.record_accepted_invalid()
    assert two.accepts_invalid
    one.close()
    two.close()


@pytest.mark.parametrize(
    ("refusal", "status", "counted"),
    [
        (errors.BadRequest, 400, 0),
        (errors.InsufficientCredits, 402, 0),
        (errors.PermissionDenied, 403, 0),
        (errors.RateLimited, 429, 0),
        (errors.ServerError, 500, 1),
        (errors.UnexpectedResponse, 0, 1),
    ],
)
def test_what_a_client_is_refused_costs_nothing(
    refusal: type[errors.APIError], status: int, counted: int
) -> None:
    """A refused submission of the client doesn't count; one with an unknown outcome does."""
    budget, model = SpendBudget(50.0), next(iter(MODELS.values()))

    def refuse(_work: object) -> None:
        raise refusal("No", status=status)

    nothing = SimpleNamespace(pace=SimpleNamespace(wait=int), record_request=lambda *_: None)
    target = SimpleNamespace(models=MODELS, budget=budget, client=nothing)
    with pytest.raises(refusal):
        submit_and_record(target, SimpleNamespace(do=refuse), cheapest(model))
    assert budget.submissions == counted
    assert (budget.spent_here > 0) == bool(counted)


def test_prices_that_grow_are_expected_to_grow_on() -> None:
    """A server whose prices grew by a third with each task was charged 57 of 50."""
    budget, charged = SpendBudget(50.0), 0.0
    for number in range(100):
        with suppress(BudgetExceeded):
            reservation = budget.reserve(ACCEPTED, submission())
            price = 1 + 0.3 * number
            charged += price
            receipt = {"id": str(number), "usage": {"credits_reserved": price}}
            budget.record_cost(receipt, reservation)
    assert 25 < charged <= 50
    assert budget.shared_budget.spent == pytest.approx(charged)


def test_a_price_above_what_was_expected_is_counted_and_the_last() -> None:
    """It was charged, and passed the limit: the run must say so."""
    budget = SpendBudget(10.0)
    submit(budget, submission(), {"credits_reserved": 15})
    assert (budget.shared_budget.spent, budget.unbelieved.total()) == (15, 0)
    with pytest.raises(BudgetExceeded):
        budget.reserve(ACCEPTED, submission())


def two_processes(folder: Path) -> list[SpendBudget]:
    """Return the budgets of two processes that poll their first task to its end."""
    budgets = [
        SpendBudget(100.0, SharedBudget(folder / "budget"), first_alone=True) for _ in range(2)
    ]
    for one in budgets:
        one.first.thread.is_polled = True
    return budgets


@pytest.mark.parametrize(("ended", "cost"), [("used", 2 * 2 * 12), ("refused", 2 * 2 * 5)])
def test_other_processes_wait_for_the_first_task(tmp_path, ended, cost) -> None:
    """Only what must be refused is sent before its price is known, or before it was refused."""
    first, other = two_processes(tmp_path)
    reservation = first.reserve(ACCEPTED, submission())
    assert first.first.thread.is_here
    assert other.reserve(Expectation(Expected.REJECT), submission()).credits
    waiting = ThreadPoolExecutor(1).submit(
        lambda: (other.reserve(ACCEPTED, submission(n=2)).credits, other.first.thread.is_here)
    )
    time.sleep(0.2)
    assert not waiting.done()
    if ended == "used":
        first.record_cost({"id": "task-1", "usage": {}}, reservation)
        first.record_used({"id": "task-1", "usage": {"credits_used": 12}})
    else:
        first.release(reservation)
    first.end_first("task-1")
    assert waiting.result(10) == (cost, ended == "refused")


@pytest.mark.parametrize(
    ("reported", "used", "alone"), [(3, 3, False), (3, None, False), (None, 3, True), (1, 3, True)]
)
def test_each_model_is_alone_first_where_receipts_do_not_say_what_is_charged(
    reported, used, alone
) -> None:
    """What one model costs doesn't say what another one does."""
    budget = SpendBudget(1000.0, first_alone=True)
    budget.first.thread.is_polled = True
    receipt = {} if reported is None else {"credits_reserved": reported}
    budget.record_cost({"id": "a", "usage": receipt}, budget.reserve(ACCEPTED, submission()))
    polled = {"id": "a", "status": "completed", "usage": {"credits_used": used}}
    budget.record_used(polled)
    budget.end_first("a")
    for model, first in ((ANY, False), (list(MODELS.values())[1], alone)):
        budget.reserve(ACCEPTED, json.dumps(cheapest(model)).encode())
        assert budget.first.thread.is_here == first


@pytest.mark.parametrize("outcome", ["refused", "no response", "accepted"])
@pytest.mark.parametrize("polled", [True, False])
def test_a_first_submission_without_a_task_keeps_no_other_process(
    tmp_path, outcome, polled
) -> None:
    """Whichever way it was sent: by the suite's client, as bytes, or by the library."""
    first, other = two_processes(tmp_path)
    first.first.thread.is_polled = polled
    reservation = first.reserve(ACCEPTED, submission())
    if outcome == "refused":
        first.release(reservation)
    elif outcome == "no response":
        first.record_unknown(reservation)
    else:
        first.record_cost({"id": "task-1", "usage": {"credits_reserved": 2}}, reservation)
    if polled:
        first.end_first("task-1" if outcome == "accepted" else None)
    begun = time.monotonic()
    assert other.reserve(ACCEPTED, submission()).credits
    assert time.monotonic() - begun < 5
    assert other.first.thread.is_here == (outcome != "accepted")


@pytest.mark.parametrize("outcome", ["refused", "no response", "accepted"])
def test_threads_of_a_process_wait_for_its_first_task_and_no_longer(tmp_path, outcome) -> None:
    """Some of them submit at the same time, and a claim that nobody ends would stop all others."""
    budget = SpendBudget(10_000.0, SharedBudget(tmp_path / "budget"), first_alone=True)
    budget.first.thread.is_polled = True  # this thread's, not theirs
    active, most, lock = 0, 0, threading.Lock()

    def submit_one(number: int) -> None:
        nonlocal active, most
        reservation = budget.reserve(ACCEPTED, submission())
        with lock:
            active += not budget.shared_budget.is_priced(ANY.name)
            most = max(most, active)
        time.sleep(0.002)
        with lock:
            active = max(0, active - 1)
        if outcome == "refused":
            budget.release(reservation)
        elif outcome == "no response":
            budget.record_unknown(reservation)
        else:
            receipt = {"id": f"task-{number}", "usage": {"credits_reserved": 2}}
            budget.record_cost(receipt, reservation)

    with ThreadPoolExecutor(10) as pool:
        done = [pool.submit(submit_one, number) for number in range(60)]
    assert not any(one.exception() for one in done)
    assert most == 1
    assert budget.shared_budget.claim_first(), "nobody has it"


class Dropping(Server):
    """It closes the connection of its first submission."""

    submitted = 0

    def submit(self, path: str, key: str, body: Any) -> dict[str, Any]:
        self.submitted += 1
        if self.submitted == 1:
            raise ConnectionAbortedError
        return super().submit(path, key, body)


def test_a_first_submission_without_a_response_keeps_no_other_process(tmp_path) -> None:
    """Nor does one whose checks fail."""
    with Dropping(KEY) as server:
        options = TargetOptions(server.origin + server.base, KEY, spend_limit=50.0)
        with options.target() as target:
            with pytest.raises(CheckFailed):
                target.post(ANY, cheapest(ANY))
            assert not target.budget.first.thread.is_here
            assert target.budget.shared_budget.claim_first()
            target.budget.shared_budget.end_first()
            history = target.submit(cheapest(ANY))
            assert history.ended, "it was polled to its end"
            assert target.budget.shared_budget.is_priced(ANY.name)
            assert not target.submit(cheapest(ANY)).polls, "only the first one"


def test_a_stopped_run_waits_for_no_first_task(tmp_path) -> None:
    """An interrupted run ends, though its first task hasn't."""
    first, other = two_processes(tmp_path)
    first.reserve(ACCEPTED, submission())
    first.shared_budget.stop(0.0)
    with pytest.raises(BudgetExceeded):
        other.reserve(ACCEPTED, submission())
