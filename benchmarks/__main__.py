"""Measure what a user waits for, on this machine, against the bundled mock: `make bench`.

Each figure is a median with the slowest of its runs beside it. Nothing is written.
"""

from __future__ import annotations

import subprocess
import sys
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING

import httpx

from wanflow import Client
from wanflow.catalog.catalog import packaged_catalog
from wanflow.mock import MockServer

if TYPE_CHECKING:
    from collections.abc import Callable

PROCESSES, EXCHANGES = 7, 200


def timed(action: Callable[[], object], times: int) -> list[float]:
    """Return the milliseconds that each of some runs takes, after one that isn't counted."""
    action()
    taken = []
    for _ in range(times):
        begun = perf_counter()
        action()
        taken.append((perf_counter() - begun) * 1000)
    return taken


def show(what: str, taken: list[float]) -> None:
    """Print one line of the table."""
    print(f"{what:<56}{median(taken):9.2f}{max(taken):9.2f}")


def process(*arguments: str) -> Callable[[], object]:
    """Return an action that runs Python with `arguments` in a process of its own."""
    return lambda: subprocess.run([sys.executable, *arguments], check=True, capture_output=True)


def main() -> None:
    """Print the table, in milliseconds."""
    print(f"{'milliseconds':<56}{'median':>9}{'slowest':>9}")
    show("a Python that does nothing", timed(process("-c", ""), PROCESSES))
    show("the same with `import wanflow`", timed(process("-c", "import wanflow"), PROCESSES))
    show("the same with a Client", timed(process("-c", "from wanflow import Client"), PROCESSES))
    model = next(m for m in packaged_catalog().models.values() if m.required == ("prompt",))
    with MockServer() as mock, Client(mock.api_key, mock.base_url) as client:

        def submit() -> object:
            return client.submit(model=model.name, prompt="A serene lake")

        task = client.submit(model=model.name, prompt="A serene lake")
        show("client.submit(): checked, sent, answered", timed(submit, EXCHANGES))
        show("task.refresh(): sent, answered, read", timed(task.refresh, EXCHANGES))
        head = {"Authorization": f"Bearer {mock.api_key}"}
        with httpx.Client(headers=head) as plain:
            url = f"{mock.base_url}/v1/tasks/{task.id}"
            show("the same query by httpx alone", timed(lambda: plain.get(url), EXCHANGES))
    pipeline = process("-m", "wanflow", "spec", "drift")
    show("`wanflow spec drift`: merge, prove, generate, compare", timed(pipeline, 3))


if __name__ == "__main__":
    main()
