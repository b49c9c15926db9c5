"""The credit limit holds, whatever jobs cost, however they end, and in any number of runs."""

from __future__ import annotations

from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from attrs import define, evolve, field
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import examples
from wanflow import Client, errors
from wanflow._core.effects import (
    EmitEvent,
    Finished,
    RandomFloat,
    ReadClock,
    Request,
    Spawn,
    TimePoint,
    WaitNext,
    WithLock,
)
from wanflow._core.rate_limiter import PollRateLimiter
from wanflow._core.snapshot import Snapshot, TaskFailure, credits_of
from wanflow._flows.poll import PollResult, PollTarget
from wanflow._flows.poll_many import PollEntry
from wanflow.batch.engine import DOWNLOAD, FINISH, SUBMIT, make_engine
from wanflow.batch.models import BatchOptions, PlannedJob, StopSignal
from wanflow.catalog.catalog import packaged_catalog
from wanflow.ledger import JobState, Ledger
from wanflow.ledger.job import Job

if TYPE_CHECKING:
    from tests.batch.conftest import BatchRunner
    from wanflow.batch import BatchProgress
    from wanflow.batch.engine import Engine
    from wanflow.mock import MockServer
    from wanflow.mock.gateway.accounts import Account

KINDS = "abcd"
SIZES = [f"{768 + 32 * n}x768" for n in range(20)]
UNREADABLE_USAGE = ({"credits_used": -1}, {"credits_used": float("nan")}, {"credits_used": "5"}, {})


@define
class FakeApi:
    """A server and the ledger of its only client, with what it charges and what it reports."""

    prices: dict[str, float]
    random: Random
    unreadable: float = 0.0
    """How often its usage has no readable price."""
    charged: float = 0.0
    most: float = 0.0
    allowed: float = 0.0
    """The most expensive job that was sent while the price of its class was unknown."""
    jobs: dict[str, Job] = field(factory=dict)
    reported: set[str] = field(factory=set)
    kinds: dict[str, str] = field(factory=dict)

    def charge(self, amount: float) -> None:
        self.charged += amount
        self.most = max(self.most, self.charged)

    def usage(self, kind: str, **amounts: float) -> dict[str, Any]:
        """Return what a job costs, or something unreadable."""
        if self.random.random() < self.unreadable:
            return self.random.choice(UNREADABLE_USAGE)
        self.reported.add(kind)
        return amounts

    def submit(self, item: Any) -> Finished:
        """Accept a submission, reject it, or lose the response."""
        kind, key = item.job.body["size"], item.key
        price = self.prices[kind]
        end = self.random.choice([*["accepted"] * 6, "rejected", "lost", "not accepted"])
        if end == "rejected":
            error = errors.BadRequest("no", status=400)
            return Finished((SUBMIT, item), error=error)
        self.jobs[key] = _job(item, len(self.jobs))
        if end != "not accepted":
            self.charge(price)
        if end != "accepted":
            return Finished((SUBMIT, item), error=_uncertain())
        task = Snapshot(f"task-{key}", "pending", usage=self.usage(kind, credits_reserved=price))
        self.kinds[task.id] = kind
        self.record(key, JobState.ACCEPTED, task)
        return Finished((SUBMIT, item), task)

    def poll(self, one: PollEntry) -> Finished:
        """Return a snapshot of a task: running, completed, or failed with some credits returned."""
        task_id = one.target.task_id
        kind, key = self.kinds[task_id], task_id.removeprefix("task-")
        price = self.prices[kind]
        match self.random.choice(["running", "completed", "completed", "failed"]):
            case "running":
                task = Snapshot(task_id, "processing", usage=self.usage(kind, credits_used=price))
                self.record(key, JobState.ACCEPTED, task)
            case "completed":
                task = Snapshot(task_id, "completed", usage=self.usage(kind, credits_used=price))
                self.record(key, JobState.SAVED, task)
            case _:
                back = self.random.choice([0.0, price / 2, price])
                self.charged -= back
                usage = {"credits_used": price - back} if self.random.random() < 0.5 else {}
                failure = TaskFailure("generation_timeout", "it took too long")
                task = Snapshot(task_id, "failed", failure=failure, usage=usage)
                self.record(key, JobState.FAILED, task)
        return Finished(one, PollResult(task))

    def record(self, key: str, state: JobState, task: Snapshot) -> None:
        """Record a task as a ledger would."""
        before, cost = self.jobs[key], credits_of(task.usage)
        self.jobs[key] = evolve(
            before,
            state=state,
            task_id=task.id,
            credits=before.credits if cost is None else cost,
            price=before.price if task.failure or not cost else cost,
            code=None if task.failure is None else task.failure.code,
        )


SERVER = "https://api.example/v1"


def _uncertain() -> errors.SubmitUncertain:
    return errors.SubmitUncertain("lost", reason="lost", request={}, idempotency_key="")


def _job(item: Any, number: int) -> Job:
    blank = dict.fromkeys((one.name for one in Job.__attrs_attrs__), None)  # type: ignore[attr-defined]
    known = {
        "id": number,
        "server": SERVER,
        "key": item.key,
        "name": item.job.name,
        "attempt": item.attempt,
        "state": JobState.UNCERTAIN,
        "files": (),
        "sends": 1,
    }
    return Job(**{**blank, **known})


@define
class FakeLedger:
    """The ledger as a batch reads it."""

    server: FakeApi

    def attempts(self, names: Any) -> dict[str, list[Job]]:
        found: dict[str, list[Job]] = {}
        for job in self.server.jobs.values():
            found.setdefault(str(job.name), []).append(job)
        return {name: found[name] for name in names if name in found}

    def is_owned(self, job: Job) -> bool:
        return False


class FakeOperations:
    recording = SimpleNamespace(server=SERVER)
    catalog = packaged_catalog()
    limiter = PollRateLimiter(1000.0)

    def poll_target(self, task_id: str, known: Snapshot | None) -> PollTarget:
        return PollTarget(task_id, Request("GET", task_id), self.limiter)


@define
class FakeSteps:
    """Steps that do nothing; the driver ends them as the server would."""

    options: BatchOptions
    ledger: FakeLedger
    operations: FakeOperations = field(factory=FakeOperations)

    def submit(self, item: Any) -> Any:
        return None

    download = resume = submit

    def finish(self, item: Any, outcome: Any) -> Any:
        return outcome

    def record_done(self, item: Any, done: Snapshot) -> bool:
        return True

    def own_task(self, item: Any, error: Any) -> str | None:
        return getattr(error, "task_id", None)

    def prices(self, models: Any) -> list[Any]:
        return []

    def record_poll(self, snapshot: Snapshot) -> None:
        """Record nothing."""

    release = record_poll


@define
class EngineDriver:
    """Runs an engine; what it starts ends in random order."""

    engine: Engine
    server: FakeApi
    started: list[Any] = field(factory=list)
    now: float = 0.0

    def run(self, jobs: list[PlannedJob]) -> None:
        flow, result = self.engine.run(jobs), None
        while True:
            try:
                effect = flow.send(result)
            except StopIteration:
                return
            result = self.perform(effect)

    def perform(self, effect: Any) -> Any:
        match effect:
            case Spawn():
                self.record_unknown_price(effect.key)
                self.started.append(effect)
            case ReadClock():
                self.now += 1.0
                return TimePoint(self.now, self.now)
            case RandomFloat():
                return 0.5
            case WaitNext():
                return self.next_finished()
            case WithLock(function):
                return function()
            case EmitEvent():
                pass
            case _:
                return effect.function()
        return None

    def record_unknown_price(self, key: Any) -> None:
        """Record a job that is sent while its price is unknown."""
        if isinstance(key, tuple) and key[0] == SUBMIT:
            kind = key[1].job.body["size"]
            if kind not in self.server.reported:
                self.server.allowed = max(self.server.allowed, self.server.prices[kind])

    def next_finished(self) -> Finished | None:
        if not self.started:
            return None
        started = self.started.pop(self.server.random.randrange(len(self.started)))
        match started.key:
            case PollEntry() as one:
                return self.server.poll(one)
            case (step, item) if step == SUBMIT:
                return self.server.submit(item)
            case (step, _) if step == FINISH:
                return Finished(started.key, error=started.flow)
            case (step, _) if step == DOWNLOAD:
                return Finished(started.key, ())
            case key:
                return Finished(key)


@settings(max_examples=examples(400))
@given(
    st.floats(0, 60),
    st.fixed_dictionaries({kind: st.integers(1, 80).map(lambda x: x / 4) for kind in KINDS}),
    st.lists(st.sampled_from(KINDS), min_size=1, max_size=25),
    st.integers(0, 2),
    st.sampled_from([0.0, 0.1, 0.5]),
    st.integers(0, 2**32),
)
def test_no_order_of_events_exceeds_the_limit(
    limit: float,
    prices: dict[str, float],
    sizes: list[str],
    retries: int,
    unreadable: float,
    seed: int,
) -> None:
    """At most one job of unknown price exceeds it, and each run counts what the last one spent."""
    server = FakeApi(prices, Random(seed), unreadable)
    jobs = [
        PlannedJob(line, f"job {line}", "m", {"model": "m", "size": size}, b"")
        for line, size in enumerate(sizes, 1)
    ]

    def run(stop: StopSignal | None = None) -> float:
        options = BatchOptions(Path("out"), 1e9, limit, retries, stop=stop or StopSignal())
        engine = make_engine(FakeSteps(options, FakeLedger(server)))  # type: ignore[arg-type]
        EngineDriver(engine, server).run(jobs)
        return engine.costs.spent

    for _ in range(3):
        spent = run()
        assert server.most <= limit + server.allowed + 1e-6
        stopped = StopSignal()
        stopped.set()
        assert run(stopped) == spent


def test_the_next_run_the_report_and_the_ledger_agree(
    run_batch: BatchRunner, model: str, server: MockServer, account: Account, ledger: Ledger
) -> None:
    """An uncertain submission counts with what it may have cost in each of them."""
    jobs = [{"model": model, "prompt": prompt} for prompt in "abcd"]
    run_batch(jobs[:1])
    rule = server.faults.add("lost-response", account=account, count=1)
    first = run_batch(jobs)
    server.faults.remove(rule.id)
    again = run_batch(jobs)
    price = account.spent / 3  # that of the uncertain one is still reserved
    assert first.credits_spent == again.credits_spent == 4 * price
    assert sum(job.credits or price for job in ledger.jobs()) == first.credits_spent


def test_a_job_submitted_by_another_run_counts_with_its_price(
    run_batch: BatchRunner,
    model: str,
    server: MockServer,
    api_key: str,
    account: Account,
    ledger: Ledger,
    tmp_path: Path,
) -> None:
    """Two runs of one batch share its jobs: nothing is charged twice, and both know the costs."""
    jobs = [{"model": model, "prompt": "x", "size": size} for size in SIZES[:4]]
    others = []

    def on_progress(tally: BatchProgress) -> None:
        if not others and tally.running:
            with Client(api_key, server.base_url, ledger=ledger) as client:
                others.append(client.batch(jobs, tmp_path / "out"))

    report = run_batch(jobs, max_concurrency=1, on_progress=on_progress)
    assert others
    assert account.submitted == len(jobs)
    assert report.complete
    assert report.credits_spent == account.spent


def test_the_next_run_knows_the_price_of_a_refunded_job(
    run_batch: BatchRunner, model: str, account: Account, ledger: Ledger
) -> None:
    """A failed job was refunded, but the price of its class is known."""
    failing = {"model": model, "prompt": "a [mock:fail=content_policy_violation]"}
    run_batch([failing])
    (job,) = ledger.jobs()
    assert (job.state, account.spent) == (JobState.FAILED, 0)
    assert job.price
    report = run_batch([failing, {"model": model, "prompt": "b"}], max_credits=job.price / 2)
    assert account.submitted == 1
    assert "credit limit" in report.stop_reason


def test_twenty_sizes_stay_below_the_limit(
    run_batch: BatchRunner, model: str, account: Account
) -> None:
    """Each size is a price class, and none is sent as if it cost nothing."""
    jobs = [{"model": model, "prompt": "x", "size": size} for size in SIZES]
    report = run_batch(jobs, max_credits=3.0)
    highest = max(one.credits or 0.0 for one in report.results)
    assert report.credits_spent <= 3.0 + highest
    assert "credit limit" in report.stop_reason
    assert report.credits_spent == account.spent
    again = run_batch(jobs, max_credits=3.0)
    assert again.credits_spent == report.credits_spent == account.spent
