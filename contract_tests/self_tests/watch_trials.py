"""`python -m self_tests.watch_trials`: which mutants are caught by the traffic of the demo alone.

The demo runs against each mutant, and an observer judges its exchanges; nothing else is sent.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
from attrs import frozen

from self_tests.holdout_faults.proxied_mock import VARIANTS as PROXIES
from self_tests.holdout_faults.proxied_mock import ProxiedMock
from self_tests.mutation.all_mutants import all_mutants
from self_tests.mutation.runner import KEYS as MUTANT_KEYS
from self_tests.reference_server.server import Server
from self_tests.reference_server.variants import VARIANTS
from wanflow import AsyncClient, Client
from wanflow.demo.command import _PROGRESSION as PROGRESSION
from wanflow.demo.requests import demo_requests
from wanflow.demo.run import ASYNC, SYNC, DemoTask, run_tasks
from wanflow.mock import MockServer
from wanflow.mock.files import cache as files
from wanflow_contract.watch.client_hook import JudgingTransport
from wanflow_contract.watch.observer import Observer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from self_tests.mutation.mutant import Mutant
    from wanflow_contract.report.result import RunResult


KEYS = tuple(MUTANT_KEYS.values())
LEAST = 120
"""So many mutants are caught at least."""


class _Silent:
    def show(self, *_: Any) -> None: ...
    def note(self, *_: Any) -> None: ...


@frozen
class Watched:
    """A server of the demo, whose exchanges are judged."""

    base_url: str
    api_key: str
    observer: Observer
    charges: bool = False

    def client(self) -> Client:
        """Make a sync client."""
        transport = JudgingTransport(httpx.HTTPTransport(), self.observer)
        return Client(self.api_key, self.base_url, transport=transport)

    def async_client(self) -> AsyncClient:
        """Make an async client."""
        transport = JudgingTransport(httpx.AsyncHTTPTransport(), self.observer)
        return AsyncClient(self.api_key, self.base_url, transport=transport)


def watch_demo(base_url: str, api_key: str, seconds: float) -> RunResult:
    """Run the demo against a server for some seconds at most, and return what was found."""
    target: Any = Watched(base_url, api_key, Observer(base_url))
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        with target.client() as client:
            requests = demo_requests(client.models())
        display: Any = _Silent()
        tasks = [
            DemoTask(request, SYNC if number % 2 == 0 else ASYNC, display)
            for number, request in enumerate(requests)
        ]
        running = threading.Thread(
            target=run_tasks, args=(tasks, target, Path(folder)), daemon=True
        )
        running.start()
        running.join(seconds)
    return target.observer.result()


def watch_mutant(mutant: Mutant, seconds: float) -> RunResult:
    """Run the demo against a mutant, with the progression that the demo has."""
    with mutant.opened(polls=None, progression=PROGRESSION) as server:
        return watch_demo(server.base_url, server.api_key or "any-key-of-the-demo", seconds)


def remember_files() -> None:
    """Draw each file once in this process: every mutant serves equal files for equal requests."""
    draw = files._render

    @cache
    def drawn(model: str, output: Any, _prompt: str, index: int) -> list[bytes]:
        return []

    def render(task: Any, index: int) -> bytes:
        kept = drawn(task.model, task.output, task.prompt, index)
        if not kept:
            kept.append(draw(task, index))
        return kept[0]

    files._render = render


def correct_servers() -> dict[str, Callable[[], AbstractContextManager[Any]]]:
    """Return servers that must cause no alarm, by name."""
    references = [Server, *VARIANTS]
    return {
        "the mock": lambda: MockServer(progression=PROGRESSION),
        **{f"reference {one.__name__}": lambda one=one: one(*KEYS) for one in references},
        **{f"proxy {one.name}": lambda one=one: ProxiedMock(one).opened() for one in PROXIES},
    }


def watch_correct(opened: Callable[[], AbstractContextManager[Any]], seconds: float) -> RunResult:
    """Run the demo against a correct server."""
    with opened() as server:
        base_url = getattr(server, "base_url", None) or server.origin + server.base
        return watch_demo(base_url, getattr(server, "api_key", None) or KEYS[0], seconds)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; return 1 if a correct server causes an alarm, or too few mutants are caught."""
    chosen = _parser().parse_args(arguments)
    remember_files()
    alarms = 0
    for name, opened in correct_servers().items():
        if chosen.only not in name and chosen.only:
            continue
        result = watch_correct(opened, chosen.seconds)
        found = [one.id for one in result.new] + [one.text for one in result.errors]
        alarms += bool(found)
        _print(f"{name}: {result.counters.requests} exchanges, alarms: {found or 'none'}")
    some = {} if chosen.correct else all_mutants()
    wanted = [one for name, one in some.items() if chosen.only in name]
    caught = by_note = 0
    with ThreadPoolExecutor(chosen.threads) as threads:
        results = threads.map(lambda one: watch_mutant(one, chosen.seconds), wanted)
        for mutant, result in zip(wanted, results, strict=True):
            names = sorted({one.check for one in result.findings})
            caught += bool(result.new)
            by_note += bool(names) and not result.new
            errors = f" errors: {[one.text for one in result.errors]}" if result.errors else ""
            _print(f"{'caught' if names else 'missed'} {mutant.name} {' '.join(names)}{errors}")
    _print(f"{caught} of {len(wanted)} mutants caught, and {by_note} more by notes alone")
    _print(f"{alarms} correct servers with alarms")
    whole = not chosen.only and not chosen.correct
    return int(bool(alarms) or (whole and caught < LEAST))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="self_tests.watch_trials", description=__doc__)
    parser.add_argument("--only", default="", help="only servers whose name contains this")
    parser.add_argument("--correct", action="store_true", help="only the correct servers")
    parser.add_argument("--seconds", type=float, default=15, help="time limit of each demo")
    parser.add_argument("--threads", type=int, default=8, help="concurrent demos")
    return parser


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
