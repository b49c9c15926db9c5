"""What was sent is finished and written down, whatever breaks a batch off."""

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

from wanflow import Client
from wanflow.batch import StopSignal
from wanflow.ledger import JobState, Ledger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.batch.conftest import Doer
    from wanflow.batch import BatchProgress
    from wanflow.mock import MockServer
    from wanflow.mock.gateway.accounts import Account

IN_FLIGHT = 6
SUBMITS = "createImageGeneration"
_PATIENCE = 60.0


@pytest.fixture
def jobs(model: str) -> list[dict[str, Any]]:
    return [{"model": model, "prompt": str(number)} for number in range(IN_FLIGHT)]


@pytest.fixture
def slowly(server: MockServer, account: Account) -> Iterator[Callable[[float], None]]:
    """Let submissions be accepted at once, and the responses take some seconds."""
    rules = []
    yield lambda seconds: rules.append(
        server.faults.add(f"drip={seconds / 20:.3f}", account=account, operation=SUBMITS)
    )
    for rule in rules:
        server.faults.remove(rule.id)


class Bug(Exception):
    """What the user's own function raises."""


def all_are_recorded(path: Path) -> None:
    """Each id is in the ledger."""
    with Ledger(path) as ledger:
        jobs = ledger.jobs()
    assert len(jobs) == IN_FLIGHT
    assert {job.state for job in jobs} <= {JobState.ACCEPTED, JobState.COMPLETED, JobState.SAVED}
    assert all(job.task_id for job in jobs)


@pytest.mark.parametrize("error", [Bug, KeyboardInterrupt, SystemExit])
def test_a_bug_of_the_user_loses_no_id(
    do: Doer,
    jobs: list[dict[str, Any]],
    ledger: Ledger,
    account: Account,
    slowly: Callable[[float], None],
    error: type[BaseException],
) -> None:
    """What is in flight is finished, the exception is raised, and the next run pays nothing."""
    slowly(1.0)

    def on_progress(_: BatchProgress) -> None:
        if account.submitted == IN_FLIGHT:
            raise error

    with pytest.raises(error):
        do(jobs, on_progress=on_progress)
    assert account.submitted == IN_FLIGHT
    assert [job.state for job in ledger.jobs()] == [JobState.ACCEPTED] * IN_FLIGHT
    assert not any(ledger.is_owned(job) for job in ledger.jobs()), "held by nobody that works on it"
    assert not [one for one in threading.enumerate() if one.name == "wanflow"]
    assert do(jobs).complete
    assert account.submitted == IN_FLIGHT


def test_a_bug_in_on_outcome_does_the_same(
    do: Doer,
    jobs: list[dict[str, Any]],
    ledger: Ledger,
    account: Account,
    server: MockServer,
    slowly: Callable[[float], None],
) -> None:
    """One job is refused at once, and the bug comes while the others are in flight."""
    rule = server.faults.add("status=400", account=account, operation=SUBMITS, count=1)
    slowly(0.4)

    def on_result(_: object) -> None:
        raise Bug

    with pytest.raises(Bug):
        do(jobs, on_result=on_result)
    server.faults.remove(rule.id)
    assert account.submitted == len([job for job in ledger.jobs() if job.task_id])
    assert not any(job.uncertain for job in ledger.jobs())


REFUSALS = ["status=429", "status=503"]


@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_stop_ends_the_pause_before_a_submission_is_sent_again(
    do: Doer,
    jobs: list[dict[str, Any]],
    ledger: Ledger,
    account: Account,
    server: MockServer,
    refusal: str,
) -> None:
    """What was refused and would be sent again is not sent; the next run sends it once."""
    rule = server.faults.add(refusal, account=account, operation=SUBMITS)
    stop = StopSignal()

    def on_progress(tally: BatchProgress) -> None:
        if tally.submitting and len([job for job in ledger.jobs() if job.reason]) == IN_FLIGHT:
            stop.set()
            server.faults.remove(rule.id)

    begun = time.monotonic()
    report = do(jobs, stop=stop, on_progress=on_progress)
    assert time.monotonic() - begun < 15
    assert report.counts == {"not_sent": IN_FLIGHT}
    assert report.stop_reason
    assert report.credits_spent == account.submitted == 0
    assert not any(job.uncertain for job in ledger.jobs())
    assert do(jobs).complete
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


class Shell:
    """Starts programs in a folder of their own, with the environment of a user."""

    def __init__(self, server: MockServer, api_key: str, folder: Path) -> None:
        self.folder = folder
        self.environment = {
            **os.environ,
            "WANFLOW_API_KEY": api_key,
            "WANFLOW_BASE_URL": server.base_url,
            "WANFLOW_LEDGER": str(folder / "ledger.db"),
        }

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Begin a Python program."""
        return subprocess.Popen(
            [sys.executable, *words],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


@pytest.fixture
def shell(server: MockServer, api_key: str, tmp_path: Path) -> Shell:
    return Shell(server, api_key, tmp_path)


def arrived(account: Account, count: int) -> None:
    """Wait until the server has taken some submissions, whose responses are still to come."""
    deadline = time.monotonic() + _PATIENCE
    while account.submitted < count:
        assert time.monotonic() < deadline
        time.sleep(0.02)


by_client_kind = pytest.mark.parametrize("client_kind", ["sync", "async"])


@by_client_kind
def test_ctrl_c_in_a_program_loses_no_id(
    shell: Shell, model: str, account: Account, slowly: Callable[[float], None], client_kind: str
) -> None:
    """A real signal to a real process, with all submissions in flight."""
    slowly(1.0)
    with shell.start("-c", PROGRAM, model, str(IN_FLIGHT), client_kind) as process:
        arrived(account, IN_FLIGHT)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=_PATIENCE)
    assert "KeyboardInterrupt" in err
    assert account.submitted == IN_FLIGHT
    all_are_recorded(shell.folder / "ledger.db")


def test_a_second_ctrl_c_leaves_and_says_what_is_uncertain(
    shell: Shell, model: str, account: Account, slowly: Callable[[float], None]
) -> None:
    """It doesn't wait for the responses, and names the keys of what may have been accepted."""
    slowly(25.0)
    with shell.start("-c", PROGRAM, model, str(IN_FLIGHT), "sync") as process:
        arrived(account, IN_FLIGHT)
        process.send_signal(signal.SIGINT)
        time.sleep(1.0)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=_PATIENCE)
    assert f"{IN_FLIGHT} submissions in flight" in err
    with Ledger(shell.folder / "ledger.db") as ledger:
        jobs = ledger.jobs()
    assert {job.state for job in jobs} <= {JobState.INTENT, JobState.UNCERTAIN}
    assert all(str(job.key) in err for job in jobs)


@pytest.mark.skipif(os.name == "nt", reason="these signals are POSIX's")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_one_signal_finishes_what_was_sent(
    shell: Shell,
    jobs: list[dict[str, Any]],
    account: Account,
    slowly: Callable[[float], None],
    number: signal.Signals,
) -> None:
    """Even where it arrives twice, as `timeout` and shells send it; the report is written."""
    slowly(1.0)
    (shell.folder / "jobs.jsonl").write_text("\n".join(map(json.dumps, jobs)))
    with shell.start("-m", "wanflow", "batch", "jobs.jsonl", "-o", "out") as process:
        arrived(account, IN_FLIGHT)
        process.send_signal(number)
        if number is not signal.SIGINT:
            time.sleep(0.05)
            process.send_signal(number)
        _, err = process.communicate(timeout=_PATIENCE)
    assert process.returncode == 128 + number, err
    assert "Traceback" not in err
    assert "nothing more is sent" in err
    all_are_recorded(shell.folder / "ledger.db")
    report = json.loads((shell.folder / "out" / "report.json").read_text())
    assert report["counts"]["resumable"] + report["counts"]["saved"] == IN_FLIGHT


def test_a_second_ctrl_c_at_the_command_says_what_is_uncertain(
    shell: Shell,
    jobs: list[dict[str, Any]],
    account: Account,
    slowly: Callable[[float], None],
) -> None:
    """Each idempotency key is named, and the command that goes on."""
    slowly(25.0)
    (shell.folder / "jobs.jsonl").write_text("\n".join(map(json.dumps, jobs)))
    with shell.start("-m", "wanflow", "batch", "jobs.jsonl", "-o", "out") as process:
        arrived(account, IN_FLIGHT)
        process.send_signal(signal.SIGINT)
        while "stopping" not in (line := process.stderr.readline()):
            assert line, "it ended too early"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=_PATIENCE)
    assert process.returncode == 130, err
    assert "wanflow batch jobs.jsonl -o out" in err
    with Ledger(shell.folder / "ledger.db") as ledger:
        found = ledger.jobs()
    assert len(found) == IN_FLIGHT
    assert all(str(job.key) in err for job in found)


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="nothing hangs up here")
def test_a_batch_under_nohup_goes_on(
    shell: Shell, jobs: list[dict[str, Any]], account: Account, slowly: Callable[[float], None]
) -> None:
    """What is ignored stays so."""
    slowly(0.5)
    (shell.folder / "jobs.jsonl").write_text("\n".join(map(json.dumps, jobs)))
    ignoring = (
        "import os, signal, sys; signal.signal(signal.SIGHUP, signal.SIG_IGN); "
        "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    )
    words = ("-m", "wanflow", "batch", "jobs.jsonl", "-o", "out")
    with shell.start("-c", ignoring, *words) as process:
        arrived(account, IN_FLIGHT)
        process.send_signal(signal.SIGHUP)
        _, err = process.communicate(timeout=_PATIENCE)
    assert process.returncode == 0, err


@by_client_kind
def test_a_killed_batch_leaves_no_doubt_of_what_was_not_sent(
    shell: Shell, model: str, account: Account, slowly: Callable[[float], None], client_kind: str
) -> None:
    """Of 32 jobs, only those that had a connection are in the ledger, and each was sent."""
    slowly(25.0)
    with shell.start("-c", PROGRAM, model, "32", client_kind, "2") as process:
        arrived(account, 2)
        process.kill()
        process.communicate(timeout=_PATIENCE)
    with Ledger(shell.folder / "ledger.db") as ledger:
        jobs = ledger.jobs()
    assert account.submitted == 2
    assert [job.state for job in jobs] == [JobState.INTENT] * 2


def test_a_bug_in_on_ending_leaves_every_job_free(
    do: Doer,
    jobs: list[dict[str, Any]],
    ledger: Ledger,
    server: MockServer,
    api_key: str,
    account: Account,
    tmp_path: Path,
) -> None:
    """What was taken up beside the job that it came with is let go, and can be taken up again."""
    rule = server.faults.add("status=404", account=account, operation="files")
    do(jobs)
    server.faults.remove(rule.id)

    def on_result(_: object) -> None:
        raise Bug

    with Client(api_key, server.base_url, ledger=ledger) as client:
        with pytest.raises(Bug):
            client.resume_all(tmp_path / "out", on_result=on_result)
        for thread in threading.enumerate():
            if thread.name == "wanflow":  # which only fetches, and need not be waited for
                thread.join(20)
        assert not any(ledger.is_owned(job) for job in ledger.jobs())
        client.resume_all(tmp_path / "out")
    assert {job.state for job in ledger.jobs()} == {JobState.SAVED}
    assert account.submitted == IN_FLIGHT


@pytest.mark.skipif(os.name == "nt", reason="there are no such terminals")
def test_a_closed_terminal_finishes_what_was_sent(
    shell: Shell,
    jobs: list[dict[str, Any]],
    account: Account,
    slowly: Callable[[float], None],
) -> None:
    """A dropped connection takes the terminal away; ids, files and the report are there."""
    pty = pytest.importorskip("pty")
    slowly(2.0)
    (shell.folder / "jobs.jsonl").write_text("\n".join(map(json.dumps, jobs)))
    mine, theirs = pty.openpty()
    words = ("-m", "wanflow", "batch", "jobs.jsonl", "-o", "out")
    with subprocess.Popen(
        [sys.executable, "-c", ON_A_TERMINAL, *words],
        cwd=shell.folder,
        env={**shell.environment, "TERM": "xterm"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    ) as process:
        os.close(theirs)
        arrived(account, IN_FLIGHT)
        os.close(mine)  # which hangs up
        assert process.wait(_PATIENCE) == 128 + signal.SIGHUP
    all_are_recorded(shell.folder / "ledger.db")
    assert json.loads((shell.folder / "out" / "report.json").read_text())["stop_reason"]


# The terminal becomes the program's own, so that it is told when that is closed.
ON_A_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""
