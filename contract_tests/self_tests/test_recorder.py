"""Findings as data: the same failure has the same id, and tolerated failures don't end a test."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from wanflow_contract.checks.check import REGISTRY, Check, CheckFailed, NotJudged, observing
from wanflow_contract.checks.definitions.responses import SCHEMA
from wanflow_contract.findings.finding import KNOWN, NOTE, Finding, make_finding, operation_of
from wanflow_contract.findings.recorder import Recorder
from wanflow_contract.findings.shape import shape_of
from wanflow_contract.plan.budget import BudgetExceeded
from wanflow_contract.report.counters import Counters
from wanflow_contract.report.result import RanTest, RunResult, SuiteError, read_result, write_result
from wanflow_contract.support.exchange import Exchange
from wanflow_contract.support.pace import RateLimited
from wanflow_contract.support.reporting import Reporting

SECRET = "sk-a-key-that-is-secret"
EXCHANGE = Exchange(
    "GET",
    "http://api.example/v1/tasks/task-unified-1",
    "/v1/tasks/task-unified-1",
    (("Authorization", f"Bearer {SECRET}"),),
    b"",
    418,
    (("content-type", "application/json"),),
    f'{{"key": "{SECRET}"}}'.encode(),
    secrets=(SECRET,),
)


@pytest.fixture
def check():
    """A check that is removed after the test."""
    made = Check("of-a-test", "A test has a check.")
    yield made
    del REGISTRY[made.name]


@pytest.fixture
def note():
    """A note that is removed after the test."""
    made = Check("note-of-a-test", "A test has a note.", note=True)
    yield made
    del REGISTRY[made.name]


def failure(detail: str, *exchanges: Exchange, shape: str = "") -> CheckFailed:
    """Return a failure of some check."""
    return CheckFailed(SCHEMA, detail, exchanges, "", "", shape)


@given(st.integers(0, 10**9), st.floats(0, 1e6), st.text("abcxyz 'é", min_size=1))
def test_values_are_no_part_of_a_shape(number, price, text) -> None:
    """Two failures that differ in numbers, ids, URLs and quoted texts have the same shape."""
    one = f"{number} credits for {text!r}, {price}: task-unified-{number} at http://a.b/{number}"
    other = "5 credits for 'a', 1.5: task-unified-x at http://c.example/z?q=1"
    assert shape_of(failure(one)) == shape_of(failure(other))


def test_statuses_and_documented_words_are_part_of_a_shape() -> None:
    """A failure with another status or another field is another failure."""
    found = evolve(EXCHANGE, status=404)
    shapes = [
        shape_of(failure("answered with 418", EXCHANGE)),
        shape_of(failure("answered with 404", found)),
        shape_of(failure("'status' is absent")),
        shape_of(failure("'progress' is absent")),
        shape_of(failure("'no such field' is absent")),
    ]
    assert len(set(shapes)) == len(shapes)
    assert shape_of(failure("x 1", shape="given")) == "given"


def test_a_failure_is_raised_unless_it_is_known_or_a_note(check, note) -> None:
    """A known failure and a note are recorded, and the test goes on; others are raised."""
    recorder = Recorder()
    with observing(recorder):
        with pytest.raises(CheckFailed) as caught:
            check.require(False, "it is 5", EXCHANGE)
        note.require(False, "it is 6", EXCHANGE)
        with pytest.raises(NotJudged):
            note.fail("it is 6", EXCHANGE)
    assert [(one.kind, one.count) for one in recorder.findings.values()] == [(NOTE, 2)]
    known = make_finding("", caught.value).id
    again = Recorder(is_known=lambda one: one.id == known)
    with observing(again):
        check.require(False, "it is 7", EXCHANGE)
        with pytest.raises(CheckFailed):
            check.require(False, "it has another shape", EXCHANGE)
    assert [one.kind for one in again.findings.values()] == [KNOWN]
    with observing(Recorder(strict=True)), pytest.raises(CheckFailed):
        note.require(False, "it is 6", EXCHANGE)


@pytest.mark.parametrize("method", ["\x16\x03\x01", "", "GET\x1b[31m", "a" * 99])
def test_bytes_that_are_no_request_have_no_method(method) -> None:
    """A report doesn't show them where it names operations."""
    assert (
        operation_of((evolve(EXCHANGE, method=method, path="/x"),)) == "bytes that are no request"
    )
    assert operation_of((evolve(EXCHANGE, method="BREW", path="/x"),)) == "BREW an unknown path"


def test_evaluations_are_counted_by_check_and_operation(check) -> None:
    """The recorder knows which checks were evaluated, for which operation and by which test."""
    recorder = Recorder()
    with observing(recorder):
        recorder.begin("one")
        check.require(True, "", EXCHANGE)
        check.require(True, "")
    assert dict(recorder.evaluations) == {("of-a-test", "getTaskDetail"): 1, ("of-a-test", ""): 1}
    assert recorder.evaluated_by == {"one": {"of-a-test"}}


def test_what_one_process_takes_another_merges(check) -> None:
    """Test by test, the findings and evaluations arrive once, and add up to the same."""
    recorder, merged = Recorder(is_known=lambda _finding: True), Recorder()
    with observing(recorder):
        for test in ("one", "two", "three"):
            recorder.begin(test)
            check.require(test == "three", "it is 5", EXCHANGE)
            merged.merge(json.loads(json.dumps(recorder.take())))
    assert merged.findings == recorder.findings
    assert [(one.count, one.tests) for one in merged.findings.values()] == [(2, ["one", "two"])]
    assert merged.evaluations == recorder.evaluations
    assert merged.evaluated_by == recorder.evaluated_by
    assert not recorder.take()["findings"]


def test_a_result_can_be_written_and_read_without_its_keys(tmp_path, check) -> None:
    """A result that is read is the result that was written, and no API key is in the file."""
    found = make_finding("a test", CheckFailed(check, "it is 5", (EXCHANGE,), "a sentence"))
    result = RunResult(
        Counters(),
        [found, make_finding("b", failure("\ud83d \x1b[31m"))],
        [SuiteError("test", "text")],
        [RanTest("test", "failed", "", ["json"])],
        [("json", "getTaskDetail", 3)],
    )
    path = tmp_path / "report.json"
    write_result(result, path)
    assert read_result(path).to_json() == result.to_json()
    assert SECRET not in path.read_text()
    for broken, reason in {
        "[]": "it has no `version`",
        "{}": "it has no `version`",
        '{"version": 1}': "its field 'counters' is absent",
        '{"version": 99}': "version 99 can't be read",
        "no": "it isn't JSON .Expecting value",
    }.items():
        path.write_text(broken)
        with pytest.raises(ValueError, match=reason):
            read_result(path)


def test_a_finding_is_merged_with_its_other_occurrences() -> None:
    """The first case is kept, and the others are counted."""
    one = make_finding("a", failure("it is 5"))
    recorder = Recorder()
    for found in (one, evolve(one, tests=["b"]), evolve(one, tests=["a"])):
        recorder.add(found)
    (merged,) = recorder.findings.values()
    assert (merged.count, merged.tests) == (3, ["a", "b"])
    assert Finding.from_json(json.loads(json.dumps(merged.to_json()))) == merged


@pytest.mark.parametrize("raised", [AssertionError, pytest.fail.Exception, pytest.skip.Exception])
def test_a_test_that_fails_again_in_any_way_ends_no_run(raised) -> None:
    """`pytest.raises` fails with an exception that isn't an Exception."""

    def runtest() -> None:
        raise raised("again")

    options = {"--only": (), "--strict-notes": False, "--api-key": "a", "--api-key2": ""}
    reporting = Reporting(SimpleNamespace(getoption=options.get), None)
    item = SimpleNamespace(nodeid="a", runtest=runtest)
    assert reporting._fails_again(item)  # type: ignore[arg-type]


@pytest.mark.parametrize("reason", [BudgetExceeded("3 credits"), RateLimited("429")])
def test_a_spent_budget_is_no_consequence_of_a_note(reason) -> None:
    """A test that isn't paid for says so, even if it has recorded a note before."""
    options = {"--only": (), "--strict-notes": False, "--api-key": "a", "--api-key2": ""}
    config = SimpleNamespace(getoption=options.get)
    reporting = Reporting(config, None)
    reporting.recorder.tolerated.append(failure("a note"))
    running = reporting.pytest_runtest_call(SimpleNamespace(fixturenames=()))
    next(running)
    with pytest.raises(type(reason)):
        running.throw(reason)
