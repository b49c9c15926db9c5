"""The verdict on a server: the sentence at the head of each report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wanflow.cli.text import counted
from wanflow_contract.report.text import one_line

if TYPE_CHECKING:
    from wanflow_contract.findings.causes import Cause
    from wanflow_contract.report.result import RunResult

# The usual refusal of a request for what is in it.
_REFUSED = 400


def passed(result: RunResult) -> bool:
    """Return whether a server was judged, completely, and nothing went wrong."""
    wrong = result.new or result.errors or _failed(result) or result.missing or result.incomplete
    return bool(result.tests) and result.judged and not wrong


def verdict(result: RunResult, causes: list[Cause]) -> str:
    """Return what a run found, given the causes of its findings."""
    server = one_line(result.counters.base_url) or "The server"
    missing = counted(result.missing, "test")
    rest = f"; interrupted, the results of {missing} are missing" if result.missing else ""
    return f"{server} {_found(result, causes)}{rest}"


def _found(result: RunResult, causes: list[Cause]) -> str:
    only = " or ".join(result.plan.get("only", ()))
    if causes:
        failed = counted(len({one.check for one in result.new}), "check")
        found = f"deviates from the documents: {counted(len(causes), 'cause')}, {failed} failed"
        return found + _since(result, "; nothing else could be judged, ")
    if result.errors or _failed(result):
        number = counted(len(result.errors) or _failed(result), "test")
        return f"was not completely tested: {number} ended with an error in the suite"
    if not result.counters.requests:
        return "was not tested"
    if not result.judged:
        by = f"no response could be judged by {only or 'any check'}"
        return f"was not tested: {by}{_since(result, ', ')}"
    if result.missing or result.incomplete:
        never = ": a documented response was never received" if result.incomplete else ""
        return f"was not completely tested{never}"
    return _passed(result, only)


def _passed(result: RunResult, only: str) -> str:
    tests = f"contract tests of {only}" if only else "contract tests"
    far = "" if result.counters.has_mock_controls else ", as far as it was tested"
    known = f", {counted(len(result.known), 'known deviation')} aside" if result.known else ""
    return f"passes the {tests}{far}{known}"


def _failed(result: RunResult) -> int:
    return result.outcomes().get("failed", 0)


def _since(result: RunResult, start: str) -> str:
    """Return that all responses were the same error, after a text; empty if they weren't."""
    statuses = {
        int(one.rpartition(" ")[2]) for one, seen in result.counters.statuses.items() if seen
    }
    only = statuses.pop() if len(statuses) == 1 else 0
    judges = not only or only // 100 == 2 or only == _REFUSED
    return "" if judges else f"{start}since every response was a {only}"
