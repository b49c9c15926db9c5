"""The requests that a standalone test sends to show a finding again."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from wanflow_contract.checks.boundaries import cheapest
from wanflow_contract.checks.documented_responses import packaged_contract
from wanflow_contract.support.exchange import repeated_headers
from wanflow_contract.triage.emitted_assertions import LIFE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wanflow.catalog.catalog import Model
    from wanflow_contract.findings.finding import Finding, ShownExchange

_TASK = re.compile(r"task-unified-[\w-]+")


def requests_of(finding: Finding) -> Iterator[dict[str, Any]]:
    """Yield the requests of a finding, with the submission of a task that they query."""
    exchanges = list(finding.exchanges)
    submitted = {str(body_of(one).get("id")) for one in exchanges if one.method == "POST"}
    last = exchanges[-1]
    task = _TASK.search(last.path)
    life = finding.check in LIFE
    if task and last.status == 200 and task[0] not in submitted and finding.check != "unknown-id":
        yield _submission(_model(last), task[0], results=2 if finding.check == "results" else 1)
        submitted.add(task[0])
    queried = [one for one in exchanges if one.method != "POST"]
    if life and not queried and task is None:
        made = str(body_of(last).get("id"))
        yield _request(last, polled=False)
        yield _poll(last, made)
        return
    for one in exchanges:
        path = _TASK.search(one.path)
        polled = bool(one.method == "GET" and path and path[0] in submitted)
        polled = polled and finding.check in {*LIFE, "schema", "json"}
        if not (polled and one is not last):
            yield _request(one, polled=polled)


def _request(one: ShownExchange, *, polled: bool) -> dict[str, Any]:
    made = body_of(one).get("id") if one.method == "POST" and one.status < 300 else None
    return {
        "method": one.method,
        "path": one.path,
        "headers": [[*pair] for pair in repeated_headers(one.request_headers, one.headers)],
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
    return models.get(str(body_of(one).get("model"))) or next(iter(models.values()))


def body_of(one: ShownExchange) -> dict[str, Any]:
    """Return the JSON object of a response, empty if it isn't one."""
    return {} if one.content_binary else decoded(one.content)


def decoded(text: str) -> dict[str, Any]:
    """Return the JSON object that a text holds, empty if it holds none."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
