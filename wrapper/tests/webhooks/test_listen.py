"""`wanflow listen` as its users have it: a process, its streams, and its exit code."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from click.testing import CliRunner

from tests.webhooks.conftest import body_of
from wanflow import Client
from wanflow.catalog.catalog import packaged_catalog
from wanflow.cli import main
from wanflow.mock import MockServer
from wanflow.mock.clock import VirtualClock
from wanflow.webhooks import Receiver

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MODEL = next(m for m in packaged_catalog().models.values() if "callback_url" in m.parameters)
SECRET = "a secret of sixteen"
PATIENCE = 20


class Shell:
    """Starts `wanflow listen`, with a mock for its API."""

    def __init__(self, mock: MockServer, folder: Path, stack: ExitStack) -> None:
        self.mock = mock
        self.folder = folder
        self._stack = stack
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = str(free.getsockname()[1])

    def listen(self, *words: str, **environment: str) -> subprocess.Popen[str]:
        clean = {k: v for k, v in os.environ.items() if not k.startswith("WANFLOW_")}
        started = subprocess.Popen(
            [sys.executable, "-m", "wanflow", "listen", "--port", self.port, *words],
            cwd=self.folder,
            env={
                **clean,
                "WANFLOW_API_KEY": self.mock.api_key,
                "WANFLOW_BASE_URL": self.mock.base_url,
                **environment,
            },
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self._stack.enter_context(started)
        self._stack.callback(started.kill)
        return started

    @property
    def local(self) -> list[str]:
        """The options that let the mock call."""
        return ["--local", "--public-url", f"http://127.0.0.1:{self.port}/callbacks"]

    def submit(self, url: str, prompt: str = "a lake") -> str:
        """Submit a task that is to be called about, and let its time pass."""
        with Client(self.mock.api_key, self.mock.base_url) as client:
            request = {**MODEL.example, "prompt": prompt, "callback_url": url}
            task_id = client.submit(request, validate=False).id
        self.mock.clock.advance(61)
        return task_id


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    clock = VirtualClock()
    with MockServer(seconds=60, clock=clock, loopback_callbacks=True) as mock, ExitStack() as stack:
        yield Shell(mock, tmp_path, stack)


def line(process: subprocess.Popen[str]) -> dict[str, Any]:
    """The next event."""
    assert process.stdout is not None
    found: dict[str, Any] = json.loads(process.stdout.readline())
    return found


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """The exit code and what was left to read."""
    out, err = process.communicate(timeout=PATIENCE)
    assert "Traceback" not in err
    return process.returncode, out, err


class TestJobs:
    """Named jobs have URLs, and the command is done when each has ended."""

    def test_two_jobs_for_a_program(self, shell: Shell) -> None:
        """JSON: where it listens, a URL for each, each end, exit code 0."""
        process = shell.listen("one", "two", "--json", *shell.local)
        assert line(process) == {"event": "listening", "host": "127.0.0.1", "port": int(shell.port)}
        urls = {event["job"]: event["callback_url"] for event in (line(process), line(process))}
        assert list(urls) == ["one", "two"]
        for job, url in urls.items():
            task_id = shell.submit(url)
            event = line(process)
            assert (event["event"], event["job"], event["task_id"]) == ("ended", job, task_id)
            assert event["status"] == "completed"
            assert event["urls"]
        assert ended(process) == (0, "", "")

    def test_a_failed_job_for_people(self, shell: Shell) -> None:
        """The reason on stdout, and the exit code of a failed task."""
        process = shell.listen("one", *shell.local)
        assert process.stderr is not None
        assert "listening on 127.0.0.1:" in process.stderr.readline()
        url = process.stderr.readline().split()[1]
        assert "--no-validate" in process.stderr.readline()
        task_id = shell.submit(url, "a lake [mock:fail=content_policy_violation]")
        code, out, _ = ended(process)
        assert code == 7
        assert out.startswith(f"one {task_id} failed: content_policy_violation: ")

    def test_a_completed_job_for_people(self, shell: Shell) -> None:
        """The links on stdout, one a line."""
        process = shell.listen("one", *shell.local)
        assert process.stderr is not None
        process.stderr.readline()
        task_id = shell.submit(process.stderr.readline().split()[1])
        code, out, _ = ended(process)
        assert code == 0
        first, *links = out.splitlines()
        assert first == f"one {task_id} completed"
        assert links
        assert all(link.startswith("http://127.0.0.1") for link in links)

    def test_what_isnt_true_is_not_printed(self, shell: Shell) -> None:
        """A claim under the right URL, of a task that nobody has, prints nothing."""
        process = shell.listen("one", "--json", *shell.local)
        line(process)
        url = line(process)["callback_url"]
        headers = {"content-type": "application/json"}
        with httpx.Client(trust_env=False, headers=headers) as http:
            assert http.post(url, content=body_of("task-unified-forged")).status_code == 202
            assert http.post(url + "x", content=body_of()).status_code == 404
        task_id = shell.submit(url)
        assert line(process)["task_id"] == task_id
        assert ended(process)[0] == 0


class TestStopping:
    """Without jobs it goes on until it is stopped; with some, stopping is an interruption."""

    @pytest.mark.parametrize(
        ("jobs", "by", "code"),
        [
            ([], signal.SIGINT, 0),
            ([], signal.SIGTERM, 0),
            (["one"], signal.SIGINT, 130),
            (["one"], signal.SIGTERM, 143),
        ],
    )
    def test_by_a_signal(
        self, shell: Shell, jobs: list[str], by: signal.Signals, code: int
    ) -> None:
        """Ctrl-C and SIGTERM end it, with no traceback."""
        process = shell.listen(*jobs, *shell.local)
        assert process.stderr is not None
        for _ in range(1 + len(jobs)):
            process.stderr.readline()
        process.send_signal(by)
        assert ended(process)[0] == code


class TestSecrets:
    """Secrets come from a file or the environment, newest first, and are never shown."""

    def test_from_a_file(self, shell: Shell) -> None:
        """The first line signs; a URL of any verifies."""
        path = shell.folder / "secrets"
        path.write_text(f"{SECRET} \n\nan older secret of ours\n".replace(" ", "-"))
        newest = path.read_text().split()[0]
        process = shell.listen("one", "--json", "--secret-file", str(path), *shell.local)
        line(process)
        url = line(process)["callback_url"]
        base = url.rpartition("/")[0]
        token = url.rpartition("/")[2]
        assert Receiver(newest, base, allow_local=True).read_token(token).job == "one"
        older = Receiver(path.read_text().split()[1], base, allow_local=True).url("old job")
        shell.submit(older)
        assert line(process)["job"] == "old job"
        shell.submit(url)
        assert line(process)["job"] == "one"
        code, out, err = ended(process)
        assert code == 0
        assert newest not in out + err

    def test_from_the_environment(self, shell: Shell) -> None:
        """A variable, for services."""
        secret = "of-the-environment"
        process = shell.listen("one", "--json", *shell.local, WANFLOW_CALLBACK_SECRETS=secret)
        line(process)
        url = line(process)["callback_url"]
        receiver = Receiver(secret, url.rpartition("/")[0], allow_local=True)
        assert receiver.read_token(url.rpartition("/")[2]).job == "one"


class TestBadInput:
    """One sentence on stderr, and an exit code by kind."""

    @pytest.mark.parametrize(
        "url", ["http://shop.example/", "https://127.0.0.1/", "shop.example", ""]
    )
    def test_no_public_address(self, url: str) -> None:
        """http, or internal: refused without --local."""
        code, out, err = told("one", "--public-url", url)
        assert (code, out) == (3, "")
        assert err.startswith("wanflow: callback URL")
        assert len(err.splitlines()) == 1

    def test_none_at_all(self) -> None:
        """It is needed."""
        code, _, err = told("one")
        assert code == 2
        assert "--public-url" in err

    def test_a_port_in_use(self) -> None:
        """Said before any URL is printed."""
        with socket.create_server(("127.0.0.1", 0)) as taken:
            code, out, err = told("one", *LOCAL, "--port", str(taken.getsockname()[1]))
        assert (code, out) == (3, "")
        assert "can't listen" in err

    @pytest.mark.parametrize("content", [None, b"", b"short", b"\xff\xfe" * 20])
    def test_no_secret(self, tmp_path: Path, content: bytes | None) -> None:
        """A file that isn't there, is empty, holds too little, or isn't text."""
        path = tmp_path / "secrets"
        if content is not None:
            path.write_bytes(content)
        code, out, err = told("one", "--secret-file", str(path), *LOCAL)
        assert (code, out) == (3, "")
        assert "secret" in err

    def test_a_name_that_is_too_long(self) -> None:
        """A job whose URL the API wouldn't take."""
        code, _, err = told("j" * 3000, *LOCAL)
        assert code == 2
        assert "2048" in err


LOCAL = ["--local", "--public-url", "http://127.0.0.1:9/callbacks"]


def told(*words: str) -> tuple[int, str, str]:
    """Run a command that ends by itself in this process → exit code, stdout and stderr."""
    environment = {"WANFLOW_API_KEY": "key", "WANFLOW_BASE_URL": "http://127.0.0.1:9/"}
    done = CliRunner(env=environment).invoke(main, ["listen", *words], prog_name="wanflow")
    return done.exit_code, done.stdout, done.stderr
