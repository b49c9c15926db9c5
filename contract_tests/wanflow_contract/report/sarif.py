"""The report as SARIF 2.1.0: a rule for each check, a result for each finding."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from wanflow_contract.checks.check import REGISTRY
from wanflow_contract.checks.documented_responses import packaged_contract
from wanflow_contract.findings.finding import KNOWN, NEW
from wanflow_contract.report.digest import digest
from wanflow_contract.report.text import block, example_of, one_line

if TYPE_CHECKING:
    from wanflow_contract.findings.finding import Finding
    from wanflow_contract.report.digest import Digest
    from wanflow_contract.report.result import RunResult

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_OF_GITHUB = "primaryLocationLineHash"
"""The only fingerprint that GitHub compares, which else would be the same for each result."""
DOCUMENT = "specs/openapi.yaml"
_LEVELS = {NEW: "error", KNOWN: "note"}
_LONGEST = 2000
_LONGEST_OF_RULE = 980  # with how much is left out, no more than the 1,024 that GitHub takes
_MOST_RESULTS = 25_000
"""How many results GitHub takes of a run."""


def render_sarif(result: RunResult) -> str:
    """Return the log as JSON; API keys and control characters are in none of its texts."""
    return json.dumps(log_of(digest(result)), indent=1)


def log_of(found: Digest) -> dict[str, Any]:
    """Return the log with its one run."""
    result = found.result
    names = sorted({*REGISTRY, *(one.check for one in result.findings)})
    rules = {name: index for index, name in enumerate(names)}
    sentences = {one.check: one for one in result.findings}
    driver = {
        "name": "wanflow contract",
        "version": result.suite,
        "semanticVersion": result.suite,
        "rules": [_rule(name, sentences.get(name)) for name in names],
    }
    notifications = [
        {"level": "error", "message": {"text": f"{one_line(one.test)}: {block(one.text)}"}}
        for one in result.errors
    ]
    results = [
        _result(one, rules, cause.main.id)
        for cause in (*found.causes, *found.notes, *found.known)
        for one in cause.findings
    ]
    if len(results) > _MOST_RESULTS:
        left = f"{len(results) - _MOST_RESULTS} results are left out"
        notifications.append({"level": "error", "message": {"text": left}})
    run = {
        "tool": {"driver": driver},
        "columnKind": "utf16CodeUnits",
        "results": results[:_MOST_RESULTS],
        "invocations": [
            {"executionSuccessful": not result.errors, "toolExecutionNotifications": notifications}
        ],
        "properties": {"verdict": found.verdict, "coverage": found.coverage, "cost": found.cost},
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(name: str, finding: Finding | None) -> dict[str, Any]:
    check = REGISTRY.get(name)
    sentence = check.sentence if check else finding.sentence if finding else name
    cites = (check.cites if check else "") or (finding.cites if finding else "")
    full = " ".join(one for one in (sentence, check.why if check else "", cites) if one)
    more = check.correct if check else ""
    texts = {
        "shortDescription": one_line(sentence, _LONGEST_OF_RULE),
        "fullDescription": one_line(full, _LONGEST_OF_RULE),
        "help": one_line(f"{full} {more}".strip(), _LONGEST),
    }
    return {"id": name, **{one: {"text": text or name} for one, text in texts.items()}}


def _result(finding: Finding, rules: dict[str, int], cause: str) -> dict[str, Any]:
    text = f"{finding.sentence} Observed: {finding.detail}"
    return {
        "ruleId": finding.check,
        "ruleIndex": rules[finding.check],
        "level": _LEVELS.get(finding.kind, "note"),
        "kind": "fail",
        "message": {"text": one_line(text, _LONGEST)},
        "locations": [_location(finding)],
        "partialFingerprints": {"findingId/v1": finding.id, _OF_GITHUB: f"{finding.id}:1"},
        "occurrenceCount": max(1, finding.count),
        "baselineState": "unchanged" if finding.kind == KNOWN else "new",
        "properties": {
            "cause": cause,
            "cites": one_line(finding.cites, _LONGEST),
            "curl": [example_of(one).curl for one in finding.exchanges],
        },
    }


def _location(finding: Finding) -> dict[str, Any]:
    contract = packaged_contract().operations.get(finding.operation)
    path = f"{contract.operation.method.upper()} {contract.operation.path}" if contract else ""
    name = " ".join(one for one in (path or finding.operation, finding.pointer) if one)
    region = {"startLine": 1, "startColumn": 1, "endLine": 1, "endColumn": 2}
    return {
        "physicalLocation": {"artifactLocation": {"uri": DOCUMENT}, "region": region},
        "logicalLocations": [
            {"fullyQualifiedName": one_line(name, _LONGEST) or "the API", "kind": "resource"}
        ],
    }
