"""Write findings as standalone pytest files, which need httpx and no part of this project."""

from __future__ import annotations

import inspect
import json
import pprint
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wanflow_contract.checks.boundaries import cheapest
from wanflow_contract.checks.documented_responses import packaged_contract
from wanflow_contract.checks.response_checks import ALWAYS_ALLOWED
from wanflow_contract.findings.finding import Finding, printable
from wanflow_contract.triage import standalone, standalone_checks

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from wanflow.catalog.catalog import Model
    from wanflow_contract.checks.documented_responses import OperationContract
    from wanflow_contract.findings.finding import ShownExchange
    from wanflow_contract.report.result import RunResult

_REFUSED = frozenset(range(400, 500))
_INVALID = frozenset({400, 404, 413, 415})
_STATUSES = {
    **dict.fromkeys(("rejects", "no-body", "nearly-json"), _INVALID),
    **{key: {200} for key in ("accepts", "json-form", "all-parameters", "media-type", "scheme")},
    **{key: {200} for key in ("found", "unknown-header")},
    **dict.fromkeys(("method", "other-method"), _REFUSED | {501}),
    "undocumented-path": _REFUSED,
    "unknown-id": {400, 404},
    "private": {403, 404},
    "key-required": {401},
}
_ASSERTIONS = {
    **dict.fromkeys(_STATUSES, standalone_checks.has_status),
    "documented-status": standalone_checks.has_status,
    **dict.fromkeys(
        ("no-server-error", "unusual-body", "unusual-text"), standalone_checks.has_no_server_error
    ),
    "json": standalone_checks.is_json,
    "schema": standalone_checks.matches_schema,
    "error-shape": standalone_checks.has_an_error,
    "error-code": standalone_checks.has_the_code_of_its_status,
    "error-type": standalone_checks.has_a_documented_error_type,
    "param": standalone_checks.names_another_parameter,
    "query-error": standalone_checks.names_another_parameter,
    **dict.fromkeys(("receipt", "task-id", "kind", "created"), standalone_checks.creates_a_task),
    **dict.fromkeys(("own-id", "identity", "still-present"), standalone_checks.stays_itself),
    **dict.fromkeys(("forward", "final", "progress"), standalone_checks.moves_forward),
    **dict.fromkeys(
        ("progress-100", "results", "failure", "result-data", "usage", "can-cancel"),
        standalone_checks.is_consistent,
    ),
    **dict.fromkeys(("duration", "failed-unused"), standalone_checks.is_consistent),
    "one-price": standalone_checks.costs_the_same,
    "new-task": standalone_checks.creates_two_tasks,
}
"""What a correct server does, by the name of the check; others need the suite."""
_LIFE = frozenset(
    name
    for name, one in _ASSERTIONS.items()
    if one
    in {
        standalone_checks.stays_itself,
        standalone_checks.moves_forward,
        standalone_checks.is_consistent,
    }
)
_TASK = re.compile(r"task-unified-[\w-]+")


def emit_tests(result: RunResult, folder: Path) -> tuple[list[Path], list[Finding]]:
    """Write the findings of a run, and return the files, and the findings without one.

    Raises:
        OSError: a file can't be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written, without = list[Path](), list[Finding]()
    for finding in result.findings:
        text = render_test(finding, result.counters.base_url)
        if text is None:
            without.append(finding)
            continue
        path = folder / f"test_{re.sub(r'[^a-z0-9]+', '_', finding.id.lower())}.py"
        path.write_text(text, "utf-8", errors="backslashreplace")
        written.append(path)
    return written, without


def render_test(finding: Finding, base_url: str) -> str | None:
    """Return the source of a test, None if the check can't be judged by httpx alone."""
    assertion = _ASSERTIONS.get(finding.check)
    if assertion is None or not finding.exchanges:
        return None
    requests = list(_requests(finding))
    if any("://" in one["path"] for one in requests):
        return None
    name = re.sub(r"\W+", "_", finding.id)
    quoted = json.dumps(printable(finding.detail)[:500])
    return "\n".join(
        [
            f'"""{_plain(finding.sentence)}',
            "",
            f"Finding {finding.id}; written by wanflow contract --emit-tests. Run it with pytest;",
            "it needs httpx, and the API key in WANFLOW_API_KEY.",
            *([f"Source: {_plain(finding.cites)}"] if finding.cites else []),
            '"""',
            "",
            _library(assertion.__name__),
            f'BASE_URL = os.environ.get("WANFLOW_CONTRACT_BASE_URL") or {base_url!r}',
            f"OBSERVED = {quoted}",
            f"REQUESTS = {pprint.pformat(requests, width=96, sort_dicts=False)}",
            f"FACTS = {pprint.pformat(_facts(finding, requests), width=96)}",
            "",
            "",
            f"def test_{name}():",
            f'    """{_plain(finding.sentence)}"""',
            f"    {assertion.__name__}(run(REQUESTS), FACTS)",
            "",
        ]
    )


def _plain(text: str) -> str:
    return printable(text).replace("\\", "\\\\").replace('"', "'")


_IMPORTS = """\
import base64
import json
import os
import re
import time
from itertools import pairwise
from typing import Any

import httpx

"""


def _library(assertion: str) -> str:
    """Return the source of what every test needs, and of one assertion."""
    _, begin, source = inspect.getsource(standalone).partition("KEYS = {")
    common = source.partition('BASE_URL = ""')[0].rstrip()
    asserted = inspect.getsource(getattr(standalone_checks, assertion))
    return f"{_IMPORTS}{begin}{common}\n\n\n{asserted}\n"


def _requests(finding: Finding) -> Iterator[dict[str, Any]]:
    """Yield the requests of a finding, with the submission of a task that they query."""
    exchanges = list(finding.exchanges)
    submitted = {str(_body(one).get("id")) for one in exchanges if one.method == "POST"}
    last = exchanges[-1]
    task = _TASK.search(last.path)
    life = finding.check in _LIFE
    if task and last.status == 200 and task[0] not in submitted and finding.check != "unknown-id":
        yield _submission(_model(last), task[0], results=2 if finding.check == "results" else 1)
        submitted.add(task[0])
    queried = [one for one in exchanges if one.method != "POST"]
    if life and not queried and task is None:
        made = str(_body(last).get("id"))
        yield _request(last, polled=False)
        yield _poll(last, made)
        return
    for one in exchanges:
        path = _TASK.search(one.path)
        polled = bool(one.method == "GET" and path and path[0] in submitted)
        polled = polled and finding.check in {*_LIFE, "schema", "json"}
        if not (polled and one is not last):
            yield _request(one, polled=polled)


def _request(one: ShownExchange, *, polled: bool) -> dict[str, Any]:
    skipped = {"host", "content-length", "connection", "accept-encoding", "user-agent"}
    made = _body(one).get("id") if one.method == "POST" and one.status < 300 else None
    return {
        "method": one.method,
        "path": one.path,
        "headers": [pair for pair in one.request_headers if pair[0].lower() not in skipped],
        "text": one.sent,
        "binary": one.sent_binary,
        "id": made if isinstance(made, str) else "",
        "polled": polled,
    }


def _submission(model: Model, task: str, *, results: int) -> dict[str, Any]:
    number = {"n": results} if "n" in model.parameters and results > 1 else {}
    return {
        "method": "POST",
        "path": model.path,
        "headers": [["Authorization", "Bearer ${API_KEY}"], ["Content-Type", "application/json"]],
        "text": json.dumps({**cheapest(model), **number}),
        "binary": False,
        "id": task,
        "polled": False,
    }


def _poll(submission: ShownExchange, task: str) -> dict[str, Any]:
    path = packaged_contract().status_operation.operation.path
    given = next(
        (one for name, one in submission.request_headers if name.lower() == "authorization"), ""
    )
    return {
        "method": "GET",
        "path": re.sub(r"\{[^}]+\}", task, path),
        "headers": [["Authorization", given]],
        "text": "",
        "binary": False,
        "id": "",
        "polled": True,
    }


def _model(one: ShownExchange) -> Model:
    """Return the model of a polled task, the first one if the response names none."""
    models = packaged_contract().catalog.models
    return models.get(str(_body(one).get("model"))) or next(iter(models.values()))


def _facts(finding: Finding, requests: list[dict[str, Any]]) -> dict[str, Any]:
    last = finding.exchanges[-1]
    contract = packaged_contract().operation_at(last.path)
    submission = next((one for one in requests if one["method"] == "POST"), None)
    body = _json(submission["text"]) if submission else {}
    model = packaged_contract().catalog.models.get(str(body.get("model")))
    number = body.get("n", 1) if model is not None and model.kind == "image" else 1
    error = _body(last).get("error")
    error = error if isinstance(error, dict) else {}
    return {
        "statuses": sorted(_right_statuses(finding, contract)),
        "schemas": _schemas() if finding.check == "schema" else {},
        "types": _error_types(contract) if finding.check == "error-type" else {},
        "param": error.get("param"),
        "code": error.get("code"),
        "kind": model.kind if model else "video",
        "results": number,
        "required": [_field(finding.pointer)] if finding.check == "still-present" else [],
    }


def _field(pointer: str) -> str:
    return pointer.rpartition("/")[2]


def _right_statuses(finding: Finding, contract: OperationContract | None) -> set[int]:
    observed = finding.exchanges[-1].status
    if finding.check == "documented-status" and contract is not None:
        return {*contract.responses, *ALWAYS_ALLOWED}
    right = set(_STATUSES.get(finding.check, ()))
    if finding.check == "key-required" and observed < 400:
        right |= {400}  # the parameters may be checked first
    return right - {observed}


def _error_types(contract: OperationContract | None) -> dict[str, list[str]]:
    responses = contract.responses if contract else {}
    types = {
        str(status): sorted({str(shown.get("type")) for shown in one.errors})
        for status, one in responses.items()
    }
    return {status: found for status, found in types.items() if found}


def _schemas() -> dict[str, Any]:
    """Return the schemas of all responses by method and status, without references."""
    document, found = packaged_contract().catalog.document, dict[str, Any]()
    for contract in packaged_contract().operations.values():
        for status, raw in contract.operation.node["responses"].items():
            response = _inlined(document, raw)
            media = response.get("content", {}).get("application/json", {})
            where = (
                f"POST {_last_part(contract.operation.path)}" if contract.is_submission else "GET"
            )
            found[f"{where} {status}"] = media.get("schema", {})
    return found


def _last_part(path: str) -> str:
    return "/" + path.rpartition("/v1/")[2]


_KEYWORDS = frozenset(
    {"type", "enum", "const", "minimum", "maximum", "minLength", "maxLength", "pattern", "required"}
    | {"properties", "additionalProperties", "items", "minItems", "maxItems", "allOf", "anyOf"}
    | {"oneOf", "content", "application/json", "schema"}
)


def _inlined(document: Mapping[str, Any], node: Any, *, named: bool = False) -> Any:
    """Return a part of a document without references, and with the keywords of tests only."""
    if isinstance(node, list):
        return [_inlined(document, one) for one in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        target: Any = document
        for part in str(node["$ref"]).removeprefix("#/").split("/"):
            target = target[part.replace("~1", "/").replace("~0", "~")]
        return _inlined(document, target)
    return {
        name: one
        if name in {"enum", "const", "required"} and not named
        else _inlined(document, one, named=name == "properties" and not named)
        for name, one in node.items()
        if named or name in _KEYWORDS
    }


def _body(one: ShownExchange) -> dict[str, Any]:
    return {} if one.content_binary else _json(one.content)


def _json(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
