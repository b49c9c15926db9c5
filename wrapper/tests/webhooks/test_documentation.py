"""The examples of docs/callbacks.md run as shown."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import types
import urllib.request
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from itertools import takewhile
from pathlib import Path
from queue import Empty, Queue
from typing import TYPE_CHECKING, Any

import pytest

from tests.asgi import served
from tests.waiting import wait_until
from tests.webhooks.conftest import callback_body
from wanflow import Client, Ledger
from wanflow.catalog.catalog import packaged_catalog
from wanflow.mock import MockServer, VirtualClock

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    import httpx

    from wanflow.webhooks import Receiver

TEXT = (Path(__file__).parents[3] / "docs" / "callbacks.md").read_text()
PATTERN = r"^## ([^\n]+)\n(?:(?!^## ).)*?```python\n(.*?)```"
BLOCKS = dict(re.findall(PATTERN, TEXT, re.DOTALL | re.MULTILINE))
MODEL = next(m for m in packaged_catalog().models.values() if "callback_url" in m.parameters)
JSON = "application/json"
TIMEOUT = 60


class ExampleRunner:
    """Runs the examples against a mock, and records what they print."""

    def __init__(self, mock: MockServer) -> None:
        self.mock = mock
        self.printed: Queue[tuple[Any, ...]] = Queue()

    def run(self, title: str) -> dict[str, Any]:
        """Run an example and return its variables."""
        name = f"example_{re.sub('[^a-z]+', '_', title.lower())}"
        module = types.ModuleType(name)
        sys.modules[name] = module
        vars(module)["print"] = self.record
        code = BLOCKS[title].replace("port=8710", "port=0")  # another run may have that port
        exec(compile(code, f"callbacks.md: {title}", "exec"), vars(module))
        return vars(module)

    def record(self, *words: object, flush: bool = False) -> None:
        """Record what an example prints."""
        del flush
        self.printed.put(words)

    def submit(self) -> str:
        """Submit a task that ends immediately, and return its id."""
        with Client(self.mock.api_key, self.mock.base_url) as client:
            return client.submit(MODEL.example).id

    def assert_saved_once(
        self, receiver: Receiver, job: str, post: Callable[[str, bytes], int]
    ) -> None:
        """Send invalid, valid and repeated callbacks of a submitted job; its file is saved once."""
        with Ledger("jobs.db") as ledger:
            submitted = ledger.find(job)
        assert submitted is not None
        task_id = submitted.task_id or ""
        token = receiver.url(job).rpartition("/")[2]
        assert post(receiver.url("unknown").rpartition("/")[2], callback_body(task_id)) == 503
        assert post(token[:-2], callback_body(task_id)) == 404
        assert post(token, b"x" * 100_000) == 413
        assert post(token, callback_body("task-unified-other")) == 403
        assert post(token, callback_body(task_id)) == 202
        printed_job, status, path = self.printed.get(timeout=TIMEOUT)
        assert (printed_job, status) == (job, "completed")
        assert Path(path).is_file()
        assert post(token, callback_body(task_id)) == 200
        with pytest.raises(Empty):
            self.printed.get_nowait()


@pytest.fixture
def examples(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[ExampleRunner]:
    monkeypatch.chdir(tmp_path)
    with MockServer(polls=0) as mock:
        monkeypatch.setenv("WANFLOW_API_KEY", mock.api_key)
        monkeypatch.setenv("WANFLOW_BASE_URL", mock.base_url)
        monkeypatch.setenv("CALLBACK_SECRET", "a secret of sixteen")
        yield ExampleRunner(mock)


def test_every_example_is_run_here() -> None:
    """Every example has a test."""
    assert set(BLOCKS) == {
        *("FastAPI and Starlette", "Several processes", "In a sync framework", "Flask", "Django"),
        "A script that waits",
    }
    assert TEXT.count("```python") == len(BLOCKS)


def test_fastapi(examples: ExampleRunner) -> None:
    """A poster is requested and saved in the loop of the application."""
    names = examples.run("FastAPI and Starlette")
    with served(names["app"]) as call:
        job = call("POST", "/posters", params={"prompt": "A lake"}).json()["job"]
        examples.assert_saved_once(names["receiver"], job, _poster(partial(call, "POST")))
        shown = call("GET", f"/posters/{job}").json()
        assert shown["state"] == "saved"
        assert all(Path(path).is_file() for path in shown["files"])
        assert call("GET", "/posters/unknown").status_code == 404


# As `uvicorn app:app`; like the other tests, without the limits that a busy machine may exceed.
SERVER = """
import sys
import uvicorn
from wanflow.webhooks import asgi
asgi._ACCEPT_TIMEOUT = asgi._BODY_TIMEOUT = 60
uvicorn.run("app:app", port=int(sys.argv[1]), access_log=False)
"""


class LocalServer:
    """The application in a process of its own, changed for one machine as the page says."""

    def __init__(self, folder: Path, mock: MockServer) -> None:
        (folder / "app.py").write_text(BLOCKS["FastAPI and Starlette"])
        (change,) = re.findall(r"```diff\n(.*?)```", TEXT, re.DOTALL)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        changed = change.replace("127.0.0.1:8000", f"127.0.0.1:{self.port}")
        subprocess.run(["git", "apply", "-"], input=changed, text=True, cwd=folder, check=True)
        self._folder = folder
        self._environment = {
            **os.environ,
            "WANFLOW_BASE_URL": mock.base_url,
            "WANFLOW_API_KEY": mock.api_key,
            "CALLBACK_SECRET": "a secret of sixteen",
        }

    @contextmanager
    def running(self) -> Generator[subprocess.Popen[str]]:
        """Start the process, and kill it at the end as `kill -9` does."""
        with subprocess.Popen(
            [sys.executable, "-c", SERVER, str(self.port)],
            cwd=self._folder,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                assert process.stderr is not None
                lines = list(takewhile(lambda line: "running on" not in line, process.stderr))
                assert process.poll() is None, lines
                yield process
            finally:
                process.kill()

    def call(self, method: str, path: str) -> Any:
        """Send a request, and return the JSON of its response."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", method=method)
        with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
            return json.load(response)

    def submit(self) -> str:
        """Ask for a poster, and return its job."""
        job: str = self.call("POST", "/posters?prompt=A+lake")["job"]
        return job


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def local(tmp_path: Path, clock: VirtualClock) -> Iterator[tuple[LocalServer, MockServer]]:
    """The application and a mock that calls it; tasks take ten minutes of a virtual clock."""
    with MockServer(seconds=600, clock=clock, loopback_callbacks=True) as mock:
        mock.app.callback_sender.timeout = TIMEOUT  # a busy machine responds later than in 10 s
        yield LocalServer(tmp_path, mock), mock


def statuses_later(mock: MockServer, clock: VirtualClock) -> list[int]:
    """The responses to the callbacks that a mock sent until a second later; 0 for none."""
    clock.advance(1)
    return statuses(mock)


def statuses(mock: MockServer) -> list[int]:
    """The responses to the callbacks that a mock sent; 0 for none."""
    return [attempt.status for attempt in tuple(mock.app.callback_sender.attempts)]


@pytest.mark.slow  # it starts two servers
def test_a_callback_after_a_crash_is_accepted_and_saved(
    local: tuple[LocalServer, MockServer], clock: VirtualClock, tmp_path: Path
) -> None:
    """The server is killed between the submission and the callback, and started again."""
    server, mock = local
    with server.running():
        job = server.submit()
    with server.running() as process:
        clock.advance(600)
        # A busy machine may need the second attempt.
        wait_until(lambda: 202 in statuses_later(mock, clock))
        assert process.stdout is not None
        printed_job, status, path = process.stdout.readline().split()
        assert (printed_job, status) == (job, "completed")
        assert (tmp_path / path).is_file()
        wait_until(lambda: server.call("GET", f"/posters/{job}")["state"] == "saved")
    assert set(statuses(mock)) <= {202, 503}


@pytest.mark.slow  # it starts two servers
def test_a_task_that_ended_while_the_server_was_down_is_saved(
    local: tuple[LocalServer, MockServer], clock: VirtualClock, tmp_path: Path
) -> None:
    """All attempts of its callback fail; the next start saves its file."""
    server, mock = local
    with server.running():
        job = server.submit()
    clock.advance(600)
    wait_until(lambda: len(statuses_later(mock, clock)) == 4)
    assert set(statuses(mock)) == {0}
    with server.running():
        wait_until(lambda: server.call("GET", f"/posters/{job}")["state"] == "saved")
        (path,) = server.call("GET", f"/posters/{job}")["files"]
        assert (tmp_path / path).is_file()


@pytest.mark.slow  # it starts two servers
def test_a_callback_of_an_uncertain_job_names_its_task(
    local: tuple[LocalServer, MockServer], clock: VirtualClock, tmp_path: Path
) -> None:
    """The response to the submission is lost; with the id in the log, the job is settled."""
    server, mock = local
    mock.faults.add("lost-response", count=1)
    with server.running() as process:
        job = server.submit()
        assert server.call("GET", f"/posters/{job}")["state"] == "uncertain"
        clock.advance(600)
        wait_until(lambda: len(statuses_later(mock, clock)) == 4)
        assert process.stderr is not None
        said = next(line for line in process.stderr if line.startswith("a callback of the job"))
    assert set(statuses(mock)) == {503}
    (task,) = (str(one["id"]) for one in mock.tasks)
    assert f"'{job}' named task {task} " in said
    words = ["resolve", job, "--task", task, "--ledger", str(tmp_path / "jobs.db")]
    subprocess.run([sys.executable, "-m", "wanflow", "ledger", *words], check=True)
    with server.running():
        wait_until(lambda: server.call("GET", f"/posters/{job}")["state"] == "saved")
    assert len(mock.tasks) == 1


def test_starlette(examples: ExampleRunner) -> None:
    """The same application, mounted in Starlette."""
    from starlette.applications import Starlette
    from starlette.routing import Mount

    names = examples.run("FastAPI and Starlette")
    routes = [Mount("/callbacks", names["receiver"].app), Mount("/", names["app"])]
    with served(Starlette(routes=routes, lifespan=names["lifespan"])) as call:
        job = call("POST", "/posters", params={"prompt": "A lake"}).json()["job"]
        examples.assert_saved_once(names["receiver"], job, _poster(partial(call, "POST")))


def _poster(http: Callable[..., httpx.Response]) -> Callable[[str, bytes], int]:
    headers = {"content-type": JSON}
    return lambda token, body: (
        http(f"/callbacks/{token}", content=body, headers=headers).status_code
    )


@pytest.fixture
def jobs(examples: ExampleRunner, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """The module that the sync applications import."""
    names = examples.run("In a sync framework")
    monkeypatch.setitem(sys.modules, "jobs", sys.modules[names["__name__"]])
    with names["ledger"], names["client"]:
        yield names


def test_flask(examples: ExampleRunner, jobs: dict[str, Any]) -> None:
    """A poster is requested and saved through Flask's test client."""
    http = examples.run("Flask")["app"].test_client()

    def post(token: str, body: bytes) -> int:
        status: int = http.post(f"/callbacks/{token}", data=body, content_type=JSON).status_code
        return status

    job = http.post("/posters", data={"prompt": "A lake"}).json["job"]
    examples.assert_saved_once(jobs["receiver"], job, post)
    assert http.get(f"/callbacks/{'x' * 20}").status_code == 405


def test_django(examples: ExampleRunner, jobs: dict[str, Any]) -> None:
    """A poster is requested and saved through Django's URL resolver."""
    settings = import_module("django.conf").settings
    factory = import_module("django.test").RequestFactory(enforce_csrf_checks=True)
    resolve = import_module("django.urls").resolve

    if not settings.configured:
        settings.configure(ALLOWED_HOSTS=["*"], SECRET_KEY="of the test")
    names = examples.run("Django")

    def call(path: str, body: Any, **more: Any) -> Any:
        request = factory.post(path, body, **more)
        view, arguments, named = resolve(path, names["__name__"])
        return view(request, *arguments, **named)

    def post(token: str, body: bytes) -> int:
        status: int = call(f"/callbacks/{token}", body, content_type=JSON).status_code
        return status

    job = json.loads(call("/posters", {"prompt": "A lake"}).content)["job"]
    examples.assert_saved_once(jobs["receiver"], job, post)


def test_several_processes(examples: ExampleRunner) -> None:
    """Two receivers share one table: either may get the callback, and one handles the end."""
    one, other = examples.run("Several processes"), examples.run("Several processes")
    task_id = examples.submit()
    token = one["receiver"].url("poster").rpartition("/")[2]
    body = callback_body(task_id)
    assert one["receiver"].handle_request(token, JSON, body) == 503
    one["rows"]("INSERT INTO jobs VALUES (?, ?)", "poster", task_id)
    assert other["receiver"].handle_request(token, JSON, callback_body("task-unified-other")) == 403
    with one["client"], other["client"]:
        assert one["receiver"].handle_request(token, JSON, body) == 202
        assert examples.printed.get(timeout=TIMEOUT) == ("poster", "completed")
        assert other["receiver"].handle_request(token, JSON, body) == 200
    assert examples.printed.empty()


def test_a_script(examples: ExampleRunner) -> None:
    """A script waits for two images with a callback server."""
    examples.run("A script that waits")
    results = [examples.printed.get_nowait()[0] for _ in range(2)]
    assert all(result.urls for result in results)
    assert examples.printed.empty()
