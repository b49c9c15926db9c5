"""Calls of Python functions that a job takes: `python -m benchmarks.calls [JOBS] [FUNCTIONS]`.

A batch of twice as many jobs less one of so many, in all threads of the client, so that what is
done once drops out. A generator or a coroutine counts each time it goes on. Each task has one poll,
so that neither time nor load changes the count by more than a few in a hundred.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import threading
from _thread import start_new_thread
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.batch import do_batch, server

import wanflow
from wanflow import _event_loop
from wanflow.ledger import writer

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType, FrameType

OWN = Path(wanflow.__file__).parent
FLOWS = {
    "prepare and plan": (
        *("catalog", "batch/plan", "batch/input", "_core/local", "_core/request", "_core/valid"),
        *("_core/model", "_core/prices", "_core/arguments", "_core/link_expiry", "_text"),
        *("_flows/prepare", "_flows/request"),
    ),
    "batch": ("batch",),
    "submit": ("_flows/submit", "_flows/attempt", "_core/submission"),
    "poll": ("_flows/poll", "_core/poll", "_core/rate", "_core/snapshot"),
    "download": (
        *("_flows/download", "_core/download", "_core/file", "_core/url", "_core/content"),
        *("_storage", "_regular", "_paths"),
    ),
    "events": ("_core/event", "_runtime/event", "_log", "_flows/error"),
    "drivers and effects": ("_runtime", "_event_loop", "_core/effects"),
    "transport": ("_transport", "_config", "_http"),
    "ledger": ("ledger", "_flows/recording", "_core/recorder"),
    "clients": ("",),
}
"""The beginnings of the names of our own modules, the first that fits counts."""


def count_calls(url: str, jobs: int) -> Counter[CodeType]:
    """Return how often each function is called by a batch."""
    found: Counter[CodeType] = Counter()

    def count(frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            found[frame.f_code] += 1

    def start(run: Callable[..., object], arguments: tuple[object, ...]) -> int:
        def profiled() -> None:
            sys.setprofile(count)
            run(*arguments)

        return start_new_thread(profiled, ())

    module: Any = writer  # its thread isn't one of `threading`
    module.start_new_thread = start
    _event_loop._threads.cache_clear()  # noqa: SLF001 - those threads have the profile of before
    threading.setprofile(count)
    sys.setprofile(count)
    try:
        with tempfile.TemporaryDirectory() as folder:
            report = asyncio.run(do_batch(url, jobs, Path(folder)))
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
        module.start_new_thread = start_new_thread
    assert report.complete, report.counts
    return found


def calls_a_job(jobs: int) -> dict[CodeType, float]:
    """Return how often each function is called for one job."""
    found: list[Counter[CodeType]] = []
    for number in (10, jobs, 2 * jobs):  # the first one imports
        with server(0.0) as (url, read_counts):
            found.append(count_calls(url, number))
            counts = read_counts()
        assert counts == {"tasks": number, "polls": number}, counts
    _, few, many = found
    return {code: (calls - few[code]) / jobs for code, calls in many.items()}


def file_of(code: CodeType) -> Path:
    """Return the file that a function is in, or that of the class that attrs wrote it for."""
    name = code.co_filename
    if name.startswith("<attrs generated"):
        name = str(OWN.parent / name.split()[-1].rpartition(".")[0].replace(".", "/"))
    return Path(name)


def module_of(code: CodeType) -> str:
    """Return the module that a function is in, as a path below its package's folder."""
    path = file_of(code)
    if path.is_relative_to(OWN):
        return str(path.relative_to(OWN))
    return "/".join([part for part in path.parts if part != "site-packages"][-2:])


def flow_of(code: CodeType) -> str:
    """Return which part of the client's work, or which library, a function belongs to."""
    path, name = file_of(code), module_of(code)
    if path.is_relative_to(OWN):
        return next(flow for flow, starts in FLOWS.items() if name.startswith(starts))
    for library in ("asyncio", "aiohttp"):
        if library in path.parts:
            return library
    return "other libraries"


def main(jobs: int = 100, shown: int = 40) -> None:
    """Print the calls a job, by part of the work and by function."""
    found = calls_a_job(jobs)
    flows: Counter[str] = Counter()
    for code, calls in found.items():
        flows[flow_of(code)] += calls  # type: ignore[assignment]
    print(f"{sum(found.values()):.0f} calls a job, one poll included")
    for flow, calls in flows.most_common():
        print(f"{calls:8.1f} {flow}")
    for code, calls in sorted(found.items(), key=lambda one: -one[1])[:shown]:
        print(f"{calls:8.1f} {module_of(code)} {code.co_qualname}:{code.co_firstlineno}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
