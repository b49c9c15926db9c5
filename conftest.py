"""What holds for all tests."""

import os
import signal
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, sleep
from typing import Any, NoReturn

import pytest

# A shell ignores Ctrl-C for what runs in its background: tests that press it would wait for ever.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

MAY_START_PROCESSES = ("processes", "builds", "postgres", "slow")
"""The marks of the tests that `make tests` leaves out: a process takes longer than most tests."""

COMPILED = any(Path(__file__).parent.glob("wrapper/tests/*/__pycache__"))
"""Whether tests were run here before: read before the other files of this name import any."""
LONGEST_COLLECTION = 120
"""Seconds that other processes wait for the one that compiles the tests."""


def pytest_configure(config: pytest.Config) -> None:
    """Register the marks by which the targets of make choose tests."""
    for mark in (
        "processes: tests that start programs, or fork; part of `make process-test`",
        "postgres: tests that need PostgreSQL; part of `make queue-test`",
        "clients: tests with the clients that `make test` leaves out; part of `make client-test`",
        "builds: tests that build packages, environments or clients; part of `make build-test`",
    ):
        config.addinivalue_line("markers", mark)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Name to each process of xdist the file that the first one makes once it has collected."""
    if not COMPILED:
        node.workerinput["collected"] = str(Path(_shared_folder().name, "collected"))


@cache
def _shared_folder() -> TemporaryDirectory[str]:
    return TemporaryDirectory(prefix="collected-")


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Any:
    """Let the first process compile and collect before the others, which would do the same work."""
    given = getattr(session.config, "workerinput", {})
    if "collected" not in given:
        return (yield)
    collected = Path(given["collected"])
    end = monotonic() + LONGEST_COLLECTION
    while given["workerid"] != "gw0" and not collected.exists() and monotonic() < end:
        sleep(0.1)
    try:
        return (yield)
    finally:
        collected.touch()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Any:
    """Fail a test that starts a process and has no mark that says so."""
    with _no_processes(item):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Any:
    """Do the same for the test itself, but not when fixtures of several tests end."""
    with _no_processes(item):
        return (yield)


@contextmanager
def _no_processes(item: pytest.Item) -> Generator[None]:
    with pytest.MonkeyPatch.context() as patch:
        if not any(item.get_closest_marker(name) for name in MAY_START_PROCESSES):
            patch.setattr(subprocess.Popen, "__init__", _refuse)
            patch.setattr(os, "fork", _refuse, raising=False)
        yield


def _refuse(*_arguments: Any, **_options: Any) -> NoReturn:
    """Refuse to start a process.

    Raises:
        AssertionError: always.
    """
    raise AssertionError(f"mark this test `processes`: {os.environ.get('PYTEST_CURRENT_TEST')}")
