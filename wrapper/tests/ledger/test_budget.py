"""A budget is checked in the transaction that records what is sent."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from attrs import evolve

from wanflow._core.recorder import Budget, SubmissionIntent
from wanflow._core.snapshot import Snapshot
from wanflow.errors import CreditLimitExceeded, JobLocked
from wanflow.ledger import JobState, Ledger

if TYPE_CHECKING:
    from pathlib import Path

SERVER = "http://127.0.0.1:9"
PRICE = 10.0
_RESEND = """
import json, sys
from wanflow._core.recorder import Budget
from wanflow.errors import CreditLimitExceeded
from wanflow.ledger import Ledger
path, prefix, limit, keys = json.loads(sys.argv[1])
sent = 0
with Ledger(path) as ledger:
    print("ready", flush=True)
    sys.stdin.readline()
    for key in keys:
        try:
            ledger.resend(ledger.find(key), Budget(prefix, limit))
            sent += 1
        except CreditLimitExceeded:
            pass
print(sent)
"""

_SUBMIT = """
import json, os, sys
from tests.ledger.test_budget import intent
from wanflow._core.recorder import Budget
from wanflow.errors import CreditLimitExceeded
from wanflow.ledger import Ledger
path, prefix, limit, processes, jobs = json.loads(sys.argv[1])
budget, children, ready, go = Budget(prefix, limit), [], os.pipe(), os.pipe()
for process in range(processes):
    children.append(os.fork())
    if not children[-1]:
        sent = 0
        with Ledger(path) as ledger:
            os.close(go[1])
            os.write(ready[1], b".")
            os.read(go[0], 1)
            for number in range(jobs):
                try:
                    ledger.record_intent(intent(1 + process * jobs + number, budget))
                    sent += 1
                except CreditLimitExceeded:
                    pass
        os._exit(sent)
for _ in children:
    os.read(ready[0], 1)
os.close(go[1])
print(sum(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children))
"""


def intent(number: int, budget: Budget, **more: Any) -> SubmissionIntent:
    key = f"key-of-a-submission-{number}"
    return SubmissionIntent(
        SERVER,
        key,
        "any-model",
        {},
        b"{}",
        name=f"{budget.prefix}{key}",
        price_class="{}",
        budget=budget,
        **more,
    )


def known_price(ledger: Ledger, budget: Budget) -> None:
    """Record a job that cost the price."""
    first = intent(0, evolve(budget, unknown_price=PRICE))
    ledger.record_intent(first)
    snapshot = Snapshot("task-unified-1-aaaaaaaa", "pending", usage={"credits_reserved": PRICE})
    ledger.record_accepted(first.key, snapshot, hold=False)


@pytest.mark.processes
def test_processes_that_resend_concurrently_stay_below_the_ceiling(location: Path | str) -> None:
    """However many uncertain jobs there are, and whichever process sends them."""
    jobs, allowed, processes = 6, 2, 3
    limit = PRICE * (1 + jobs + allowed)
    budget = Budget("b:", limit)
    with Ledger(location) as ledger:
        known_price(ledger, budget)
        keys = []
        for number in range(1, jobs + 1):
            ledger.record_intent(intent(number, budget))
            keys.append(intent(number, budget).key)
            ledger.record_uncertain(keys[-1], "no response")
    given = json.dumps([str(location), budget.prefix, limit, keys])
    command = [sys.executable, "-c", _RESEND, given]
    running = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(processes)
    ]
    for one in running:
        assert one.stdout is not None
        assert one.stdout.readline() == "ready\n"
    for one in running:
        assert one.stdin is not None
        one.stdin.write("\n")
        one.stdin.flush()
    assert sum(int(one.communicate()[0]) for one in running) == allowed
    with Ledger(location) as ledger:
        assert ledger.budget(SERVER, budget).committed == limit


@pytest.mark.processes
@pytest.mark.skipif(sys.platform == "win32", reason="processes are forked")
def test_processes_that_submit_concurrently_reach_the_ceiling_exactly(
    location: Path | str,
) -> None:
    """Of 40 jobs of 8 processes, exactly as many are allowed as the limit pays for."""
    allowed, processes, jobs = 13, 8, 5
    budget = Budget("b:", PRICE * (1 + allowed))
    with Ledger(location) as ledger:
        known_price(ledger, budget)
    given = json.dumps([str(location), budget.prefix, budget.max_credits, processes, jobs])
    command = [sys.executable, "-c", _SUBMIT, given]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert (done.stdout, done.stderr) == (f"{allowed}\n", "")
    with Ledger(location) as ledger:
        assert ledger.budget(SERVER, budget).committed == budget.max_credits
        assert len(ledger.jobs([JobState.INTENT])) == allowed


def test_a_rejected_job_counts_in_the_budget_that_sends_it_again(ledger: Ledger) -> None:
    """Not in the one that sent it first."""
    first, other = Budget("a:", 100), Budget("b:", PRICE)
    known_price(ledger, Budget("c:", 100))
    for budget in (first, other):
        assert ledger.record_intent(intent(1, budget)) is None
        ledger.record_rejected(intent(1, budget).key, "no credits")
    assert ledger.record_intent(intent(1, other)) is None
    assert ledger.budget(SERVER, first).committed == 0
    assert ledger.budget(SERVER, other).committed == PRICE
    with pytest.raises(CreditLimitExceeded):
        ledger.record_intent(intent(2, other))


def test_a_job_that_was_deleted_or_accepted_meanwhile_is_not_resent(ledger: Ledger) -> None:
    """It would be charged without a record."""
    budget = Budget("b:", 100)
    known_price(ledger, budget)
    for number in (1, 2):
        ledger.record_intent(intent(number, budget))
        ledger.record_uncertain(intent(number, budget).key, "no response")
    deleted, accepted = (ledger.find(intent(number, budget).key) for number in (1, 2))
    assert deleted is not None
    assert accepted is not None
    assert ledger.delete([deleted]) == 1
    ledger.record_accepted(str(accepted.key), Snapshot("task-unified-2-b", "pending"), hold=False)
    for job in (deleted, accepted):
        with pytest.raises(JobLocked):
            ledger.resend(job, budget)


def test_a_lost_task_without_a_price_counts_with_the_highest_price(ledger: Ledger) -> None:
    """Credits of 0 are known to be right only when a task has ended."""
    budget = Budget("b:", 100)
    known_price(ledger, budget)
    ledger.record_intent(intent(1, budget))
    snapshot = Snapshot("task-unified-2-bbbbbbbb", "pending", usage={"credits_reserved": 0})
    ledger.record_accepted(intent(1, budget).key, snapshot, hold=False)
    ledger.record_lost(SERVER, snapshot.id, "it is gone")
    assert ledger.budget(SERVER, budget).committed == 2 * PRICE
