"""Run the suite, collected once, against each mutant in its own process."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import tempfile
import time
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

import pytest
from _pytest.main import pytest_runtestloop as run_collected
from attrs import asdict, frozen

from wanflow_contract.checks.check import CheckFailed
from wanflow_contract.plan.order import step_of
from wanflow_contract.support.unavailable import tls_context

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager

ROOT = Path(__file__).resolve().parents[3]
KEYS = {
    "WANFLOW_CONTRACT_API_KEY": "mutant-key-of-the-first",
    "WANFLOW_CONTRACT_API_KEY2": "mutant-key-of-the-second",
}

# Imported before forking, so that no child imports them again.
_NEEDED = ("httpcore", "h11", "wanflow.mock.http.server", "wanflow.client")
REQUEST_TIMEOUT = 60.0
"""Seconds that a response may take: on a busy machine, a right server needs more than usual."""
# The modules under test are imported already.
_IMPORTED = "ignore::pytest.PytestAssertRewriteWarning"


class Subject(Protocol):
    """What is tested: `opened()` serves it; its `layer` counts requests and triggered faults."""

    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str: ...
    def opened(self) -> AbstractContextManager[Any]: ...


@frozen
class Outcome:
    """The outcome of a mutant: the check that killed it ('' for a survivor), and the effort.

    `test` is the id of the test that killed it, `last` its duration in seconds; `free` is whether
    that test costs a right server's account nothing.
    """

    name: str
    kind: str
    killer: str
    reached: int
    triggered: int
    requests: int
    seconds: float
    test: str = ""
    cpu: float = 0.0
    last: float = 0.0
    free: bool = False


class FirstFailure:
    """A pytest plugin that records the first finding and when it was made."""

    def __init__(self, layer: Any) -> None:
        self._layer, self._begun, self._used = layer, time.monotonic(), time.process_time()
        self.cpu = 0.0
        self.killer, self.test, self.requests, self.seconds = "", "", 0, 0.0
        self.last, self.free = 0.0, False

    def pytest_runtest_makereport(self, item: Any, call: Any) -> None:
        """Record the first failure."""
        if call.excinfo is None or self.killer or call.excinfo.errisinstance(pytest.skip.Exception):
            return
        self.killer = _failed_check(call.excinfo.value) or f"({type(call.excinfo.value).__name__})"
        self.test = item.nodeid
        self.last = round(call.duration, 2)
        self.free = not step_of(item).tasks
        self._count()

    def finish(self) -> None:
        """Record the effort for a survivor."""
        if not self.killer:
            self._count()

    def _count(self) -> None:
        self.requests = self._layer.requests
        self.seconds = round(time.monotonic() - self._begun, 2)
        self.cpu = round(time.process_time() - self._used, 2)


def outcome_path(folder: Path, name: str) -> Path:
    """Return where the outcome of a mutant is kept: by its name, as its place may change."""
    return folder / f"{hashlib.sha256(name.encode()).hexdigest()[:16]}.json"


class TrialRunner:
    """A pytest plugin that runs the collected tests for each mutant in a child process.

    Each child writes its outcome into the directory `into`; those already there aren't run. `first`
    has the id of the test to run first, by the name of the mutant; with `alone`, no other test is
    run.
    """

    def __init__(
        self,
        mutants: Sequence[Subject],
        jobs: int,
        into: Path,
        first: Mapping[str, str],
        *,
        alone: bool = False,
    ) -> None:
        self._mutants, self._jobs, self._into, self._first = mutants, jobs, into, first
        self._alone = alone
        self._running: set[int] = set()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Fork a child for each mutant, a few at a time; no test runs in this process."""
        for mutant in self._mutants:
            if outcome_path(self._into, mutant.name).exists():
                continue
            if len(self._running) >= self._jobs:
                self._running.discard(os.wait()[0])
            child = os.fork()
            if not child:
                self._be_child(session, mutant)
            self._running.add(child)
        while self._running:
            self._running.discard(os.wait()[0])
        return True

    def _be_child(self, session: pytest.Session, mutant: Subject) -> NoReturn:
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 2)
        first = self._first.get(mutant.name)
        session.items.sort(key=lambda item: item.nodeid != first)
        if self._alone:
            del session.items[1:]
        try:
            outcome = _trial(session, mutant)
            path = outcome_path(self._into, mutant.name)
            part = path.with_suffix(".part")
            part.write_text(json.dumps(asdict(outcome)))
            part.replace(path)
        finally:
            os._exit(0)


def _trial(session: pytest.Session, mutant: Subject) -> Outcome:
    """Run the collected tests against a mutant, up to the first finding."""
    with mutant.opened() as server:
        layer = server.layer
        first_failure = FirstFailure(layer)
        session.config.option.base_url = server.base_url
        session.config.pluginmanager.register(first_failure)
        with contextlib.suppress(session.Failed, session.Interrupted):
            run_collected(session)
        first_failure.finish()
    return Outcome(
        mutant.name,
        mutant.kind,
        first_failure.killer,
        layer.reached,
        layer.triggered,
        first_failure.requests,
        first_failure.seconds,
        first_failure.test,
        first_failure.cpu,
        first_failure.last,
        first_failure.free,
    )


def run_trials(
    mutants: Sequence[Subject],
    seed: int,
    jobs: int,
    marks: str = "fast",
    first: Mapping[str, str] | None = None,
    more: Sequence[str] = (),
    *,
    strict: bool = True,
    alone: bool = False,
    into: Path | None = None,
) -> list[Outcome]:
    """Test mutants and return their outcomes in the same order.

    Args:
        mutants: the mutants.
        seed: the random seed.
        jobs: how many to test concurrently.
        marks: which tests, as a mark expression.
        first: the id of the test to run first, by mutant.
        more: further options of the suite.
        strict: whether a note counts as a failure.
        alone: whether to run the first test only.
        into: a directory for the outcomes; a run that was stopped goes on with it.

    Raises:
        RuntimeError: a mutant has no outcome.
    """
    os.environ.update(KEYS)
    for name in _NEEDED:
        import_module(name)
    tls_context()
    suite, no_server = str(ROOT / "contract_tests/wanflow_contract"), "http://mutant.invalid"
    aimed = ["--base-url", no_server, "--known-idempotent", "--no-replay", "--seed", str(seed)]
    patient = ["--request-timeout", str(REQUEST_TIMEOUT)]
    options = ["-x", "-q", "-m", marks, "-p", "no:cacheprovider", "--tb=no", "-W", _IMPORTED]
    with tempfile.TemporaryDirectory() as folder:
        outcomes = into or Path(folder)
        outcomes.mkdir(parents=True, exist_ok=True)
        trials = TrialRunner(mutants, jobs, outcomes, first or {}, alone=alone)
        with contextlib.redirect_stdout(io.StringIO()) as output:
            notes = ["--strict-notes"] if strict else []
            pytest.main([suite, *aimed, *patient, *options, *notes, *more], plugins=[trials])
        paths = [outcome_path(outcomes, one.name) for one in mutants]
        missing = [one.name for one, path in zip(mutants, paths, strict=True) if not path.exists()]
        if missing:
            raise RuntimeError(f"no outcome of {missing}: {output.getvalue()[-2000:]}")
        return [Outcome(**json.loads(path.read_text())) for path in paths]


def _failed_check(error: BaseException) -> str:
    if isinstance(error, CheckFailed):
        return error.check.name
    inner = [*getattr(error, "exceptions", ()), error.__cause__, error.__context__]
    return next((found for one in inner if one is not None and (found := _failed_check(one))), "")
