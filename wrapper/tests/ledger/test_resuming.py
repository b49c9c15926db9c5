"""Unfinished jobs are resumed once, and none is charged twice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from wanflow import Client, errors
from wanflow.ledger import JobState, Ledger

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.ledger.conftest import SyncRunner
    from wanflow.mock import MockServer


def states(ledger: Ledger) -> list[str]:
    found = [str(job.state) for job in ledger.jobs()]
    assert found
    return found


def test_a_known_task_is_waited_for_and_its_files_are_saved(
    do: SyncRunner, ledger: Ledger, model: str, tmp_path: Path
) -> None:
    """An accepted task is waited for, and its files are saved."""
    do(lambda client: client.submit(model=model, prompt="x", extra={"n": 2}))
    endings = do(lambda client: client.resume_all(tmp_path / "out"))
    assert [ending.error for ending in endings] == [None]
    assert states(ledger) == ["saved"]
    assert len(ledger.jobs()[0].files) == 2
    assert all(file.path.stat().st_size == file.size for file in ledger.jobs()[0].files)


def test_a_finished_job_is_not_resumed(do: SyncRunner, ledger: Ledger, model: str) -> None:
    """A second resume has nothing to do."""
    do(lambda client: client.submit(model=model, prompt="x"))
    assert len(do(lambda client: client.resume_all())) == 1
    assert do(lambda client: client.resume_all()) == []


def test_an_uncertain_job_is_reported_and_not_sent_again(
    do: SyncRunner, ledger: Ledger, model: str, submitted: Callable[[], int]
) -> None:
    """A submission whose response was lost stays uncertain, and the error has its key."""
    with pytest.raises(errors.SubmitUncertain):
        do(lambda client: client.submit(model=model, prompt="[mock:fault=lost-response]"))
    before = submitted()
    (ending,) = do(lambda client: client.resume_all())
    assert isinstance(ending.error, errors.SubmitUncertain)
    assert ending.error.idempotency_key == ending.job.key
    assert states(ledger) == ["uncertain"]
    assert submitted() == before


def test_an_uncertain_job_is_sent_again_if_requested_and_charged_once(
    ledger: Ledger, model: str, tmp_path: Path, mock: MockServer, api_key: str
) -> None:
    """With the same key, a server that honours keys returns the first task."""
    rule = mock.faults.add("lost-response", count=1, account=mock.accounts.for_key(api_key))
    try:
        with Client(api_key, mock.base_url, ledger=ledger) as client:
            with pytest.raises(errors.SubmitUncertain):
                client.submit(model=model, prompt="x")
            (ending,) = client.resume_all(tmp_path, resubmit_uncertain=True)
    finally:
        mock.faults.remove(rule.id)
    assert ending.error is None
    assert states(ledger) == ["saved"]
    assert mock.accounts.for_key(api_key).submitted == 1


def test_a_job_stays_uncertain_if_its_resubmission_is_rejected(
    ledger: Ledger, model: str, mock: MockServer, api_key: str
) -> None:
    """A rejected resubmission doesn't show that the first was not charged."""
    account = mock.accounts.for_key(api_key)
    rules = [
        mock.faults.add("lost-response", count=1, account=account),
        mock.faults.add("status=403", count=1, account=account),
    ]
    try:
        with Client(api_key, mock.base_url, ledger=ledger) as client:
            with pytest.raises(errors.SubmitUncertain):
                client.submit(model=model, prompt="x")
            (ending,) = client.resume_all(resubmit_uncertain=True)
    finally:
        for rule in rules:
            mock.faults.remove(rule.id)
    assert isinstance(ending.error, errors.PermissionDenied)
    assert states(ledger) == ["uncertain"]


def test_an_uncertain_job_without_its_prompt_stays_uncertain(
    location: Path | str, model: str, mock: MockServer, api_key: str
) -> None:
    """A job recorded without its prompt can't be sent again."""
    rule = mock.faults.add("lost-response", count=1, account=mock.accounts.for_key(api_key))
    try:
        with (
            Ledger(location, keep_prompts=False) as ledger,
            Client(api_key, mock.base_url, ledger=ledger) as client,
        ):
            with pytest.raises(errors.SubmitUncertain):
                client.submit(model=model, prompt="x")
            (ending,) = client.resume_all(resubmit_uncertain=True)
    finally:
        mock.faults.remove(rule.id)
    assert isinstance(ending.error, errors.SubmitUncertain)


def test_a_failed_job_does_not_affect_the_others(
    do: SyncRunner, ledger: Ledger, model: str, tmp_path: Path
) -> None:
    """Each job has its own result, reported when it ends."""
    prompts = ["x", "[mock:fail=generation_timeout]", "[mock:download-fault=status=404]", "y"]
    for prompt in prompts:
        do(lambda client, prompt=prompt: client.submit(model=model, prompt=prompt))
    reported: list[Any] = []
    endings = do(lambda client: client.resume_all(tmp_path, on_result=reported.append))
    assert reported == endings
    assert sorted(states(ledger)) == ["completed", "failed", "saved", "saved"]
    kinds = {str(ending.job.state): type(ending.error) for ending in endings}
    assert kinds["failed"] is errors.TaskFailed
    assert kinds["completed"] is errors.DownloadFailed
    again = do(lambda client: client.resume_all(tmp_path))
    assert [ending.job.state for ending in again] == [JobState.COMPLETED]


def test_jobs_of_another_server_are_not_resumed(
    do: SyncRunner, ledger: Ledger, model: str, mock: MockServer, api_key: str
) -> None:
    """A task is queried only at the server that issued its id."""
    do(lambda client: client.submit(model=model, prompt="x"))
    with Client(api_key, f"{mock.base_url}/elsewhere", ledger=ledger) as client:
        assert client.resume_all() == []
    assert states(ledger) == ["accepted"]


def test_a_client_without_a_ledger_has_nothing_to_resume(mock: MockServer, api_key: str) -> None:
    """The error says that a ledger is needed."""
    with Client(api_key, mock.base_url) as client, pytest.raises(errors.ConfigurationError):
        client.resume_all()


def test_more_jobs_than_the_concurrency_limit_all_end(
    do: SyncRunner, ledger: Ledger, model: str
) -> None:
    """With a limit on concurrency all jobs end."""
    for _ in range(7):
        do(lambda client: client.submit(model=model, prompt="x"))
    assert len(do(lambda client: client.resume_all(max_concurrency=2))) == 7
    assert set(states(ledger)) == {"completed"}


def test_jobs_that_expire_first_are_resumed_first(
    mock: MockServer, api_key: str, ledger: Ledger, model: str, tmp_path: Path
) -> None:
    """Completed tasks come before running ones, and older ones first: their URLs expire sooner."""
    reported: list[str] = []
    with Client(api_key, mock.base_url, ledger=ledger) as client:
        running, done = (client.submit(model=model, prompt=prompt) for prompt in ("a", "b"))
        client.submit(model=model, prompt="c").wait()
        done.wait()
        (last,) = [job for job in ledger.jobs() if job.task_id not in {running.id, done.id}]
        ledger.record_target_dir(mock.base_url, done.id, tmp_path)
        ledger.release_task(mock.base_url, done.id)
        endings = client.resume_all(
            tmp_path,
            max_concurrency=1,
            on_result=lambda ending: reported.append(ending.job.task_id),
        )
    assert last.finished
    assert reported == [done.id, last.task_id, running.id]
    assert [ending.error for ending in endings] == [None] * 3
