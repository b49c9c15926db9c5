"""`python -m self_tests.baseline_trials`: is a new fault red beside thirty known ones?

A mock has thirty faults at a time, all of which the baseline knows. Each trial adds another one by
random choice, and passes if a run has a finding that the baseline doesn't know. Before that, runs
with the thirty alone fill the baseline; the last of them counts the findings that a run with
another seed adds, which would be false alarms.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import sys
import tempfile
import time
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, NoReturn

import httpx
import pytest
from _pytest.main import pytest_runtestloop as run_collected
from attrs import field, frozen

from self_tests.mutation.all_mutants import all_mutants
from self_tests.mutation.fault_layer import MutatedServer
from self_tests.mutation.runner import KEYS, ROOT, TrialRunner, outcome_path
from wanflow.catalog.catalog import packaged_catalog
from wanflow_contract.checks.check import NOT_JUDGED
from wanflow_contract.support import target_options
from wanflow_contract.support.unavailable import tls_context

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from self_tests.mutation.fault_layer import Layer, MutableRequest, MutableResponse
    from self_tests.mutation.mutant import Mutant


KNOWN_FAULTS = 30
_TASK_TIMEOUT = 4.0
_UNUSABLE = (TypeError, ValueError, LookupError, AttributeError)


@frozen
class Stack:
    """The mock with several faults; only the last one may be in the spec."""

    name: str
    faults: tuple[Mutant, ...] = field(repr=False)
    kind: str = "stack"

    def document(self) -> Any:
        """Return the spec of the server, None for the right one."""
        return self.faults[-1].document()

    @contextmanager
    def opened(self) -> Iterator[MutatedServer]:
        """Serve it, as a context manager."""
        stack: Any = self  # it stands in for a mutant
        options = {name: one for fault in self.faults for name, one in fault.options.items()}
        with MutatedServer(stack, **{"polls": 2, **options}) as server:
            for fault in self.faults:
                if fault.tamper is not None:
                    fault.tamper(server)
            yield server

    async def act(self, call: MutableRequest, layer: Layer) -> MutableResponse:
        """Handle a request with every fault that applies; one that can't handle it is skipped."""
        faults = [one for one in self.faults if one.where(call)]
        response: MutableResponse | None = None
        for fault in faults:
            with contextlib.suppress(*_UNUSABLE):
                if response is None and fault.before is not None:
                    response = fault.before(call, layer.state.setdefault(fault.name, {}))
        if response is None:
            response = await layer.forward(call)
        for fault in faults:
            was = (response.status, response.content, tuple(response.headers))
            with contextlib.suppress(*_UNUSABLE):
                if fault.after is not None:
                    fault.after(call, response, layer.state.setdefault(fault.name, {}))
            now = (response.status, response.content, tuple(response.headers))
            shows = was != now or fault.before is not None or fault.edit is not None
            layer.triggered += fault is self.faults[-1] and shows
        return response


def serves_every_model(stack: Stack) -> bool:
    """Return whether each model still generates something: else nothing else can be found."""
    headers = {"Authorization": f"Bearer {next(iter(KEYS.values()))}"}
    with stack.opened() as server, httpx.Client(base_url=server.base_url, headers=headers) as http:
        return all(_generates(http, model) for model in packaged_catalog().models.values())


def _generates(http: httpx.Client, model: Any) -> bool:
    with contextlib.suppress(*_UNUSABLE, httpx.HTTPError):
        made = http.post(model.path.removeprefix("/v1/") and model.path, json=model.example).json()
        for _ in range(4):
            seen = http.get(f"/v1/tasks/{made['id']}").json()
        return bool(seen["status"] == "completed" and seen["results"])
    return False


def choose_stack(random: Random) -> Stack:
    """Choose thirty faults by chance, with which every model still generates something."""
    candidates = [one for one in all_mutants().values() if one.edit is None and not one.options]
    random.shuffle(candidates)
    chosen: list[Mutant] = []
    for one in candidates:
        if len(chosen) < KNOWN_FAULTS and serves_every_model(Stack("", (*chosen, one))):
            chosen.append(one)
    assert len(chosen) == KNOWN_FAULTS
    return Stack("thirty known faults", tuple(chosen))


class StackRunner(TrialRunner):
    """Run the collected tests for each stack, and write the keys of its findings into a file.

    A stack whose name is in `accepting` has every finding accepted; others stop at the first one
    that is not known.
    """

    def __init__(
        self, stacks: Sequence[Any], jobs: int, into: Path, known: set[str], accepting: bool
    ) -> None:
        super().__init__(stacks, jobs, into, {})
        self._known, self._accepting = known, accepting

    def _be_child(self, session: pytest.Session, mutant: Any) -> NoReturn:
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 2)
        begun = time.monotonic()
        try:
            reporting: Any = session.config.pluginmanager.get_plugin("contract-reporting")
            known, accepting = self._known, self._accepting
            reporting.recorder.is_known = lambda one: accepting or one.id in known
            with mutant.opened() as server:
                session.config.option.base_url = server.base_url
                with contextlib.suppress(session.Failed, session.Interrupted):
                    run_collected(session)
            found = {
                "findings": {
                    one.id: [one.check, one.operation, one.pointer, one.shape, one.detail]
                    for one in reporting.recorder.of_kind("new", "known")
                },
                "new": [one.id for one in reporting.recorder.of_kind("new")],
                "skipped": {
                    one.name: one.reason
                    for one in reporting.tests
                    if one.reason.startswith(NOT_JUDGED)
                },
                "tests": len(reporting.tests),
                "triggered": server.layer.triggered,
                "errors": [f"{one.test}: {one.text[-600:]}" for one in reporting.errors],
                "seconds": round(time.monotonic() - begun),
            }
            outcome_path(self._into, mutant.name).write_text(json.dumps(found))
        finally:
            os._exit(0)


def run_stacks(
    stacks: Sequence[Stack], seed: int, jobs: int, known: set[str], *, accepting: bool = False
) -> list[dict[str, Any]]:
    """Test stacks, and return what was found in each."""
    os.environ.update(KEYS)
    with tempfile.TemporaryDirectory() as folder:
        into = Path(folder)
        runner = StackRunner(stacks, jobs, into, known, accepting)
        options = ["-q", "-m", "fast", "-p", "no:cacheprovider", "--tb=no", "--no-replay"]
        options += ["--strict-notes"]  # a note is a deviation here, too
        aimed = ["--base-url", "http://stack.invalid", "--known-idempotent", "--seed", str(seed)]
        ignored = ["-W", "ignore::pytest.PytestAssertRewriteWarning"]
        with contextlib.redirect_stdout(io.StringIO()) as output:
            suite = str(ROOT / "contract_tests/wanflow_contract")
            stop = [] if accepting else ["-x"]
            pytest.main([suite, *aimed, *options, *ignored, *stop], plugins=[runner])
        paths = [outcome_path(into, one.name) for one in stacks]
        if not all(path.exists() for path in paths):
            raise RuntimeError(f"a run has no result: {output.getvalue()[-2000:]}")
        return [json.loads(path.read_text()) for path in paths]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; return 1 if a new fault is hidden."""
    parser = argparse.ArgumentParser(prog="self_tests.baseline_trials", description=__doc__)
    parser.add_argument("--stacks", type=int, default=3, help="how many sets of known faults")
    parser.add_argument("--trials", type=int, default=30, help="how many new faults in all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2, help="concurrent processes")
    chosen = parser.parse_args(arguments)
    for name in ("httpcore", "h11", "wanflow.mock.http.server", "wanflow.client"):
        import_module(name)
    tls_context()
    target_options.MOCK_TIMEOUT = _TASK_TIMEOUT
    red = sum(_trials(chosen, number) for number in range(chosen.stacks))
    wanted = chosen.trials // chosen.stacks * chosen.stacks
    _print(f"red: {red} of {wanted} trials")
    return int(red < wanted)


def _trials(chosen: argparse.Namespace, number: int) -> int:
    """Run the trials of one stack, and return how many were red."""
    random = Random(chosen.seed * 1000 + number)
    stack = choose_stack(random)
    _print(f"stack {number}: {', '.join(one.name for one in stack.faults)}")
    known = _fill_baseline(stack, chosen.seed, chosen.jobs)
    others = [one for one in all_mutants().values() if one not in stack.faults]
    random.shuffle(others)
    red = judged = 0
    wanted = chosen.trials // chosen.stacks
    while judged < wanted:
        added = [others.pop() for _ in range(wanted - judged)]
        stacks = [Stack(one.name, (*stack.faults, one)) for one in added]
        found = run_stacks(stacks, chosen.seed, chosen.jobs, known)
        for fault, one in zip(added, found, strict=True):
            _print(f"  {fault.name}: {_described(one)} ({one['tests']} tests, {one['seconds']} s)")
            red += bool(one["new"])
            judged += bool(one["new"] or one["triggered"])
    return red


def _described(found: dict[str, Any]) -> str:
    if found["new"]:
        return str(found["findings"][found["new"][0]])
    return "HIDDEN" if found["triggered"] else "no trial: the other faults leave nothing of it"


def _fill_baseline(stack: Stack, seed: int, jobs: int) -> set[str]:
    """Return the ids of all findings of a stack with two seeds; print what the second added."""
    first = run_stacks([stack], seed + 1, jobs, set(), accepting=True)[0]
    again = run_stacks([stack], seed, jobs, set(), accepting=True)[0]
    more = again["findings"].keys() - first["findings"].keys()
    _print(
        f"  {len(first['findings'])} known deviations; another seed adds {len(more)}; "
        f"{len(again['skipped'])} of {again['tests']} tests are not judged; {again['seconds']} s"
    )
    for one in more:
        _print(f"    added: {again['findings'][one]}")
    for name, reason in again["skipped"].items():
        _print(f"    not judged: {name}: {reason}")
    for text in again["errors"]:
        _print(f"    error: {text}")
    return {*first["findings"], *again["findings"]}


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
