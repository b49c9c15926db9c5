"""Submissions in flight are finished and recorded, whatever interrupts a batch."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.waiting import wait_until
from wanflow import Client
from wanflow.batch import StopSignal
from wanflow.ledger import JobState, Ledger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.batch.conftest import BatchRunner
    from wanflow.batch import BatchProgress
    from wanflow.mock import MockServer
    from wanflow.mock.gateway.accounts import Account

pytestmark = pytest.mark.processes

IN_FLIGHT = 6
SUBMITS = "createImageGeneration"
_TIMEOUT = 60.0


@pytest.fixture
def jobs(model: str) -> list[dict[str, Any]]:
    return [{"model": model, "prompt": str(number)} for number in range(IN_FLIGHT)]


@pytest.fixture
def slow_responses(server: MockServer, account: Account) -> Iterator[Callable[[float], None]]:
    """Accept submissions immediately, and send the responses slow_responses."""
    rules = []
    yield lambda seconds: rules.append(
        server.faults.add(f"drip={seconds / 20:.3f}", account=account, operation=SUBMITS)
    )
    for rule in rules:
        server.faults.remove(rule.id)


class Bug(Exception):
    """An exception of the user's callback."""


def assert_all_recorded(path: Path) -> None:
    """Assert that each id is in the ledger."""
    with Ledger(path) as ledger:
        jobs = ledger.jobs()
    assert len(jobs) == IN_FLIGHT
    assert {job.state for job in jobs} <= {JobState.ACCEPTED, JobState.COMPLETED, JobState.SAVED}
    assert all(job.task_id for job in jobs)


@pytest.mark.parametrize("error", [Bug, KeyboardInterrupt, SystemExit])
def test_an_exception_of_on_progress_loses_no_id(
    run_batch: BatchRunner,
    jobs: list[dict[str, Any]],
    ledger: Ledger,
    account: Account,
    slow_responses: Callable[[float], None],
    error: type[BaseException],
) -> None:
    """Submissions in flight are finished, it is raised, and the next run costs nothing."""
    slow_responses(1.0)

    def on_progress(_: BatchProgress) -> None:
        if account.submitted == IN_FLIGHT:
            raise error

    with pytest.raises(error):
        run_batch(jobs, on_progress=on_progress)
    assert account.submitted == IN_FLIGHT
    assert [job.state for job in ledger.jobs()] == [JobState.ACCEPTED] * IN_FLIGHT
    assert not any(ledger.is_owned(job) for job in ledger.jobs()), "nothing stays locked"
    assert not [one for one in threading.enumerate() if one.name == "wanflow"]
    assert run_batch(jobs).complete
    assert account.submitted == IN_FLIGHT


def test_an_exception_of_on_result_loses_no_id(
    run_batch: BatchRunner,
    jobs: list[dict[str, Any]],
    ledger: Ledger,
    account: Account,
    server: MockServer,
    slow_responses: Callable[[float], None],
) -> None:
    """One job is rejected immediately, and it is raised while the others are in flight."""
    rule = server.faults.add("status=400", account=account, operation=SUBMITS, count=1)
    slow_responses(0.4)

    def on_result(_: object) -> None:
        raise Bug

    with pytest.raises(Bug):
        run_batch(jobs, on_result=on_result)
    server.faults.remove(rule.id)
    assert account.submitted == len([job for job in ledger.jobs() if job.task_id])
    assert not any(job.uncertain for job in ledger.jobs())


REJECTIONS = ["status=429", "status=503"]


@pytest.mark.parametrize("rejection", REJECTIONS)
def test_a_stop_ends_the_pause_before_a_retry(
    run_batch: BatchRunner,
    jobs: list[dict[str, Any]],
    ledger: Ledger,
    account: Account,
    server: MockServer,
    rejection: str,
) -> None:
    """A rejected submission isn't retried after the stop; the next run sends it once."""
    rule = server.faults.add(rejection, account=account, operation=SUBMITS)
    stop = StopSignal()

    def on_progress(tally: BatchProgress) -> None:
        if tally.submitting and len([job for job in ledger.jobs() if job.reason]) == IN_FLIGHT:
            stop.set()
            server.faults.remove(rule.id)

    report = run_batch(jobs, stop=stop, on_progress=on_progress)
    assert report.counts == {"not_sent": IN_FLIGHT}
    assert report.stop_reason
    assert report.credits_spent == account.submitted == 0
    assert not any(job.uncertain for job in ledger.jobs())
    assert run_batch(jobs).complete
    assert account.submitted == IN_FLIGHT


PROGRAM = """
import sys
from pathlib import Path
import anyio
from wanflow import AsyncClient, Client
from wanflow.ledger import Ledger

jobs = [{"model": sys.argv[1], "prompt": str(number)} for number in range(int(sys.argv[2]))]
connections = int(sys.argv[4]) if len(sys.argv) > 4 else 20

with Ledger("ledger.db") as ledger:
    if sys.argv[3] == "sync":
        with Client(ledger=ledger, max_connections=connections) as client:
            client.batch(jobs, "out")
    else:
        async def main():
            async with AsyncClient(ledger=ledger, max_connections=connections) as client:
                await client.batch(jobs, "out")
        anyio.run(main)
"""


class ProgramRunner:
    """Starts Python programs in their own directory, with a user's environment."""

    def __init__(self, server: MockServer, api_key: str, folder: Path) -> None:
        self.folder = folder
        self.environment = {
            **os.environ,
            "WANFLOW_API_KEY": api_key,
            "WANFLOW_BASE_URL": server.base_url,
            "WANFLOW_LEDGER": str(folder / "ledger.db"),
        }

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start a Python program."""
        return subprocess.Popen(
            [sys.executable, *words],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


@pytest.fixture
def program(server: MockServer, api_key: str, tmp_path: Path) -> ProgramRunner:
    return ProgramRunner(server, api_key, tmp_path)


def wait_until_arrived(account: Account, count: int) -> None:
    """Wait until the server has accepted some submissions, without having responded."""
    wait_until(lambda: account.submitted >= count)


by_client_kind = pytest.mark.parametrize("client_kind", ["sync", "async"])


@by_client_kind
def test_ctrl_c_in_a_program_loses_no_id(
    program: ProgramRunner,
    model: str,
    account: Account,
    slow_responses: Callable[[float], None],
    client_kind: str,
) -> None:
    """A real signal arrives at a real process, with all submissions in flight."""
    slow_responses(1.0)
    with program.start("-c", PROGRAM, model, str(IN_FLIGHT), client_kind) as process:
        wait_until_arrived(account, IN_FLIGHT)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=_TIMEOUT)
    assert "KeyboardInterrupt" in err
    assert account.submitted == IN_FLIGHT
    assert_all_recorded(program.folder / "ledger.db")


def test_a_second_ctrl_c_exits_and_prints_what_is_uncertain(
    program: ProgramRunner, model: str, account: Account, slow_responses: Callable[[float], None]
) -> None:
    """It doesn't wait for the responses, and prints the keys of what may have been accepted."""
    slow_responses(25.0)
    with program.start("-c", PROGRAM, model, str(IN_FLIGHT), "sync") as process:
        wait_until_arrived(account, IN_FLIGHT)
        process.send_signal(signal.SIGINT)
        time.sleep(1.0)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=_TIMEOUT)
    assert f"{IN_FLIGHT} submissions in flight" in err
    with Ledger(program.folder / "ledger.db") as ledger:
        jobs = ledger.jobs()
    assert {job.state for job in jobs} <= {JobState.INTENT, JobState.UNCERTAIN}
    assert all(str(job.key) in err for job in jobs)


@pytest.mark.skipif(os.name == "nt", reason="these signals are POSIX's")
@pytest.mark.parametrize(
    "number",  # SIGHUP is handled as SIGTERM is, and the command line is tested with it, too
    [signal.SIGINT, signal.SIGTERM, pytest.param(signal.SIGHUP, marks=pytest.mark.slow)],
)
def test_one_signal_finishes_the_submissions_in_flight(
    program: ProgramRunner,
    jobs: list[dict[str, Any]],
    account: Account,
    slow_responses: Callable[[float], None],
    number: signal.Signals,
) -> None:
    """It may arrive twice, as `timeout` and shells send it; the report is written."""
    slow_responses(1.0)
    (program.folder / "jobs.jsonl").write_text("\n".join(map(json.dumps, jobs)))
    with program.start("-m", "wanflow", "batch", "jobs.jsonl", "-o", "out") as process:
        wait_until_arrived(account, IN_FLIGHT)
        process.send_signal(number)
        if number is not signal.SIGINT:
            time.sleep(0.05)
            process.send_signal(number)
        _, err = process.communicate(timeout=_TIMEOUT)
    assert process.returncode == 128 + number, err
    assert "Traceback" not in err
    assert "nothing more is sent" in err
    assert_all_recorded(program.folder / "ledger.db")
    report = json.loads((program.folder / "out" / "report.json").read_text())
    assert report["counts"]["resumable"] + report["counts"]["saved"] == IN_FLIGHT


def test_a_second_ctrl_c_of_the_command_prints_what_is_uncertain(
    program: ProgramRunner,
    jobs: list[dict[str, Any]],
    account: Account,
    slow_responses: Callable[[float], None],
) -> None:
    """Each idempotency key is printed, and the command to resume."""
    slow_responses(25.0)
    (program.folder / "jobs.jsonl").write_text("\n".join(map(json.dumps, jobs)))
    with program.start("-m", "wanflow", "batch", "jobs.jsonl", "-o", "out") as process:
        wait_until_arrived(account, IN_FLIGHT)
        process.send_signal(signal.SIGINT)
        while "stopping" not in (line := process.stderr.readline()):
            assert line, "it ended too early"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=_TIMEOUT)
    assert process.returncode == 130, err
    assert "wanflow batch jobs.jsonl -o out" in err
    with Ledger(program.folder / "ledger.db") as ledger:
        found = ledger.jobs()
    assert len(found) == IN_FLIGHT
    assert all(str(job.key) in err for job in found)


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="there is no SIGHUP here")
def test_a_batch_under_nohup_continues(
    program: ProgramRunner,
    jobs: list[dict[str, Any]],
    account: Account,
    slow_responses: Callable[[float], None],
) -> None:
    """An ignored SIGHUP stays ignored."""
    slow_responses(0.5)
    (program.folder / "jobs.jsonl").write_text("\n".join(map(json.dumps, jobs)))
    ignoring = (
        "import os, signal, sys; signal.signal(signal.SIGHUP, signal.SIG_IGN); "
        "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    )
    words = ("-m", "wanflow", "batch", "jobs.jsonl", "-o", "out")
    with program.start("-c", ignoring, *words) as process:
        wait_until_arrived(account, IN_FLIGHT)
        process.send_signal(signal.SIGHUP)
        _, err = process.communicate(timeout=_TIMEOUT)
    assert process.returncode == 0, err


@by_client_kind
def test_a_killed_batch_has_no_entries_for_unsent_jobs(
    program: ProgramRunner,
    model: str,
    account: Account,
    slow_responses: Callable[[float], None],
    client_kind: str,
) -> None:
    """Of 32 jobs, only those with a connection are in the ledger, and each was sent."""
    slow_responses(25.0)
    with program.start("-c", PROGRAM, model, "32", client_kind, "2") as process:
        wait_until_arrived(account, 2)
        process.kill()
        process.communicate(timeout=_TIMEOUT)
    with Ledger(program.folder / "ledger.db") as ledger:
        jobs = ledger.jobs()
    assert account.submitted == 2
    assert [job.state for job in jobs] == [JobState.INTENT] * 2


def test_an_exception_of_on_result_unlocks_every_job(
    run_batch: BatchRunner,
    jobs: list[dict[str, Any]],
    ledger: Ledger,
    server: MockServer,
    api_key: str,
    account: Account,
    tmp_path: Path,
) -> None:
    """The other jobs are unlocked too, and can be resumed again."""
    rule = server.faults.add("status=404", account=account, operation="files")
    run_batch(jobs)
    server.faults.remove(rule.id)

    def on_result(_: object) -> None:
        raise Bug

    with Client(api_key, server.base_url, ledger=ledger) as client:
        with pytest.raises(Bug):
            client.resume_all(tmp_path / "out", on_result=on_result)
        for thread in threading.enumerate():
            if thread.name == "wanflow":  # it only downloads, so nothing waits for it
                thread.join(60)
        assert not any(ledger.is_owned(job) for job in ledger.jobs())
        client.resume_all(tmp_path / "out")
    assert {job.state for job in ledger.jobs()} == {JobState.SAVED}
    assert account.submitted == IN_FLIGHT


@pytest.mark.skipif(os.name == "nt", reason="there are no pseudo-terminals")
@pytest.mark.parametrize("ignored", [False, True], ids=["hangup", "ignored"])
@pytest.mark.parametrize("shown", [True, False], ids=["terminal", "stderr in a file"])
def test_a_closed_terminal_finishes_the_submissions_in_flight(
    program: ProgramRunner,
    jobs: list[dict[str, Any]],
    account: Account,
    slow_responses: Callable[[float], None],
    ignored: bool,
    shown: bool,
) -> None:
    """The terminal closes with its connection; the ids and the report are written.

    A batch that ignores SIGHUP goes on without its terminal, to its end.
    """
    pty = pytest.importorskip("pty")
    slow_responses(2.0)
    (program.folder / "jobs.jsonl").write_text("\n".join(map(json.dumps, jobs)))
    terminal, other_end = pty.openpty()
    words = ("-m", "wanflow", "batch", "jobs.jsonl", "-o", "out")
    handler = "SIG_IGN" if ignored else "SIG_DFL"
    with (
        (program.folder / "stderr").open("w") as file,
        subprocess.Popen(
            [sys.executable, "-c", ON_A_TERMINAL, handler, *words],
            cwd=program.folder,
            env={**program.environment, "TERM": "xterm"},
            stdin=other_end,
            stdout=other_end,
            stderr=other_end if shown else file,
            start_new_session=True,
        ) as process,
    ):
        os.close(other_end)
        wait_until_arrived(account, IN_FLIGHT)
        os.close(terminal)  # sends SIGHUP
        assert process.wait(_TIMEOUT) == (0 if ignored else 128 + signal.SIGHUP)
    assert_all_recorded(program.folder / "ledger.db")
    report = json.loads((program.folder / "out" / "report.json").read_text())
    assert bool(report["stop_reason"]) is not ignored


ON_A_TERMINAL = """
import fcntl, os, signal, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
signal.signal(signal.SIGHUP, getattr(signal, sys.argv[1]))
os.execv(sys.executable, [sys.executable, *sys.argv[2:]])
"""
