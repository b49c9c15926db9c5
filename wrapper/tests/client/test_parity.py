"""Laws of the two faces: the same names, signatures, words and doings."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

import wanflow
from wanflow._config import TransportOptions, load_config
from wanflow._core.effects import TimePoint
from wanflow._flows.operations import Operations
from wanflow._flows.prepare import SubmitOptions
from wanflow._runtime.context import SharedState, SystemClock
from wanflow._runtime.driver import AsyncDriver, SyncDriver
from wanflow.errors import WanflowError

if TYPE_CHECKING:
    import threading

    from wanflow._event_loop import Waker

CHECKOUT = Path(__file__).parents[3]


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """The two clients and what makes one of the other, in a directory of the test's own."""
    files = (
        "pyproject.toml",
        ".ci/make_sync_client.py",
        "wrapper/wanflow/__init__.py",
        "wrapper/wanflow/async_client.py",
        "wrapper/wanflow/client.py",
    )
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(CHECKOUT / name, tmp_path / name)
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
    """Time that passes by sleeping only, and keeps every sleep."""

    def __init__(self) -> None:
        self.ticks = 0.0
        self.trace: list[object] = []

    def now(self) -> TimePoint:
        return TimePoint(self.ticks, 1_760_000_000.0 + self.ticks)

    def draw(self) -> float:
        return 0.5

    def sleep(self, seconds: float) -> None:
        self.trace.append(round(seconds, 9))
        self.ticks += seconds

    def wait(self, event: threading.Event, seconds: float) -> bool:
        self.sleep(seconds)
        return event.is_set()

    async def wait_async(self, alarm: Waker, seconds: float) -> bool:
        self.sleep(seconds)
        return False

    async def sleep_async(self, seconds: float) -> bool:
        self.sleep(seconds)
        return False


ID = "task-unified-1760000000-abcd1234"
answers = st.one_of(
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
    """Answer with each of the script in turn, and with the last for ever."""
    line = list(script)

    def answer(request: httpx.Request) -> httpx.Response:
        trace.append((request.method, request.url.path))
        status, body = line.pop(0) if len(line) > 1 else line[0]
        if status:
            return httpx.Response(status, content=json.dumps(body))
        raise (httpx.ConnectError if body == "refused" else httpx.ReadError)(body)

    return answer


def outcome_of(value: object) -> object:
    """What can be compared of a result or of an error."""
    if isinstance(value, WanflowError):
        return type(value).__name__, str(value), value.task_id
    return value


def played_sync(script: list[Any]) -> tuple[object, list[object]]:
    clock = FakeClock()
    line = TransportOptions(transport=httpx.MockTransport(handler(script, clock.trace)))
    settings = load_config("a-key", "http://api.example/base", transport=line)
    driver = SyncDriver(settings, hub=SharedState(clock))
    try:
        outcome: object = driver.run(flow_of(settings))
    except WanflowError as error:
        outcome = error
    return outcome_of(outcome), clock.trace


def played_async(script: list[Any]) -> tuple[object, list[object]]:
    async def play() -> tuple[object, list[object]]:
        clock = FakeClock()
        line = TransportOptions(transport=httpx.MockTransport(handler(script, clock.trace)))
        settings = load_config("a-key", "http://api.example/base", transport=line)
        driver = AsyncDriver(settings, hub=SharedState(clock))
        try:
            outcome: object = await driver.run_concurrent(flow_of(settings))
        except WanflowError as error:
            outcome = error
        return outcome_of(outcome), clock.trace

    return asyncio.run(play())


def flow_of(settings: Any) -> Any:
    """The whole road of one request, without its files."""
    work = Operations(settings)
    example = dict(next(iter(work.catalog.models.values())).example)
    example.setdefault("image_urls", ["https://images.example/a.png"])
    known = {name: example[name] for name in example if name != "callback_url"}
    order = work.prepare(known, {}, terms=SubmitOptions(None, False, "0123456789abcdef"))
    return work.run(order, output_dir=None, timeout=120, on_update=None)


@given(script=st.lists(answers, min_size=1, max_size=12))
def test_both_colours_do_the_same(script: list[Any]) -> None:
    """The same answers give the same requests, the same sleeps and the same end."""
    assert played_sync(script) == played_async(script)


def test_the_top_level_stays_small() -> None:
    """At most 30 names, in order, all importable; seldom caught errors are in `wanflow.errors`."""
    assert len(wanflow.__all__) <= 30
    assert sorted(wanflow.__all__) == wanflow.__all__
    for name in wanflow.__all__:
        assert getattr(wanflow, name) is not None
    assert not hasattr(wanflow, "BadRequest")
