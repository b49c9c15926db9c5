"""The number of results: a finding says in one sentence what is missing, or too many."""

from __future__ import annotations

import json
import time

import pytest

from self_tests.test_known_deviations import MODELS, TASK
from wanflow_contract.checks.boundaries import cheapest
from wanflow_contract.checks.check import observing
from wanflow_contract.checks.task_history import start
from wanflow_contract.findings.recorder import Recorder
from wanflow_contract.support.exchange import Exchange

IMAGE = next(one for one in MODELS if one.kind == "image")
VIDEO = next(one for one in MODELS if one.kind == "video")


def found(model, links: int, **more: int) -> list[str]:
    """Return what is found for a completed task with so many links."""
    task = {"id": TASK, "model": model.name, "created": int(time.time()), "status": "pending"}
    body = {**task, "status": "completed", "results": [f"https://a.b/{n}" for n in range(links)]}
    path = f"/v1/tasks/{TASK}"
    exchange = Exchange("GET", path, path, (), b"", 200, (), json.dumps(body).encode())
    recorder = Recorder(is_known=lambda _finding: True)
    with observing(recorder):
        start(model, {**cheapest(model), **more}, "one", task, exchange).observe(body, exchange)
    return [one.detail for one in recorder.findings.values() if one.check == "results"]


@pytest.mark.parametrize(
    ("model", "wanted", "links", "sentence"),
    [
        (IMAGE, 4, 4, None),
        (IMAGE, 4, 3, "4 results requested, 3 received: 1 missing"),
        (IMAGE, 4, 0, "4 results requested, 0 received: 4 missing"),
        (IMAGE, 1, 2, "1 result requested, 2 received: 1 too many"),
        (VIDEO, 4, 1, None),
        (VIDEO, 1, 0, "1 result requested, 0 received: 1 missing"),
    ],
)
def test_a_finding_says_how_many_results_are_missing(model, wanted, links, sentence) -> None:
    """A completed task has as many results as were requested; a video is always one."""
    assert found(model, links, n=wanted) == ([sentence] if sentence else [])
