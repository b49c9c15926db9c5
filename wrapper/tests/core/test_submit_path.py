"""How many functions and objects a prompt passes from `Client.submit` to the HTTP client.

A function of wanflow counts once if it returns or yields the prompt, or if it is running, with the
prompt in a local variable, in the thread that sends the request. The prompt may be inside a
container: a dict, a list, a tuple, a suspended generator or an attrs object. Functions that only
examine it, such as validators, return no prompt and don't count. Each class of attrs objects in
which it was found counts as one container. `Client.submit` itself waits in another thread, and
isn't counted.
"""

from __future__ import annotations

import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from types import GeneratorType
from typing import TYPE_CHECKING, Any

import httpx
from attrs import fields, has

import wanflow
from wanflow import Client
from wanflow.catalog.catalog import packaged_catalog

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable
    from types import CodeType, FrameType

PROMPT = "a prompt that is nowhere else in this process"
MAX_FUNCTIONS = 25
MAX_CONTAINERS = 5
ROOT = Path(wanflow.__file__).parent


class Trace:
    """The functions of wanflow that hand a prompt on, and the objects that they hand it on in."""

    def __init__(self) -> None:
        self.functions: dict[CodeType, str] = {}
        self.containers: dict[str, None] = {}

    def returned(self, frame: FrameType, event: str, value: Any) -> None:
        """Record a function that returns or yields the prompt."""
        if event == "return" and self._carries(value):
            self._record(frame)

    def sent(self) -> None:
        """Record the functions that are running, with the prompt, when it is sent."""
        frame: FrameType | None = sys._getframe()
        while frame is not None:
            if self._carries(list(frame.f_locals.values())):
                self._record(frame)
            frame = frame.f_back

    def _record(self, frame: FrameType) -> None:
        path = Path(frame.f_code.co_filename)
        if path.is_relative_to(ROOT):
            name = f"{path.relative_to(ROOT).as_posix()}:{frame.f_code.co_qualname}"
            self.functions.setdefault(frame.f_code, name)

    def _carries(self, value: Any, depth: int = 8) -> bool:  # noqa: PLR0911
        match value:
            case str():
                return PROMPT in value
            case bytes():
                return PROMPT.encode() in value
            case dict():
                return self._any(value.values(), depth)
            case list() | tuple():
                return self._any(value, depth)
            case GeneratorType():
                frame = value.gi_frame
                return frame is not None and self._any(frame.f_locals.values(), depth)
            case _ if has(type(value)):
                names = [one.name for one in fields(type(value))]
                carries = self._any([getattr(value, name, None) for name in names], depth)
                if carries:
                    self.containers[type(value).__name__] = None
                return carries
            case _:
                return False

    def _any(self, values: Iterable[Any], depth: int) -> bool:
        found = [self._carries(one, depth - 1) for one in values] if depth else []
        return any(found)


@contextmanager
def tracing(trace: Trace) -> Generator[None]:
    """Trace the calls of this thread, and of those that it starts."""
    threading.setprofile(trace.returned)
    sys.setprofile(trace.returned)
    try:
        yield
    finally:
        sys.setprofile(None)
        threading.setprofile(None)


def test_a_submission_passes_few_functions_and_objects() -> None:
    """One `submit` without a ledger or local files, after another one that loaded everything."""
    trace = Trace()

    def respond(request: httpx.Request) -> httpx.Response:
        if PROMPT.encode() in request.content:
            trace.sent()
        body = {"id": "task-unified-1760000000-abcd1234", "status": "pending"}
        return httpx.Response(200, json=body)

    model = next(m for m in packaged_catalog().models.values() if m.required == ("prompt",))
    transport = httpx.MockTransport(respond)
    with Client("sk-key", "https://api.example", transport=transport) as client:
        client.submit(model=model.name, prompt="A serene lake")
        with tracing(trace):
            client.submit(model=model.name, prompt=PROMPT)
    assert 0 < len(trace.functions) <= MAX_FUNCTIONS, "\n".join(trace.functions.values())
    assert 0 < len(trace.containers) <= MAX_CONTAINERS, trace.containers
