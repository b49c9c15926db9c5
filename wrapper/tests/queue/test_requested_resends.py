"""Uncertain jobs that their user has sent again: each request is sent once, and one at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.queue.test_steps import SUBMIT
from wanflow.batch.cost_limit import Decision
from wanflow.queue import admin
from wanflow.queue.engine import StepKind
from wanflow.queue.moves import StepLost
from wanflow.queue.submission_outcome import Uncertain

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from tests.queue.manual_worker import ManualWorker
    from wanflow.mock.gateway.accounts import Account
    from wanflow.queue.handle import QueuedBatch
    from wanflow.queue.recorder import StepRecorder
    from wanflow.queue.work import Work

    Fault = Callable[..., AbstractContextManager[None]]


def request_again(worker: ManualWorker) -> int:
    """Ask for all uncertain jobs to be sent again."""
    return admin.retry(worker.database, worker.engine, uncertain=True)


def make_uncertain(worker: ManualWorker) -> None:
    """Make planned jobs uncertain, as the restore of a backup does: no price is known."""
    worker.execute(
        "UPDATE wanflow.job SET state = 'uncertain', step = step + 1, reserved = 0 "
        "WHERE state = 'planned'"
    )
    worker.execute("TRUNCATE wanflow.queue")


class TestARequestToSendAgain:
    def test_that_is_given_twice_while_the_first_is_in_flight_sends_once(
        self, add_jobs: Callable[..., QueuedBatch], worker: ManualWorker, account: Account
    ) -> None:
        add_jobs(1)
        make_uncertain(worker)
        assert request_again(worker) == 1
        (work,) = worker.take([StepKind.SUBMIT])
        write = worker.stalled_submission(work)
        assert request_again(worker) == 0
        (shown,) = admin.questionable(worker.database)
        assert shown.reason == "it is being sent again just now"
        worker.turn()
        assert account.submitted == 1
        assert write().error is None
        worker.drain()
        assert worker.states() == {"saved": 1}
        assert account.submitted == 1

    def test_is_possible_again_once_the_last_one_has_ended_or_its_worker_is_certainly_dead(
        self, add_jobs: Callable[..., QueuedBatch], worker: ManualWorker, fault: Fault
    ) -> None:
        add_jobs(1)
        make_uncertain(worker)
        for text in ("reset", "status=400", "status=429"):
            assert request_again(worker) == 1
            with fault(text, operation=SUBMIT):
                worker.turn()
        assert request_again(worker) == 1
        worker.intend(*worker.take([StepKind.SUBMIT]))
        worker.die()
        assert request_again(worker) == 0
        worker.execute("UPDATE wanflow.job SET sending_until = 0")
        assert request_again(worker) == 1
        assert worker.column("sends") == [5]

    def test_outlives_the_loss_of_the_queue_and_a_halted_batch(
        self, add_jobs: Callable[..., QueuedBatch], worker: ManualWorker, fault: Fault
    ) -> None:
        add_jobs(2)
        make_uncertain(worker)
        assert request_again(worker) == 2
        worker.execute("TRUNCATE wanflow.queue")
        assert worker.sweep() == 2
        worker.execute("UPDATE wanflow.batch SET halted = 'a reason'")
        worker.drain()
        assert worker.sweep() == 0
        assert worker.states() == {"uncertain": 2}
        admin.retry(worker.database, worker.engine)
        assert worker.sweep() == 2
        worker.drain()
        assert worker.states() == {"saved": 2}

    @given(st.lists(st.sampled_from(["request", "take", "send", "end"]), min_size=8, max_size=16))
    @settings(
        max_examples=examples(45),
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    def test_is_never_in_flight_twice_and_each_sends_at_most_once(
        self, add_jobs: Callable[..., QueuedBatch], worker: ManualWorker, actions: list[str]
    ) -> None:
        worker.execute("TRUNCATE wanflow.queue, wanflow.job CASCADE")
        add_jobs(1)
        make_uncertain(worker)
        taken: list[Work] = []
        in_flight: list[StepRecorder] = []
        requests = sent = 0
        for action in actions:
            if action == "request":
                requests += request_again(worker)
            elif action == "take":
                taken += worker.take([StepKind.SUBMIT])
            elif action == "send":
                taken += worker.take([StepKind.SUBMIT])
                recorders = [worker.recorder(work) for work in taken]
                fresh = [one for one in recorders if intends(worker, one)]
                taken, in_flight, sent = [], in_flight + fresh, sent + len(fresh)
            elif action == "end" and in_flight:
                record_uncertain(worker, in_flight.pop())
            assert len(in_flight) <= 1
            assert sent <= requests
            assert worker.column("sends") == [1 + sent]


def intends(worker: ManualWorker, recorder: StepRecorder) -> bool:
    """Return whether a worker may send."""
    (end,) = worker.writes.run([lambda: recorder.record_intent(None)])  # type: ignore[arg-type]
    assert end.error is None or isinstance(end.error, StepLost), end.error
    return end.error is None


def record_uncertain(worker: ManualWorker, recorder: StepRecorder) -> None:
    """Record that a request has ended without a response."""
    work = recorder.work
    outcome = Uncertain(work.id, work.key, recorder.token, "no response")
    now = work.clock.time_point()
    worker.writes.run([lambda: outcome.apply(worker.writes.transaction, now, work.row.id)])


class TestJobsOfUnknownPriceWithALimit:
    def test_are_sent_again_one_after_another(
        self,
        add_jobs: Callable[..., QueuedBatch],
        new_worker: Callable[..., ManualWorker],
        account: Account,
    ) -> None:
        add_jobs(4, max_credits=1000)
        one, other = new_worker(), new_worker()
        make_uncertain(one)
        assert request_again(one) == 4
        (work,) = one.take([StepKind.SUBMIT], limit=1)
        write = one.stalled_submission(work)
        other.turn()
        assert account.submitted == 1
        assert not halted(other)
        assert write().error is None
        other.drain()
        assert other.states() == {"saved": 4}
        assert account.submitted == 4

    def test_that_were_not_sent_yet_wait_for_one_that_is_to_be_sent_again(
        self,
        add_jobs: Callable[..., QueuedBatch],
        worker: ManualWorker,
        account: Account,
        fault: Fault,
    ) -> None:
        add_jobs(3, max_credits=1000)
        with fault("reset", operation=SUBMIT, count=1):
            worker.turn([StepKind.SUBMIT], limit=1)
        worker.turn([StepKind.SUBMIT])
        assert halted(worker) == [Decision.UNKNOWN_PRICE.value]
        assert request_again(worker) == 1
        worker.sweep()
        worker.execute(
            "UPDATE wanflow.queue SET priority = (split_part(dedupe_key, ':', 2) = '1')::int"
        )
        worker.drain()
        assert worker.states() == {"saved": 3}
        assert account.submitted == 3

    def test_stop_the_batch_where_a_parked_one_keeps_its_price_unknown(
        self, add_jobs: Callable[..., QueuedBatch], worker: ManualWorker
    ) -> None:
        add_jobs(2, max_credits=1000)
        (work,) = worker.take([StepKind.SUBMIT], limit=1)
        worker.intend(work)
        worker.turn([StepKind.SUBMIT])
        assert not halted(worker)
        worker.execute("UPDATE wanflow.job SET parked = 'a reason' WHERE state = 'intent'")
        worker.turn([StepKind.SUBMIT])
        assert halted(worker) == [Decision.UNKNOWN_PRICE.value]


def halted(worker: ManualWorker) -> list[str]:
    """Return why batches are halted."""
    return [one.halted for one in admin.batches(worker.database) if one.halted]
