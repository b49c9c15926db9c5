"""A sync or async client with a ledger records all it does."""

from __future__ import annotations

import sqlite3
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest

from tests.transport.misbehaving_server import MisbehavingServer, responds_json, task
from wanflow import Client, errors
from wanflow.ledger import JobState, Ledger

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.ledger.conftest import SyncRunner
    from wanflow.mock import MockServer

OWN_KEY = "my-own-key-for-this-job"


def only(ledger: Ledger) -> object:
    jobs = ledger.jobs()
    assert len(jobs) == 1
    return jobs[0]


def test_a_run_is_recorded_from_its_intent_to_its_files(
    do: SyncRunner, ledger: Ledger, model: str, tmp_path: Path
) -> None:
    """A run records the files with their sizes and digests."""
    result = do(lambda client: client.run(model=model, prompt="a fox", output_dir=tmp_path / "out"))
    job = only(ledger)
    assert job.state is JobState.SAVED
    assert job.task_id == result.task_id
    assert job.body == {"model": model, "prompt": "a fox"}
    assert job.credits is not None
    assert job.recorded_at <= job.accepted <= job.ended
    assert [file.path for file in job.files] == result.paths
    content = result.paths[0].read_bytes()
    assert (job.files[0].size, job.files[0].sha256) == (len(content), sha256(content).hexdigest())
    assert job.finished
    assert job.owner is None


def test_a_submission_alone_is_recorded_as_accepted(
    do: SyncRunner, ledger: Ledger, model: str
) -> None:
    """A submission without a wait leaves an accepted job without an owner."""
    task = do(lambda client: client.submit(model=model, prompt="x"))
    job = only(ledger)
    assert (job.state, job.task_id, job.owner) == (JobState.ACCEPTED, task.id, None)
    assert not job.finished


def test_a_rejection_is_recorded(do: SyncRunner, ledger: Ledger, model: str) -> None:
    """A rejected job has the reason and is finished."""
    with pytest.raises(errors.BadRequest):
        do(lambda client: client.submit(model=model, prompt="[mock:code=400]"))
    job = only(ledger)
    assert job.state is JobState.REJECTED
    assert "400" in job.reason
    assert job.finished


@pytest.mark.parametrize("fault", ["lost-response", "status=500", "status=502", "missing=id"])
def test_a_lost_response_is_recorded_as_uncertain(
    do: SyncRunner, ledger: Ledger, model: str, fault: str
) -> None:
    """If the response was lost or an error of the gateway, the job is uncertain."""
    with pytest.raises(errors.WanflowError):
        do(
            lambda client: client.submit(model=model, prompt=f"[mock:fault={fault}]"),
            retry_timeout=0,
        )
    job = only(ledger)
    assert job.state is JobState.UNCERTAIN
    assert job.uncertain
    assert job.key
    assert job.reason


@pytest.mark.parametrize("fault", ["truncated", "garbled"])
def test_a_damaged_response_with_a_task_id_is_an_acceptance(
    do: SyncRunner, ledger: Ledger, model: str, fault: str
) -> None:
    """A damaged body that contains the id leaves an accepted job."""
    task = do(lambda client: client.submit(model=model, prompt=f"[mock:fault={fault}]"))
    job = only(ledger)
    assert (job.state, job.task_id) == (JobState.ACCEPTED, task.id)


def test_a_failed_task_is_recorded_with_its_code(
    do: SyncRunner, ledger: Ledger, model: str
) -> None:
    """A failed task is recorded with its error code."""
    with pytest.raises(errors.TaskFailed):
        do(lambda client: client.run(model=model, prompt="[mock:fail=service_error]"))
    job = only(ledger)
    assert (job.state, job.code) == (JobState.FAILED, "service_error")


def test_a_task_of_another_program_is_recorded_by_its_wait(
    do: SyncRunner, ledger: Ledger, model: str, submitted: Callable[[], int]
) -> None:
    """A task that another program submitted is recorded from the first wait on."""
    task = do(lambda client: client.submit(model=model, prompt="x"))
    assert ledger.delete(ledger.jobs()) == 1
    do(lambda client: client.task(task.id).wait())
    job = only(ledger)
    assert (job.state, job.task_id, job.key) == (JobState.COMPLETED, task.id, None)
    assert job.links


def test_an_unknown_task_is_recorded_as_lost(do: SyncRunner, ledger: Ledger) -> None:
    """A task that the API doesn't know is recorded as lost."""
    with pytest.raises(errors.NotFound):
        do(lambda client: client.task("task-unified-1756817821-nowhere1").wait())
    assert only(ledger).state is JobState.LOST


def test_the_same_key_is_the_same_job(
    do: SyncRunner, ledger: Ledger, model: str, submitted: Callable[[], int]
) -> None:
    """A key that was accepted is not sent again; its task is returned."""
    request_body = {"model": model, "prompt": "once", "idempotency_key": OWN_KEY}
    first = do(lambda client: client.submit(**request_body))
    before = submitted()
    again = do(lambda client: client.submit(**request_body))
    assert again.id == first.id
    assert submitted() == before
    assert len(ledger.jobs()) == 1


def test_a_key_belongs_to_one_request(do: SyncRunner, ledger: Ledger, model: str) -> None:
    """The same key with another request is an error, and nothing is sent."""
    do(lambda client: client.submit(model=model, prompt="this", idempotency_key=OWN_KEY))
    with pytest.raises(errors.InvalidRequest, match="another request"):
        do(lambda client: client.submit(model=model, prompt="that", idempotency_key=OWN_KEY))


def test_an_uncertain_job_is_not_sent_again(
    do: SyncRunner, ledger: Ledger, model: str, submitted: Callable[[], int]
) -> None:
    """A key whose response was lost is not sent again, and the error has the key."""
    request_body = {
        "model": model,
        "prompt": "[mock:fault=lost-response]",
        "idempotency_key": OWN_KEY,
    }
    with pytest.raises(errors.SubmitUncertain):
        do(lambda client: client.submit(**request_body))
    before = submitted()
    with pytest.raises(errors.SubmitUncertain) as caught:
        do(lambda client: client.submit(**request_body))
    assert caught.value.idempotency_key == OWN_KEY
    assert submitted() == before


def test_an_uncertain_job_is_sent_again_if_requested(
    do: SyncRunner, ledger: Ledger, model: str, submitted: Callable[[], int]
) -> None:
    """`resubmit_uncertain` sends an uncertain job again, and it stays one job."""
    request_body = {
        "model": model,
        "prompt": "[mock:fault=lost-response]",
        "idempotency_key": OWN_KEY,
    }
    with pytest.raises(errors.SubmitUncertain):
        do(lambda client: client.submit(**request_body))
    with pytest.raises(errors.SubmitUncertain, match="was sent once with"):
        do(lambda client: client.submit(**request_body, resubmit_uncertain=True), retry_timeout=0)
    assert only(ledger).uncertain
    assert submitted() == 1


def test_a_rejected_job_may_be_sent_again(do: SyncRunner, ledger: Ledger, model: str) -> None:
    """A rejected job was not charged, so its key may be used again."""
    request_body = {"model": model, "prompt": "[mock:code=400]", "idempotency_key": OWN_KEY}
    for _ in range(2):
        with pytest.raises(errors.BadRequest):
            do(lambda client: client.submit(**request_body))
    assert only(ledger).state is JobState.REJECTED


def test_files_saved_later_are_recorded(
    do: SyncRunner, ledger: Ledger, model: str, tmp_path: Path
) -> None:
    """Files downloaded from a result are recorded like those of a run."""
    result = do(lambda client: client.run(model=model, prompt="x"))
    assert only(ledger).state is JobState.COMPLETED
    assert only(ledger).finished
    do(lambda client: _download(client, result.task_id, tmp_path))
    assert only(ledger).state is JobState.SAVED


def _download(client: object, task_id: str, folder: Path) -> object:
    waiting = client.task(task_id).wait()
    if hasattr(waiting, "download"):
        return waiting.download(folder)

    async def run() -> object:
        return await (await waiting).download(folder)

    return run()


def test_the_api_key_is_never_stored(
    do: SyncRunner, path: Path, model: str, tmp_path: Path, api_key: str
) -> None:
    """No file of the ledger contains the API key."""
    do(lambda client: client.run(model=model, prompt="x", output_dir=tmp_path / "out"))
    files = [file for file in path.parent.iterdir() if file.name.startswith(path.name)]
    assert path in files
    assert not any(api_key.encode() in file.read_bytes() for file in files)


def test_prompts_can_be_left_out(mock: MockServer, api_key: str, path: Path, model: str) -> None:
    """With `keep_prompts=False` no file of the ledger contains a prompt."""
    secret = "a very private unicorn"
    with (
        Ledger(path, keep_prompts=False) as ledger,
        Client(api_key, mock.base_url, ledger=ledger) as client,
    ):
        client.submit(model=model, prompt=secret, extra={"nested": {"negative_prompt": secret}})
        assert only(ledger).redacted
        assert only(ledger).body == {"model": model, "nested": {}}
        files = [file for file in path.parent.iterdir() if file.name.startswith(path.name)]
        assert not any(secret.encode() in file.read_bytes() for file in files)


def test_the_ledger_is_private(ledger: Ledger, path: Path) -> None:
    """Other users may not read the ledger."""
    assert path.stat().st_mode & 0o077 == 0


def test_nothing_is_sent_if_the_intent_cannot_be_recorded(
    do: SyncRunner, ledger: Ledger, path: Path, model: str, submitted: Callable[[], int]
) -> None:
    """Without a record there is no submission."""
    before = submitted()
    with sqlite3.connect(path) as other:
        other.execute("DROP TABLE file")
        other.execute("DROP TABLE job")
    other.close()
    with pytest.raises(errors.LedgerError):
        do(lambda client: client.submit(model=model, prompt="x"))
    assert submitted() == before


def test_a_single_poll_is_recorded(do: SyncRunner, ledger: Ledger, model: str) -> None:
    """A poll without a wait is recorded."""
    task = do(lambda client: client.submit(model=model, prompt="[mock:progression=polls=2] x"))
    do(lambda client: client.task(task.id).refresh())
    assert only(ledger).status == "processing"
    do(lambda client: client.task(task.id).refresh())
    assert only(ledger).state is JobState.COMPLETED


def test_a_directory_that_cannot_be_written_is_an_error_before_the_submission(
    do: SyncRunner, ledger: Ledger, model: str, tmp_path: Path, submitted: Callable[[], int]
) -> None:
    """A run whose files could not be saved is not started: nothing is sent or recorded."""
    (tmp_path / "taken").write_text("a file")
    for folder in (tmp_path / "taken", tmp_path / "taken" / "out"):
        with pytest.raises(errors.ConfigurationError, match="nothing was sent"):
            do(lambda client, folder=folder: client.run(model=model, prompt="x", output_dir=folder))
    assert submitted() == 0
    assert ledger.jobs() == []
    do(lambda client: client.run(model=model, prompt="x", output_dir=tmp_path / "new" / "out"))
    assert len(list((tmp_path / "new" / "out").iterdir())) == 1, "the test file was removed"


@pytest.mark.parametrize("status", [400, 404, 422, 429, 500, 503])
def test_a_task_id_in_an_error_response_is_recorded(
    do: SyncRunner, ledger: Ledger, model: str, status: int
) -> None:
    """A task id in any error response is recorded, and the task is resumed, not resubmitted."""
    request_body = {"model": model, "prompt": "x", "idempotency_key": OWN_KEY}
    task_id = "task-unified-1760000000-abcd1234"
    body = {"error": {"code": status, "message": "no"}, "data": {"task_id": task_id}}
    with MisbehavingServer(
        post=[responds_json(status, body)], get=[task("completed", id=task_id)]
    ) as server:
        given = {"base_url": server.url}
        with pytest.raises(errors.SubmitUncertain) as caught:
            do(lambda client: client.submit(**request_body), **given)
        assert caught.value.task_id == task_id
        job = only(ledger)
        assert (job.state, job.task_id, job.owner) == (JobState.ACCEPTED, task_id, None)
        assert str(status) in job.reason
        assert do(lambda client: client.submit(**request_body), **given).id == task_id
        assert server.count("POST") == 1
        (ending,) = do(lambda client: client.resume_all(), **given)
        assert (ending.error, ending.job.state) == (None, JobState.COMPLETED)
