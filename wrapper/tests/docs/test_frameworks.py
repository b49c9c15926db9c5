"""The examples of docs/frameworks.md run as shown."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import types
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.asgi import served
from wanflow.mock import MockServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TEXT = (Path(__file__).parents[3] / "docs/frameworks.md").read_text()
PATTERN = r"^## ([^\n]+)\n(?:(?!^## ).)*?```python\n(.*?)```"
BLOCKS = dict(re.findall(PATTERN, TEXT, re.DOTALL | re.MULTILINE))


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[MockServer]:
    """A mock, which the examples find in the environment; they run in an empty directory."""
    monkeypatch.chdir(tmp_path)
    with MockServer(polls=1) as mock:
        monkeypatch.setenv("WANFLOW_API_KEY", mock.api_key)
        monkeypatch.setenv("WANFLOW_BASE_URL", mock.base_url)
        yield mock


def run(title: str) -> dict[str, Any]:
    """Run an example as a module, and return its variables."""
    module = types.ModuleType(f"example_{title.lower()}")
    sys.modules[module.__name__] = module
    exec(compile(BLOCKS[title], f"frameworks.md: {title}", "exec"), vars(module))
    return vars(module)


def assert_posters(
    post: Callable[[str], tuple[int, Any]], get: Callable[[str], tuple[int, Any]]
) -> None:
    """Submit, poll until it is done, and ask for what doesn't exist."""
    status, submitted = post("A lake")
    assert (status, submitted["done"]) == (202, False)
    status, done = get(submitted["id"])
    assert (status, done["id"], done["succeeded"]) == (200, submitted["id"], True)
    assert len(done["urls"]) == 1
    assert post("x" * 5000)[0] == 422
    assert get("task-unified-1-aaaaaaaa")[0] == 404


def test_every_example_is_run_here() -> None:
    """Every example has a test."""
    titles = {"FastAPI", "Django", "Flask", "Celery", "trio", "Store files elsewhere"}
    assert set(BLOCKS) == titles
    assert TEXT.count("```python") == len(BLOCKS)


def test_fastapi(server: MockServer) -> None:
    """In an event loop of its own, with the lifespan of the application."""
    with served(run("FastAPI")["app"]) as http:

        def post(prompt: str) -> tuple[int, Any]:
            response = http("POST", "/posters", params={"prompt": prompt})
            return response.status_code, response.json()

        def get(task_id: str) -> tuple[int, Any]:
            response = http("GET", f"/posters/{task_id}")
            return response.status_code, response.json()

        assert_posters(post, get)


def test_flask(server: MockServer) -> None:
    """Through its test client."""
    names = run("Flask")
    http = names["app"].test_client()

    def post(prompt: str) -> tuple[int, Any]:
        response = http.post("/posters", data={"prompt": prompt})
        return response.status_code, response.json

    def get(task_id: str) -> tuple[int, Any]:
        response = http.get(f"/posters/{task_id}")
        return response.status_code, response.json

    assert_posters(post, get)
    client = names["client"]()
    client._operations.recording.recorder.close()
    client.close()


DJANGO = """
import json, sys
import django
from django.conf import settings
settings.configure(ROOT_URLCONF="views", ALLOWED_HOSTS=["*"], SECRET_KEY="k")
django.setup()
from django.test import Client
http = Client()
def post(prompt):
    response = http.post("/posters", {"prompt": prompt})
    return response.status_code, response.json()
def get(task_id):
    response = http.get(f"/posters/{task_id}")
    return response.status_code, response.json()
calls = {"post": post, "get": get}
for line in sys.stdin:
    name, argument = json.loads(line)
    print(json.dumps(calls[name](argument)), flush=True)
"""


@pytest.mark.processes
def test_django(server: MockServer, tmp_path: Path) -> None:
    """In a process of its own, since its settings hold for a whole process."""
    (tmp_path / "views.py").write_text(BLOCKS["Django"])
    with subprocess.Popen(
        [sys.executable, "-c", DJANGO],
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        stdin, stdout = process.stdin, process.stdout

        def call(name: str, argument: str) -> tuple[int, Any]:
            stdin.write(json.dumps([name, argument]) + "\n")
            stdin.flush()
            status, body = json.loads(stdout.readline())
            return status, body

        assert_posters(lambda prompt: call("post", prompt), lambda name: call("get", name))
        stdin.close()


CELERY_SETTINGS = """
import posters
app = posters.app
app.conf.update(
    broker_url="filesystem://",
    broker_transport_options={"data_folder_in": "queue", "data_folder_out": "queue",
                              "control_folder": "control"},
    result_backend="file:///" + __import__("os").getcwd().lstrip("/") + "/results",
    task_track_started=True,
)
"""


@pytest.mark.processes
def test_celery_with_forked_workers(server: MockServer, tmp_path: Path) -> None:
    """Two messages of one job are one submission; the prefork pool saves its file."""
    for name in ("queue", "control", "results"):
        (tmp_path / name).mkdir()
    (tmp_path / "posters.py").write_text(BLOCKS["Celery"])
    (tmp_path / "worker.py").write_text(CELERY_SETTINGS)
    worker = [sys.executable, "-m", "celery", "-A", "worker", "worker"]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            [*worker, "--pool", "prefork", "--concurrency", "2", "--without-mingle"],
            cwd=tmp_path,
            stdout=log,
            stderr=log,
        )
    send = (
        "import worker, posters\n"
        "sent = [posters.submit.delay('job-1', 'A lake') for _ in range(2)]\n"
        "print(*{one.get(timeout=60) for one in sent})\n"
    )
    try:
        done = subprocess.run(
            [sys.executable, "-c", send],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr + (tmp_path / "log").read_text()
        (task_id,) = done.stdout.split()
        wait = (
            "import time, pathlib\n"
            "end = time.monotonic() + 60\n"
            "while not list(pathlib.Path('posters').glob('*.png')):\n"
            "    assert time.monotonic() < end\n"
            "    time.sleep(0.1)\n"
        )
        subprocess.run([sys.executable, "-c", wait], cwd=tmp_path, timeout=300, check=True)
    finally:
        process.terminate()
        process.wait(timeout=60)
    assert [path.stem for path in (tmp_path / "posters").glob("*.png")] == [task_id]
    account = server.accounts.for_key(server.api_key)
    assert account.submitted == 1


def test_trio(server: MockServer, capsys: pytest.CaptureFixture[str]) -> None:
    """Two posters at the same time."""
    run("trio")
    assert all(Path(name).exists() for name in capsys.readouterr().out.split())
    assert len(list(Path("posters").iterdir())) == 2


def test_files_are_stored_elsewhere(server: MockServer) -> None:
    """The copied file is a picture."""
    run("Store files elsewhere")
    assert Path("lake-0.png").read_bytes().startswith(b"\x89PNG")
