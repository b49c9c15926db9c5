"""What the documents say of the requests of a standalone test, as data in its file."""

from __future__ import annotations

from base64 import b64decode
from typing import TYPE_CHECKING, Any

from wanflow_contract.checks.documented_responses import packaged_contract
from wanflow_contract.checks.expectation import Expected
from wanflow_contract.checks.request_expectation import expectation_of_request
from wanflow_contract.checks.response_checks import ALWAYS_ALLOWED
from wanflow_contract.checks.task_state import BUSINESS_CODES
from wanflow_contract.triage.emitted_assertions import STATUSES
from wanflow_contract.triage.emitted_requests import body_of, decoded

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wanflow_contract.checks.documented_responses import OperationContract
    from wanflow_contract.findings.finding import Finding, ShownExchange


def facts_of(finding: Finding, requests: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what the documents say of a finding's last request, and what was observed."""
    last = finding.exchanges[-1]
    contract = packaged_contract().operation_at(last.path)
    submission = next((one for one in requests if one["method"] == "POST"), None)
    body = decoded(submission["text"]) if submission else {}
    model = packaged_contract().catalog.models.get(str(body.get("model")))
    number = body.get("n", 1) if model is not None and model.kind == "image" else 1
    error = body_of(last).get("error")
    error = error if isinstance(error, dict) else {}
    return {
        "statuses": sorted(_right_statuses(finding, contract)),
        "schemas": _schemas() if finding.check == "schema" else {},
        "types": _error_types(contract) if finding.check == "error-type" else {},
        "param": error.get("param"),
        "code": error.get("code"),
        "status": last.status,
        "invalid": _must_be_rejected(finding.exchanges[0]),
        "method": contract.operation.method.upper() if contract else "GET",
        "codes": sorted(BUSINESS_CODES) if finding.check == "failure-code" else [],
        "kind": model.kind if model else "video",
        "results": number,
        "required": [_field(finding.pointer)] if finding.check == "still-present" else [],
    }


def _must_be_rejected(one: ShownExchange) -> bool:
    """Return whether the documents don't allow a request."""
    contract, headers = packaged_contract().operation_at(one.path), dict(one.request_headers)
    sent = b64decode(one.sent) if one.sent_binary else one.sent.encode()
    expectation = expectation_of_request(contract, one.method, headers, sent)
    return expectation is not None and expectation.expected is Expected.REJECT


def _field(pointer: str) -> str:
    return pointer.rpartition("/")[2]


def _right_statuses(finding: Finding, contract: OperationContract | None) -> set[int]:
    observed = finding.exchanges[-1].status
    if finding.check == "documented-status" and contract is not None:
        return {*contract.responses, *ALWAYS_ALLOWED}
    right = set(STATUSES.get(finding.check, ()))
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
