"""The examples of docs/callbacks.md run as shown."""

from __future__ import annotations

import re
import socket
import sys
import threading
import types
import urllib.request
from functools import partial
from pathlib import Path
from queue import Empty, Queue
from typing import TYPE_CHECKING, Any

import pytest
import uvicorn

from tests.asgi import served
from tests.webhooks.conftest import callback_body
from wanflow import Client
from wanflow.catalog.catalog import packaged_catalog
from wanflow.mock import MockServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import httpx

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
        vars(module)["print"] = lambda *words: self.printed.put(words)
        exec(compile(BLOCKS[title], f"callbacks.md: {title}", "exec"), vars(module))
        return vars(module)

    def submit(self) -> str:
        """Submit a task that ends immediately, and return its id."""
        with Client(self.mock.api_key, self.mock.base_url) as client:
            return client.submit(MODEL.example).id

    def assert_handled_once(self, names: dict[str, Any], post: Callable[[str, bytes], int]) -> None:
        """Send invalid, valid and repeated callbacks; the end is handled once."""
        receiver, task_id = names["receiver"], self.submit()
        token = receiver.url("poster").rpartition("/")[2]
        assert post(token, callback_body(task_id)) == 503
        receiver.link_task("poster", task_id)
        assert post(token[:-2], callback_body(task_id)) == 404
        assert post(token, b"x" * 100_000) == 413
        assert post(token, callback_body("task-unified-other")) == 403
        assert post(token, callback_body(task_id)) == 202
        job, status, *_ = self.printed.get(timeout=TIMEOUT)
        assert (job, status) == ("poster", "completed")
        assert post(token, callback_body(task_id)) == 200
        with pytest.raises(Empty):
            self.printed.get_nowait()
        receiver.close()


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
        *("FastAPI and Starlette", "Several processes", "Flask", "Django", "A script that waits")
    }
    assert TEXT.count("```python") == len(BLOCKS)


def test_fastapi(examples: ExampleRunner) -> None:
    """A poster is requested and its end handled in the loop of the application."""
    names = examples.run("FastAPI and Starlette")
    with served(names["app"]) as call:
        http = partial(call, "POST")
        task_id = http("/posters/lake", params={"prompt": "A lake"}).json()["task"]
        assert http(names["receiver"].url("lake"), json={"id": task_id}).status_code == 202
        assert examples.printed.get(timeout=TIMEOUT)[:2] == ("lake", "completed")
        examples.assert_handled_once(names, _poster(http))


def test_the_trial_on_this_machine(
    examples: ExampleRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the page's three changes the mock calls the application, which reports the end."""
    with MockServer(polls=0, loopback_callbacks=True) as mock, socket.socket() as listening:
        monkeypatch.setenv("WANFLOW_BASE_URL", mock.base_url)
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
        for old, new in (
            ("https://shop.example/callbacks", f"http://127.0.0.1:{port}/callbacks"),
            ("    client=client,\n", "    client=client,\n    allow_local=True,\n"),
            ("callback_url=receiver.url(name)", "callback_url=receiver.url(name), validate=False"),
        ):
            assert old in BLOCKS["FastAPI and Starlette"]
            monkeypatch.setitem(
                BLOCKS, "FastAPI and Starlette", BLOCKS["FastAPI and Starlette"].replace(old, new)
            )
        server = uvicorn.Server(
            uvicorn.Config(examples.run("FastAPI and Starlette")["app"], log_config=None)
        )
        thread = threading.Thread(target=server.run, args=([listening],))
        listening.listen()  # a request waits until the server accepts it
        thread.start()
        try:
            address = f"http://127.0.0.1:{port}/posters/poster-7?prompt=A+lake"
            request = urllib.request.Request(address, method="POST")
            with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
                assert response.status == 200
            assert examples.printed.get(timeout=TIMEOUT)[:2] == ("poster-7", "completed")
        finally:
            server.should_exit = True
            thread.join(TIMEOUT)
        assert not thread.is_alive()


def test_starlette(examples: ExampleRunner) -> None:
    """The same application, mounted in Starlette."""
    from starlette.applications import Starlette
    from starlette.routing import Mount

    names = examples.run("FastAPI and Starlette")
    routes = [Mount("/callbacks", names["receiver"].app)]
    with served(Starlette(routes=routes, lifespan=names["lifespan"])) as call:
        examples.assert_handled_once(names, _poster(partial(call, "POST")))


def _poster(http: Callable[..., httpx.Response]) -> Callable[[str, bytes], int]:
    headers = {"content-type": JSON}
    return lambda token, body: (
        http(f"/callbacks/{token}", content=body, headers=headers).status_code
    )


def test_flask(examples: ExampleRunner) -> None:
    """Callbacks through Flask's test client."""
    names = examples.run("Flask")
    http = names["app"].test_client()

    def post(token: str, body: bytes) -> int:
        status: int = http.post(f"/callbacks/{token}", data=body, content_type=JSON).status_code
        return status

    with names["client"]:
        examples.assert_handled_once(names, post)
    assert http.get(f"/callbacks/{'x' * 20}").status_code == 405


def test_django(examples: ExampleRunner) -> None:
    """Callbacks through Django's URL resolver."""
    from django.conf import settings
    from django.test import RequestFactory
    from django.urls import resolve

    if not settings.configured:
        settings.configure(ALLOWED_HOSTS=["*"], SECRET_KEY="of the test")
    names = examples.run("Django")

    def post(token: str, body: bytes) -> int:
        path = f"/callbacks/{token}"
        request = RequestFactory(enforce_csrf_checks=True).post(path, body, content_type=JSON)
        view, arguments, named = resolve(path, names["__name__"])
        status: int = view(request, *arguments, **named).status_code
        return status

    with names["client"]:
        examples.assert_handled_once(names, post)


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
