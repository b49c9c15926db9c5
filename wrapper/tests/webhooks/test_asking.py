"""Laws of asking: the API is believed and nobody else, it is asked seldom, and told once."""

from __future__ import annotations

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.webhooks.conftest import Bench, Time, claim_of, error, seen
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


class TestBelief:
    """What a callback says is a claim; what the API says is so."""

    def test_an_end_that_the_api_confirms_is_handled(self, bench: Bench) -> None:
        """The handler gets the API's answer, not the callback's body."""
        bench.api.answers[ID] = [seen(ID, results=["https://true.example/1"])]
        bench.claim(claim_of(ID, results=["https://false.example/1"]))
        assert [end.snapshot.urls for end in bench.ends] == [("https://true.example/1",)]
        assert [(end.job, end.task_id) for end in bench.ends] == [("job", ID)]

    @pytest.mark.parametrize("status", ["failed", "cancelled"])
    def test_a_failure_is_an_end(self, bench: Bench, status: str) -> None:
        """A failed or cancelled task is handled, and says so."""
        bench.api.answers[ID] = [seen(ID, status)]
        bench.claim(claim_of(ID, status="completed"))
        assert [end.snapshot.succeeded for end in bench.ends] == [False]

    @pytest.mark.parametrize("status", ["pending", "processing", "finished?"])
    def test_a_claim_that_the_api_denies_is_nothing(self, bench: Bench, status: str) -> None:
        """A task that runs is asked about six times in half a minute, and never handled."""
        bench.api.answers[ID] = [seen(ID, status)]
        bench.claim(claim_of(ID, status="completed"))
        assert bench.ends == []
        assert bench.api.times == pytest.approx(SCHEDULE, abs=0.2)

    def test_an_answer_about_another_task_is_nothing(self, bench: Bench) -> None:
        """A response about another task is not believed, and asked for again as after an error."""
        bench.api.answers[ID] = [seen("task-unified-2"), seen("task-unified-2"), seen(ID)]
        bench.claim(claim_of(ID))
        assert [end.snapshot.id for end in bench.ends] == [ID]
        assert len(bench.api.asked) == 3


class TestOnce:
    """Each end is handled once, however often it comes."""

    def test_a_replay_asks_nothing(self, bench: Bench) -> None:
        """A claim of an end that was taken is known before anything is asked."""
        bench.api.answers[ID] = [seen(ID)]
        bench.claim(claim_of(ID))
        assert bench.store.seen(claim_of(ID).key)
        assert len(bench.api.asked) == 1

    def test_claims_that_come_together_are_one_question(self, bench: Bench) -> None:
        """A hundred claims of one end, before the API has answered, ask once."""
        bench.api.answers[ID] = [seen(ID)]
        bench.claim(*[claim_of(ID)] * 100)
        assert len(bench.api.asked) == len(bench.ends) == 1

    def test_what_another_process_took_is_not_handled(self, bench: Bench) -> None:
        """The store decides between two that have both asked."""
        bench.api.answers[ID] = [seen(ID)]
        assert bench.store.add(claim_of(ID).key)
        bench.claim(claim_of(ID))
        assert bench.ends == []
        assert bench.desk.pending == 0

    def test_two_jobs_have_two_ends(self, bench: Bench) -> None:
        """Whoever claims a task under a wrong job first can't take its end from the right one."""
        bench.api.answers[ID] = [seen(ID)]
        bench.claim(claim_of(ID, "other"), claim_of(ID, "job"))
        assert {end.job for end in bench.ends} == {"job", "other"}

    def test_a_handler_that_fails_is_called_again(self, bench: Bench) -> None:
        """An end counts as taken when it was handled."""
        failures = [OSError("disk full"), ValueError("no")]

        def handler(end: TaskDone) -> None:
            if failures:
                raise failures.pop()

        bench.handler = handler
        bench.api.answers[ID] = [seen(ID)]
        bench.claim(claim_of(ID))
        assert len(bench.ends) == 1
        assert bench.api.times == pytest.approx([0, 1, 3], abs=0.2)

    def test_a_worker_that_is_stopped_gives_the_end_back(self, bench: Bench) -> None:
        """A stop in the middle of the handler leaves the end to be handled by the next."""

        def handler(end: TaskDone) -> None:
            bench.handler = None
            raise KeyboardInterrupt

        bench.handler = handler
        bench.api.answers[ID] = [seen(ID)]
        with pytest.raises(KeyboardInterrupt):
            bench.claim(claim_of(ID))
        assert not bench.store.seen(claim_of(ID).key)
        bench.work()
        assert len(bench.ends) == 1

    @pytest.mark.parametrize("backend", ["asyncio", "trio"])
    @pytest.mark.parametrize("when", ["handling", "napping"])
    def test_a_task_that_is_cancelled_leaves_its_place(self, backend: str, when: str) -> None:
        """A server that stops while a worker naps or handles: the claim is left for the next."""
        bench = Bench("async", backend=backend)
        bench.api.answers[ID] = [error(503), seen(ID)]
        bench.desk.put(claim_of(ID), bench.time.now)
        anyio.run(bench.work_until, when, backend=backend)
        assert bench.ends == []
        assert bench.desk.pending == 1
        assert not bench.store.seen(claim_of(ID).key)
        bench.time.sleep(60)
        bench.work()
        assert len(bench.ends) == 1

    @pytest.mark.parametrize("backend", ["asyncio", "trio"])
    def test_it_works_in_any_loop(self, backend: str) -> None:
        """trio serves as well as asyncio."""
        bench = Bench("async", backend=backend)
        bench.api.answers[ID] = [error(503), seen(ID)]
        bench.claim(claim_of(ID))
        assert len(bench.ends) == 1


class TestPatience:
    """An API that is away is asked again, a few times and ever later; one that refuses isn't."""

    @pytest.mark.parametrize("status", [500, 502, 503, 429])
    def test_trouble_passes(self, bench: Bench, status: int) -> None:
        """Two faults, then the end."""
        bench.api.answers[ID] = [error(status), error(status), seen(ID)]
        bench.claim(claim_of(ID))
        assert len(bench.ends) == 1
        assert bench.api.times == pytest.approx([0, 1, 3], abs=0.2)

    def test_what_the_api_asks_for_is_kept_to(self, bench: Bench) -> None:
        """Retry-After is a pause, up to a minute."""
        bench.api.answers[ID] = [
            error(429, **{"retry-after": "20"}),
            error(503, **{"retry-after": "86400"}),
            seen(ID),
        ]
        bench.claim(claim_of(ID))
        assert bench.api.times == pytest.approx([0, 20, 80], abs=0.3)

    @pytest.mark.parametrize("status", [400, 401, 402, 403, 404])
    def test_a_refusal_is_not_asked_again(self, bench: Bench, status: int) -> None:
        """A forged id costs one question a minute, whatever comes."""
        bench.api.answers[ID] = [error(status)]
        for _ in range(10):
            bench.claim(claim_of(ID))
            bench.time.sleep(5)
        assert len(bench.api.asked) == 1
        bench.time.sleep(REJECTED_TTL)
        bench.claim(claim_of(ID))
        assert len(bench.api.asked) == 2
        assert bench.ends == []


class TestFlood:
    """Whatever comes in, what goes out is bounded."""

    def test_questions_keep_to_the_rate(self) -> None:
        """A hundred ends at once are asked about at twenty a second, and all are handled."""
        bench = Bench("sync", rate=20)
        claims = [claim_of(f"task-{n}", f"job {n}") for n in range(100)]
        for claim in claims:
            bench.api.answers[claim.task_id] = [seen(claim.task_id)]
        bench.claim(*claims)
        assert len(bench.ends) == 100
        gaps = [b - a for a, b in zip(bench.api.times, bench.api.times[1:], strict=False)]
        assert min(gaps) >= 0.049
        assert bench.api.times[-1] == pytest.approx(99 / 20, abs=0.5)

    def test_one_url_buys_few_questions(self, bench: Bench) -> None:
        """Ten thousand made-up tasks under one URL are four questions, and 429 for the rest."""
        for n in range(MAX_TASKS_PER_JOB):
            bench.claim(claim_of(f"task-{n}"))
        for n in range(MAX_TASKS_PER_JOB, 10_000):
            with pytest.raises(CallbackRejected) as refused:
                bench.claim(claim_of(f"task-{n}"))
            assert refused.value.status == 429
        assert len(bench.api.asked) == MAX_TASKS_PER_JOB

    def test_a_full_desk_takes_nothing_in(self) -> None:
        """More open claims than its size, and it answers 503 until there is room."""
        desk = VerificationQueue(max_pending=10)
        for n in range(10):
            assert desk.put(claim_of(job=str(n)), 0)
        with pytest.raises(CallbackRejected) as refused:
            desk.put(claim_of(job="one more"), 0)
        assert refused.value.status == 503
        assert not desk.put(claim_of(job="3"), 0)
        assert desk.start_worker()
        first = desk.get(0)
        assert isinstance(first, CallbackPayload)
        desk.done(first, Verified(), 0)
        assert desk.put(claim_of(job="one more"), 0)

    def test_a_closed_desk_asks_nothing(self) -> None:
        """After `close` nothing is handed out, and nothing taken in."""
        desk = VerificationQueue()
        desk.put(claim_of(), 0)
        assert desk.start_worker()
        desk.close()
        assert desk.get(0) is None
        with pytest.raises(CallbackRejected):
            desk.put(claim_of(job="other"), 0)


class TestWorkers:
    """There are as many workers as are wanted, and no claim is left without one."""

    def test_no_more_than_its_hands(self) -> None:
        """A third worker isn't taken on by a desk of two hands; one that has gone makes room."""
        desk = VerificationQueue(workers=2)
        for n in range(5):
            desk.put(claim_of(job=str(n)), 0)
        assert [desk.start_worker() for _ in range(4)] == [True, True, False, False]
        desk.stop_worker()
        assert desk.start_worker()

    def test_an_empty_desk_hires_nobody(self) -> None:
        """No claim, no worker."""
        assert not VerificationQueue().start_worker()

    @given(st.lists(st.sampled_from(["admit", "hire", "next", "settle", "again"]), max_size=60))
    def test_what_is_open_can_be_reached(self, steps: list[str]) -> None:
        """In any order of events: each open claim is queued or in somebody's hands, once."""
        desk, clock, held, admitted = VerificationQueue(workers=2, max_pending=5), Time(), [], 0
        workers = 0
        for step in steps:
            clock.sleep(1)
            match step:
                case "admit" if desk.pending < 5:
                    assert desk.put(claim_of(f"t{admitted}", f"j{admitted}"), clock.now)
                    admitted += 1
                case "hire":
                    workers += desk.start_worker()
                case "next" if workers > len(held):
                    got = desk.get(clock.now)
                    workers -= got is None
                    held += [got] if isinstance(got, CallbackPayload) else []
                case "settle" if held:
                    desk.done(held.pop(), Verified(), clock.now)
                case "again" if held:
                    desk.done(held.pop(), RetryLater(), clock.now)
                case _:
                    pass
            assert workers <= 2
            assert desk.pending >= len(held)
        left = _drain(desk, clock)
        assert not set(left) & {claim.key for claim in held}
        assert len(left) == len(set(left)) == desk.pending - len(held)


def _drain(desk: VerificationQueue, clock: Time) -> list[str]:
    """Take every queued claim from a desk, whoever is taken on for it."""
    left = []
    while desk.start_worker() or desk.pending:
        clock.sleep(sum(RETRY_DELAYS))
        got = desk.get(clock.now)
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


class TestAnyHistory:
    """Whatever comes when, and whatever the API answers."""

    @pytest.mark.parametrize("colour", ["sync", "async"])
    @given(scripts=SCRIPTS, arrivals=ARRIVALS)
    def test_handled_once_and_only_if_true(
        self, colour: str, scripts: dict[str, list[str]], arrivals: list[tuple[str, float]]
    ) -> None:
        """Each end is handled at most once, only after the API told it, and then at once."""
        bench = Bench(colour, store=InMemoryStore(clock=lambda: 0.0))
        for task_id, words in scripts.items():
            bench.api.answers[task_id] = [
                error(int(word)) if word.isdigit() else seen(task_id, word) for word in words
            ]
        for task_id, pause in arrivals:
            bench.time.sleep(pause)
            claim = claim_of(task_id, f"job of {task_id}")
            if not bench.store.seen(claim.key):
                bench.claim(claim)
        handled = [end.task_id for end in bench.ends]
        assert len(handled) == len(set(handled))
        assert all(set(scripts[task_id]) & {"completed", "failed"} for task_id in handled)
        assert len(bench.api.asked) <= len(arrivals) * len(SCHEDULE)
        assert bench.desk.pending == 0
