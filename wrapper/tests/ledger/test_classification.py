"""Client, ledger and batch classify every response to a submission alike."""

from __future__ import annotations

import json
from itertools import product
from typing import TYPE_CHECKING, Any

import pytest

from tests.client.clients import httpx
from tests.client.fast_clock import with_fast_clock
from wanflow import errors
from wanflow._core.effects import Response
from wanflow._core.submission_response import Acceptance, Classified, classify
from wanflow.batch import JobStatus
from wanflow.ledger import JobState, Ledger

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.ledger.conftest import SyncRunner

URL = (
    "https://api.example/apiv1"  # the path of the spec's server: a 404 elsewhere means a wrong URL
)
STATUSES = range(100, 600)
# Those with a meaning, and the ends of each class; all of them take seconds for each kind of body.
FEW = [one for one in STATUSES if one % 100 < 10 or one % 100 in {22, 25, 26, 28, 29, 31, 51, 99}]
KINDS = ("documented", "empty", "naming")
# These stop a batch: no other job would be accepted either.
STOPS_BATCH = {401, 402}


def task_of(status: int, kind: str) -> str:
    return f"task-unified-1760000000-{kind}{status}"


def content_of(status: int, kind: str) -> bytes:
    """Return the body of a response to a submission."""
    return {
        "documented": json.dumps({"error": {"code": status, "message": "no"}}).encode(),
        "empty": b"",
        "naming": json.dumps({"task_id": task_of(status, kind), "status": "pending"}).encode(),
    }[kind]


def respond(request: httpx.Request) -> httpx.Response:
    """Respond as the prompt says; the status of each task is failed."""
    if request.method == "POST":
        status, kind = json.loads(request.content)["prompt"].split()
        return httpx.Response(int(status), content=content_of(int(status), kind))
    task_id = request.url.path.rpartition("/")[2]
    failed = {"id": task_id, "status": "failed", "error": {"code": "x", "message": "no"}}
    return httpx.Response(200, json=failed)


def classification_of(status: int, kind: str) -> Classified:
    return classify(Response(status, {}, content_of(status, kind)))


def submit_or_error(client: Any, request_body: dict[str, Any]) -> Any:
    """Submit with a sync or async client; return the error or the task."""

    async def wait(made: Any) -> Any:
        try:
            return await made
        except errors.WanflowError as error:
            return error

    try:
        made = client.submit(**request_body)
    except errors.WanflowError as error:
        return error
    return wait(made) if hasattr(made, "__await__") else made


def submit_each(client: Any, request_bodies: list[dict[str, Any]]) -> Any:
    """Submit one after the other with one client; return the errors and tasks."""
    made = [submit_or_error(client, one) for one in request_bodies]

    async def wait_for_each() -> list[Any]:
        return [await one for one in made]

    return wait_for_each() if hasattr(made[0], "__await__") else made


@pytest.mark.parametrize(
    "statuses", [FEW, pytest.param(STATUSES, marks=pytest.mark.slow)], ids=["few", "all"]
)
@pytest.mark.parametrize("kind", KINDS)
def test_a_submission_is_recorded_as_what_it_raises(
    do: SyncRunner, ledger: Ledger, model: str, kind: str, statuses: Sequence[int]
) -> None:
    """For each status: rejected, uncertain, or accepted with the id of the response."""
    wanted = {
        Acceptance.ACCEPTED: JobState.ACCEPTED,
        Acceptance.UNCERTAIN: JobState.UNCERTAIN,
        Acceptance.REJECTED: JobState.REJECTED,
        Acceptance.RETRYABLE: JobState.REJECTED,
    }
    keys = {status: f"{kind}-{status:016d}" for status in statuses}
    bodies = [
        {"model": model, "prompt": f"{status} {kind}", "idempotency_key": key}
        for status, key in keys.items()
    ]
    options = {"base_url": URL, "transport": httpx.MockTransport(respond), "retry_timeout": 0}
    results = do(lambda client: submit_each(client, bodies), **options)
    for (status, key), made in zip(keys.items(), results, strict=True):
        found, job = classification_of(status, kind), ledger.find(key)
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


def test_a_batch_classifies_responses_alike(
    do: SyncRunner, ledger: Ledger, model: str, tmp_path: Path
) -> None:
    """Each job has the status of its response in the report and in the ledger."""
    # Each status once, and each kind of body of those that prove a rejection by their body alone.
    responses = [(one, KINDS[one % len(KINDS)]) for one in STATUSES if one not in STOPS_BATCH]
    responses = list(dict.fromkeys([*responses, *product((429, 503), KINDS)]))
    jobs = [{"model": model, "prompt": f"{status} {kind}"} for status, kind in responses]

    def work(client: Any) -> Any:
        return with_fast_clock(client).batch(jobs, tmp_path / "out", max_concurrency=200)

    options = {"base_url": URL, "transport": httpx.MockTransport(respond), "retry_timeout": 0}
    report = do(work, **options)
    assert len(report.results) == len(responses)
    for (status, kind), outcome in zip(responses, report.results, strict=True):
        end, state = expected_end(classification_of(status, kind))
        assert outcome.status is end, (status, kind)
        assert outcome.task_id == classification_of(status, kind).task_id
        job = ledger.find(outcome.key)
        assert job is not None
        assert job.state is state, (status, kind)


def expected_end(found: Classified) -> tuple[JobStatus, JobState]:
    """Return the expected status in the report and state in the ledger; each task has failed."""
    match found.acceptance:
        case Acceptance.ACCEPTED:
            return JobStatus.FAILED, JobState.FAILED
        case Acceptance.UNCERTAIN:
            # The next run resumes the task with this id.
            named = found.task_id is not None
            return (
                (JobStatus.RESUMABLE, JobState.ACCEPTED)
                if named
                else (JobStatus.UNCERTAIN, JobState.UNCERTAIN)
            )
        case _:
            return JobStatus.FAILED, JobState.REJECTED
