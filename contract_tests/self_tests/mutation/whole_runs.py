"""`python -m self_tests.mutation.whole_runs`: how many findings and causes one fault makes.

Each mutant is tested by all tests marked `fast`, not only up to the first finding. `--into` keeps
each result as a file, which the reports can be rendered from.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, NoReturn

import pytest
from _pytest.main import pytest_runtestloop as run_collected

from self_tests.mutation.all_mutants import all_mutants
from self_tests.mutation.runner import KEYS, ROOT, Subject, TrialRunner
from wanflow_contract.findings.causes import causes_of
from wanflow_contract.report.result import read_result, write_result
from wanflow_contract.support.unavailable import tls_context

if TYPE_CHECKING:
    from collections.abc import Sequence


SAMPLE = (
    *("submit-200-201", "submit-400-500", "query-404-200", "any-401-200", "no-content-type"),
    *("code-as-fraction", "error-as-text", "numbers-as-texts", "task-without-status"),
    *("long-prompt-costs-more", "no-scheme", "foreign-id", "created-in-milliseconds"),
    *("one-id-a-second", "done-with-empty-results", "failed-with-results", "not-found-at-first"),
    *("one-result-too-many", "dead-links", "negative-credits", "unknown-rule"),
    "wan2.5-image-to-image-prompt-maxLength-removed",
    "wan2.5-image-to-video-duration-without-last",
    "wan2.5-image-to-video-image_urls-maxItems-removed",
    "wan2.5-text-to-image-size-x-wanflow-pixel-size-removed",
    "wan2.5-text-to-image-prompt_extend-any-type",
    "wan2.5-text-to-video-aspect_ratio-quality-moved",
    "wan2.6-image-to-video-prompt_extend-required",
    "createVideoGeneration-usage-null",
    "getTaskDetail-progress-null",
)
"""Mutants of every class whose faults show in few and in many places."""


class WholeRuns(TrialRunner):
    """Run all collected tests for each mutant, and write the result of each into a file."""

    def __init__(
        self, mutants: Sequence[Subject], jobs: int, into: Path, seconds: float, plugin: str
    ) -> None:
        super().__init__(mutants, jobs, into, {})
        self._seconds, self._plugin = seconds, plugin

    def _be_child(self, session: pytest.Session, mutant: Subject) -> NoReturn:
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 2)
        try:
            with mutant.opened() as server:
                session.config.option.base_url = server.base_url
                session.config.pluginmanager.register(_TimeLimit(session, self._seconds))
                with contextlib.suppress(session.Failed, session.Interrupted):
                    run_collected(session)
                with contextlib.suppress(Exception):
                    session._setupstate.teardown_exact(None)
            reporting: Any = session.config.pluginmanager.get_plugin(self._plugin)
            write_result(reporting.result(1), self._into / f"{mutant.name}.json")
        finally:
            os._exit(0)


class _TimeLimit:
    """Stops a run after some seconds, between two tests."""

    def __init__(self, session: pytest.Session, seconds: float) -> None:
        self._session, self._until = session, time.monotonic() + seconds

    def pytest_runtest_logfinish(self) -> None:
        if time.monotonic() > self._until:
            self._session.shouldstop = "time is up"


def run_whole(mutants: Sequence[Subject], jobs: int, into: Path, seconds: float) -> None:
    """Test mutants, and write the result of each into a directory.

    Args:
        mutants: the mutants.
        jobs: how many to test concurrently.
        into: the directory.
        seconds: after how long a run ends.
    """
    os.environ.update(KEYS)
    for name in ("httpcore", "h11", "wanflow.mock.http.server", "wanflow.client"):
        import_module(name)
    tls_context()
    options = ["-q", "-m", "fast", "-p", "no:cacheprovider", "--tb=no", "--no-replay"]
    aimed = ["--base-url", "http://mutant.invalid", "--known-idempotent", "--seed", "1"]
    ignored = ["-W", "ignore::pytest.PytestAssertRewriteWarning"]
    runs = WholeRuns(mutants, jobs, into, seconds, "contract-reporting")
    with contextlib.redirect_stdout(io.StringIO()) as output:
        suite = str(ROOT / "contract_tests/wanflow_contract")
        pytest.main([suite, *aimed, *options, *ignored], plugins=[runs])
    if missing := [one.name for one in mutants if not (into / f"{one.name}.json").exists()]:
        raise RuntimeError(f"no result of {missing}: {output.getvalue()[-2000:]}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, and print the numbers for each mutant."""
    parser = argparse.ArgumentParser(prog="self_tests.mutation.whole_runs", description=__doc__)
    parser.add_argument("names", nargs="*", help="names of mutants; default: a sample of 30")
    parser.add_argument("--jobs", type=int, default=1, help="concurrent processes")
    parser.add_argument("--seconds", type=float, default=120, help="time limit for each mutant")
    parser.add_argument("--into", type=Path, help="directory for the results")
    parser.add_argument("--read", action="store_true", help="only read the results again")
    chosen = parser.parse_args(arguments)
    names = chosen.names or SAMPLE
    with tempfile.TemporaryDirectory() as folder:
        into = chosen.into or Path(folder)
        into.mkdir(parents=True, exist_ok=True)
        if not chosen.read:
            run_whole([all_mutants()[name] for name in names], chosen.jobs, into, chosen.seconds)
        _print_numbers([(name, into / f"{name}.json") for name in names])
    return 0


def _print_numbers(results: list[tuple[str, Path]]) -> None:
    numbers = list[tuple[int, int, int]]()
    for name, path in results:
        result = read_result(path)
        failed = result.outcomes().get("failed", 0)
        numbers.append((failed, len(result.new), len(causes_of(result.new))))
        sys.stdout.write("{:4} failed tests {:4} findings {:4} causes".format(*numbers[-1]))
        sys.stdout.write(f"  {name}\n")
    for title, index in (("failed tests", 0), ("findings", 1), ("causes", 2)):
        column = [one[index] for one in numbers]
        sys.stdout.write(f"{title}: median {median(column):g}, most {max(column)}\n")


if __name__ == "__main__":
    sys.exit(main())
