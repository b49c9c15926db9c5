"""The kinds of events, and the function that gets them."""

from __future__ import annotations

import logging
import os
import threading
from contextvars import ContextVar
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from tests.client.fast_clock import with_fast_clock
from tests.core.fake_driver import TASK_ID, FakeDriver, in_turn, task
from wanflow import Client, ConfigurationError, events
from wanflow._core.effects import Request
from wanflow._core.event_kinds import LEVELS, RETURNED
from wanflow._core.rate_limiter import PollRateLimiter
from wanflow._flows.poll import PollTarget, poll_once
from wanflow.catalog.catalog import packaged_catalog

if TYPE_CHECKING:
    from pathlib import Path

    from wanflow.mock import MockServer

KINDS = [getattr(events, name) for name in events.__all__ if not name.endswith("Event")]
REQUEST_OF_A_POLL = Request("GET", f"/v1/tasks/{TASK_ID}")
IMAGE_MODELS = [one for one in packaged_catalog().models.values() if one.kind == "image"]
MODEL = next(one.name for one in IMAGE_MODELS if "image_urls" not in one.parameters)
REQUEST = {"model": MODEL, "prompt": "a quiet lake"}


def test_each_kind_is_a_frozen_record_with_a_level() -> None:
    """Each is listed once: in `__all__` and with its level."""
    assert {kind.__name__ for kind in KINDS} == set(LEVELS)
    assert set(LEVELS) >= RETURNED
    for kind in KINDS:
        assert issubclass(kind, events.Event)
        assert kind.__setattr__ is not object.__setattr__, f"{kind} isn't frozen"
        assert kind.__doc__
        assert kind.kind == "".join(
            "_" * (place > 0 and letter.isupper()) + letter.lower()
            for place, letter in enumerate(kind.__name__)
        )


def test_a_field_of_seconds_is_named_in_the_docstrings() -> None:
    """Each duration, delay or pause has its unit in the docstring of its class or of the module."""
    assert "durations and delays in seconds" in str(events.__doc__).replace("\n", " ")
    for kind in KINDS:
        for name in attrs.fields_dict(kind):
            if name in {"retry_after", "timeout", "requested", "granted"}:
                assert "second" in str(kind.__doc__), f"{kind.__name__}.{name}"


def test_run_emits_its_story(runner: Any, mock: MockServer, tmp_path: Path) -> None:
    """A submission, a wait and a download: each begins, and ends once."""
    seen: list[events.Event] = []
    client = runner.client(api_key=mock.api_key, base_url=mock.base_url, on_event=seen.append)
    result = runner.do(with_fast_clock(client).run, REQUEST, output_dir=tmp_path)
    names = [event.kind for event in seen]
    assert names[:3] == ["submit_started", "submitted", "wait_started"]
    assert names[-3:] == ["download_started", "download_attempted", "saved"]
    assert names.count("completed") == 1
    assert {event.task_id for event in seen[1:]} == {result.task_id}
    assert all(event.time > 1_700_000_000 for event in seen)


@pytest.mark.parametrize("error", [ValueError, ExceptionGroup], ids=lambda error: error.__name__)
def test_what_on_event_raises_changes_nothing(
    error: Any, runner: Any, mock: MockServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The task is submitted once, waited for and saved; the log has the exception once."""
    calls: list[str] = []

    def on_event(event: events.Event) -> None:
        calls.append(event.kind)
        raise error("boom", [ValueError("boom")])

    client = runner.client(api_key=mock.api_key, base_url=mock.base_url, on_event=on_event)
    result = runner.do(with_fast_clock(client).run, REQUEST, output_dir=tmp_path)
    assert [path.exists() for path in result.paths] == [True]
    assert {"submitted", "completed", "saved"} <= set(calls)
    reported = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert len(reported) == 1
    assert reported[0].exc_info is not None
    assert isinstance(reported[0].exc_info[1], error)


async def awaited(event: events.Event) -> None:
    """Stand for a function that would have to be awaited."""


class Awaited:
    """An object whose call would have to be awaited."""

    async def __call__(self, event: events.Event) -> None: ...


@pytest.mark.parametrize(
    "on_event", [awaited, Awaited(), "print"], ids=["function", "object", "text"]
)
def test_on_event_is_a_plain_function(on_event: Any, runner: Any) -> None:
    """Anything else is an error when the client is made, in `with_options`, too."""
    with pytest.raises(ConfigurationError, match="on_event must be a plain function"):
        runner.client(api_key="a-key", base_url="https://api.test", on_event=on_event)
    client = runner.client(api_key="a-key", base_url="https://api.test")
    with pytest.raises(ConfigurationError, match="on_event must be a plain function"):
        client.with_options(on_event=on_event)


def test_with_options_sets_on_event_for_its_own_client(runner: Any, mock: MockServer) -> None:
    """The first client goes on without."""
    seen: list[events.Event] = []
    client = runner.client(api_key=mock.api_key, base_url=mock.base_url)
    task = runner.do(client.with_options(on_event=seen.append).submit, REQUEST)
    count = len(seen)
    assert [event.kind for event in seen] == ["submit_started", "submitted"]
    runner.do(client.task(task.id).refresh)
    assert len(seen) == count


@pytest.mark.processes
@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_forked_child_emits_events(mock: MockServer) -> None:
    """Of a client that was used before, without those of the parent."""
    with TemporaryFile() as file, Client(mock.api_key, mock.base_url) as client:
        seen: list[events.Event] = []
        watched = client.with_options(on_event=seen.append)
        task = watched.submit(REQUEST)
        child = os.fork()
        if not child:
            try:
                before = len(seen)
                watched.task(task.id).wait(60)
                file.write(" ".join(event.kind for event in seen[before:]).encode())
                file.flush()
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        file.seek(0)
        found = file.read().decode().split()
        assert [event.kind for event in seen] == ["submit_started", "submitted"]
    assert found[0] == "wait_started"
    assert found[-1] == "completed"


def test_events_come_from_threads(mock: MockServer) -> None:
    """Of a sync client that polls several tasks; context variables are those of the caller."""
    variable: ContextVar[str] = ContextVar("variable", default="")
    seen: list[tuple[str, str, int]] = []

    def on_event(event: events.Event) -> None:
        seen.append((event.kind, variable.get(), threading.get_ident()))

    with Client(mock.api_key, mock.base_url, on_event=on_event) as client:
        tasks = [with_fast_clock(client).submit(REQUEST) for _ in range(3)]
        seen.clear()
        variable.set("mine")
        client.wait_all(tasks)
    polls = [thread for kind, _, thread in seen if kind == "polled"]
    assert polls
    assert threading.get_ident() not in polls
    assert {value for _, value, _ in seen} == {"mine"}


def test_a_poll_costs_nothing_without_a_consumer() -> None:
    """Its flow has the same effects as before there were events."""
    driver = FakeDriver(in_turn([task("processing")]))
    target = PollTarget(TASK_ID, REQUEST_OF_A_POLL, PollRateLimiter(1000.0), observed=False)
    driver.run(poll_once(target, 60))
    assert [type(effect).__name__ for effect in driver.trace] == ["Request", "WithLock"]
    assert driver.events == []
