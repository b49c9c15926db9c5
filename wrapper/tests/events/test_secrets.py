"""No event, log line or span holds the API key, a prompt, a signed link or a user's own header.

Each operation runs against a server that repeats these secrets wherever it can: in messages, codes,
statuses, ids of errors, headers, and in responses that break HTTP.
"""

from __future__ import annotations

import contextlib
import json
import logging
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.any_model import model_name
from tests.client.clients import SyncRunner
from tests.client.fast_clock import with_fast_clock
from tests.examples import examples
from tests.transport.misbehaving_server import (
    ID,
    MisbehavingServer,
    http,
    resets,
    responds,
    responds_json,
)
from wanflow import Ledger, WanflowError
from wanflow.telemetry import Telemetry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from wanflow.events import Event

KEY = "sk-the-key-of-the-account"
PROMPT = "the prompt that nobody may read"
SIGNATURE = "signature-of-the-link"
HEADER = "value-of-the-users-header"
SECRETS = (KEY, PROMPT, SIGNATURE, HEADER)
ALL = " ".join(SECRETS)
REQUEST = {"model": model_name("image"), "prompt": PROMPT}

ERROR = {
    "error": {
        "message": ALL,
        "code": PROMPT,
        "type": ALL,
        "param": ALL,
        "fallback_suggestion": ALL,
    }
}
ECHO = f"X-Request-Id: {ALL}\r\nX-Echo: {ALL}"
PAGE = responds(http(200, f"<html>{ALL}</html>".encode(), "Content-Type: text/html"))
BROKEN = responds(f"HTTP/1.1 200 OK\r\nbad {ALL} header\r\n\r\n".encode(), keep=False)
CODED = responds(http(200, b"x", f"Content-Encoding: {PROMPT.replace(' ', '-')}"))
SHORT = responds(http(200, b"{", length=99), keep=False)
BAD = {
    "429": responds_json(429, ERROR, "Retry-After: 0"),
    "503": responds_json(503, ERROR, "Retry-After: 0"),
    "500": responds_json(500, ERROR, ECHO),
    "400": responds_json(400, ERROR, ECHO),
    "page": PAGE,
    "broken": BROKEN,
    "coded": CODED,
    "short": SHORT,
    "reset": resets(),
}
PNG = b"\x89PNG\r\n\x1a\n" + bytes(64)


class Watched:
    """A client with everything that makes its events visible."""

    def __init__(self, runner: Any, server: MisbehavingServer, ledger: Ledger | None) -> None:
        self.events: list[Event] = []
        self.spans = InMemorySpanExporter()
        self.lines: list[str] = []
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(self.spans))
        self._telemetry = Telemetry(tracer_provider=provider)
        self.client = with_fast_clock(
            runner.client(
                api_key=KEY,
                base_url=server.url,
                timeout=1.5,
                retry_timeout=5,
                ledger=ledger,
                on_event=self._on_event,
                default_headers={"X-Own": HEADER},
                uploader=lambda _: f"https://files.test/up?{SIGNATURE}",
            )
        )

    def _on_event(self, event: Event) -> None:
        self.events.append(event)
        self._telemetry(event)

    def texts(self) -> Iterator[str]:
        """Return all that can be seen of the events."""
        for event in self.events:
            yield repr(event)
            yield str(event)
            yield json.dumps(event.to_dict())
        for span in self.spans.get_finished_spans():
            yield span.to_json()
        yield from self.lines


class _Lines(logging.Handler):
    def __init__(self, lines: list[str]) -> None:
        super().__init__(0)
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        self._lines += [record.getMessage(), repr(vars(record))]


@contextlib.contextmanager
def logging_to(lines: list[str]) -> Iterator[None]:
    """Collect the log of every level."""
    logger, handler = logging.getLogger("wanflow"), _Lines(lines)
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(1)
    yield
    logger.removeHandler(handler)
    logger.setLevel(before)


def links(files: MisbehavingServer) -> list[str]:
    return [f"{files.url}/{name}.png?sign={SIGNATURE}" for name in ("a", "b")]


OPERATIONS: dict[str, Callable[[Any, Any, Path], object]] = {
    "run": lambda runner, client, folder: runner.do(
        client.run, REQUEST, output_dir=folder, timeout=60
    ),
    "resubmit": lambda runner, client, folder: runner.do(
        client.submit, REQUEST, resubmit_uncertain=True
    ),
    "unvalidated": lambda runner, client, folder: runner.do(
        client.submit, {**REQUEST, "size": PROMPT}, validate=False
    ),
    "upload": lambda runner, client, folder: runner.do(
        client.submit,
        {
            "model": model_name("image", "image_urls"),
            "prompt": PROMPT,
            "image_urls": ["./a.png"],
        },
        validate=False,
    ),
    "refresh": lambda runner, client, folder: runner.do(client.task(ID).refresh),
    "wait": lambda runner, client, folder: runner.do(client.task(ID).wait, 60),
    "wait_all": lambda runner, client, folder: runner.do(client.wait_all, [ID, ID], timeout=60),
    "as_completed": lambda runner, client, folder: runner.items(
        client.as_completed([ID], timeout=60)
    ),
    "iter_updates": lambda runner, client, folder: runner.items(client.task(ID).iter_updates(60)),
    "batch": lambda runner, client, folder: runner.do(client.batch, [REQUEST], folder, timeout=60),
    "resume_all": lambda runner, client, folder: runner.do(client.resume_all, folder, timeout=60),
}


def check(
    operation: str, runner: Any, folder: Path, post: Any, polls: list[Any], files: list[Any]
) -> list[Event]:
    """Run an operation against such responses, and search all that is visible."""
    with MisbehavingServer(get=files) as host:
        done = responds_json(
            200,
            {"id": ID, "status": "completed", "model": PROMPT, "results": links(host)},
            ECHO,
        )
        with (
            MisbehavingServer(post=post, get=[*polls, done]) as server,
            Ledger(folder / "jobs.db") as ledger,
        ):
            watched = Watched(runner, server, ledger)
            with logging_to(watched.lines), contextlib.suppress(WanflowError):
                OPERATIONS[operation](runner, watched.client, folder / "out")
        for text in watched.texts():
            for secret in SECRETS:
                assert secret not in text, f"{secret!r} is in {text!r}"
        return watched.events


ACCEPTED = responds_json(200, {"id": ID, "status": "pending", "progress": 5}, ECHO)
IMAGE = responds(http(200, PNG, "Content-Type: image/png"))
STATES = {
    "unknown": responds_json(200, {"id": ID, "status": ALL}),
    "failed": responds_json(
        200, {"id": ID, "status": "failed", "error": {"code": PROMPT, "message": ALL}}
    ),
    "running": responds_json(200, {"id": ID, "status": "processing", "progress": 50}),
    "no links": responds_json(200, {"id": ID, "status": "completed", "message": ALL}),
}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_no_secret_is_visible_in_a_good_run(operation: str, runner: Any, tmp_path: Path) -> None:
    """And there are events, but for a resume without jobs."""
    found = check(operation, runner, tmp_path, [ACCEPTED], [STATES["running"]], [IMAGE])
    assert found or operation == "resume_all"


@given(
    operation=st.sampled_from(sorted(OPERATIONS)),
    posts=st.lists(st.sampled_from(sorted(BAD)), max_size=2),
    polls=st.lists(st.sampled_from(sorted({**BAD, **STATES})), max_size=4),
    files=st.lists(st.sampled_from(sorted(BAD)), max_size=3),
)
@settings(max_examples=examples(60))
def test_no_secret_is_visible_whatever_the_server_sends(
    operation: str,
    posts: list[str],
    polls: list[str],
    files: list[str],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Any order of such responses, for every operation."""
    with SyncRunner() as runner:
        check(
            operation,
            runner,
            tmp_path_factory.mktemp("run"),
            [*(BAD[name] for name in posts), ACCEPTED],
            [{**BAD, **STATES}[name] for name in polls],
            [*(BAD[name] for name in files), IMAGE],
        )


@pytest.mark.parametrize("name", sorted(BAD))
@pytest.mark.parametrize("operation", ["run", "wait"])
def test_no_secret_is_visible_after_a_bad_response(
    operation: str, name: str, runner: Any, tmp_path: Path
) -> None:
    """With each HTTP library: their exceptions quote what a server sent."""
    bad = BAD[name]
    assert check(operation, runner, tmp_path, [bad, ACCEPTED], [bad], [bad, IMAGE])
