"""Trials: the suite, collected once, against each mutant in a process of its own."""

from __future__ import annotations

import contextlib
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

from wanflow_contract.checks.check import LawBroken
from wanflow_contract.support.http_client import trusted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager

ROOT = Path(__file__).resolve().parents[3]
KEYS = {
    "WANFLOW_CONTRACT_API_KEY": "mutant-key-of-the-first",
    "WANFLOW_CONTRACT_API_KEY2": "mutant-key-of-the-second",
}

# What each child would import again: servers and clients open without it.
_NEEDED = ("httpcore", "h11", "wanflow.mock.http.server", "wanflow.client")
# What is tried is imported by now, for a trial to begin at once.
_IMPORTED = "ignore::pytest.PytestAssertRewriteWarning"


class Subject(Protocol):
    """What is tried: `opened()` serves it; `layer` counts requests, and where a fault struck."""

    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str: ...
    def opened(self) -> AbstractContextManager[Any]: ...


@frozen
class Outcome:
    """What became of a mutant: who killed it ('' for a survivor), after how much.

    `test` is the id of the test that did.
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


class Notes:
    """A plugin of pytest that notes the first finding, and when it was made."""

    def __init__(self, layer: Any) -> None:
        self._layer, self._begun, self._used = layer, time.monotonic(), time.process_time()
        self.cpu = 0.0
        self.killer, self.test, self.requests, self.seconds = "", "", 0, 0.0

    def pytest_runtest_makereport(self, item: Any, call: Any) -> None:
        """Note what failed first."""
        if call.excinfo is None or self.killer or call.excinfo.errisinstance(pytest.skip.Exception):
            return
        self.killer = _law(call.excinfo.value) or f"({type(call.excinfo.value).__name__})"
        self.test = item.nodeid
        self._count()

    def finish(self) -> None:
        """Note how much a survivor took."""
        if not self.killer:
            self._count()

    def _count(self) -> None:
        self.requests = self._layer.requests
        self.seconds = round(time.monotonic() - self._begun, 2)
        self.cpu = round(time.process_time() - self._used, 2)


class Trials:
    """A plugin of pytest that runs what was collected once for each mutant, in children.

    `into` is the folder that each child writes its outcome to; `first` has the ids of the tests
    that are run before all others, by the name of the mutant.
    """

    def __init__(
        self, mutants: Sequence[Subject], jobs: int, into: Path, first: Mapping[str, str]
    ) -> None:
        self._mutants, self._jobs, self._into, self._first = mutants, jobs, into, first
        self._running: set[int] = set()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Fork a child for each mutant, a few at a time; none of the tests runs here."""
        for number, mutant in enumerate(self._mutants):
            if len(self._running) >= self._jobs:
                self._running.discard(os.wait()[0])
            child = os.fork()
            if not child:
                self._be_child(session, mutant, number)
            self._running.add(child)
        while self._running:
            self._running.discard(os.wait()[0])
        return True

    def _be_child(self, session: pytest.Session, mutant: Subject, number: int) -> NoReturn:
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 2)
        first = self._first.get(mutant.name)
        session.items.sort(key=lambda item: item.nodeid != first)
        try:
            outcome = _trial(session, mutant)
            (self._into / f"{number}.json").write_text(json.dumps(asdict(outcome)))
        finally:
            os._exit(0)


def _trial(session: pytest.Session, mutant: Subject) -> Outcome:
    """Run what was collected against a mutant, up to the first finding."""
    with mutant.opened() as server:
        layer = server.layer
        notes = Notes(layer)
        session.config.option.base_url = server.base_url
        session.config.pluginmanager.register(notes)
        with contextlib.suppress(session.Failed, session.Interrupted):
            run_collected(session)
        notes.finish()
    return Outcome(
        mutant.name,
        mutant.kind,
        notes.killer,
        layer.reached,
        layer.triggered,
        notes.requests,
        notes.seconds,
        notes.test,
        notes.cpu,
    )


def tried(
    mutants: Sequence[Subject],
    seed: int,
    jobs: int,
    marks: str = "fast",
    first: Mapping[str, str] | None = None,
    more: Sequence[str] = (),
) -> list[Outcome]:
    """Try mutants and return their outcomes in the same order.

    Args:
        mutants: what to try.
        seed: what chance begins with.
        jobs: how many to try at a time.
        marks: which laws.
        first: the id of the test to run first, by mutant.
        more: further options of the suite.

    Raises:
        RuntimeError: a trial came to no outcome.
    """
    os.environ.update(KEYS)
    for name in _NEEDED:
        import_module(name)
    trusted()
    laws, elsewhere = str(ROOT / "contract_tests/wanflow_contract"), "http://mutant.invalid"
    aimed = ["--base-url", elsewhere, "--known-idempotent", "--no-replay", "--seed", str(seed)]
    options = ["-x", "-q", "-m", marks, "-p", "no:cacheprovider", "--tb=no", "-W", _IMPORTED]
    with tempfile.TemporaryDirectory() as folder:
        trials = Trials(mutants, jobs, Path(folder), first or {})
        with contextlib.redirect_stdout(io.StringIO()) as told:
            pytest.main([laws, *aimed, *options, *more], plugins=[trials])
        paths = [Path(folder) / f"{number}.json" for number in range(len(mutants))]
        missing = [one.name for one, path in zip(mutants, paths, strict=True) if not path.exists()]
        if missing:
            raise RuntimeError(f"no outcome of {missing}: {told.getvalue()[-2000:]}")
        return [Outcome(**json.loads(path.read_text())) for path in paths]


def _law(error: BaseException) -> str:
    if isinstance(error, LawBroken):
        return error.law.name
    inner = [*getattr(error, "exceptions", ()), error.__cause__, error.__context__]
    return next((found for one in inner if one is not None and (found := _law(one))), "")
