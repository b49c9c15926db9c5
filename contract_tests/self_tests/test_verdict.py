"""The verdict at the head of a report, and that a run that judged nothing is not green."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from self_tests.reference_server.server import Handler, Rejected, Server
from self_tests.report_data import VIDEO, finding
from self_tests.test_contract_command import KEYS, at, contract, only_file
from wanflow_contract.report.counters import Counters
from wanflow_contract.report.digest import digest
from wanflow_contract.report.result import RanTest, RunResult, SuiteError

if TYPE_CHECKING:
    from pathlib import Path


def test_the_verdict_separates_findings_from_errors_of_the_suite() -> None:
    """Errors, findings, known deviations and a run without requests have verdicts of their own."""
    passed = RanTest("test_a", "passed")
    failed = RanTest("test_a", "failed")
    sent = Counters(base_url="http://a", requests=1, has_mock_controls=True)

    def verdict(**more: Any) -> tuple[bool, str]:
        judged = [("accepts", VIDEO, 1)]
        data: dict[str, Any] = {"counters": sent, "tests": [passed], "evaluations": judged, **more}
        found = digest(RunResult(**data))
        return found.passed, found.verdict

    assert verdict() == (True, "http://a passes the contract tests")
    assert verdict(findings=[finding()], tests=[failed])[1].endswith("1 cause, 1 check failed")
    broken = verdict(errors=[SuiteError("test_a", "x")], tests=[failed])
    assert broken == (
        False,
        "http://a was not completely tested: 1 test ended with an error in the suite",
    )
    known = verdict(findings=[finding(kind="known")])
    assert known == (True, "http://a passes the contract tests, 1 known deviation aside")
    limited = verdict(plan={"only": ["accepts"]})
    assert limited == (True, "http://a passes the contract tests of accepts")
    assert verdict(counters=Counters(base_url="http://a"))[1] == "http://a was not tested"
    interrupted = "was not completely tested; interrupted, the results of 162 tests are missing"
    assert verdict(missing=162) == (False, f"http://a {interrupted}")
    never = "was not completely tested: a documented response was never received"
    assert verdict(incomplete=True) == (False, f"http://a {never}")


CHECKS = st.sets(st.sampled_from(["accepts", "final", "schema"]))


@given(CHECKS, CHECKS, st.sets(st.sampled_from([200, 400, 401, 500, 503])), st.booleans())
def test_a_run_that_judged_no_chosen_check_has_not_passed(
    only: set[str], evaluated: set[str], statuses: set[int], asked: bool
) -> None:
    """Nor one whose every response was a 5xx, unless a mock was asked for them."""
    result = RunResult(
        Counters("http://a", asked, 9, statuses=Counter({f"{VIDEO} {one}": 1 for one in statuses})),
        tests=[RanTest("test_a", "passed")],
        evaluations=[(name, VIDEO, 1) for name in evaluated],
        plan={"only": sorted(only)} if only else {},
    )
    right = bool(evaluated & only if only else evaluated)
    right = right and (asked or not statuses or min(statuses) < 500)
    found = digest(result)
    assert (result.judged, found.passed) == (right, right)
    names = " or ".join(sorted(only)) or "any check"
    said = f"http://a was not tested: no response could be judged by {names}"
    assert found.verdict.startswith(said) != right
    (only_status,) = statuses if len(statuses) == 1 else (0,)
    ends = f", since every response was a {only_status}" if only_status > 400 else ""
    assert right or found.verdict == said + ends


SAME: list[tuple[dict[str, int], str]] = [
    ({"a 500": 9, "b 500": 1}, "; nothing else could be judged, since every response was a 500"),
    ({"a 401": 2}, "; nothing else could be judged, since every response was a 401"),
    ({"a 500": 9, "b 404": 1}, ""),
    ({"a 200": 9}, ""),
    ({"a 400": 9}, ""),
    ({"a 500": 9, "b 200": 0}, "; nothing else could be judged, since every response was a 500"),
    ({}, ""),
]


@pytest.mark.parametrize(("statuses", "said"), SAME, ids=[str(one[0]) for one in SAME])
def test_the_verdict_says_that_nothing_could_be_judged(statuses: dict[str, int], said: str) -> None:
    """If every response is the same error, that is one fault, and nothing else is known."""
    counters = Counters(base_url="http://a", requests=10, statuses=Counter(statuses))
    found = digest(RunResult(counters, [finding()], tests=[RanTest("test_a", "failed")]))
    assert found.verdict.endswith(f"1 cause, 1 check failed{said}")


class Down(Handler):
    """Answers every request with 500, except one for the controls of a mock."""

    def answer(self, work: Any) -> None:
        super().answer(work if "/_mock" in self.path else self.break_down)

    def break_down(self) -> None:
        raise Rejected(500, "Later")


class AllDown(Server):
    """Every request is answered with the same error."""

    def handler(self) -> type[Handler]:
        return Down


SLOW_TOO = [pytest.param("final", limit, marks=pytest.mark.slow) for limit in ("0", "50")]


@pytest.mark.processes
@pytest.mark.parametrize(("check", "limit"), [("schema", "50"), *SLOW_TOO])
def test_a_check_that_could_judge_nothing_is_not_green(
    tmp_path: Path, check: str, limit: str
) -> None:
    """A server that answers everything with 500 shows nothing about the results of a task."""
    with AllDown(*KEYS) as server:
        url = at(server)
        options = ["--spend-limit", limit, "--only", check, "--report", "out"]
        done = contract(tmp_path, url, *options, *only_file("lifecycle"), "-k", "forward_only")
    assert done.returncode == 4, done.stdout + done.stderr
    assert f"contract: {url} was not tested" in done.stdout
    assert json.loads((tmp_path / "out/report.json").read_text())["exit_code"] == 4
