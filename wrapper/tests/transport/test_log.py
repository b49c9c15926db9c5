"""The log of `wanflow`: one line for each event, and no line that a server could forge."""

from __future__ import annotations

import contextlib
import io
import logging
from typing import TYPE_CHECKING, Any

import pytest

from tests.client.fast_clock import monotonic
from tests.transport.misbehaving_server import (
    ID,
    MisbehavingServer,
    http,
    resets,
    responds,
    responds_json,
    task,
)
from tests.transport.test_guarantees import KEY, body, quick
from wanflow import DownloadFailed, TaskFailed, WaitTimeout, WanflowError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PNG = b"\x89PNG\r\n\x1a\n" + bytes(64)

FORGED = "slow down\nERROR:wanflow:you were charged 1000\r\n\x1b[31mred\u2028" + KEY
REJECTED = {"error": {"message": FORGED, "type": FORGED, "fallback_suggestion": FORGED}}
PAGE = responds(http(200, f"<html>{FORGED}".encode(), "Content-Type: text/html"))
BROKEN = responds(f"HTTP/1.1 200 OK\r\nbad {FORGED} header\r\n\r\n".encode(), keep=False)


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """Return the log as text, as it would be in a file."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(logging.Formatter("%(levelname)s:%(name)s:%(message)s"))
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield written
    root.removeHandler(handler)
    root.setLevel(before)


def logged(lines: io.StringIO) -> list[str]:
    """Return level and message of the lines of this library."""
    found = [line for line in lines.getvalue().splitlines() if ":wanflow:" in line[:20]]
    return [line.replace(":wanflow:", " ", 1) for line in found]


def test_each_event_is_one_line_without_secrets(runner: Any, lines: io.StringIO) -> None:
    """A rejection, the submission, each tolerated error and an unknown status, in order.

    Whatever the server sends, it can neither forge a line nor put the key into one.
    """
    polls = [
        responds_json(503, REJECTED),
        PAGE,
        BROKEN,
        responds_json(200, {"id": ID, "status": FORGED, "progress": 99}),
        task("completed"),
    ]
    accepted = {"id": ID, "status": "pending", "progress": 99}
    submissions = [responds_json(503, REJECTED, "Retry-After: 0"), responds_json(200, accepted)]
    with MisbehavingServer(post=submissions, get=polls) as server:
        client = quick(runner, server)
        done = runner.do(client.submit, body())
        runner.do(done.wait, 60)
    text = lines.getvalue()
    assert KEY not in text
    ours = logged(lines)
    levels = ["WARNING", "INFO", *["WARNING"] * 4, "DEBUG", "INFO"]
    assert [line.split(" ")[0] for line in ours] == levels
    assert all(ID in line for line in ours[1:])
    assert all(line.isprintable() for line in ours)
    assert "sent again in" in ours[0]
    assert "unknown status" in ours[5]
    assert not any(line.startswith(("ERROR", "\x1b")) for line in text.splitlines())


def test_an_id_with_a_line_end_forges_no_line(runner: Any, lines: io.StringIO) -> None:
    """The id is logged with its line ends escaped."""
    forged = f"{ID}\nERROR:wanflow:forged"
    with MisbehavingServer(
        post=[responds_json(200, {"id": forged, "status": "pending"})]
    ) as server:
        made = runner.do(quick(runner, server).submit, body())
    assert made.id == forged
    assert not any(line.startswith("ERROR") for line in lines.getvalue().splitlines())


ACCEPTED = responds_json(200, {"id": ID, "status": "pending", "progress": 99})
FAILED = task("failed", error={"code": "service_error", "message": "boom"})
SUBMITTED = f"INFO submitted {body()['model']} as task {ID}"
DONE = f"INFO task {ID} completed with 1 links"
PENDING, RUNNING = (f"DEBUG task {ID}: {word}, 99 %" for word in ("pending", "processing"))


def by_wait(runner: Any, client: Any) -> None:
    runner.do(client.task(ID).wait, 3000)


def by_wait_all(runner: Any, client: Any) -> None:
    runner.do(client.wait_all, [ID], timeout=3000)


def by_as_completed(runner: Any, client: Any) -> None:
    runner.items(client.as_completed([ID], timeout=3000))


def by_iter_updates(runner: Any, client: Any) -> None:
    runner.items(client.task(ID).iter_updates(3000))


WAITS = [by_wait, by_wait_all, by_as_completed, by_iter_updates]


@pytest.mark.parametrize("wait", WAITS, ids=lambda wait: wait.__name__)
def test_a_wait_logs_each_change_and_its_end(wait: Any, runner: Any, lines: io.StringIO) -> None:
    """Polls without a change log nothing, for every way to wait, sync and async."""
    polls = [*[task("pending")] * 2, *[task("processing")] * 2, task("completed")]
    with MisbehavingServer(get=polls) as server:
        wait(runner, quick(runner, server))
    assert logged(lines) == [PENDING, RUNNING, DONE]


@pytest.mark.parametrize("wait", WAITS, ids=lambda wait: wait.__name__)
def test_a_wait_logs_what_it_tolerates_and_why_it_failed(
    wait: Any, runner: Any, lines: io.StringIO
) -> None:
    """A 429 with its seconds, a response about another task, an unknown status."""
    polls = [
        responds_json(429, {"error": {"message": "m"}}, "Retry-After: 1"),
        task("completed", id=f"{ID}-other"),
        task("queued"),
        FAILED,
    ]
    with MisbehavingServer(get=polls) as server, contextlib.suppress(TaskFailed):
        wait(runner, quick(runner, server))
    limited, other, unknown, queued, failed = logged(lines)
    assert limited.startswith("WARNING")
    assert limited.endswith("the wait goes on after 1 s")
    assert other.startswith("WARNING")
    assert f"'{ID}-other'" in other
    assert unknown == f"WARNING task {ID}: unknown status 'queued'; the wait goes on"
    assert queued == f"DEBUG task {ID}: queued, 99 %"
    assert failed == f"WARNING task {ID} failed with service_error"


@pytest.mark.parametrize("together", [False, True], ids=["wait", "wait_all"])
def test_a_wait_that_times_out_is_logged_once(
    together: bool, runner: Any, lines: io.StringIO
) -> None:
    """The line has the task's id and the seconds."""
    with MisbehavingServer(get=[task("processing")]) as server, contextlib.suppress(WaitTimeout):
        client = quick(runner, server)
        if together:
            runner.do(client.wait_all, [ID], timeout=5)
        else:
            runner.do(client.task(ID).wait, 5)
    assert logged(lines) == [RUNNING, f"WARNING task {ID} had not ended after 5 s"]


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("wait", [by_wait, by_iter_updates], ids=lambda wait: wait.__name__)
def test_a_retry_after_over_the_limit_is_logged_once(
    wait: Any, status: int, runner: Any, lines: io.StringIO
) -> None:
    """The line names the requested and the longest pause; the wait then continues."""
    busy = responds_json(status, {"error": {"message": "m"}}, "Retry-After: 900000")
    with MisbehavingServer(get=[busy, busy, task("completed")]) as server:
        client = quick(runner, server)
        begun = monotonic(client)
        wait(runner, client)
        assert 600 <= monotonic(client) - begun < 900
    capped = [line for line in logged(lines) if "900000" in line]
    assert len(capped) == 1
    assert "after 300 s" in capped[0]


def test_a_run_logs_submission_end_and_files(
    runner: Any, lines: io.StringIO, tmp_path: Path
) -> None:
    """No line has the prompt, the link or the key."""
    picture = responds(http(200, PNG, "Content-Type: image/png"))
    with MisbehavingServer(get=[responds(http(503, b"busy")), picture]) as files:
        done = task("completed", results=[f"{files.url}/a.png?signature=secret"])
        with MisbehavingServer(post=[ACCEPTED], get=[task("processing"), done]) as server:
            runner.do(quick(runner, server).run, body(), output_dir=tmp_path)
    found = logged(lines)
    assert found[:3] == [SUBMITTED, RUNNING, DONE]
    assert found[3].startswith(f"WARNING task {ID}: result 1 of 1 not fetched; tried again in ")
    assert found[4] == f"INFO task {ID}: result 1 of 1 saved as {tmp_path / ID}.png"
    assert len(found) == 5
    assert not any(word in line for line in found for word in (KEY, "secret", body()["prompt"]))


def test_a_download_that_fails_is_logged(runner: Any, lines: io.StringIO, tmp_path: Path) -> None:
    """The line has the task's id and the exception."""
    with (
        MisbehavingServer(get=[responds(http(404, b"gone"))]) as files,
        MisbehavingServer() as server,
    ):
        server._acts["GET"].append(task("completed", results=[f"{files.url}/a.png"]))
        result = runner.do(quick(runner, server).task(ID).wait, 60)
        with pytest.raises(DownloadFailed):
            runner.do(result.download, tmp_path)
    assert logged(lines) == [DONE, f"WARNING task {ID}: result 1 of 1 not saved: DownloadFailed"]


def test_a_submission_without_a_task_is_logged(runner: Any, lines: io.StringIO) -> None:
    """The line says whether it is uncertain or not accepted, and has the idempotency key."""
    with MisbehavingServer(
        post=[resets(), responds_json(400, {"error": {"message": "no"}})]
    ) as server:
        client = quick(runner, server)
        for word in ("uncertain", "not accepted"):
            with pytest.raises(WanflowError):
                runner.do(client.submit, body(), idempotency_key="0123456789abcdef")
            start = (
                f"WARNING submission of {body()['model']} {word}, with idempotency key 0123456789"
            )
            assert logged(lines)[-1].startswith(start)
    assert len(logged(lines)) == 2
