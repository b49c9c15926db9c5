"""Verification: only the API decides; it is queried seldom, and each end is handled once."""

from __future__ import annotations

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.webhooks.conftest import (
    FakeClock,
    WorkerHarness,
    error_response,
    payload_of,
    task_response,
)
from wanflow.webhooks import CallbackPayload, InMemoryStore, TaskDone
from wanflow.webhooks.errors import CallbackRejected
from wanflow.webhooks.verification_queue import (
    MAX_TASKS_PER_JOB,
    REJECTED_TTL,
    RETRY_DELAYS,
    RetryLater,
    VerificationQueue,
    Verified,
)

ID = "task-unified-1"
SCHEDULE = [0, 1, 3, 7, 15, 30]


class TestVerification:
    """The status in a callback is verified with the API."""

    def test_an_end_that_the_api_confirms_is_handled(self, harness: WorkerHarness) -> None:
        """The handler gets the API's response, not the callback's body."""
        harness.api.responses[ID] = [task_response(ID, results=["https://true.example/1"])]
        harness.receive(payload_of(ID, results=["https://false.example/1"]))
        assert [event.snapshot.urls for event in harness.handled] == [("https://true.example/1",)]
        assert [(event.job, event.task_id) for event in harness.handled] == [("job", ID)]

    @pytest.mark.parametrize("status", ["failed", "cancelled"])
    def test_a_failure_is_an_end(self, harness: WorkerHarness, status: str) -> None:
        """A failed or cancelled task is handled as not succeeded."""
        harness.api.responses[ID] = [task_response(ID, status)]
        harness.receive(payload_of(ID, status="completed"))
        assert [event.snapshot.succeeded for event in harness.handled] == [False]

    @pytest.mark.parametrize("status", ["pending", "processing", "finished?"])
    def test_a_callback_that_the_api_denies_is_not_handled(
        self, harness: WorkerHarness, status: str
    ) -> None:
        """A running task is queried six times in half a minute, and never handled."""
        harness.api.responses[ID] = [task_response(ID, status)]
        harness.receive(payload_of(ID, status="completed"))
        assert harness.handled == []
        assert harness.api.times == pytest.approx(SCHEDULE, abs=0.2)

    def test_a_response_about_another_task_is_an_error(self, harness: WorkerHarness) -> None:
        """A response about another task is ignored, and the query repeated."""
        harness.api.responses[ID] = [
            task_response("task-unified-2"),
            task_response("task-unified-2"),
            task_response(ID),
        ]
        harness.receive(payload_of(ID))
        assert [event.snapshot.id for event in harness.handled] == [ID]
        assert len(harness.api.queries) == 3


class TestOnce:
    """Each end is handled once, however many callbacks arrive."""

    def test_a_repeated_callback_is_not_verified_again(self, harness: WorkerHarness) -> None:
        """A handled end is known before any query."""
        harness.api.responses[ID] = [task_response(ID)]
        harness.receive(payload_of(ID))
        assert harness.store.seen(payload_of(ID).key)
        assert len(harness.api.queries) == 1

    def test_concurrent_equal_callbacks_make_one_query(self, harness: WorkerHarness) -> None:
        """A hundred callbacks of one end, before the API has responded, make one query."""
        harness.api.responses[ID] = [task_response(ID)]
        harness.receive(*[payload_of(ID)] * 100)
        assert len(harness.api.queries) == len(harness.handled) == 1

    def test_an_end_that_another_process_handles_is_not_handled(
        self, harness: WorkerHarness
    ) -> None:
        """The store decides between two processes that both queried."""
        harness.api.responses[ID] = [task_response(ID)]
        assert harness.store.add(payload_of(ID).key)
        harness.receive(payload_of(ID))
        assert harness.handled == []
        assert harness.queue.pending == 0

    def test_two_jobs_have_two_ends(self, harness: WorkerHarness) -> None:
        """A callback for a wrong job doesn't prevent the end of the right one."""
        harness.api.responses[ID] = [task_response(ID)]
        harness.receive(payload_of(ID, "other"), payload_of(ID, "job"))
        assert {event.job for event in harness.handled} == {"job", "other"}

    def test_a_handler_that_fails_is_called_again(self, harness: WorkerHarness) -> None:
        """An end counts as handled only when its handler succeeded."""
        failures = [OSError("disk full"), ValueError("no")]

        def handler(event: TaskDone) -> None:
            if failures:
                raise failures.pop()

        harness.handler = handler
        harness.api.responses[ID] = [task_response(ID)]
        harness.receive(payload_of(ID))
        assert len(harness.handled) == 1
        assert harness.api.times == pytest.approx([0, 1, 3], abs=0.2)

    def test_an_interrupted_handler_is_called_again(self, harness: WorkerHarness) -> None:
        """If the handler is interrupted, the next worker handles the end."""

        def handler(event: TaskDone) -> None:
            harness.handler = None
            raise KeyboardInterrupt

        harness.handler = handler
        harness.api.responses[ID] = [task_response(ID)]
        with pytest.raises(KeyboardInterrupt):
            harness.receive(payload_of(ID))
        assert not harness.store.seen(payload_of(ID).key)
        harness.work()
        assert len(harness.handled) == 1

    @pytest.mark.parametrize("backend", ["asyncio", "trio"])
    @pytest.mark.parametrize("when", ["handling", "sleeping"])
    def test_a_cancelled_worker_leaves_its_callback_in_the_queue(
        self, backend: str, when: str
    ) -> None:
        """After a cancellation while sleeping or handling, the next worker verifies it."""
        harness = WorkerHarness("async", backend=backend)
        harness.api.responses[ID] = [error_response(503), task_response(ID)]
        harness.queue.put(payload_of(ID), harness.clock.now)
        anyio.run(harness.work_until, when, backend=backend)
        assert harness.handled == []
        assert harness.queue.pending == 1
        assert not harness.store.seen(payload_of(ID).key)
        harness.clock.sleep(60)
        harness.work()
        assert len(harness.handled) == 1

    @pytest.mark.parametrize("backend", ["asyncio", "trio"])
    def test_it_works_in_any_loop(self, backend: str) -> None:
        """trio works as well as asyncio."""
        harness = WorkerHarness("async", backend=backend)
        harness.api.responses[ID] = [error_response(503), task_response(ID)]
        harness.receive(payload_of(ID))
        assert len(harness.handled) == 1


class TestRetries:
    """An unavailable API is queried again with growing delays; one that rejects isn't."""

    @pytest.mark.parametrize("status", [500, 502, 503, 429])
    def test_temporary_errors_are_retried(self, harness: WorkerHarness, status: int) -> None:
        """Two errors, then the end."""
        harness.api.responses[ID] = [
            error_response(status),
            error_response(status),
            task_response(ID),
        ]
        harness.receive(payload_of(ID))
        assert len(harness.handled) == 1
        assert harness.api.times == pytest.approx([0, 1, 3], abs=0.2)

    def test_retry_after_is_respected(self, harness: WorkerHarness) -> None:
        """The delay is that of Retry-After, at most a minute."""
        harness.api.responses[ID] = [
            error_response(429, **{"retry-after": "20"}),
            error_response(503, **{"retry-after": "86400"}),
            task_response(ID),
        ]
        harness.receive(payload_of(ID))
        assert harness.api.times == pytest.approx([0, 20, 80], abs=0.3)

    @pytest.mark.parametrize("status", [400, 401, 402, 403, 404])
    def test_a_rejected_query_is_not_repeated(self, harness: WorkerHarness, status: int) -> None:
        """A forged id costs one query a minute, however many callbacks arrive."""
        harness.api.responses[ID] = [error_response(status)]
        for _ in range(10):
            harness.receive(payload_of(ID))
            harness.clock.sleep(5)
        assert len(harness.api.queries) == 1
        harness.clock.sleep(REJECTED_TTL)
        harness.receive(payload_of(ID))
        assert len(harness.api.queries) == 2
        assert harness.handled == []


class TestLimits:
    """The number of queries is limited, however many callbacks arrive."""

    def test_queries_stay_within_the_rate(self) -> None:
        """A hundred concurrent ends are queried at twenty a second, and all are handled."""
        harness = WorkerHarness("sync", rate=20)
        payloads = [payload_of(f"task-{n}", f"job {n}") for n in range(100)]
        for payload in payloads:
            harness.api.responses[payload.task_id] = [task_response(payload.task_id)]
        harness.receive(*payloads)
        assert len(harness.handled) == 100
        gaps = [b - a for a, b in zip(harness.api.times, harness.api.times[1:], strict=False)]
        assert min(gaps) >= 0.049
        assert harness.api.times[-1] == pytest.approx(99 / 20, abs=0.5)

    def test_one_url_causes_few_queries(self, harness: WorkerHarness) -> None:
        """Ten thousand invented tasks under one URL cause four queries; the rest get 429."""
        for n in range(MAX_TASKS_PER_JOB):
            harness.receive(payload_of(f"task-{n}"))
        for n in range(MAX_TASKS_PER_JOB, 10_000):
            with pytest.raises(CallbackRejected) as error:
                harness.receive(payload_of(f"task-{n}"))
            assert error.value.status == 429
        assert len(harness.api.queries) == MAX_TASKS_PER_JOB

    def test_a_full_queue_rejects_callbacks(self) -> None:
        """A full queue responds with 503 until there is room."""
        queue = VerificationQueue(max_pending=10)
        for n in range(10):
            assert queue.put(payload_of(job=str(n)), 0)
        with pytest.raises(CallbackRejected) as error:
            queue.put(payload_of(job="one more"), 0)
        assert error.value.status == 503
        assert not queue.put(payload_of(job="3"), 0)
        assert queue.start_worker()
        first = queue.get(0)
        assert isinstance(first, CallbackPayload)
        queue.done(first, Verified(), 0)
        assert queue.put(payload_of(job="one more"), 0)

    def test_a_closed_queue_verifies_nothing(self) -> None:
        """After `close`, nothing can be got or put."""
        queue = VerificationQueue()
        queue.put(payload_of(), 0)
        assert queue.start_worker()
        queue.close()
        assert queue.get(0) is None
        with pytest.raises(CallbackRejected):
            queue.put(payload_of(job="other"), 0)


class TestWorkers:
    """The number of workers is limited, and no callback is left without one."""

    def test_the_number_of_workers_is_limited(self) -> None:
        """With a limit of two, a third worker isn't started until one has stopped."""
        queue = VerificationQueue(workers=2)
        for n in range(5):
            queue.put(payload_of(job=str(n)), 0)
        assert [queue.start_worker() for _ in range(4)] == [True, True, False, False]
        queue.stop_worker()
        assert queue.start_worker()

    def test_an_empty_queue_starts_no_worker(self) -> None:
        """Without a callback no worker is started."""
        assert not VerificationQueue().start_worker()

    @given(st.lists(st.sampled_from(["put", "start", "get", "done", "retry"]), max_size=60))
    def test_no_callback_is_lost_or_doubled(self, steps: list[str]) -> None:
        """In any order of events, each open callback is queued or being checked, once."""
        queue, clock, checking, added = (
            VerificationQueue(workers=2, max_pending=5),
            FakeClock(),
            [],
            0,
        )
        workers = 0
        for step in steps:
            clock.sleep(1)
            match step:
                case "put" if queue.pending < 5:
                    assert queue.put(payload_of(f"t{added}", f"j{added}"), clock.now)
                    added += 1
                case "start":
                    workers += queue.start_worker()
                case "get" if workers > len(checking):
                    got = queue.get(clock.now)
                    workers -= got is None
                    checking += [got] if isinstance(got, CallbackPayload) else []
                case "done" if checking:
                    queue.done(checking.pop(), Verified(), clock.now)
                case "retry" if checking:
                    queue.done(checking.pop(), RetryLater(), clock.now)
                case _:
                    pass
            assert workers <= 2
            assert queue.pending >= len(checking)
        left = _drain(queue, clock)
        assert not set(left) & {payload.key for payload in checking}
        assert len(left) == len(set(left)) == queue.pending - len(checking)


def _drain(queue: VerificationQueue, clock: FakeClock) -> list[str]:
    """Get every queued callback from a queue."""
    left = []
    while queue.start_worker() or queue.pending:
        clock.sleep(sum(RETRY_DELAYS))
        got = queue.get(clock.now)
        if got is None:
            return left
        if isinstance(got, CallbackPayload):
            left.append(got.key)
    return left


SCRIPTS = st.dictionaries(
    st.sampled_from(["a", "b", "c"]),
    st.lists(
        st.sampled_from(["completed", "failed", "processing", "404", "500", "429"]), min_size=1
    ),
    min_size=1,
)
ARRIVALS = st.lists(st.tuples(st.sampled_from(["a", "b", "c", "d"]), st.floats(0, 40)), max_size=25)


class TestAnyOrderOfEvents:
    """Callbacks in any order, with any responses of the API."""

    @pytest.mark.parametrize("runner", ["sync", "async"])
    @given(scripts=SCRIPTS, arrivals=ARRIVALS)
    def test_handled_once_and_only_if_true(
        self, runner: str, scripts: dict[str, list[str]], arrivals: list[tuple[str, float]]
    ) -> None:
        """Each end is handled at most once, and only after the API confirmed it."""
        harness = WorkerHarness(runner, store=InMemoryStore(clock=lambda: 0.0))
        for task_id, words in scripts.items():
            harness.api.responses[task_id] = [
                error_response(int(word)) if word.isdigit() else task_response(task_id, word)
                for word in words
            ]
        for task_id, pause in arrivals:
            harness.clock.sleep(pause)
            payload = payload_of(task_id, f"job of {task_id}")
            if not harness.store.seen(payload.key):
                harness.receive(payload)
        handled = [event.task_id for event in harness.handled]
        assert len(handled) == len(set(handled))
        assert all(set(scripts[task_id]) & {"completed", "failed"} for task_id in handled)
        assert len(harness.api.queries) <= len(arrivals) * len(SCHEDULE)
        assert harness.queue.pending == 0
