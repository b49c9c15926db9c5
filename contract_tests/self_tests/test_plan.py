"""The plan of a run: its order, its coverage, its forecast, and what it doesn't pay for again."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import patch

import pytest

import wanflow_contract
from self_tests.collected import item_of, steps_of
from self_tests.reference_server.server import Server
from wanflow.mock import MockServer
from wanflow_contract import test_billing, test_files
from wanflow_contract.checks.boundaries import cheapest, probes_of
from wanflow_contract.checks.check import Check, CheckFailed
from wanflow_contract.checks.definitions.requests import PARAM
from wanflow_contract.checks.definitions.responses import SCHEMA
from wanflow_contract.checks.documented_responses import packaged_contract
from wanflow_contract.checks.expectation import packaged_oracle
from wanflow_contract.plan.combined import combined_probes
from wanflow_contract.plan.forecast import forecast_of
from wanflow_contract.plan.order import Stage, Step, cheapest_model
from wanflow_contract.plan.planner import Planner, may_be_charged
from wanflow_contract.plan.prices import documented_of_model
from wanflow_contract.plan.rules import coverage_of, judged, keywords_of, rules_of_run
from wanflow_contract.report.counters import Counters
from wanflow_contract.report.digest import digest
from wanflow_contract.report.result import RunResult
from wanflow_contract.support.exchange import Exchange

KEY = "the-key-that-pays-0001"
MODELS = packaged_contract().catalog.models
PROBES = [(model, probe) for model in MODELS.values() for probe in probes_of(model)]


@pytest.fixture(scope="module")
def probing() -> list[Step]:
    """All boundary requests, in the order of a run with a limit."""
    return steps_of(*(item_of("probe", model=model, probe=probe) for model, probe in PROBES))


def test_every_rule_is_broken_once_before_any_is_broken_again(probing) -> None:
    """The first round of invalid requests reaches every keyword of every field of every model."""
    free = [step for step in probing if step.stage is Stage.FREE]
    every = {(name, *one) for name, model in MODELS.items() for one in keywords_of(model)}
    every -= {(name, "model", "required") for name in MODELS}  # sent by tests of bodies
    seen, first = set[object](), 0
    while not every <= seen:
        assert step_adds(free[first], seen), f"{free[first]} breaks nothing new"
        seen |= free[first].values
        first += 1
    assert first <= len(every) + len(MODELS) * 12


def step_adds(step: Step, seen: set[object]) -> bool:
    return bool(step.values - seen)


def test_what_costs_nothing_comes_first_then_a_life_of_each_model_then_the_rest() -> None:
    """Free requests, lives from the cheapest model on, tests of that task, limits, the rest."""
    names = list(MODELS)
    model, probe = combined_probes()[0]
    invalid = next(one for one in PROBES if one[1].name == "absent")
    items = [
        item_of("paid", name=names[0]),
        item_of("prices", (4, ("stage", Stage.PRICES)), name=names[0]),
        item_of("limits", model=model, probe=probe),
        *(item_of("life", (1, ("stage", Stage.LIFE)), name=name) for name in names),
        item_of("again", (0, ("stage", Stage.AGAIN))),
        item_of("shared", (0, ("stage", Stage.SHARED))),
        item_of("several", (2, ("stage", Stage.SEVERAL)), name=names[0]),
        item_of("invalid", model=invalid[0], probe=invalid[1]),
        item_of("methods", (0,)),
        item_of("generated", (0, ("stage", Stage.GENERATED))),
    ]
    steps = steps_of(*items)
    functions = list(dict.fromkeys(step.item.name for step in steps))
    free, paid = ["methods", "invalid", "generated"], ["limits", "prices", "paid"]
    assert functions == [*free, "life", "several", "shared", *paid, "again"]
    lives = [step.model.name for step in steps if step.stage is Stage.LIFE and step.model]
    prices = [documented_of_model(cheapest(MODELS[name])) for name in lives]
    assert prices == sorted(prices), "the cheapest models come first"
    heights = [cheapest(MODELS[name]).get("quality") for name in lives]
    assert "480p" in [one for one in heights if one][:1], "and of equal prices the smallest"


STAGES = {one.values: one.marks[0].kwargs["stage"] for one in test_billing.CHARGED_FIELDS}


def test_a_model_that_is_charged_by_number_gets_a_task_of_two_early() -> None:
    """Its price and its results show a server that ignores the number; seconds cost more."""
    assert {name for name, _ in STAGES} == set(MODELS)
    for (name, field), stage in STAGES.items():
        is_number = "maximum" in MODELS[str(name)].parameters[str(field)]
        assert stage is (Stage.SEVERAL if is_number else Stage.PRICES)


@pytest.mark.parametrize(("ample", "counts"), [(False, [1, 2]), (True, [1, 2, 3, 4])])
def test_a_small_budget_pays_for_two_results_at_most(ample, counts) -> None:
    """They show as much as four."""
    sent = list[Any]()
    first = Exchange("POST", "http://x/v1/x", "/v1/x", (), b"", 200, (), b"{}")

    def submit(body: Any) -> Any:
        sent.append(body["n"])
        return SimpleNamespace(receipt={"usage": {"credits_reserved": 0}}, first=first)

    budget = SimpleNamespace(ample=ample)
    target = SimpleNamespace(models=MODELS, budget=budget, submit=submit, equal_task=lambda _: None)
    name, field = next(one for one, stage in STAGES.items() if stage is Stage.SEVERAL)
    test_billing.test_a_larger_request_costs_more(target, name, field)
    assert sent == counts


def test_each_paid_task_is_polled_again_after_its_end() -> None:
    """A server may lose its links later."""
    calls = Counter[str]()
    task = SimpleNamespace(status="completed", model=SimpleNamespace(name="m"), receipt={})
    task.first_links = []
    target = SimpleNamespace(
        budget=SimpleNamespace(ample=False),
        controls=SimpleNamespace(now=lambda: 0.0),
        tasks={"a": task, "b": task},
        wait=lambda one: one,
        poll=lambda _one: calls.update(["poll"]),
    )
    task.ended = False  # whether a model makes anything is another test
    with patch.object(test_files, "fetch_files", lambda *_: calls.update(["files"])):
        test_files.test_each_task_of_the_run_ends_with_the_files_that_were_requested(target, "m")
    assert calls == {"files": 2, "poll": 6}


def test_the_first_links_of_a_task_are_judged_at_the_end_if_later_ones_differ() -> None:
    """A link works for a day, also where each response has another one."""
    task = SimpleNamespace(links=["http://a/2"], first_links=["http://a/1", "http://a/2"])
    task.last = Exchange("GET", "", "/v1/tasks/a", (), b"", 200, (), b"{}")
    for status in (200, 403):
        file = Exchange("GET", "", "http://a/1", (), b"", status, (), b"")
        with patch.object(test_files, "fetch_link", lambda *_, file=file: file):
            if status == 200:
                test_files.fetch_first_links(SimpleNamespace(), task)
                continue
            with pytest.raises(CheckFailed, match="an earlier URL"):
                test_files.fetch_first_links(SimpleNamespace(), task)


def test_where_any_model_will_do_it_is_the_one_with_the_lowest_price_of_its_document() -> None:
    """A small video is smaller than the example of its model, and costs more than an image."""
    lowest = min(documented_of_model(cheapest(model)) for model in MODELS.values())
    assert documented_of_model(cheapest(cheapest_model())) == lowest
    assert lowest < max(documented_of_model(cheapest(model)) for model in MODELS.values())


def test_a_forecast_says_what_a_full_run_costs_and_what_is_left_out(probing) -> None:
    """Before a run: the cost of a full one, and what the limit doesn't pay for."""
    forecast = forecast_of(probing, 20.0)
    assert forecast.planned_credits <= 20 < forecast.credits
    assert forecast.planned + sum(forecast.left_out.values()) == forecast.paying
    text = "\n".join(forecast.lines())
    assert "a full run would submit" in text
    assert "it leaves out test_probe.probe" in text


@pytest.mark.parametrize("before", [True, False])
def test_a_forecast_counts_the_task_that_tests_use_and_none_of_them_submits(before: bool) -> None:
    """One task serves all of them: that of a test before them, or one of its own."""
    using = [item_of(f"shared-{number}", (0, ("stage", Stage.SHARED))) for number in range(3)]
    paying = item_of("life", (1, ("stage", Stage.LIFE if before else Stage.PAID)))
    forecast = forecast_of(steps_of(*using, paying), 30.0)
    alone = forecast_of(steps_of(*using), 30.0)
    assert (alone.tasks, forecast.tasks) == (1, 1 if before else 2)
    assert forecast.credits == pytest.approx(forecast.tasks * alone.credits)
    assert alone.credits > 0
    assert forecast_of(steps_of(item_of("refused", (0,))), 30.0).tasks == 0


@pytest.mark.parametrize("limit", [None, 5.0])
@pytest.mark.parametrize("dry_run", [False, True])
def test_a_mock_without_a_limit_has_no_forecast(limit: float | None, dry_run: bool) -> None:
    """It gets every test, so a forecast of a run that may spend 0 would be wrong."""

    def charged(base_url: str | None) -> bool:
        given = {"--base-url": base_url, "--spend-limit": limit, "--dry-run": dry_run}
        return may_be_charged(cast("pytest.Config", SimpleNamespace(getoption=given.get)))

    with MockServer() as mock, Server(KEY) as other:
        assert charged(mock.base_url) is (limit is not None or dry_run)
        assert charged(f"{other.origin}{other.base}")
    assert charged("http://127.0.0.1:9/closed")
    assert charged(None) is (limit is not None)


def test_coverage_counts_a_rule_only_if_both_sides_were_sent() -> None:
    """Of two sides of one rule, each alone isn't enough, and the missing one is named."""
    name = next(iter(MODELS))
    field, word = keywords_of(MODELS[name])[-1]
    counts = {f"{name} {field} {word} valid": 3}
    half = coverage_of(rules_of_run(counts))
    both = coverage_of(rules_of_run({**counts, f"{name} {field} {word} invalid": 1}))
    assert (half["both"], both["both"]) == (0, 1)
    assert half["rules"] == sum(one["rules"] for one in half["fields"]) == len(half["untested"])
    assert {"model": name, "field": field, "keyword": word, "side": "invalid"} in half["untested"]


def exchange(body: dict[str, Any], status: int) -> Exchange:
    return Exchange("POST", "", "", (), json.dumps(body).encode(), status, (), b"{}")


@pytest.mark.parametrize("status", [200, 400, 401, 402, 403, 404, 405, 413, 422, 429, 500, 503])
@pytest.mark.parametrize("model", MODELS.values(), ids=lambda model: model.name)
def test_a_rule_is_tested_only_where_a_response_says_something_about_it(model, status) -> None:
    """A valid request must be accepted; an invalid one accepted, or refused for its content."""
    right = dict(model.example)
    field = next(iter(model.required))
    wrong = {name: value for name, value in right.items() if name != field}
    tested = {
        name: set(judged(MODELS, expectation, exchange(body, status)))
        for name, body in (("right", right), ("wrong", wrong))
        if (expectation := packaged_oracle().expectation(model.operation_id, body))
    }
    assert bool(tested["right"]) == (status == 200)
    assert bool(tested["wrong"]) == (status in {200, 400, 413, 422})
    assert all(one.endswith(" invalid") for one in tested["wrong"])


ONLY = [
    ((), ("valid", "invalid"), "on both sides"),
    (("rejects",), ("invalid",), "with invalid values"),
    (("accepts",), ("valid",), "with valid values"),
    (("accepts", "rejects"), ("valid", "invalid"), "on both sides"),
    (("receipt",), (), ""),
]


@pytest.mark.parametrize(("only", "sides", "said"), ONLY, ids=[str(one[0]) for one in ONLY])
def test_a_run_of_some_checks_lists_their_untested_rules_only(only, sides, said) -> None:
    """A check of refusals judges invalid values; a check of something else judges no rule."""
    name = next(iter(MODELS))
    field, word = keywords_of(MODELS[name])[0]
    counters = Counters(requests=1, keywords=Counter({f"{name} {field} {word} invalid": 1}))
    result = RunResult(counters, plan={"only": list(only)} if only else {})
    coverage = result.coverage()
    missing = {one["side"] for one in coverage["untested"]}
    assert missing <= {"valid", "invalid", "valid and invalid"}
    assert set(" and ".join(missing).split(" and ")) - {""} == set(sides)
    assert coverage["both"] == (sides == ("invalid",))
    assert bool(digest(result).fields) == bool(sides)
    assert f"rules tested {said}" in digest(result).coverage if said else not coverage["rules"]
    assert "documented responses received" in digest(result).coverage


def test_the_first_process_says_the_forecast_that_another_one_made(tmp_path) -> None:
    """With -n, only the others collect tests; the first one says it before they begin."""
    said, planners = list[str](), list[Planner]()
    for folder, more in ((tmp_path / "popen-gw0", {"workerinput": {}}), (tmp_path, {})):
        getoption = {"--spend-limit": 50.0, "--base-url": "http://x", "--dry-run": False}.get
        reporter = SimpleNamespace(write_line=said.append)
        config: Any = SimpleNamespace(
            getoption=getoption,
            pluginmanager=SimpleNamespace(get_plugin=lambda _name, given=reporter: given),
            _tmp_path_factory=SimpleNamespace(getbasetemp=lambda given=folder: given),
            **more,
        )
        recorder = SimpleNamespace(raised_at_most=None)
        reporting: Any = SimpleNamespace(recorder=recorder, plan={})
        planners.append(Planner(config, reporting))
    other, first = planners
    first.pytest_xdist_node_collection_finished()
    assert not said
    other.forecast = forecast_of(steps_of(item_of("paid", (1,))), 50)
    other.pytest_collection_finish(cast("Any", None))
    for _ in range(2):
        first.pytest_xdist_node_collection_finished()
    assert said == other.forecast.lines() != []
    assert first._reporting.plan["forecast"] == other.forecast.to_json()


class Shown:
    """A planner of a run with a limit, and tests of one function and of another."""

    def __init__(self) -> None:
        shared = SimpleNamespace(accepts_invalid=False)
        self.budget = SimpleNamespace(unlimited=False, submissions=0, shared_budget=shared)
        recorder = SimpleNamespace(raised_at_most=None, tolerated=[])
        target = SimpleNamespace(budget=self.budget)
        reporting: Any = SimpleNamespace(target=target, recorder=recorder, plan={})
        given = {"--spend-limit": 50.0, "--base-url": "http://x", "--dry-run": False}
        self.planner = Planner(cast("Any", SimpleNamespace(getoption=given.get)), reporting)
        self.items = [self.item("life", number) for number in range(4)] + [self.item("other", 0)]
        self.planner.pytest_collection_modifyitems([*self.items])

    def item(self, function: str, number: int) -> Any:
        """Return a test that pays for a task, in a module that uses one check."""
        item = item_of(function, (1,), number=number)
        item.nodeid, item.module = f"{function}[{number}]", SimpleNamespace(PARAM=PARAM)
        item.path = Path(wanflow_contract.__file__).parent / "test_x.py"
        return item

    def fail(self, number: int, check: Check) -> None:
        """Let a test fail a check."""
        call = self.planner.pytest_runtest_call(self.items[number])
        next(call)
        with pytest.raises(CheckFailed):
            call.throw(CheckFailed(check, "it is 5", (), ""))

    def skipped(self, number: int) -> str:
        """Return why a test is skipped, '' if it runs."""
        try:
            self.planner.pytest_runtest_setup(self.items[number])
        except pytest.skip.Exception as error:
            return str(error)
        return ""


def test_a_check_that_two_tests_of_a_function_failed_is_not_paid_for_again() -> None:
    """Not so after one, after other checks, for other functions, or without a limit."""
    run = Shown()
    run.fail(0, SCHEMA)
    run.fail(1, SCHEMA)
    run.fail(0, PARAM)
    assert not any(map(run.skipped, range(5)))
    run.fail(1, PARAM)
    said = "the check param has failed twice, and isn't paid for again"
    assert [run.skipped(number) for number in range(5)] == [*[said] * 4, ""]
    run.budget.unlimited = True
    assert not run.skipped(2)
