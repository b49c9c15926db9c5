"""`wanflow listen` as a process: its output and its exit code."""

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

from tests.cli.helpers import SCHEMA
from tests.plain_http import PLAIN
from tests.queue.manual_worker import ManualWorker, enqueue
from tests.sockets import reserved_port
from tests.webhooks.conftest import callback_body
from wanflow import Client
from wanflow.catalog.catalog import packaged_catalog
from wanflow.cli import main
from wanflow.mock import MockServer
from wanflow.mock.clock import VirtualClock
from wanflow.queue import schema
from wanflow.queue.engine import StepKind
from wanflow.webhooks import Receiver

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.processes

MODEL = next(m for m in packaged_catalog().models.values() if "callback_url" in m.parameters)
LISTEN_EVENTS = {"listening", "url", "ended"}
SECRET = "a secret of sixteen"
TIMEOUT = 60


class ListenCommand:
    """Starts `wanflow listen` with a mock as its API."""

    def __init__(self, mock: MockServer, folder: Path, stack: ExitStack) -> None:
        self.mock = mock
        self.folder = folder
        self._stack = stack
        self.port = str(stack.enter_context(reserved_port()))

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
        """The options that make callbacks of the mock possible."""
        return ["--local", "--public-url", f"http://127.0.0.1:{self.port}/callbacks"]

    def submit(self, url: str, prompt: str = "a lake") -> str:
        """Submit a task with a callback URL, and advance the clock until it has ended."""
        with Client(self.mock.api_key, self.mock.base_url) as client:
            request = {**MODEL.example, "prompt": prompt, "callback_url": url}
            task_id = client.submit(request, validate=False).id
        self.mock.clock.advance(61)
        return task_id


@pytest.fixture
def command(tmp_path: Path) -> Iterator[ListenCommand]:
    clock = VirtualClock()
    with MockServer(seconds=60, clock=clock, loopback_callbacks=True) as mock, ExitStack() as stack:
        yield ListenCommand(mock, tmp_path, stack)


def next_event(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Return the next event, which fits the schema of all commands."""
    assert process.stdout is not None
    found: dict[str, Any] = json.loads(process.stdout.readline())
    SCHEMA.validate(found)
    return found


def wait_for_exit(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Return the exit code and the remaining output."""
    out, err = process.communicate(timeout=TIMEOUT)
    assert "Traceback" not in err
    return process.returncode, out, err


class TestJobs:
    """Named jobs have URLs, and the command exits when each has ended."""

    def test_two_jobs_as_json(self, command: ListenCommand) -> None:
        """JSON events: the address, a URL for each job, each end; exit code 0."""
        process = command.listen("one", "two", "--json", *command.local)
        assert next_event(process) == {
            "schema": "wanflow/1",
            "event": "listening",
            "host": "127.0.0.1",
            "port": int(command.port),
        }
        urls = {
            event["job"]: event["callback_url"]
            for event in (next_event(process), next_event(process))
        }
        assert list(urls) == ["one", "two"]
        for job, url in urls.items():
            task_id = command.submit(url)
            event = next_event(process)
            assert (event["event"], event["job"], event["task_id"]) == ("ended", job, task_id)
            assert event["status"] == "completed"
            assert event["urls"]
        assert wait_for_exit(process) == (0, "", "")

    def test_a_failed_job_as_json(self, command: ListenCommand) -> None:
        """Its end has the error; `listen` prints each of its events in these tests."""
        process = command.listen("one", "--json", *command.local)
        listening, url = next_event(process), next_event(process)
        command.submit(url["callback_url"], "a lake [mock:fail=content_policy_violation]")
        ended = next_event(process)
        assert ended["error"]["code"] == "content_policy_violation"
        assert wait_for_exit(process)[0] == 7
        assert {one["event"] for one in (listening, url, ended)} == LISTEN_EVENTS

    def test_a_failed_job_as_text(self, command: ListenCommand) -> None:
        """The error is on stdout, and the exit code is that of a failed task."""
        process = command.listen("one", *command.local)
        assert process.stderr is not None
        assert "listening on 127.0.0.1:" in process.stderr.readline()
        url = process.stderr.readline().split()[1]
        assert "--no-validate" in process.stderr.readline()
        task_id = command.submit(url, "a lake [mock:fail=content_policy_violation]")
        code, out, _ = wait_for_exit(process)
        assert code == 7
        assert out.startswith(f"one {task_id} failed: content_policy_violation: ")

    def test_a_completed_job_as_text(self, command: ListenCommand) -> None:
        """The result URLs are on stdout, one per line."""
        process = command.listen("one", *command.local)
        assert process.stderr is not None
        process.stderr.readline()
        task_id = command.submit(process.stderr.readline().split()[1])
        code, out, _ = wait_for_exit(process)
        assert code == 0
        first, *links = out.splitlines()
        assert first == f"one {task_id} completed"
        assert links
        assert all(link.startswith("http://127.0.0.1") for link in links)

    def test_a_forged_callback_is_not_printed(self, command: ListenCommand) -> None:
        """A callback with the right URL about an unknown task prints nothing."""
        process = command.listen("one", "--json", *command.local)
        next_event(process)
        url = next_event(process)["callback_url"]
        headers = {"content-type": "application/json"}
        with httpx.Client(**PLAIN, headers=headers) as http:
            assert http.post(url, content=callback_body("task-unified-forged")).status_code == 202
            assert http.post(url + "x", content=callback_body()).status_code == 404
        task_id = command.submit(url)
        assert next_event(process)["task_id"] == task_id
        assert wait_for_exit(process)[0] == 0


class TestAQueue:
    """Callbacks bring the polls of a queue forward, and nothing is verified here."""

    def test_a_callback_makes_the_poll_due_and_a_restart_keeps_the_url(
        self, command: ListenCommand, postgres_url: str, tmp_path: Path
    ) -> None:
        """The listener prints the URL, goes on after the task, and ends by a signal."""
        schema.initialize(postgres_url)
        words = ["run1", "--json", "--queue", postgres_url, *command.local]
        first = command.listen(*words, WANFLOW_CALLBACK_SECRETS=SECRET.replace(" ", "-"))
        assert next_event(first)["event"] == "listening"
        url = next_event(first)["callback_url"]
        first.send_signal(signal.SIGTERM)
        assert wait_for_exit(first)[0] == 0
        path = tmp_path / "secret"
        path.write_text(SECRET.replace(" ", "-"))
        options = {"WANFLOW_QUEUE": postgres_url}
        process = command.listen(
            "run1", "--json", "--secret-file", str(path), *command.local, **options
        )
        next_event(process)
        assert next_event(process)["callback_url"] == url
        mock = command.mock
        worker = ManualWorker(postgres_url, mock, mock.api_key, tmp_path)
        enqueue(postgres_url, mock, mock.api_key, [MODEL.example], tmp_path / "out")
        worker.turn([StepKind.SUBMIT])
        worker.execute("UPDATE wanflow.queue SET execute_after = now() + interval '1 hour'")
        (task,) = worker.column("task")
        with httpx.Client(**PLAIN, headers={"content-type": "application/json"}) as http:
            assert http.post(url, content=callback_body(task)).status_code == 202
            assert http.post(url + "x", content=callback_body(task)).status_code == 404
        assert [work.task for work in worker.take()] == [task]
        worker.close()
        process.send_signal(signal.SIGINT)
        assert wait_for_exit(process)[:2] == (0, "")

    def test_needs_secrets_that_outlive_the_command(self) -> None:
        """Another listener, or the next one, must know the URLs of its jobs."""
        words = ["listen", "--public-url", "https://a.example/c", "--queue", "postgresql://x/y"]
        done = CliRunner(env={"WANFLOW_CALLBACK_SECRETS": None}).invoke(main, words)
        assert done.exit_code == 2
        assert "--queue needs --secret-file or WANFLOW_CALLBACK_SECRETS" in done.stderr


class TestStopping:
    """Without jobs it runs until it is stopped; with jobs, stopping it is an interruption."""

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
        self, command: ListenCommand, jobs: list[str], by: signal.Signals, code: int
    ) -> None:
        """Ctrl-C and SIGTERM stop it without a traceback."""
        process = command.listen(*jobs, *command.local)
        assert process.stderr is not None
        for _ in range(1 + len(jobs)):
            process.stderr.readline()
        process.send_signal(by)
        assert wait_for_exit(process)[0] == code


class TestSecrets:
    """Secrets come from a file or the environment, newest first, and are never shown."""

    def test_from_a_file(self, command: ListenCommand) -> None:
        """The first secret signs; each of them verifies."""
        path = command.folder / "secrets"
        path.write_text(f"{SECRET} \n\nan older secret of ours\n".replace(" ", "-"))
        newest = path.read_text().split()[0]
        process = command.listen("one", "--json", "--secret-file", str(path), *command.local)
        next_event(process)
        url = next_event(process)["callback_url"]
        base = url.rpartition("/")[0]
        token = url.rpartition("/")[2]
        assert Receiver(newest, base, allow_local=True).read_token(token).job == "one"
        older = Receiver(path.read_text().split()[1], base, allow_local=True).url("old job")
        command.submit(older)
        assert next_event(process)["job"] == "old job"
        command.submit(url)
        assert next_event(process)["job"] == "one"
        code, out, err = wait_for_exit(process)
        assert code == 0
        assert newest not in out + err

    def test_from_the_environment(self, command: ListenCommand) -> None:
        """An environment variable has the secret."""
        secret = "of-the-environment"
        process = command.listen("one", "--json", *command.local, WANFLOW_CALLBACK_SECRETS=secret)
        next_event(process)
        url = next_event(process)["callback_url"]
        receiver = Receiver(secret, url.rpartition("/")[0], allow_local=True)
        assert receiver.read_token(url.rpartition("/")[2]).job == "one"


class TestBadInput:
    """An error is one sentence on stderr, with the exit code of its kind."""

    @pytest.mark.parametrize(
        "url", ["http://shop.example/", "https://127.0.0.1/", "shop.example", ""]
    )
    def test_a_url_that_is_not_public(self, url: str) -> None:
        """An http or internal URL is rejected without --local."""
        code, out, err = invoke("one", "--public-url", url)
        assert (code, out) == (3, "")
        assert err.startswith("wanflow: callback URL")
        assert len(err.splitlines()) == 1

    def test_the_public_url_is_required(self) -> None:
        """Without --public-url it is a usage error."""
        code, _, err = invoke("one")
        assert code == 2
        assert "--public-url" in err

    def test_a_port_in_use(self) -> None:
        """The error comes before any URL is printed."""
        with socket.create_server(("127.0.0.1", 0)) as other:
            code, out, err = invoke("one", *LOCAL, "--port", str(other.getsockname()[1]))
        assert (code, out) == (3, "")
        assert "can't listen" in err

    @pytest.mark.parametrize("content", [None, b"", b"short", b"\xff\xfe" * 20])
    def test_a_file_without_a_valid_secret(self, tmp_path: Path, content: bytes | None) -> None:
        """The file is missing, empty, too short, or not text."""
        path = tmp_path / "secrets"
        if content is not None:
            path.write_bytes(content)
        code, out, err = invoke("one", "--secret-file", str(path), *LOCAL)
        assert (code, out) == (3, "")
        assert "secret" in err

    def test_a_name_that_is_too_long(self) -> None:
        """A job name whose URL would be too long for the API is rejected."""
        code, _, err = invoke("j" * 3000, *LOCAL)
        assert code == 2
        assert "2048" in err


LOCAL = ["--local", "--public-url", "http://127.0.0.1:9/callbacks"]


def invoke(*words: str) -> tuple[int, str, str]:
    """Run a command that exits by itself, in this process; return exit code, stdout and stderr."""
    environment = {"WANFLOW_API_KEY": "key", "WANFLOW_BASE_URL": "http://127.0.0.1:9/"}
    done = CliRunner(env=environment).invoke(main, ["listen", *words], prog_name="wanflow")
    return done.exit_code, done.stdout, done.stderr
