"""Ctrl-C never loses a task, tested with real signals and processes."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.helpers import VIDEO
from tests.waiting import wait_until
from wanflow.ledger import JobState, Ledger
from wanflow.mock import MockServer

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from pathlib import Path

    from tests.cli.helpers import CommandResult

pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
def server() -> Iterator[MockServer]:
    """A mock whose tasks don't end while a test runs."""
    with MockServer(polls=999) as running:
        yield running


SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")


def with_each_signal(*kinds: str) -> list[Any]:
    """Pair each kind with each signal; `make test` sends each kind another one, once."""
    return [
        pytest.param(kind, name, marks=[pytest.mark.slow] if number != other else [])
        for number, kind in enumerate(kinds)
        for other, name in enumerate(SIGNALS)
    ]


def interrupted(
    process: subprocess.Popen[str], by: signal.Signals = signal.SIGINT
) -> tuple[str, str]:
    """Send a signal, and return the output from then on."""
    process.send_signal(by)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 128 + by, err
    assert "Traceback" not in err
    return out, err


def wait_for_task_id(process: subprocess.Popen[str]) -> str:
    """Wait until a command waits for its task, and return the task's id."""
    assert process.stderr is not None
    for line in process.stderr:
        found = re.search(r"task-unified-\S+", line)
        if found is not None:
            return found[0].rstrip(":,")
    raise AssertionError("the command exited without a task")


def test_an_interrupted_wait_prints_how_to_resume(
    process: Callable[..., subprocess.Popen[str]],
) -> None:
    """The printed command resumes the task with the same directory."""
    running = process("run", VIDEO, "--prompt", "A cat", "-o", "my out")
    task_id = wait_for_task_id(running)
    out, err = interrupted(running)
    assert out == ""
    assert err.splitlines()[-1] == f"  wanflow wait {task_id} -o 'my out'"


def test_the_printed_command_has_url_and_key_file(
    process: Callable[..., subprocess.Popen[str]], server: MockServer, tmp_path: Path, api_key: str
) -> None:
    """The printed command has the options for URL and key, but not the key."""
    (tmp_path / "key").write_text(api_key)
    words = ("--base-url", server.base_url, "--api-key-file", "key")
    running = process("run", VIDEO, "--prompt", "A cat", *words)
    task_id = wait_for_task_id(running)
    _, err = interrupted(running)
    assert err.splitlines()[-1] == f"  wanflow wait {task_id} {' '.join(words)}"
    assert api_key not in err


def test_sigterm_prints_how_to_resume(
    process: Callable[..., subprocess.Popen[str]], wanflow: Callable[..., CommandResult]
) -> None:
    """SIGTERM, as sent by `timeout` and job runners, loses no task, either."""
    task_id = wanflow("submit", VIDEO, "--prompt", "A cat").out.strip()
    running = process("wait", task_id, "-o", "out")
    assert running.stderr is not None
    running.stderr.readline()
    _, err = interrupted(running, signal.SIGTERM)
    assert err.splitlines()[-2].startswith("wanflow: terminated; the task is still running")
    assert err.splitlines()[-1] == f"  wanflow wait {task_id} -o out"


@pytest.mark.parametrize("as_json", [False, True])
def test_a_resume_of_many_tasks_prints_itself(
    process: Callable[..., subprocess.Popen[str]],
    wanflow: Callable[..., CommandResult],
    tmp_path: Path,
    as_json: bool,
) -> None:
    """After an interrupt all tasks are still running, and the same command resumes them."""
    words = ("--ledger", "my ledger.db")
    for prompt in ("A cat", "A dog"):
        wanflow("submit", VIDEO, "--prompt", prompt, *words)
    resume = [
        "ledger",
        "resume",
        "--output-dir",
        "my out",
        *words,
        *(["--json"] if as_json else []),
    ]
    running = process(*resume, "--timeout", "60")
    with Ledger(tmp_path / words[1]) as ledger:
        wait_until(lambda: all(map(ledger.is_owned, ledger.jobs())))
    out, err = interrupted(running)
    *_, said, command = err.splitlines()
    assert said == "wanflow: interrupted; the tasks are still running. To resume:"
    assert command == f"  wanflow {shlex.join([*resume, '--timeout', '60'])}"
    if as_json:
        assert json.loads(out.splitlines()[-1])["resume"] == command.strip()


def test_an_interrupt_is_an_event_with_json(process: Callable[..., subprocess.Popen[str]]) -> None:
    """With --json the interrupt is the last event, with the id and the command."""
    running = process("run", VIDEO, "--prompt", "A cat", "--json")
    assert running.stdout is not None
    submitted = json.loads(running.stdout.readline())
    out, _ = interrupted(running)
    event = json.loads(out.splitlines()[-1])
    assert (event["event"], event["kind"], event["exit_code"]) == ("error", "interrupted", 130)
    assert event["task_id"] == submitted["task_id"]
    assert event["resume"] == f"wanflow wait {event['task_id']}"


def test_a_submission_may_have_been_charged(
    process: Callable[..., subprocess.Popen[str]],
) -> None:
    """The first Ctrl-C waits for the response; the second says that it may have been charged."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/apiv1"
        running = process("run", VIDEO, "--prompt", "A cat", "--base-url", url)
        connection, _ = listener.accept()
        with connection:
            head = connection.recv(65536).decode()
            running.send_signal(signal.SIGINT)
            assert running.stderr is not None
            assert "Interrupt again" in running.stderr.readline()
            _, err = interrupted(running)
    assert head.startswith("POST ")
    key = next(line for line in head.splitlines() if line.lower().startswith("idempotency-key:"))
    assert "may have been accepted and charged" in err
    assert key.split()[1] in err


def test_an_interrupt_waits_for_the_response_to_what_was_sent(
    process: Callable[..., subprocess.Popen[str]],
) -> None:
    """The id that arrives after Ctrl-C is printed, with the command that resumes the task."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/apiv1"
        running = process("run", VIDEO, "--prompt", "A cat", "--base-url", url)
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            running.send_signal(signal.SIGINT)
            assert running.stderr is not None
            assert "Interrupt again" in running.stderr.readline()
            connection.sendall(ACCEPTED_RESPONSE)
            _, err = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "wanflow wait task-unified-1 " in err


def test_a_lost_response_has_its_own_exit_code(
    process: Callable[..., subprocess.Popen[str]],
) -> None:
    """A submission whose response is lost has its own exit code, and isn't sent again."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/apiv1"
        running = process("run", VIDEO, "--prompt", "A cat", "--base-url", url, "--json")
        connection, _ = listener.accept()
        connection.recv(65536)
        connection.close()
        out, err = running.communicate(timeout=60)
        listener.settimeout(0)
        with pytest.raises(BlockingIOError):
            listener.accept()
    assert running.returncode == 10, err
    event = json.loads(out)
    assert event["kind"] == "submit_uncertain"
    assert event["idempotency_key"] in err


def test_an_uncertain_submission_is_sent_again_if_requested(
    process: Callable[..., subprocess.Popen[str]],
) -> None:
    """With --resubmit-uncertain the same submission is sent again with the same key."""
    requests: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/apiv1"
        words = ("submit", VIDEO, "--prompt", "A cat", "--base-url", url)
        running = process(*words, "--resubmit-uncertain")
        for response in (b"", ACCEPTED_RESPONSE):
            connection, _ = listener.accept()
            with connection:
                sent = b""
                while not sent.endswith(b"}"):
                    sent += connection.recv(65536)
                requests.append(sent)
                connection.sendall(response)
        out, err = running.communicate(timeout=60)
    assert running.returncode == 0, err
    assert out == "task-unified-1\n"
    assert requests[0] == requests[1]


ACCEPTED_RESPONSE = (
    b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 44\r\n\r\n"
    b'{"id": "task-unified-1", "status":"pending"}'
)


@contextmanager
def accepting() -> Generator[tuple[str, Callable[[], socket.socket]]]:
    """Listen as a server whose responses are sent by the test."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(60)

        def submission() -> socket.socket:
            connection, _ = listener.accept()
            sent = b""
            while not sent.endswith(b"}"):
                sent += connection.recv(65536)
            return connection

        yield f"http://127.0.0.1:{listener.getsockname()[1]}/apiv1", submission


@pytest.mark.skipif(os.name == "nt", reason="these signals are POSIX's")
@pytest.mark.parametrize(("verb", "signal_name"), with_each_signal("run", "submit"))
def test_the_response_to_what_was_sent_is_waited_for(
    process: Callable[..., subprocess.Popen[str]],
    tmp_path: Path,
    verb: str,
    signal_name: str,
) -> None:
    """One signal, even if it arrives twice, loses no id: it is recorded and printed."""
    number = signal.Signals[signal_name]
    book = tmp_path / "ledger.db"
    with accepting() as (url, submission):
        words = (verb, VIDEO, "--prompt", "A cat", "--base-url", url, "--ledger", str(book))
        running = process(*words)
        with submission() as connection:
            running.send_signal(number)
            assert running.stderr is not None
            assert "waiting for the response" in running.stderr.readline()
            if number is not signal.SIGINT:
                running.send_signal(number)
            connection.sendall(ACCEPTED_RESPONSE)
        _, err = running.communicate(timeout=60)
    assert running.returncode == 128 + number, err
    assert "wanflow wait task-unified-1" in err
    with Ledger(book) as ledger:
        (job,) = ledger.jobs()
    assert (job.state, job.task_id) == (JobState.ACCEPTED, "task-unified-1")


WAITS = {"wait": ("wait", "TASK", "-o", "out"), "resume": ("ledger", "resume", "-o", "out")}


@pytest.mark.skipif(os.name == "nt", reason="these signals are POSIX's")
@pytest.mark.parametrize(("name", "signal_name"), with_each_signal(*WAITS))
def test_an_interrupted_wait_releases_its_task(
    process: Callable[..., subprocess.Popen[str]],
    wanflow: Callable[..., CommandResult],
    tmp_path: Path,
    name: str,
    signal_name: str,
) -> None:
    """Even if the signal arrives twice, the job is unfinished and has no owner."""
    words, number = WAITS[name], signal.Signals[signal_name]
    book = tmp_path / "ledger.db"
    task_id = wanflow("submit", VIDEO, "--prompt", "A cat", "--ledger", str(book)).out.strip()
    command = [task_id if word == "TASK" else word for word in words]
    running = process(*command, "--ledger", str(book))
    with Ledger(book) as ledger:
        wait_until(lambda: any(ledger.is_owned(job) for job in ledger.jobs()))
        running.send_signal(number)
        if number is not signal.SIGINT:
            running.send_signal(number)
        _, err = running.communicate(timeout=60)
        assert running.returncode == 128 + number, err
        assert "Traceback" not in err
        if words[0] == "wait":
            assert err.splitlines()[-1].startswith(f"  wanflow wait {task_id} -o out")
        (job,) = ledger.jobs()
        assert (job.state, job.task_id) == (JobState.ACCEPTED, task_id)
        assert not ledger.is_owned(job)


def test_a_closed_terminal_loses_nothing(environment: dict[str, str], tmp_path: Path) -> None:
    """If the terminal is closed while a submission is in flight, its id is in the ledger."""
    pty = pytest.importorskip("pty")
    book = tmp_path / "ledger.db"
    with accepting() as (url, submission):
        mine, theirs = pty.openpty()
        words = ("run", VIDEO, "--prompt", "A cat", "--base-url", url, "--ledger", str(book))
        running = subprocess.Popen(
            [sys.executable, "-c", ON_A_TERMINAL, "-m", "wanflow", *words],
            cwd=tmp_path,
            env={**os.environ, **environment},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        with running, submission() as connection:
            os.close(mine)  # this sends SIGHUP
            with pytest.raises(subprocess.TimeoutExpired):
                running.wait(1.0)
            connection.sendall(ACCEPTED_RESPONSE)
            assert running.wait(60) == 128 + signal.SIGHUP
    with Ledger(book) as ledger:
        (job,) = ledger.jobs()
    assert (job.state, job.task_id) == (JobState.ACCEPTED, "task-unified-1")


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="there is no SIGHUP here")
def test_a_submission_under_nohup_continues(environment: dict[str, str], tmp_path: Path) -> None:
    """An ignored SIGHUP stays ignored, and the id is printed."""
    with accepting() as (url, submission):
        words = ("submit", VIDEO, "--prompt", "A cat", "--base-url", url, "--no-ledger")
        running = subprocess.Popen(
            [sys.executable, "-c", UNDER_NOHUP, "-m", "wanflow", *words],
            cwd=tmp_path,
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            text=True,
        )
        with submission() as connection:
            running.send_signal(signal.SIGHUP)
            connection.sendall(ACCEPTED_RESPONSE)
        out, _ = running.communicate(timeout=60)
    assert (running.returncode, out.strip()) == (0, "task-unified-1")


UNDER_NOHUP = """
import os, signal, sys
signal.signal(signal.SIGHUP, signal.SIG_IGN)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""


# The terminal becomes the controlling one, so that closing it sends SIGHUP.
ON_A_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""
