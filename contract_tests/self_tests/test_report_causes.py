"""One fault is one cause in a report, different faults are different causes, and none is hidden."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

import wanflow_contract
from self_tests.report_data import IMAGE, QUERY, VIDEO, exchange, finding
from wanflow_contract.checks.documented_responses import packaged_contract
from wanflow_contract.findings.causes import MANY, causes_of
from wanflow_contract.findings.finding import NOTE, Finding
from wanflow_contract.report.counters import Counters
from wanflow_contract.report.digest import digest
from wanflow_contract.report.html import render
from wanflow_contract.report.markdown import render_markdown
from wanflow_contract.report.not_judged import not_judged
from wanflow_contract.report.result import RanTest, RunResult, SuiteError
from wanflow_contract.report.terminal import render_terminal

SUITE = Path(wanflow_contract.__file__).parent
MODEL = next(one for one in packaged_contract().catalog.models.values() if one.kind == "video")
DEFINED = re.compile(r'Check\(\s*"([\w-]+)"')
FIELDS = sorted(MODEL.parameters)


def refusal(field: str, message: str, *, check: str = "accepts", status: int = 400):
    """Return the finding of a request that is refused with a message."""
    content = json.dumps({"error": {"code": status, "message": message}})
    return finding(
        check=check,
        pointer=f"request /{field}",
        shape=f"{MODEL.name}: {status}",
        exchanges=[exchange(content, status)],
    )


def test_the_same_failure_at_every_operation_is_one_cause() -> None:
    """The operation, the model and the status of a response don't make another fault."""
    found = [
        finding("schema", operation, "response /error/code", f"{status}: violates type")
        for operation in (VIDEO, IMAGE, QUERY)
        for status in (400, 401, 404)
    ]
    (cause,) = causes_of(found)
    assert set(cause.operations) == {VIDEO, IMAGE, QUERY}
    assert cause.count == len(found) == len(cause.findings)


def test_one_message_about_many_fields_is_one_cause() -> None:
    """A server that refuses every request for the same reason has one fault."""
    found = [refusal(name, "prompt_extend is required") for name in FIELDS]
    assert len(found) >= MANY
    assert len(causes_of(found)) == 1


def test_a_few_refused_fields_are_as_many_causes() -> None:
    """Three wrong refusals may be three faults, even if the server says the same."""
    found = [refusal(name, "Invalid request") for name in FIELDS[: MANY - 1]]
    assert len(causes_of(found)) == MANY - 1


def test_different_checks_and_fields_are_different_causes() -> None:
    """Faults that have nothing in common stay apart."""
    found = [
        finding("progress", QUERY, "response /progress", "fell", exchanges=[exchange("{}", 200)]),
        finding("results", QUERY, "response /results", "more", exchanges=[exchange("{}", 200)]),
        finding("rejects", VIDEO, "request /duration", f"{MODEL.name}: 200 in violation of enum"),
        finding("rejects", VIDEO, "request /prompt", f"{MODEL.name}: 200 in violation of type"),
        finding("no-charge", VIDEO, "request /prompt", f"{MODEL.name}: another price"),
    ]
    assert len(causes_of(found)) == len(found)


def test_an_error_that_is_sent_as_a_success_is_one_cause_of_all_its_checks() -> None:
    """A 200 with an error fails several checks at several operations."""
    content = json.dumps({"error": {"message": "Invalid key"}})
    found = [
        finding(check, operation, pointer, shape, exchanges=[exchange(content, 200)])
        for check, operation, pointer, shape in (
            ("schema", QUERY, "response /error/code", "200: violates type"),
            ("success-only", VIDEO, "response /error", "a 2xx with an error"),
            ("key-required", VIDEO, "request query", "200 with a key in the query"),
        )
    ]
    assert len(causes_of(found)) == 1


def test_what_follows_from_an_undocumented_status_belongs_to_its_cause() -> None:
    """A status that no document has makes other checks of such responses fail."""
    found = [
        finding(
            "documented-status", VIDEO, "response status", "201", exchanges=[exchange("{}", 201)]
        ),
        finding("idempotent", VIDEO, "", "none", exchanges=[exchange("{}", 201)]),
        finding("idempotent", IMAGE, "", "two tasks", exchanges=[exchange("{}", 200)]),
    ]
    causes = causes_of(found)
    assert sorted(sorted(one.checks) for one in causes) == [
        ["documented-status", "idempotent"],
        ["idempotent"],
    ]


RESULTS = "response /results"
VANISHED = [
    finding("results", QUERY, RESULTS, "fewer than requested (an empty list)"),
    finding("results", QUERY, RESULTS, "fewer than requested (a list)"),
    finding("final", QUERY, RESULTS, "changed (a list)"),
    finding("final", QUERY, RESULTS, "changed (an empty list)"),
    finding("still-present", QUERY, RESULTS, "absent (absent)"),
]


@pytest.mark.parametrize("order", [VANISHED, VANISHED[::-1]], ids=["forwards", "backwards"])
def test_a_value_that_is_gone_is_one_cause_of_all_checks_that_miss_it(order: list[Finding]) -> None:
    """Also where only some of a list are gone; another field, and another value, are others."""
    assert len(causes_of(order)) == 1
    other = [
        finding("final", QUERY, "response /progress", "changed (null)"),
        finding("result-data", QUERY, RESULTS, "other URLs (a list)"),
        finding("no-charge", VIDEO, "request /prompt", "another price (absent)"),
    ]
    assert len(causes_of([*order, *other])) == 1 + len(other)


def test_a_server_that_answers_all_with_one_error_has_one_cause() -> None:
    """Also where a response has no body, and where only the client of wanflow saw it."""

    def failed(method: str, shape: str, body: str):
        shown = [exchange(body, 500, method=method)]
        return finding("no-server-error", f"{method} {VIDEO}", "request", shape, exchanges=shown)

    client = finding("client", "", "", "ServerError", exchanges=[], detail="the API answered 500 x")
    found = [
        failed("GET", "answered with 500 (an error)", "{}"),
        failed("HEAD", "answered with 500", ""),
        client,
    ]
    assert len(causes_of(found)) == 1
    other = evolve(client, id="client-2", shape="NotFound", detail="the API answered 404 x")
    assert len(causes_of([*found, other])) == 2


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.builds(
            finding,
            st.sampled_from(["accepts", "rejects", "schema", "no-server-error", "success-only"]),
            st.sampled_from([VIDEO, IMAGE, QUERY]),
            st.sampled_from(["", *(f"request /{name}" for name in FIELDS)]),
            st.sampled_from(["a-model: 400", "b-model: 400", "200: violates type", "other"]),
            exchanges=st.lists(
                st.builds(
                    exchange,
                    st.sampled_from(['{"error": {"message": "a"}}', "{}", "[", "\ud800"]),
                    st.sampled_from([0, 200, 400, 500]),
                ),
                max_size=2,
            ),
            count=st.integers(1, 9),
        ),
        max_size=12,
        unique_by=lambda one: one.id,
    )
)
def test_no_finding_is_lost_or_twice(found: list[Finding]) -> None:
    """Each finding is in one cause, whatever is grouped, and the page shows each id."""
    causes = causes_of(found)
    assert sorted(one.id for cause in causes for one in cause.findings) == sorted(
        one.id for one in found
    )
    page = render(RunResult(Counters(), found))
    assert all(one.id in page for one in found)


def run_of(*tests: RanTest, **more: Any) -> RunResult:
    """Return the result of some tests."""
    return RunResult(Counters(), tests=list(tests), **more)


VIDEO_FILE = f"test_each_result_url_serves_a_file_of_the_right_kind[{MODEL.name}]"
PROGRESS = finding("progress", QUERY, "response /progress", "fell", tests=[VIDEO_FILE])


def test_a_check_that_another_fault_prevented_is_named_with_that_fault() -> None:
    """The checks of a video's file are not judged if progress fell before it ended."""
    found = not_judged(run_of(RanTest(VIDEO_FILE, "failed", "", ["progress"]), findings=[PROGRESS]))
    (row,) = [one for one in found if "link" in one.checks]
    assert row.subject == "video"
    assert "whole-file" in row.checks
    assert row.finding == PROGRESS.id
    assert "of video: not judged, since [progress] failed first" in row.sentence()


def test_a_check_that_some_test_evaluated_is_judged() -> None:
    """If another test of the same kind of model evaluated a check, it was judged."""
    other = RanTest(f"test_other[{MODEL.name}]", "passed", "", ["link", "whole-file", "part"])
    stopped = RanTest(VIDEO_FILE, "skipped", "not judged, because of a tolerated failure")
    found = not_judged(run_of(stopped, other, findings=[PROGRESS]))
    assert not [one for one in found if {"link", "whole-file"} & {*one.checks}]
    passed = run_of(RanTest(VIDEO_FILE, "passed", "", []))
    assert not_judged(passed) == []


def test_what_a_server_need_not_report_is_not_called_prevented() -> None:
    """Used credits may be absent for another reason than the fault that ended a test."""
    found = not_judged(run_of(RanTest(VIDEO_FILE, "failed", "", ["progress"]), findings=[PROGRESS]))
    names = {name for one in found for name in one.checks}
    assert "results" in names
    assert not {"charge", "used-credits", "model-access"} & names


def test_a_note_is_not_the_reason_if_a_failure_ended_the_test() -> None:
    """A note doesn't end a test, so another finding of the same test is the reason."""
    absent = finding("still-present", QUERY, "response /type", "absent", tests=[VIDEO_FILE])
    note = evolve(absent, kind=NOTE)
    stopped = RanTest(VIDEO_FILE, "failed", "", ["progress"])
    for found in ([PROGRESS, note], [note, PROGRESS]):
        assert {one.finding for one in not_judged(run_of(stopped, findings=found))} == {PROGRESS.id}


def test_the_order_is_verdict_causes_not_judged_coverage_errors_cost() -> None:
    """The page is read from the top; errors of the suite are apart from findings."""
    result = run_of(
        RanTest(VIDEO_FILE, "failed", "", ["progress"]),
        findings=[PROGRESS],
        errors=[SuiteError("test_broken", "ValueError: in the suite")],
    )
    page = render(result)
    parts = [
        "deviates from the documents: 1 cause",
        "rules tested on both sides",
        "<h2>Causes (1)",
        "<h2>Not judged",
        "<h2>Coverage",
        "<h2>Errors in the suite (1)",
        "<h2>Cost",
    ]
    places = [page.index(one) for one in parts]
    assert places == sorted(places)
    assert "This says nothing about the server." in page


@pytest.mark.parametrize(
    ("rendered", "cause"),
    [(render, "<h2>Causes"), (render_markdown, "### Causes"), (render_terminal, "\n1. [progress]")],
)
def test_the_head_says_how_many_rules_were_tested(rendered, cause) -> None:
    """Between the verdict and the causes, once."""
    text = rendered(run_of(RanTest(VIDEO_FILE, "failed", "", ["progress"]), findings=[PROGRESS]))
    head, found, _ = text.partition(cause)
    assert found
    assert re.search(r"1 cause.*\n(.*\n)*.*\b[0-9]+ of [0-9]+ rules tested on both sides", head)
    assert text.count("rules tested on both sides") == 1


def test_the_cost_names_prices_that_cannot_be_right() -> None:
    """They are counted, with an example; without any, nothing is said."""
    prices = Counter({f"model-{number}: 1e+300 credits": 2 for number in range(5)})
    said = digest(RunResult(Counters(unbelieved=prices))).cost
    assert "10 reported prices can't be right (model-0: 1e+300 credits, model-1" in said
    assert "model-4" not in said
    assert "reported price" not in digest(RunResult(Counters())).cost


def test_the_cost_says_how_many_tasks_had_no_price() -> None:
    """What they cost is an estimate; nothing is said where each has one."""
    said = digest(RunResult(Counters(unreported=Counter(a=2, b=1)))).cost
    assert said.endswith("; the server reported no price of 3 tasks: estimated")
    assert "estimated" not in digest(RunResult(Counters())).cost


def test_the_cost_says_what_invalid_requests_took() -> None:
    """They may use up the limit before paid faults are found; the counts of processes add up."""
    counters = Counters(paid=True, spent=50.0, tasks=30, invalid_tasks=1, spent_on_invalid=1.5)
    counters.merge(Counters(invalid_tasks=19, spent_on_invalid=30).to_json())
    said = digest(RunResult(counters)).cost
    assert "50 credits spent, 31.5 of them on 20 invalid requests that the server accepted" in said
    assert "invalid" not in digest(RunResult(Counters(paid=True, spent=50.0))).cost
