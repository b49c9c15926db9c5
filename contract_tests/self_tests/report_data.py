"""Results of runs for the tests of the reports: with findings, and with any text in each place."""

from __future__ import annotations

from typing import Any

from wanflow_contract.findings.finding import KNOWN, NEW, NOTE, Finding, ShownExchange, finding_id
from wanflow_contract.report.counters import Counters
from wanflow_contract.report.result import RanTest, RunResult, SuiteError

VIDEO, IMAGE, QUERY = "createVideoGeneration", "createImageGeneration", "getTaskDetail"


def exchange(text: str = "no", status: int = 400, **more: Any) -> ShownExchange:
    """Return an exchange with a text of the server in each place."""
    values: dict[str, Any] = {
        "method": "POST",
        "url": f"http://api.example/v1/videos?{text}",
        "path": "/v1/videos",
        "request_headers": [["content-type", "application/json"], ["x-text", text]],
        "sent": text,
        "sent_binary": False,
        "status": status,
        "headers": [["content-type", "application/json"], ["x-text", text]],
        "content": text,
        "content_binary": False,
        "content_length": len(text),
        "curl": f"curl -sS -i --data-raw '{text}' http://api.example/v1/videos",
    }
    return ShownExchange(**{**values, **more})


def finding(
    check: str = "accepts",
    operation: str = VIDEO,
    pointer: str = "request /prompt",
    shape: str = "a-model: 400",
    **more: Any,
) -> Finding:
    """Return a finding."""
    values: dict[str, Any] = {
        "sentence": f"A server keeps {check}.",
        "cites": "a sentence of the document",
        "detail": "answered with 400",
        "exchanges": [exchange()],
        "tests": ["test_some[wan-text-to-video]"],
    }
    identity = finding_id(check, operation, pointer, shape)
    return Finding(
        identity, check, **{**values, **more}, operation=operation, pointer=pointer, shape=shape
    )


def result_with(text: str, kinds: tuple[str, ...] = (NEW, KNOWN, NOTE)) -> RunResult:
    """Return a result that has a text of a server in each place that may hold one."""
    found = [
        finding(
            check=f"check-{kind}",
            operation=f"GET {text}",
            pointer=f"response /{text}",
            shape=f"shape {text}",
            sentence=f"A sentence {text}",
            cites=text,
            detail=text,
            exchanges=[exchange(text, 200), exchange(text)],
            tests=[f"test_some[{text}]"],
            kind=kind,
        )
        for kind in kinds
    ]
    return RunResult(
        Counters(base_url=f"http://{text}", requests=1, boundaries={f"{text}: x": 1}),  # type: ignore[arg-type]
        found,
        [SuiteError(f"test_other[{text}]", text)],
        [
            RanTest(f"test_some[{text}]", "failed", "", ["accepts"]),
            RanTest("test_third", "skipped", f"not judged: {text}"),
        ],
        plan={"forecast": {"tasks": text, "credits": text}},
        baseline={
            "file": text,
            "entries": 2,
            "occurred": 1,
            "expired": [{"id": text, "by": text, "why": text, "until": "2026-01-01"}],
            "absent": [{"id": text, "by": text, "why": text, "until": "2027-01-01"}],
            "without_tests": [{"id": text, "by": text, "why": text, "until": "2027-01-01"}],
            "updated": False,
        },
    )
