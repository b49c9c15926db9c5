"""The sync and the async client have the same methods and do the same."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import wanflow
from tests.client.clients import httpx
from wanflow._base_client import load_storage
from wanflow._config import TransportOptions, load_config
from wanflow._core.effects import TimePoint
from wanflow._flows.operations import Operations
from wanflow._flows.prepare import SubmitOptions
from wanflow._runtime.context import SharedState, SystemClock
from wanflow._runtime.driver import AsyncDriver, SyncDriver
from wanflow.errors import WanflowError

if TYPE_CHECKING:
    import threading

    from wanflow._event_loop import WakeupEvent

pytestmark = pytest.mark.processes

CHECKOUT = Path(__file__).parents[3]
PACKAGE = Path(wanflow.__file__).parent  # of the checkout, or of an installed wheel


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """The two clients and what makes one of the other, in a directory of the test's own."""
    package = tmp_path / "wrapper/wanflow"
    (tmp_path / ".ci").mkdir()
    package.mkdir(parents=True)
    for name in ("pyproject.toml", ".ci/make_sync_client.py"):
        shutil.copy(CHECKOUT / name, tmp_path / name)
    for name in ("__init__.py", "async_client.py", "client.py"):
        shutil.copy(PACKAGE / name, package)
    return tmp_path


def make_sync_client(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, ".ci/make_sync_client.py", *arguments]
    return subprocess.run(command, cwd=root, check=False, capture_output=True, text=True)


def test_the_sync_client_is_what_the_async_one_makes(copied: Path) -> None:
    """`client.py` is generated from `async_client.py`, so both have the same methods and words."""
    assert make_sync_client(copied, "--check").returncode == 0
    client = copied / "wrapper/wanflow/client.py"
    text = client.read_text()
    assert make_sync_client(copied).returncode == 0
    assert client.read_text() == text


@pytest.mark.parametrize("name", ["client.py", "async_client.py"])
def test_a_change_of_one_client_alone_fails_the_check(copied: Path, name: str) -> None:
    """Nobody edits the sync client by hand, or the async one without the other."""
    changed = copied / "wrapper/wanflow" / name
    changed.write_text(changed.read_text().replace("the API", "an API", 1))
    done = make_sync_client(copied, "--check")
    assert done.returncode == 1
    assert "run `make generate`" in done.stderr


class FakeClock(SystemClock):
    """A clock that only sleeping moves, and that records every sleep."""

    def __init__(self) -> None:
        self.monotonic = 0.0
        self.trace: list[object] = []

    def now(self) -> TimePoint:
        return TimePoint(self.monotonic, 1_760_000_000.0 + self.monotonic)

    def random_float(self) -> float:
        return 0.5

    def sleep(self, seconds: float) -> None:
        self.trace.append(round(seconds, 9))
        self.monotonic += seconds

    def wait(self, event: threading.Event, seconds: float) -> bool:
        self.sleep(seconds)
        return event.is_set()

    async def wait_async(self, alarm: WakeupEvent, seconds: float) -> bool:
        self.sleep(seconds)
        return False

    async def sleep_async(self, seconds: float) -> bool:
        self.sleep(seconds)
        return False


ID = "task-unified-1760000000-abcd1234"
responses = st.one_of(
    st.builds(
        lambda status, progress: (200, {"id": ID, "status": status, "progress": progress}),
        st.sampled_from(["pending", "processing", "completed", "failed", "cancelled", "new"]),
        st.integers(0, 100),
    ),
    st.builds(
        lambda status: (status, {"error": {"code": status, "message": "m", "type": "t"}}),
        st.sampled_from([400, 401, 402, 403, 404, 413, 429, 500, 502, 503, 504, 520]),
    ),
    st.sampled_from([(200, "<html>"), (200, []), (0, "refused"), (0, "reset")]),
)


def handler(script: list[Any], trace: list[object]) -> Any:
    """Respond with each of the script in turn, then always with the last."""
    remaining = list(script)

    def respond(request: httpx.Request) -> httpx.Response:
        trace.append((request.method, request.url.path))
        status, body = remaining.pop(0) if len(remaining) > 1 else remaining[0]
        if status:
            return httpx.Response(status, content=json.dumps(body))
        raise (httpx.ConnectError if body == "refused" else httpx.ReadError)(body)

    return respond


def outcome_of(value: object) -> object:
    """The comparable parts of a result or an error."""
    if isinstance(value, WanflowError):
        return type(value).__name__, str(value), value.task_id
    return value


def run_sync(script: list[Any]) -> tuple[object, list[object]]:
    clock = FakeClock()
    options = TransportOptions(transport=httpx.MockTransport(handler(script, clock.trace)))
    settings = load_config("a-key", "http://api.example/base", transport=options)
    driver = SyncDriver(settings, shared=SharedState(clock))
    try:
        outcome: object = driver.run(flow_of(settings))
    except WanflowError as error:
        outcome = error
    return outcome_of(outcome), clock.trace


def run_async(script: list[Any]) -> tuple[object, list[object]]:
    async def run() -> tuple[object, list[object]]:
        clock = FakeClock()
        options = TransportOptions(transport=httpx.MockTransport(handler(script, clock.trace)))
        settings = load_config("a-key", "http://api.example/base", transport=options)
        driver = AsyncDriver(settings, shared=SharedState(clock))
        try:
            outcome: object = await driver.run(flow_of(settings))
        except WanflowError as error:
            outcome = error
        return outcome_of(outcome), clock.trace

    return asyncio.run(run())


def flow_of(settings: Any) -> Any:
    """Submit one request and wait for it, without a download."""
    operations = Operations(settings, load_storage)
    example = dict(next(iter(operations.catalog.models.values())).example)
    example.setdefault("image_urls", ["https://images.example/a.png"])
    body = {name: example[name] for name in example if name != "callback_url"}
    prepared = operations.prepare(body, {}, options=SubmitOptions(None, False, "0123456789abcdef"))
    return operations.run(prepared, output_dir=None, timeout=120, on_update=None)


@given(script=st.lists(responses, min_size=1, max_size=12))
def test_sync_and_async_do_the_same(script: list[Any]) -> None:
    """The same responses give the same requests, the same sleeps and the same outcome."""
    assert run_sync(script) == run_async(script)


def test_the_top_level_stays_small() -> None:
    """At most 30 names, in order, all importable; rarely caught errors are in `wanflow.errors`."""
    assert len(wanflow.__all__) <= 30
    assert sorted(wanflow.__all__) == wanflow.__all__
    for name in wanflow.__all__:
        assert getattr(wanflow, name) is not None
    assert not hasattr(wanflow, "BadRequest")
