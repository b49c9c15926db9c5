"""Client, ledger and batch mean the same by every response to a submission."""

from __future__ import annotations

import json
from itertools import product
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.client.fast_clock import with_fast_clock
from wanflow import errors
from wanflow._core.effects import Response
from wanflow._core.submission_response import Acceptance, Classified, classify
from wanflow.batch import JobStatus
from wanflow.ledger import JobState, Ledger

if TYPE_CHECKING:
    from pathlib import Path

    from tests.ledger.conftest import Sync

URL = "https://api.example"
STATUSES = range(100, 600)
KINDS = ("documented", "empty", "naming")
# These stop a batch: no other job would be accepted either.
HOPELESS = {401, 402}


def task_of(status: int, kind: str) -> str:
    return f"task-unified-1760000000-{kind}{status}"


def content_of(status: int, kind: str) -> bytes:
    """The body of a response to a submission."""
    return {
        "documented": json.dumps({"error": {"code": status, "message": "no"}}).encode(),
        "empty": b"",
        "naming": json.dumps({"task_id": task_of(status, kind), "status": "pending"}).encode(),
    }[kind]


def respond(request: httpx.Request) -> httpx.Response:
    """Respond as a submission's prompt says; each task has failed when it is asked about."""
    if request.method == "POST":
        status, kind = json.loads(request.content)["prompt"].split()
        return httpx.Response(int(status), content=content_of(int(status), kind))
    task_id = request.url.path.rpartition("/")[2]
    failed = {"id": task_id, "status": "failed", "error": {"code": "x", "message": "no"}}
    return httpx.Response(200, json=failed)


def rule_of(status: int, kind: str) -> Classified:
    return classify(Response(status, {}, content_of(status, kind)))


def raised(client: Any, order: dict[str, Any]) -> Any:
    """Submit with a client of either colour → the error, or the task."""

    async def wait(made: Any) -> Any:
        try:
            return await made
        except errors.WanflowError as error:
            return error

    try:
        made = client.submit(**order)
    except errors.WanflowError as error:
        return error
    return wait(made) if hasattr(made, "__await__") else made


@pytest.mark.parametrize("kind", KINDS)
def test_a_submission_is_recorded_as_what_it_raises(
    do: Sync, ledger: Ledger, model: str, kind: str
) -> None:
    """Whatever the status: refused, uncertain, or accepted with the id that came."""
    wanted = {
        Acceptance.ACCEPTED: JobState.ACCEPTED,
        Acceptance.UNCERTAIN: JobState.UNCERTAIN,
        Acceptance.REJECTED: JobState.REJECTED,
        Acceptance.RETRYABLE: JobState.REJECTED,
    }
    for status in STATUSES:
        key = f"{kind}-{status:016d}"
        order = {"model": model, "prompt": f"{status} {kind}", "idempotency_key": key}
        options = {"base_url": URL, "transport": httpx.MockTransport(respond), "retry_timeout": 0}
        made = do(lambda client, order=order: raised(client, order), **options)
        found, job = rule_of(status, kind), ledger.find(key)
        assert job is not None
        assert job.state is (JobState.ACCEPTED if found.task_id else wanted[found.acceptance]), (
            status
        )
        assert job.task_id == found.task_id
        assert job.owner is None
        match found.acceptance:
            case Acceptance.ACCEPTED:
                assert made.id == found.task_id
            case Acceptance.UNCERTAIN:
                assert isinstance(made, errors.SubmitUncertain)
                assert made.task_id == found.task_id
            case _:
                assert isinstance(made, errors.APIError)


def test_a_batch_means_the_same(do: Sync, ledger: Ledger, model: str, tmp_path: Path) -> None:
    """Each job ends, in the report and in the ledger, as the response to it says."""
    # Each status once, and each kind of body of those that prove a rejection by their body alone.
    asked = [(one, KINDS[one % len(KINDS)]) for one in STATUSES if one not in HOPELESS]
    asked = list(dict.fromkeys([*asked, *product((429, 503), KINDS)]))
    jobs = [{"model": model, "prompt": f"{status} {kind}"} for status, kind in asked]

    def work(client: Any) -> Any:
        return with_fast_clock(client).batch(jobs, tmp_path / "out", max_concurrency=200)

    options = {"base_url": URL, "transport": httpx.MockTransport(respond), "retry_timeout": 0}
    report = do(work, **options)
    assert len(report.results) == len(asked)
    for (status, kind), outcome in zip(asked, report.results, strict=True):
        end, state = meant_by(rule_of(status, kind))
        assert outcome.status is end, (status, kind)
        assert outcome.task_id == rule_of(status, kind).task_id
        job = ledger.find(outcome.key)
        assert job is not None
        assert job.state is state, (status, kind)


def meant_by(found: Classified) -> tuple[JobStatus, JobState]:
    """What a response makes of a job of a batch, and of its entry; each task has failed."""
    match found.acceptance:
        case Acceptance.ACCEPTED:
            return JobStatus.FAILED, JobState.FAILED
        case Acceptance.UNCERTAIN:
            # The next run takes the task up that was named.
            named = found.task_id is not None
            return (
                (JobStatus.RESUMABLE, JobState.ACCEPTED)
                if named
                else (JobStatus.UNCERTAIN, JobState.UNCERTAIN)
            )
        case _:
            return JobStatus.FAILED, JobState.REJECTED
