"""A run of the suite in its own process: pytest, with the exit codes of `wanflow contract`."""

from __future__ import annotations

import gc
import os
import signal
import sys
import traceback
from typing import TYPE_CHECKING, Any

import pytest
from attrs import define

from wanflow_contract.command.exit_codes import INTERRUPTED, ExitCode
from wanflow_contract.command.interrupts import ending_with, interrupts

if TYPE_CHECKING:
    from collections.abc import Sequence


@define(eq=False)
class SessionEnd:
    """A pytest plugin that records why a session ended.

    pytest uses the codes 2, 4 and 5 for other things than the suite does.
    """

    config: pytest.Config | None = None
    session: pytest.Session | None = None
    interrupted: bool = False

    def pytest_configure(self, config: pytest.Config) -> None:
        """Keep the configuration."""
        self.config = config

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Keep the session."""
        self.session = session

    @pytest.hookimpl(tryfirst=True)
    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Record Ctrl-C, and let the session end soon; `pytest.exit` calls this, too.

        pytest parses the source of each frame of the traceback, of which it shows the last line,
        and collects garbage ten times: with all tests in memory, both take seconds.
        """
        self.interrupted = excinfo.errisinstance(KeyboardInterrupt)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # what follows writes the report
        excinfo.traceback = excinfo.traceback[-1:]
        excinfo.value.__suppress_context__ = True
        gc.freeze()
        if self.config is not None:
            _end_workers_soon(self.config)

    def exit_code(self, code: int) -> int:
        """Return the exit code for the one that pytest returned."""
        if self.interrupted:
            return INTERRUPTED
        if self.config is None or self.session is None:
            return ExitCode.USAGE
        reporting: Any = self.config.pluginmanager.get_plugin("contract-reporting")
        if reporting.not_tested:
            return ExitCode.NOT_TESTED
        if not self.session.testscollected:
            return ExitCode.USAGE if code != pytest.ExitCode.INTERRUPTED else ExitCode.SUITE_ERROR
        return _OTHER_MEANINGS.get(code, code)


def _end_workers_soon(config: pytest.Config) -> None:
    """Let xdist wait less for its processes, which go on with all tests that they were given.

    What each test found has been passed on with it.
    """
    distributing: Any = config.pluginmanager.get_plugin("dsession")
    if distributing is not None and distributing.nodemanager is not None:
        distributing.nodemanager.EXIT_TIMEOUT = _LONGEST_END


_LONGEST_END = 1.0
"""Seconds; a request that is in flight usually takes less."""
_OTHER_MEANINGS: dict[int, int] = {
    pytest.ExitCode.INTERRUPTED: ExitCode.SUITE_ERROR,  # after errors of the collection
    pytest.ExitCode.USAGE_ERROR: ExitCode.USAGE,
}


def main(arguments: Sequence[str]) -> int:
    """Run pytest, and return the exit code of the run; the parent's process id comes first."""
    parent, *given = arguments
    end = SessionEnd()
    try:
        with interrupts(), ending_with(int(parent)):
            return end.exit_code(int(pytest.main(given, plugins=[end])))
    except Exception:  # such as an output that is closed; Python would end with 1, as for findings
        traceback.print_exc()
        return ExitCode.SUITE_ERROR


if __name__ == "__main__":
    ended = main(sys.argv[1:])
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # Python flushes it once more
    if ended == INTERRUPTED:
        os._exit(ended)  # without freeing all tests, which takes seconds
    sys.exit(ended)
