"""The functions, objects and packages that a prompt passes from `Client.submit` to the HTTP client.

A function of wanflow counts once if it returns or yields the prompt, or if it is running in any
thread, with the prompt in a local variable, when the request is sent. The prompt may be inside
anything that is reachable: a dict, a list, a tuple, an object of a class of wanflow, a suspended
generator, a partial or bound function, a closure. Functions that only examine it, such as
validators, return no prompt and don't count. A comprehension is a part of its function, as it is
for Python itself since 3.12.

A container is a class of wanflow with an object that holds the prompt.

A package is entered when one of its functions is called from another package, with an argument that
holds the prompt. Two things are not counted, since the prompt isn't handed over by them. A flow is
a generator: it gets its arguments once, from what `_flows` returned to `Client.submit`, and when a
driver goes on with it, it is not called again. A bare text, taken out of the request, is examined
and can't become a request. Calls of the same package in succession are one entry.

The generated package is not counted: it gets no prompt, only the operation.
"""

from __future__ import annotations

import sys
import threading
from contextlib import contextmanager
from functools import cache, partial
from inspect import CO_GENERATOR
from pathlib import Path
from types import FunctionType, GeneratorType, MethodType
from typing import TYPE_CHECKING, Any

import wanflow
from tests.client.clients import httpx
from wanflow import Client
from wanflow.catalog.catalog import Catalog, packaged_catalog

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable
    from types import FrameType

PROMPT = "a prompt that is nowhere else in this process"
MAX_FUNCTIONS = 17
MAX_CONTAINERS = 4
PACKAGES = ["", "_flows", "_core", "catalog", "_runtime", "_transport"]
"""The packages in the order in which they are entered; the first is the root, `wanflow`."""
ROOT = Path(wanflow.__file__).parent


class Trace:
    """The functions of wanflow that hand a prompt on, the objects that hold it, the packages."""

    def __init__(self) -> None:
        self.functions: dict[str, None] = {}
        self.containers: dict[str, None] = {}
        self.packages: list[str] = []
        self.is_sent = False

    def profile(self, frame: FrameType, event: str, value: Any) -> None:
        """Record a call with the prompt, and a function that returns or yields it."""
        if event == "call":
            self._enter(frame)
        elif event == "return" and _path(frame) is not None and self._holds(value):
            self._record(frame)

    def sent(self) -> None:
        """Record the functions that are running, with the prompt, when it is sent."""
        self.is_sent = True
        for start in sys._current_frames().values():
            for frame in _stack(start):
                if _path(frame) is not None and self._holds(list(frame.f_locals.values())):
                    self._record(frame)

    def _record(self, frame: FrameType) -> None:
        name = frame.f_code.co_qualname
        for comprehension in ("dictcomp", "listcomp", "setcomp"):
            name = name.removesuffix(f".<locals>.<{comprehension}>")
        self.functions[f"{_path(frame)}:{name}"] = None

    def _enter(self, frame: FrameType) -> None:
        package, is_flow = _package(frame), frame.f_code.co_flags & CO_GENERATOR
        callers = (_package(one) for one in _stack(frame.f_back))
        caller = next((one for one in callers if one is not None), package)
        if self.is_sent or package is None or (is_flow and caller == "_runtime"):
            return
        arguments = [one for one in frame.f_locals.values() if not isinstance(one, str)]
        if (caller != package or not self.packages) and self._holds(arguments):
            self.packages += [] if self.packages[-1:] == [package] else [package]

    def _holds(self, value: Any, known: dict[int, bool] | None = None) -> bool:
        if isinstance(value, str | bytes):
            return PROMPT in value if isinstance(value, str) else PROMPT.encode() in value
        known = {} if known is None else known
        if id(value) not in known:
            known[id(value)] = False
            found = [self._holds(one, known) for one in _parts(value)]  # all, for the containers
            known[id(value)] = any(found)
            if known[id(value)] and _is_ours(value):
                self.containers[type(value).__name__] = None
        return known[id(value)]


def _is_ours(value: Any) -> bool:
    return type(value).__module__.partition(".")[0] == "wanflow" and not isinstance(value, Catalog)


def _parts(value: Any) -> Iterable[Any]:  # noqa: PLR0911
    """Return what is reachable from a value in one step."""
    match value:
        case dict():
            return value.values()
        case list() | tuple():
            return value
        case GeneratorType(gi_frame=frame):
            return () if frame is None else (*frame.f_locals.values(), value.gi_yieldfrom)
        case partial():
            return (value.func, value.args, value.keywords)
        case MethodType():
            return (value.__self__,)
        case FunctionType():
            return [cell.cell_contents for cell in value.__closure__ or ()]
        case _ if _is_ours(value):
            names = [
                name for kind in type(value).__mro__ for name in getattr(kind, "__slots__", ())
            ]
            return [
                *getattr(value, "__dict__", {}).values(),
                *(getattr(value, n, 0) for n in names),
            ]
        case _:
            return ()


def _stack(frame: FrameType | None) -> Iterable[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


def _path(frame: FrameType) -> str | None:
    return _relative(frame.f_code.co_filename)


@cache  # each call and each return asks for it
def _relative(file: str) -> str | None:
    path = Path(file)
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else None


def _package(frame: FrameType) -> str | None:
    path = _path(frame)
    return None if path is None else path.rpartition("/")[0].partition("/")[0]


@contextmanager
def tracing(trace: Trace) -> Generator[None]:
    """Trace the calls of this thread, and of those that it starts."""
    threading.setprofile(trace.profile)
    sys.setprofile(trace.profile)
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
    assert 0 < len(trace.functions) <= MAX_FUNCTIONS, "\n".join(trace.functions)
    assert 0 < len(trace.containers) <= MAX_CONTAINERS, trace.containers
    assert trace.packages == PACKAGES
