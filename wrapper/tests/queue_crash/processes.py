"""Workers in processes of their own, whose end a test waits for."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from pathlib import Path

# The clock of the machine, as far as this program sees it.
_PROGRAM = """
import sys, time
shift, own = float(sys.argv.pop(1)), time.time
time.time = lambda: own() + shift
from tests.queue_crash.worker_process import main
main()
"""


@frozen
class WorkerOptions:
    """What `worker_process` takes; `prefix` begins the command, and `shift` moves its clock."""

    queue: str
    base_url: str
    key: str
    spool: Path
    lease: float = 5.0
    timeout: float = 30.0
    submissions: int = 4
    prefix: Sequence[str] = ()
    shift: float = 0.0

    def start(self) -> subprocess.Popen[bytes]:
        """Start a worker."""
        facts = (self.shift, self.queue, self.base_url, self.key, self.spool, self.lease)
        more = (self.timeout, self.submissions, "-", 0.0, "SIGKILL")
        words = [str(word) for word in (*facts, *more)]
        return subprocess.Popen(
            [*self.prefix, sys.executable, "-c", _PROGRAM, *words], env=environment()
        )


@contextmanager
def running(
    *options: WorkerOptions, may_die: bool = False
) -> Generator[list[subprocess.Popen[bytes]]]:
    """Run workers, stop them as an operator does, and expect that they end well."""
    processes = [one.start() for one in options]
    try:
        yield processes
        for process in processes:
            process.terminate()
        ends = [process.wait(300) for process in processes]
        assert may_die or set(ends) == {0}, ends
    finally:
        for process in processes:
            process.kill()
            process.wait()


def environment(**more: str) -> dict[str, str]:
    """Return an environment without the variables of wanflow."""
    clean = {name: text for name, text in os.environ.items() if "WANFLOW" not in name}
    return {**clean, "PYTHONPATH": os.pathsep.join(sys.path), **more}


@contextmanager
def commands(folder: Path, **variables: str) -> Generator[Callable[..., subprocess.Popen[str]]]:
    """Start programs of Python in a folder, with variables, and kill those that are left."""
    started: list[subprocess.Popen[str]] = []

    def start(*words: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, *words],
            env=environment(**variables),
            cwd=folder,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        started.append(process)
        return process

    try:
        yield start
    finally:
        for process in started:
            with process:
                process.kill()
