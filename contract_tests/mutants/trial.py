"""Trials: the suite, collected once, against each mutant in a process of its own."""

from __future__ import annotations

import contextlib
import io
import json
import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest
from _pytest.main import pytest_runtestloop as run_collected
from attrs import asdict, frozen
from contract_tests.laws.law import LawBroken
from contract_tests.mutants.layer import MutatedServer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from contract_tests.mutants.mutant import Mutant

ROOT = Path(__file__).resolve().parents[2]
KEYS = {
    "WANFLOW_CONTRACT_API_KEY": "mutant-key-of-the-first",
    "WANFLOW_CONTRACT_API_KEY2": "mutant-key-of-the-second",
}

# What is tried is imported by now, for a trial to begin at once.
_IMPORTED = "ignore::pytest.PytestAssertRewriteWarning"


@frozen
class Outcome:
    """What became of a mutant: who killed it ('' for a survivor), after how much."""

    name: str
    kind: str
    killer: str
    reached: int
    triggered: int
    requests: int
    seconds: float
    test: str = ""


class Notes:
    """A plugin of pytest that notes the first finding, and when it was made."""

    def __init__(self, layer: Any) -> None:
        self._layer, self._begun = layer, time.monotonic()
        self.killer, self.test, self.requests, self.seconds = "", "", 0, 0.0

    def pytest_runtest_makereport(self, item: Any, call: Any) -> None:
        """Note what failed first."""
        if call.excinfo is None or self.killer or call.excinfo.errisinstance(pytest.skip.Exception):
            return
        self.killer = _law(call.excinfo.value) or f"({type(call.excinfo.value).__name__})"
        self.test = item.name
        self.requests = self._layer.requests
        self.seconds = round(time.monotonic() - self._begun, 2)

    def finish(self) -> None:
        """Note how much a survivor took."""
        if not self.killer:
            self.requests = self._layer.requests
            self.seconds = round(time.monotonic() - self._begun, 2)


class Trials:
    """A plugin of pytest that runs what was collected once for each mutant, in children.

    `into` is the folder that each child writes its outcome to.
    """

    def __init__(self, mutants: Sequence[Mutant], jobs: int, into: Path) -> None:
        self._mutants, self._jobs, self._into = mutants, jobs, into
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

    def _be_child(self, session: pytest.Session, mutant: Mutant, number: int) -> NoReturn:
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 2)
        try:
            outcome = _trial(session, mutant)
            (self._into / f"{number}.json").write_text(json.dumps(asdict(outcome)))
        finally:
            os._exit(0)


def _trial(session: pytest.Session, mutant: Mutant) -> Outcome:
    """Run what was collected against a mutant, up to the first finding."""
    with MutatedServer(mutant, looks=2, **mutant.options) as server:
        if mutant.tamper is not None:
            mutant.tamper(server)
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
    )


def tried(mutants: Sequence[Mutant], seed: int, jobs: int, marks: str = "fast") -> list[Outcome]:
    """Try mutants and return their outcomes in the same order.

    Raises:
        RuntimeError: a trial came to no outcome.
    """
    os.environ.update(KEYS)
    laws, elsewhere = str(ROOT / "contract_tests/laws"), "http://mutant.invalid"
    aimed = ["--base-url", elsewhere, "--known-idempotent", "--no-replay", "--seed", str(seed)]
    options = ["-x", "-q", "-m", marks, "-p", "no:cacheprovider", "--tb=no", "-W", _IMPORTED]
    with tempfile.TemporaryDirectory() as folder:
        trials = Trials(mutants, jobs, Path(folder))
        with contextlib.redirect_stdout(io.StringIO()) as told:
            pytest.main([laws, *aimed, *options], plugins=[trials])
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
