"""The guarantees of the library, each with a server that misbehaves."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from contextlib import ExitStack
from typing import Any

import pytest

from tests.client.clients import RUNNERS
from tests.client.fast_clock import monotonic, with_fast_clock
from tests.transport.misbehaving_server import (
    ID,
    INTERIM,
    MISBEHAVIOUR,
    MisbehavingServer,
    drips,
    hangs,
    http,
    responds,
    responds_json,
    task,
)
from wanflow import AsyncClient, Client, errors
from wanflow.catalog.catalog import packaged_catalog

# httpx leaves generators to the garbage collector when decoding fails; trio warns of that.
pytestmark = pytest.mark.filterwarnings("ignore:Async generator 'http:ResourceWarning")

KEY = "sk-0123456789abcdef"


def body() -> dict[str, Any]:
    """Return a valid request."""
    model = next(m for m in packaged_catalog().models.values() if "image_urls" not in m.required)
    return {name: value for name, value in model.example.items() if name != "callback_url"}


def quick(runner: Any, server: MisbehavingServer, **options: Any) -> Any:
    """Return a client whose clock skips its pauses."""
    return with_fast_clock(runner.client(api_key=KEY, base_url=server.url, **options))


@pytest.mark.parametrize("act", MISBEHAVIOUR.values(), ids=MISBEHAVIOUR.keys())
def test_a_post_whose_response_was_lost_is_sent_once(act: Any, runner: Any) -> None:
    """The POST reaches the server once; the error has its key and body."""
    with MisbehavingServer(post=[act]) as server:
        client = quick(runner, server)
        with pytest.raises((errors.SubmitUncertain, errors.APIError)) as caught:
            runner.do(client.submit, body(), idempotency_key="0123456789abcdef")
        assert server.count("POST") == 1
        assert server.headers(0)["idempotency-key"] == "0123456789abcdef"
    if isinstance(caught.value, errors.SubmitUncertain):
        assert caught.value.request == body()
        assert caught.value.idempotency_key == "0123456789abcdef"
        assert "charged" in str(caught.value)


def test_a_post_without_a_response_is_sent_once(runner: Any) -> None:
    """If the server sends nothing, or sends very slowly, the call ends at its timeout."""
    for slow in (hangs, lambda done: drips(b"HTTP/1.1 200 OK\r\nX-Padding: " + b"a" * 9999, done)):
        with MisbehavingServer() as server:
            server._acts["POST"].append(slow(server.done))
            client = quick(runner, server, timeout=0.6)
            with pytest.raises(errors.SubmitUncertain):
                runner.do(client.submit, body())
            assert server.count("POST") == 1


@pytest.mark.parametrize("act", MISBEHAVIOUR.values(), ids=MISBEHAVIOUR.keys())
def test_a_wait_continues_after_a_bad_response(act: Any, runner: Any) -> None:
    """Whatever a poll gets, the wait continues until the task ends."""
    with MisbehavingServer(
        get=[act, task("completed", results=["https://f.example/a.mp4"])]
    ) as server:
        client = quick(runner, server)
        result = runner.do(client.task(ID).wait, 600)
        assert result.urls == ["https://f.example/a.mp4"]
        assert server.count("GET") == 2


def test_a_wait_continues_after_many_bad_responses(runner: Any) -> None:
    """The timeout limits the errors, not their number."""
    bad = list(MISBEHAVIOUR.values())[:4]
    with MisbehavingServer(get=[*bad, task("completed")]) as server:
        client = quick(runner, server)
        assert runner.do(client.task(ID).wait, 600).task_id == ID
        assert server.count("GET") == len(bad) + 1


def test_slow_responses_end_at_the_timeout(runner: Any) -> None:
    """Headers or a body that never end cost one timeout, and the wait continues."""
    for raw in (b"HTTP/1.1 200 OK\r\nX: " + b"a" * 9999, b"HTTP/1.1 200 OK\r\n\r\n" + b" " * 9999):
        with MisbehavingServer() as server:
            server._acts["GET"].extend([drips(raw, server.done), task("completed")])
            client = quick(runner, server, timeout=1.0)
            runner.do(client.task(ID).wait, 600)
            assert server.count("GET") >= 2  # a slow machine may miss the second one's time, too


def test_interim_responses_are_skipped(runner: Any) -> None:
    """After a 1xx the final response counts."""
    with MisbehavingServer(get=[INTERIM]) as server:
        assert runner.do(quick(runner, server).task(ID).wait, 600).task_id == ID
        assert server.count("GET") == 1


def test_an_unknown_status_waits_until_the_deadline(
    runner: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """The task counts as unfinished, and the unknown status is logged once."""
    with MisbehavingServer(get=[task("dreaming")]) as server:
        with pytest.raises(errors.WaitTimeout) as caught:
            runner.do(quick(runner, server).task(ID).wait, 300)
        assert server.count("GET") >= 2
    assert caught.value.task_id == ID
    assert sum("unknown status" in record.getMessage() for record in caplog.records) == 1


@pytest.mark.parametrize("status", ["cancelled", "canceled", "failed"])
def test_a_cancelled_task_ends_the_wait(status: str, runner: Any) -> None:
    """One poll, then TaskFailed."""
    with MisbehavingServer(get=[task(status)]) as server:
        with pytest.raises(errors.TaskFailed) as caught:
            runner.do(quick(runner, server).task(ID).wait, 600)
        assert server.count("GET") == 1
    assert caught.value.task_id == ID


def interrupting_server() -> MisbehavingServer:
    """Return a server that sends this process Ctrl-C soon after its first response."""

    def interrupts(connection: Any) -> bool:
        threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
        return task("processing")(connection)

    return MisbehavingServer(get=[interrupts, task("processing")])


async def cancelled_once_polled(waiting: Any, server: MisbehavingServer) -> BaseException:
    """Cancel a wait that has begun, and return its error."""
    running = asyncio.create_task(waiting)
    while not server.count("GET"):  # noqa: ASYNC110 - it is another thread
        await asyncio.sleep(0.01)
    running.cancel()
    try:
        await running
    except asyncio.CancelledError as error:
        return error
    raise AssertionError("the wait wasn't cancelled")


def test_ctrl_c_keeps_the_id() -> None:
    """The KeyboardInterrupt of a wait has the task's id, and a note that explains how to resume."""
    with (
        interrupting_server() as server,
        Client(KEY, server.url) as client,
        pytest.raises(KeyboardInterrupt) as caught,
    ):
        client.task(ID).wait(600)
    assert caught.value.task_id == ID  # type: ignore[attr-defined]
    assert ID in caught.value.__notes__[0]


def test_ctrl_c_in_wait_all_keeps_the_unfinished_ids() -> None:
    """The interrupt has them as `task_ids`, which can be passed to `wait_all`."""
    others = [f"{ID}{number}" for number in range(30)]
    with (
        interrupting_server() as server,
        Client(KEY, server.url) as client,
        pytest.raises(KeyboardInterrupt) as caught,
    ):
        client.wait_all(others, timeout=600)
    assert sorted(caught.value.task_ids) == sorted(others)  # type: ignore[attr-defined]
    assert caught.value.__notes__[0].count(ID) == 20


def test_a_cancelled_wait_all_keeps_the_ids() -> None:
    """The CancelledError of `wait_all` has the id of every unfinished task."""

    async def main(server: MisbehavingServer) -> Any:
        async with AsyncClient(KEY, server.url) as client:
            waiting = client.wait_all([ID, f"{ID}2"], timeout=600)
            return await cancelled_once_polled(waiting, server)

    with MisbehavingServer(get=[task("processing")]) as server:
        assert asyncio.run(main(server)).task_ids == (ID, f"{ID}2")


def test_a_cancelled_wait_keeps_the_id() -> None:
    """The CancelledError of a wait has the task's id."""

    async def main(server: MisbehavingServer) -> Any:
        async with AsyncClient(KEY, server.url) as client:
            return await cancelled_once_polled(client.task(ID).wait(600), server)

    with MisbehavingServer(get=[task("processing")]) as server:
        assert asyncio.run(main(server)).task_id == ID


def test_a_rejected_submission_is_sent_again(runner: Any) -> None:
    """A 429 or 503 didn't accept it, so the same POST is sent again, with the same key."""
    rejection = {"error": {"code": 429, "message": "m", "type": "rate_limit_error"}}
    acts = [
        responds_json(429, rejection, "Retry-After: 0"),
        responds_json(503, rejection, "Retry-After: 0"),
        responds_json(200, {"id": ID, "status": "pending"}),
    ]
    with MisbehavingServer(post=acts) as server:
        submitted = runner.do(quick(runner, server).submit, body())
        assert submitted.id == ID
        assert server.count("POST") == 3
        assert len({server.headers(index)["idempotency-key"] for index in range(3)}) == 1


@pytest.mark.parametrize(
    "act",
    [act for name, act in MISBEHAVIOUR.items() if name != "a redirect elsewhere"],
    ids=[name for name in MISBEHAVIOUR if name != "a redirect elsewhere"],
)
def test_resubmit_uncertain_sends_a_lost_submission_again(act: Any, runner: Any) -> None:
    """The same POST is sent again, with the same key."""
    taken = responds_json(200, {"id": ID, "status": "pending"})
    with MisbehavingServer(post=[act, taken]) as server:
        client = quick(runner, server)
        submitted = runner.do(client.submit, body(), resubmit_uncertain=True)
        assert submitted.id == ID
        assert server.count("POST") == 2
        first, second = (server.requests[index][2] for index in range(2))
        assert first.replace(b"\r\n", b"") == second.replace(b"\r\n", b"")


def test_resubmit_uncertain_can_be_an_option_of_the_client(runner: Any) -> None:
    """`with_options` sets it for `run` too, and doesn't change the original client."""
    acts = [responds_json(500, {}), responds_json(200, {"id": ID, "status": "pending"})]
    with MisbehavingServer(post=acts, get=[task("completed")]) as server:
        client = quick(runner, server)
        resubmitting = client.with_options(resubmit_uncertain=True)
        assert runner.do(resubmitting.run, body(), timeout=600).task_id == ID
        assert server.count("POST") == 2
    with MisbehavingServer(post=[responds_json(500, {})]) as server:
        client = quick(runner, server)
        client.with_options(resubmit_uncertain=True)
        with pytest.raises(errors.SubmitUncertain):
            runner.do(client.submit, body())
        assert server.count("POST") == 1


def test_a_429_delays_all_polls_of_a_client(runner: Any) -> None:
    """After a 429 for one task, other tasks are not polled before its Retry-After."""
    limited = responds_json(429, {"error": {"code": 429, "message": "m"}}, "Retry-After: 20")
    with MisbehavingServer(get=[limited, task("completed", id=ID + "x")]) as server:
        client = quick(runner, server)
        begun = monotonic(client)
        with pytest.raises(errors.WaitTimeout):
            runner.do(client.task(ID).wait, 0)
        runner.do(client.task(ID + "x").wait, 600)
        assert monotonic(client) - begun >= 19


def test_polls_use_the_same_connection(runner: Any) -> None:
    """The second poll doesn't open a new connection."""
    opened: list[Any] = []

    def count(act: Any) -> Any:
        def counted(connection: Any) -> bool:
            opened.append(connection.getpeername())
            return act(connection)

        return counted

    with MisbehavingServer(get=[count(task("processing")), count(task("completed"))]) as server:
        runner.do(quick(runner, server).task(ID).wait, 600)
    assert len(opened) == 2
    assert len(set(opened)) == 1


def test_a_connection_stays_open_between_two_polls() -> None:
    """Pauses of six seconds are common, and httpx closes idle connections after five.

    A fast clock doesn't shorten this pause, so all runners share one.
    """
    opened: dict[str, list[Any]] = {name: [] for name in sorted(RUNNERS)}

    def counts(name: str) -> Any:
        def count(connection: Any) -> bool:
            opened[name].append(connection.getpeername())
            return task("processing")(connection)

        return count

    polls = []
    with ExitStack() as stack:
        for name in opened:
            server = stack.enter_context(MisbehavingServer(get=[counts(name)]))
            runner = stack.enter_context(RUNNERS[name]())
            polls.append((runner, quick(runner, server).task(ID)))
            runner.do(polls[-1][1].refresh)
        time.sleep(5.4)
        for runner, polled in polls:
            runner.do(polled.refresh)
    assert {name: len(peers) for name, peers in opened.items()} == dict.fromkeys(RUNNERS, 2)
    assert {name: len(set(peers)) for name, peers in opened.items()} == dict.fromkeys(RUNNERS, 1)


def test_the_timeout_of_wait_all_names_the_last_error(runner: Any) -> None:
    """A wrong base URL is a common reason for a timeout."""
    with MisbehavingServer(get=[responds(http(503, b"<html>"))]) as server:
        (end,) = runner.do(quick(runner, server).wait_all, [ID], timeout=300)
    assert isinstance(end, errors.WaitTimeout)
    assert "503" in str(end)


def test_the_key_is_sent_to_the_api_only(runner: Any, tmp_path: Any) -> None:
    """Neither the host of a file nor one that it redirects to gets the bearer token."""
    with MisbehavingServer(
        get=[responds(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc")]
    ) as files:
        moved = responds(
            f"HTTP/1.1 302 X\r\nLocation: {files.url}/b.png\r\nContent-Length: 0\r\n\r\n".encode()
        )
        with MisbehavingServer(get=[moved]) as first:
            done = task("completed", results=[first.url + "/a.png"])
            with MisbehavingServer(get=[done]) as server:
                result = runner.do(quick(runner, server).task(ID).wait, 600)
                paths = runner.do(result.download, tmp_path)
            assert [path.read_bytes() for path in paths] == [b"abc"]
            assert server.headers(0)["authorization"] == f"Bearer {KEY}"
            assert "authorization" not in first.headers(0)
            assert "authorization" not in files.headers(0)


@pytest.mark.parametrize("many", [False, True])
def test_a_task_is_not_polled_immediately_after_its_submission(many: bool, runner: Any) -> None:
    """The response to the submission counts as a poll; the next one comes near the expected end."""
    took: list[float] = []

    def ended(connection: Any) -> bool:
        took.append(monotonic(client) - begun)
        return task("completed")(connection)

    info = {"created": int(time.time()), "task_info": {"estimated_time": 2}}
    taken = responds_json(200, {"id": ID, "status": "pending", **info})
    with MisbehavingServer(post=[taken], get=[ended]) as server:
        client = quick(runner, server)
        begun = monotonic(client)
        submitted = runner.do(client.submit, body())
        if many:
            runner.do(client.wait_all, [submitted])
        else:
            runner.do(submitted.wait)
    assert len(took) == 1
    assert took[0] > 0.8
