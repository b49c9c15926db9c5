"""Which tests take the most CPU time: a pytest plugin for `make test-times`.

CPU time, unlike time, is the same on a busy machine. A child counts once it has ended, for the test
that waited for it, and a fixture for the first test that uses it.
"""

from __future__ import annotations

from collections import Counter
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator

SHOWN = 25
_PROPERTY = "CPU seconds"
_last = 0.0


def cpu_seconds() -> float:
    """Return the CPU time of this process and of its children that have ended."""
    used = [getrusage(who) for who in (RUSAGE_SELF, RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol() -> None:
    """Begin to count."""
    global _last  # noqa: PLW0603 - hooks of a module share nothing else
    _last = cpu_seconds()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, Any, Any]:
    """Add the CPU time of a phase to its report, which each worker sends."""
    global _last
    report = yield
    begun, _last = _last, cpu_seconds()
    report.user_properties.append((_PROPERTY, _last - begun))
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """List directories, files and tests with their seconds, the most expensive first."""
    reports = [one for found in terminalreporter.stats.values() for one in found]
    for title, group in (("directories", _directory), ("files", _file), ("tests", _test)):
        seconds: Counter[str] = Counter()
        for report in reports:
            used = [
                value for name, value in getattr(report, "user_properties", ()) if name == _PROPERTY
            ]
            if used:
                seconds[group(report.nodeid)] += sum(used)
        terminalreporter.section(f"CPU seconds: {seconds.total():.0f}, by {title}")
        for name, value in seconds.most_common(SHOWN):
            terminalreporter.line(f"{value:8.2f}  {name}")


def _file(test: str) -> str:
    return test.partition("::")[0]


def _directory(test: str) -> str:
    return _file(test).rpartition("/")[0]


def _test(test: str) -> str:
    """Return the name of a test without its parameters."""
    return test.partition("[")[0]
