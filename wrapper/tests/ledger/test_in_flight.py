"""A submission that is interrupted is cancelled before it is sent, or finished and recorded."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, Self

import anyio
import pytest

from tests.transport.misbehaving_server import MisbehavingServer, hangs, responds_json, task
from tests.waiting import TIME_LIMIT, wait_until
from wanflow import AsyncClient, Client, errors
from wanflow._core.recorder import SubmissionIntent
from wanflow.events import ResponseAwaited
from wanflow.ledger import JobState, Ledger

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from pathlib import Path

    from tests.ledger.conftest import SyncRunner
    from wanflow._core.snapshot import Snapshot

OWN_KEY = "my-own-key-for-this-job"
TASK_ID = "task-unified-1760000000-abcd1234"
ACCEPTED = {"id": TASK_ID, "status": "pending", "progress": 99}


@pytest.fixture
def request_body(model: str) -> dict[str, Any]:
    return {"model": model, "prompt": "x", "idempotency_key": OWN_KEY}


def press_ctrl_c() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def delayed_response(action: Callable[[], object], body: Any) -> Any:
    """Call a function when the request arrives, and respond 0.2 s later."""

    def act(connection: socket.socket) -> bool:
        action()
        time.sleep(0.2)
        responds_json(200, body)(connection)
        return True

    return act


class InterruptedWhileIntending(Ledger):
    """Ctrl-C comes while the intent is recorded, and has an effect before that ends."""

    def __enter__(self) -> Self:
        self.interrupted = threading.Event()
        self._before = signal.signal(signal.SIGINT, self._interrupt)
        return super().__enter__()

    def __exit__(self, *error: object) -> None:
        signal.signal(signal.SIGINT, self._before)
        super().__exit__(*error)

    def _interrupt(self, *_: object) -> None:
        self.interrupted.set()
        raise KeyboardInterrupt

    def record_intent(self, intent: SubmissionIntent) -> Snapshot | None:
        known = super().record_intent(intent)
        press_ctrl_c()
        assert self.interrupted.wait(TIME_LIMIT)
        time.sleep(0.2)  # the client has yet to notice it
        return known


def test_an_interrupt_after_the_intent_cancels_the_submission(
    location: Path | str, request_body: dict[str, Any]
) -> None:
    """Nothing is sent, the job says so, and the same key is accepted afterwards."""
    with (
        MisbehavingServer(post=[responds_json(200, ACCEPTED)]) as server,
        Ledger(location) as plain,
    ):
        with (
            InterruptedWhileIntending(location) as ledger,
            Client("k", server.url, ledger=ledger) as client,
            pytest.raises(KeyboardInterrupt) as caught,
        ):
            client.submit(**request_body)
        assert server.count("POST") == 0
        (job,) = plain.jobs()
        assert (job.state, job.owner) == (JobState.REJECTED, None)
        assert "not sent" in job.reason
        assert caught.value.idempotency_key == OWN_KEY  # type: ignore[attr-defined]
        with Client("k", server.url, ledger=plain) as client:
            assert client.submit(**request_body).id == TASK_ID


def test_an_interrupt_waits_for_the_response_to_what_was_sent(
    ledger: Ledger, request_body: dict[str, Any]
) -> None:
    """The id that arrives after Ctrl-C is in the ledger and on the exception."""
    with MisbehavingServer(post=[delayed_response(press_ctrl_c, ACCEPTED)]) as server:
        with (
            Client("k", server.url, ledger=ledger) as client,
            pytest.raises(KeyboardInterrupt) as caught,
        ):
            client.run(**request_body)
        assert caught.value.task_id == TASK_ID  # type: ignore[attr-defined]
        assert caught.value.idempotency_key == OWN_KEY  # type: ignore[attr-defined]
        (job,) = ledger.jobs()
        assert (job.state, job.task_id, job.owner) == (JobState.ACCEPTED, TASK_ID, None)


def test_a_second_interrupt_is_not_delayed(ledger: Ledger, request_body: dict[str, Any]) -> None:
    """It ends the wait for the response, and the exception has the key."""
    with MisbehavingServer() as server:
        hung = hangs(server.done)

        def act(connection: socket.socket) -> bool:
            press_ctrl_c()
            return hung(connection)

        def interrupt_again(event: object) -> None:
            if isinstance(event, ResponseAwaited):
                threading.Timer(0.1, press_ctrl_c).start()

        server._acts["POST"].append(act)
        begun = time.monotonic()
        with (
            Client(
                "k", server.url, ledger=ledger, timeout=10 * TIME_LIMIT, on_event=interrupt_again
            ) as client,
            pytest.raises(KeyboardInterrupt) as caught,
        ):
            client.submit(**request_body)
        assert time.monotonic() - begun < TIME_LIMIT
        assert any(OWN_KEY in note for note in caught.value.__notes__)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_cancellation_waits_for_the_response_to_what_was_sent(
    ledger: Ledger, request_body: dict[str, Any], backend: str
) -> None:
    """The id that arrives after it is in the ledger and on the exception, which is raised then."""
    caught: list[BaseException] = []

    async def main(server: MisbehavingServer, sent: threading.Event) -> None:
        async with AsyncClient("k", server.url, ledger=ledger) as client:
            with anyio.CancelScope() as scope:
                async with anyio.create_task_group() as group:
                    group.start_soon(_cancel, sent, scope)
                    try:
                        await client.run(**request_body)
                    except anyio.get_cancelled_exc_class() as error:
                        caught.append(error)
                        raise
            assert scope.cancelled_caught

    async def _cancel(sent: threading.Event, scope: anyio.CancelScope) -> None:
        await anyio.to_thread.run_sync(sent.wait)
        scope.cancel()

    sent = threading.Event()
    with MisbehavingServer(post=[delayed_response(sent.set, ACCEPTED)]) as server:
        anyio.run(main, server, sent, backend=backend)
    (error,) = caught
    assert error.task_id == TASK_ID  # type: ignore[attr-defined]
    assert error.idempotency_key == OWN_KEY  # type: ignore[attr-defined]
    (job,) = ledger.jobs()
    assert (job.state, job.task_id, job.owner) == (JobState.ACCEPTED, TASK_ID, None)


def test_a_native_cancellation_waits_for_the_response_too(
    ledger: Ledger, request_body: dict[str, Any]
) -> None:
    """`task.cancel()` and `asyncio.timeout` also wait for the response."""

    submitting: list[tuple[asyncio.AbstractEventLoop, asyncio.Timeout]] = []

    def time_out() -> None:
        [(loop, limit)] = submitting
        loop.call_soon_threadsafe(limit.reschedule, loop.time())

    async def submit(client: AsyncClient) -> None:
        async with asyncio.timeout(None) as limit:  # it ends once the request has arrived
            submitting.append((asyncio.get_running_loop(), limit))
            await client.submit(**request_body)

    async def main(server: MisbehavingServer) -> None:
        async with AsyncClient("k", server.url, ledger=ledger) as client:
            with pytest.raises(TimeoutError) as caught:
                await submit(client)
            cause: Any = caught.value.__cause__
            assert (cause.task_id, cause.idempotency_key) == (TASK_ID, OWN_KEY)

    with MisbehavingServer(post=[delayed_response(time_out, ACCEPTED)]) as server:
        asyncio.run(main(server))
    (job,) = ledger.jobs()
    assert (job.state, job.task_id, job.owner) == (JobState.ACCEPTED, TASK_ID, None)


SUBMITS = """
import sys, threading
from wanflow import Client, Ledger
client = Client("k", sys.argv[1], ledger=Ledger(sys.argv[2]), max_connections=2)
def submit(number):
    client.submit({"model": sys.argv[3], "prompt": str(number)})
for number in range(12):
    threading.Thread(target=submit, args=(number,), daemon=True).start()
threading.Event().wait()
"""


@pytest.mark.processes
def test_a_submission_that_waits_for_a_connection_has_no_intent(
    location: Path | str, model: str
) -> None:
    """If the process is killed while 12 submissions share 2 connections, only 2 are uncertain."""
    with MisbehavingServer() as server:
        server._acts["POST"].append(hangs(server.done))
        words = [sys.executable, "-c", SUBMITS, server.url, str(location), model]
        with subprocess.Popen(words) as process:
            wait_until(lambda: server.count("POST") == 2)
            time.sleep(0.3)  # so that a third one would usually have come
            process.kill()
        with Ledger(location) as ledger:
            assert [job.state for job in ledger.jobs()] == [JobState.INTENT] * 2


@pytest.mark.parametrize("at_close", [False, True])
def test_an_id_that_could_not_be_written_is_written_later(
    path: Path, request_body: dict[str, Any], *, at_close: bool
) -> None:
    """The exception has the id, and the ledger has it once it can be written."""
    ledger = Ledger(path)
    other = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
    ledger._store._database.connection.execute("PRAGMA busy_timeout = 50")

    def lock() -> None:
        other.execute("BEGIN IMMEDIATE")

    with (
        MisbehavingServer(post=[delayed_response(lock, ACCEPTED)]) as server,
        Client("k", server.url, ledger=ledger) as client,
    ):
        with pytest.raises(errors.LedgerError) as caught:
            client.submit(**request_body)
        assert caught.value.task_id == TASK_ID
        other.execute("ROLLBACK")
        other.close()
        if at_close:
            ledger.close()
            ledger = Ledger(path)
        with Ledger(path) as reader:
            if not at_close:
                wait_until(lambda: reader.jobs()[0].task_id)
            (job,) = reader.jobs()
    ledger.close()
    assert (job.state, job.task_id, job.owner) == (JobState.ACCEPTED, TASK_ID, None)


def test_a_task_id_in_two_responses_is_one_job(do: Any, ledger: Ledger, model: str) -> None:
    """The second submission is uncertain: its own task isn't known."""
    first = {"model": model, "prompt": "x"}
    with MisbehavingServer(post=[responds_json(200, ACCEPTED)]) as server:
        given = {"base_url": server.url}
        do(lambda client: client.submit(first, idempotency_key=OWN_KEY), **given)
        with pytest.raises(errors.SubmitUncertain, match="job 1") as caught:
            do(lambda client: client.submit(first, idempotency_key=OWN_KEY[::-1]), **given)
    assert caught.value.task_id == TASK_ID
    one, two = ledger.jobs()
    assert (one.state, one.task_id) == (JobState.ACCEPTED, TASK_ID)
    assert (two.state, two.task_id, two.owner) == (JobState.UNCERTAIN, None, None)
    assert TASK_ID in two.reason


def test_a_task_that_was_waited_for_before_its_submission_is_recorded_is_one_job(
    do: Any, ledger: Ledger, request_body: dict[str, Any]
) -> None:
    """An earlier wait made a job without a key, which becomes the submission's."""
    with MisbehavingServer(
        post=[responds_json(200, ACCEPTED)], get=[task("completed", id=TASK_ID)]
    ) as server:
        given = {"base_url": server.url}
        do(lambda client: client.task(TASK_ID).wait(), **given)
        assert do(lambda client: client.submit(**request_body), **given).id == TASK_ID
    (job,) = ledger.jobs()
    assert (job.state, job.task_id, job.key) == (JobState.COMPLETED, TASK_ID, OWN_KEY)


def test_a_task_whose_job_was_forgotten_meanwhile_is_kept(
    ledger: Ledger, request_body: dict[str, Any]
) -> None:
    """`wanflow ledger forget` while the response is awaited loses no id."""

    def forget() -> None:
        ledger.delete(ledger.jobs())

    with (
        MisbehavingServer(post=[delayed_response(forget, ACCEPTED)]) as server,
        Client("k", server.url, ledger=ledger) as client,
    ):
        assert client.submit(**request_body).id == TASK_ID
    (job,) = ledger.jobs()
    assert (job.state, job.task_id) == (JobState.ACCEPTED, TASK_ID)


def test_a_callback_that_fails_leaves_nothing_owned(do: Any, ledger: Ledger, model: str) -> None:
    """A run that ends between acceptance and wait releases its task."""

    def fails(_: Snapshot) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as caught:
        do(lambda client: client.run(model=model, prompt="x", on_update=fails))
    (job,) = ledger.jobs()
    assert (job.state, job.owner) == (JobState.ACCEPTED, None)
    assert caught.value.task_id == job.task_id  # type: ignore[attr-defined]


@pytest.mark.parametrize("status", [200, 302, 409, 500, 503])
def test_no_stored_body_contains_the_key(do: Any, ledger: Ledger, model: str, status: int) -> None:
    """A key that a server repeats is neither on the error nor in the ledger."""
    key = "sk-0123456789abcdef"
    with MisbehavingServer(post=[responds_json(status, {"you": f"Bearer {key}"})]) as server:
        given = {"base_url": server.url, "api_key": key}
        with pytest.raises(errors.SubmitUncertain) as caught:
            do(lambda client: client.submit(model=model, prompt="x"), **given)
    assert caught.value.body is not None
    assert key not in f"{caught.value} {vars(caught.value)} {ledger.jobs()}"


def _resume_all(client: Any, jobs: list[dict[str, Any]], path: Path, on_result: Any) -> Any:
    return client.resume_all(path, resubmit_uncertain=True, on_result=on_result)


def _batch(client: Any, jobs: list[dict[str, Any]], path: Path, on_result: Any) -> Any:
    return client.batch(jobs, path, max_concurrency=2, on_result=on_result)


@pytest.mark.parametrize("call", [_resume_all, _batch], ids=["resume_all", "batch"])
@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
def test_a_concurrent_submission_is_recorded_before_the_error_is_raised(
    do: SyncRunner,
    ledger: Ledger,
    model: str,
    tmp_path: Path,
    call: Any,
    error: type[BaseException],
) -> None:
    """Of two concurrent submissions one fails and its callback raises: the other is recorded first.

    Its task is in the ledger when the error reaches the caller, and is owned by nobody.
    """
    if error is KeyboardInterrupt and type(do).__name__ == "AsyncRunner":
        pytest.skip("an event loop stops immediately when a task raises KeyboardInterrupt")
    both, raised = threading.Event(), threading.Event()

    def on_result(_: object) -> None:
        raised.set()
        raise error

    def rejected(connection: socket.socket) -> bool:
        assert both.wait(60)
        return responds_json(400, {"error": {"code": "bad", "message": "no"}})(connection)

    def accepted(connection: socket.socket) -> bool:
        both.set()
        assert raised.wait(60)
        time.sleep(0.3)
        return responds_json(200, ACCEPTED)(connection)

    jobs = [{"model": model, "prompt": str(number)} for number in range(2)]
    with MisbehavingServer(post=[rejected, accepted]) as server:
        if call is _resume_all:
            for number, body in enumerate(jobs):
                key, content = f"{OWN_KEY}-{number}", json.dumps(body).encode()
                ledger.record_intent(SubmissionIntent(server.url, key, model, body, content))
                ledger.record_uncertain(key, "the response was lost")
        with pytest.raises(error):
            do(lambda client: call(client, jobs, tmp_path / "out", on_result), base_url=server.url)
        states = {job.task_id: (job.state, job.owner) for job in ledger.jobs()}
    assert states[TASK_ID] == (JobState.ACCEPTED, None)
