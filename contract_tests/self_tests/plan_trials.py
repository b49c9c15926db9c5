"""`python -m self_tests.plan_trials --limit 50 --trials 10`: what a run with a limit finds.

Each trial is the mock without its controls, with three random mutants at the same time. Before, the
suite is run on each mutant alone with a high limit. At a small limit each mutant must be found that
a test finds first that costs nothing; at `--all` credits or more each one that was found alone. No
run may be charged more than its limit by the mock's own prices.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import random
import sys
import traceback
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NoReturn

import pytest
from _pytest.main import pytest_runtestloop as run_collected
from attrs import define, field, frozen

from self_tests.mutation.all_mutants import all_mutants
from self_tests.mutation.fault_layer import Layer
from self_tests.mutation.mutant import Mutant
from self_tests.mutation.runner import KEYS, ROOT, Outcome, TrialRunner, outcome_path, run_trials
from wanflow.catalog.catalog import Catalog, packaged_catalog
from wanflow.catalog.document import load_packaged
from wanflow.catalog.validator import RequestValidator
from wanflow.mock import MockServer
from wanflow.mock.http.response import Response
from wanflow_contract.findings.finding import find_failures
from wanflow_contract.support import target_options

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from wanflow.catalog.document import JsonObject
    from wanflow.mock.http.request import Request
    from wanflow_contract.checks.check import CheckFailed

KEY = KEYS["WANFLOW_CONTRACT_API_KEY"]
_HIGH = "1000000000"
_TASK_TIMEOUT = 5.0
_OTHER_KINDS = frozenset({"callbacks", "timing"})


@define(eq=False)
class Watched(Layer):
    """A layer with one fault that remembers which requests the fault concerned."""

    concerned: set[tuple[str, bytes]] = field(factory=set[tuple[str, bytes]])

    async def respond(self, request: Request) -> Response:
        """Handle one exchange with the fault."""
        before = self.triggered
        response = await super().respond(request)
        if self.triggered > before:
            path = request.path.removeprefix(self.base)
            self.concerned.add((path, request.body_bytes or b""))
        return response


@define(eq=False)
class Hidden:
    """The mock's application without its controls."""

    app: Any
    requests: int = 0
    reached: int = 0
    triggered: int = 0

    def __getattr__(self, name: str) -> Any:
        """Stand in for the application."""
        return getattr(self.app, name)

    async def respond(self, request: Request) -> Response:
        """Handle one exchange; there are no controls."""
        if request.path.startswith("/_mock"):
            return Response(404, b"{}", ((b"content-type", b"application/json"),))
        self.requests += 1
        response: Response = await self.app.respond(request)
        return response


class StackServer(MockServer):
    """The mock with several faults around it, one key, and no controls."""

    def __init__(self, mutants: Sequence[Mutant], document: JsonObject | None) -> None:
        more: dict[str, Any] = {} if document is None else {"document": document}
        super().__init__(polls=2, api_key=KEY, **more)
        app: Any = self.app
        self.layers = list[Watched]()
        for mutant in mutants:
            app = Watched(app, self.gateway.api.base, mutant)
            self.layers.append(app)
        self.layer: Any = Hidden(app)
        self.app = self.layer  # it stands in for the application


@frozen
class Stack:
    """A mock with several faults at the same time, without its controls."""

    mutants: tuple[Mutant, ...]
    kind: str = "stacked"

    @property
    def name(self) -> str:
        """The names of the faults."""
        return " + ".join(one.name for one in self.mutants)

    @contextmanager
    def opened(self) -> Iterator[Any]:
        """Serve it, as a context manager."""
        with StackServer(self.mutants, self._document()) as server:
            yield server

    def _document(self) -> JsonObject | None:
        """Return the spec with the faults of all mutants that change it, None if none does."""
        edited = [one for one in self.mutants if one.edit is not None]
        document = load_packaged()
        merged = {**document["components"]["schemas"]}
        for mutant in edited:
            changed = (mutant.document() or document)["components"]["schemas"]
            merged |= {name: one for name, one in changed.items() if one != document_of(name)}
        components = {**document["components"], "schemas": merged}
        return {**document, "components": components} if edited else None


def document_of(name: str) -> JsonObject:
    """Return a schema of the spec."""
    schema: JsonObject = load_packaged()["components"]["schemas"][name]
    return schema


def changed_schemas(mutant: Mutant) -> frozenset[str]:
    """Return the schemas that a mutant changes."""
    if mutant.edit is None:
        return frozenset()
    schemas = (mutant.document() or load_packaged())["components"]["schemas"]
    return frozenset(name for name, one in schemas.items() if one != document_of(name))


def shows(mutant: Mutant, layer: Watched, failure: CheckFailed) -> bool:
    """Return whether the exchanges of a failure concern a mutant."""
    if mutant.edit is None:
        return any((one.path, one.sent) in layer.concerned for one in failure.exchanges)
    true = RequestValidator(packaged_catalog())
    false = RequestValidator(Catalog(mutant.document() or load_packaged()))
    return any(_differs(true, false, one.request_body()) for one in failure.exchanges)


def _differs(true: RequestValidator, false: RequestValidator, body: Any) -> bool:
    model = true.catalog.models.get(str(body.get("model"))) if isinstance(body, dict) else None
    if model is None:
        return isinstance(body, dict) and "model" not in body
    other = false.catalog.models[model.name]
    return bool(true.violations(model, body)) != bool(false.violations(other, body))


class AllFailures:
    """A pytest plugin that collects all failed checks, also those that tests went on after."""

    def __init__(self, recorder: Any) -> None:
        self._recorder = recorder
        self.failures: list[CheckFailed] = []

    def pytest_runtest_makereport(self, call: Any) -> None:
        """Collect the failed checks of a test."""
        if call.excinfo is not None:
            self.failures += find_failures(call.excinfo.value)
        if call.when == "call":
            self.failures += self._recorder.tolerated


def choose(rng: random.Random, trials: int) -> list[tuple[Mutant, ...]]:
    """Return three mutants for each trial that fit together and need no controls."""
    some = [
        one
        for one in all_mutants().values()
        if one.kind not in _OTHER_KINDS and not one.options and one.tamper is None
    ]
    stacks = list[tuple[Mutant, ...]]()
    while len(stacks) < trials:
        stack = tuple(rng.sample(some, 3))
        schemas = [name for one in stack for name in changed_schemas(one)]
        if len(schemas) == len(set(schemas)):
            stacks.append(stack)
    return stacks


def found_alone(mutants: Sequence[Mutant], seed: int, jobs: int) -> dict[str, Outcome]:
    """Return how each mutant alone is found first at a high limit."""
    alone = [Stack((one,)) for one in mutants]
    found = run_trials(alone, seed, jobs, more=("--spend-limit", _HIGH, "--api-key2", ""))
    for one in found:
        cost = "at no cost" if one.free else "by a paid task"
        how = f"{one.killer}, {cost}" if one.killer else "not found"
        _print(f"{one.name} alone: {how} ({one.seconds:g} s)")
    return {one.name: one for one in found}


class StackRunner(TrialRunner):
    """A pytest plugin that runs all collected tests for each stack in a child process."""

    def _be_child(self, session: pytest.Session, mutant: Any) -> NoReturn:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        try:
            result = _run(session, mutant)
        except Exception:
            result = {"error": traceback.format_exc()}
        outcome_path(self._into, mutant.name).write_text(json.dumps(result))
        os._exit(0)


def _run(session: pytest.Session, stack: Stack) -> dict[str, Any]:
    """Run the collected tests; return which mutants were found, and what the run cost."""
    manager = session.config.pluginmanager
    reporting: Any = manager.get_plugin("contract-reporting")
    collector = AllFailures(reporting.recorder)
    manager.register(collector)
    with stack.opened() as server:
        session.config.option.base_url = server.base_url
        run_collected(session)
        tasks = list(server.gateway.tasks)
        return {
            "charged": round(sum(one.credits for one in tasks), 2),
            "tasks": len(tasks),
            "recorded": round(reporting.counters.spent, 2),
            "both": reporting.result(0).coverage()["both"],
            "found": [
                any(shows(mutant, layer, one) for one in collector.failures)
                for mutant, layer in zip(stack.mutants, server.layers, strict=True)
            ],
        }


def run_stacks(stacks: Sequence[Stack], limit: float, seed: int, jobs: int) -> list[dict[str, Any]]:
    """Run the suite with a limit on each stack."""
    os.environ.update(KEYS)
    suite = str(ROOT / "contract_tests/wanflow_contract")
    given = ["--base-url", "http://stack.invalid", "--api-key2", "", "--spend-limit", f"{limit:g}"]
    more = ["--known-idempotent", "--no-replay", "--seed", str(seed), "-q", "-m", "fast"]
    rest = ["-p", "no:cacheprovider", "--tb=no", "-W", "ignore::pytest.PytestAssertRewriteWarning"]
    with TemporaryDirectory() as folder:
        runner = StackRunner(stacks, jobs, Path(folder), {})
        with contextlib.redirect_stdout(io.StringIO()) as output:
            pytest.main([suite, *given, *more, *rest], plugins=[runner])
        paths = [outcome_path(Path(folder), one.name) for one in stacks]
        if not all(path.exists() for path in paths):
            raise RuntimeError(f"a trial has no result: {output.getvalue()[-2000:]}")
        results = [json.loads(path.read_text()) for path in paths]
        if errors := [one["error"] for one in results if "error" in one]:
            raise RuntimeError(errors[0])
        return results


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; return 1 if a mutant that should be found isn't, or if a limit is exceeded."""
    parser = argparse.ArgumentParser(prog="self_tests.plan_trials", description=__doc__)
    parser.add_argument("--limit", type=float, nargs="+", default=[50.0, 500.0])
    parser.add_argument("--trials", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--all", type=float, default=500.0, help="limit at which all are found")
    chosen = parser.parse_args(arguments)
    target_options.LOCAL_TIMEOUT = _TASK_TIMEOUT
    stacks = [Stack(one) for one in choose(random.Random(chosen.seed), chosen.trials)]
    mutants = list({one.name: one for stack in stacks for one in stack.mutants}.values())
    alone = found_alone(mutants, chosen.seed, chosen.jobs)
    paid = {name: bool(one.killer) for name, one in alone.items()}
    free = {name: bool(one.killer) and one.free for name, one in alone.items()}
    failed = 0
    for limit in chosen.limit:
        results = run_stacks(stacks, limit, chosen.seed, chosen.jobs)
        wanted = free if limit < chosen.all else paid
        failed += _report(limit, stacks, results, wanted, free)
    return int(failed > 0)


def _report(
    limit: float,
    stacks: Sequence[Stack],
    results: Sequence[dict[str, Any]],
    wanted: dict[str, bool],
    free: dict[str, bool],
) -> int:
    """Print a table of one limit; return how many mutants or limits it missed."""
    _print(f"\nlimit {limit:g}\n")
    _print("| trial | charged | tasks | rules on both sides | found | missed |")
    _print("|---:|---:|---:|---:|---|---|")
    missed, exceeded, right, others = 0, 0, 0, 0
    for number, (stack, result) in enumerate(zip(stacks, results, strict=True)):
        pairs = list(zip(stack.mutants, result["found"], strict=True))
        found = [f"{one.name}{'' if free[one.name] else ' (paid)'}" for one, yes in pairs if yes]
        lost = [one.name for one, yes in pairs if wanted[one.name] and not yes]
        missed, right = (
            missed + len(lost),
            right + sum(wanted[one.name] and yes for one, yes in pairs),
        )
        others += sum(not wanted[one.name] and yes for one, yes in pairs)
        exceeded += result["charged"] > limit
        row = (result["charged"], result["tasks"], result["both"], ", ".join(found))
        _print(f"| {number} | {' | '.join(map(str, row))} | {', '.join(lost)} |")
    _print(
        f"\n{right} of {right + missed} mutants found that should be, and {others} others; "
        f"the limit was exceeded in {exceeded} of {len(stacks)} trials"
    )
    return missed + exceeded


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
