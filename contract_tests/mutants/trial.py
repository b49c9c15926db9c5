"""One trial: the suite against one mutant, in a process of its own, up to the first finding."""

from __future__ import annotations

import contextlib
import io
import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from attrs import asdict, frozen
from contract_tests.laws.law import LawBroken
from contract_tests.mutants.layer import MutatedServer

if TYPE_CHECKING:
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

    def pytest_sessionfinish(self) -> None:
        """Note how much a survivor took."""
        if not self.killer:
            self.requests = self._layer.requests
            self.seconds = round(time.monotonic() - self._begun, 2)


def trial(mutant: Mutant, seed: int, marks: str = "fast") -> Outcome:
    """Run the suite against a mutant."""
    os.environ.update(KEYS)
    with MutatedServer(mutant, looks=2) as server:
        layer = server.layer
        notes = Notes(layer)
        options = ["-x", "-q", "-m", marks, "--base-url", server.base_url, "--seed", str(seed)]
        plugins = ["-p", "no:cacheprovider", "--known-idempotent", "--tb=no", "-W", _IMPORTED]
        with contextlib.redirect_stdout(io.StringIO()):
            pytest.main([str(ROOT / "contract_tests/laws"), *options, *plugins], plugins=[notes])
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


def in_child(mutant: Mutant, seed: int, into: Path) -> int:
    """Fork a process for a trial, which writes its outcome to a file; return the process id."""
    child = os.fork()
    if child:
        return child
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 2)
    try:
        into.write_text(json.dumps(asdict(trial(mutant, seed))))
    finally:
        os._exit(0)


def _law(error: BaseException) -> str:
    if isinstance(error, LawBroken):
        return error.law.name
    inner = [*getattr(error, "exceptions", ()), error.__cause__, error.__context__]
    return next((found for one in inner if one is not None and (found := _law(one))), "")
