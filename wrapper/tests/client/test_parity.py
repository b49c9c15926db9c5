"""Laws of the two faces: the same names, signatures, words and doings."""

from __future__ import annotations

import asyncio
import inspect
import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

import wanflow
from wanflow import AsyncClient, AsyncResult, AsyncTask, Client, Result, Task
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

PAIRS = [(Client, AsyncClient), (Task, AsyncTask), (Result, AsyncResult)]
RENAMED = {"aclose": "close", "__aenter__": "__enter__", "__aexit__": "__exit__"}


def public(face: type) -> dict[str, Any]:
    """The names that users may rely on, with the dunders of `with`."""
    kept = {"__init__", "__enter__", "__exit__", "__repr__"}
    return {
        name: inspect.getattr_static(face, found)
        for found in dir(face)
        if not (name := RENAMED.get(found, found)).startswith("_") or name in kept
    }


def words(signature: object) -> str:
    """A signature or a docstring with what the colours are allowed to differ in taken out."""
    text = str(signature)
    for async_word, word in (
        ("AsyncBaseTransport", "BaseTransport"),
        ("AsyncIterator", "Iterator"),
        ("AsyncClient", "Client"),
        ("AsyncResult", "Result"),
        ("AsyncTask", "Task"),
        ("AsyncDriver", "SyncDriver"),
        ("; from other threads where there are several files.", "."),
        ("for asyncio and trio", "for code that blocks"),
        ("`async with`", "`with`"),
        ("in an `with`", "in a `with`"),
    ):
        text = " ".join(text.split()).replace(async_word, word)
    return text


@pytest.mark.parametrize(("sync", "other"), PAIRS, ids=lambda face: face.__name__)
def test_the_faces_have_the_same_names(sync: type, other: type) -> None:
    """What one colour can do, the other can, under the same name."""
    names = public(sync)
    assert names
    assert set(names) == set(public(other))


@pytest.mark.parametrize(("sync", "other"), PAIRS, ids=lambda face: face.__name__)
def test_the_faces_have_the_same_signatures_and_words(sync: type, other: type) -> None:
    """Parameters, defaults, annotations and docstrings are the same but for the colour."""
    others = public(other)
    for name, one in public(sync).items():
        twin = others[name]
        assert words(inspect.getdoc(one)) == words(inspect.getdoc(twin)), name
        if inspect.isfunction(one):
            ours, theirs = inspect.signature(one), inspect.signature(twin)
            assert words(ours) == words(theirs), name
    assert words(sync.__doc__) == words(other.__doc__)


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

    def sleep_until(self, event: threading.Event, seconds: float) -> bool:
        self.sleep(seconds)
        return event.is_set()

    async def asleep_until(self, alarm: Waker, seconds: float) -> bool:
        self.sleep(seconds)
        return False

    async def asleep(self, seconds: float) -> bool:
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
