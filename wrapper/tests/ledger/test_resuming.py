"""Whatever isn't finished is taken up, once, and nothing is paid for twice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from wanflow import Client, errors
from wanflow.ledger import JobState, Ledger

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.ledger.conftest import Sync
    from wanflow.mock import MockServer


def states(ledger: Ledger) -> list[str]:
    found = [str(job.state) for job in ledger.jobs()]
    assert found
    return found


def test_a_known_task_is_waited_for_and_its_files_are_saved(
    do: Sync, ledger: Ledger, model: str, tmp_path: Path
) -> None:
    """A task that was accepted is brought to its end, its files where they were wanted."""
    do(lambda client: client.submit(model=model, prompt="x", extra={"n": 2}))
    endings = do(lambda client: client.resume_all(tmp_path / "out"))
    assert [ending.error for ending in endings] == [None]
    assert states(ledger) == ["saved"]
    assert len(ledger.jobs()[0].files) == 2
    assert all(file.path.stat().st_size == file.size for file in ledger.jobs()[0].files)


def test_what_is_finished_is_left_alone(do: Sync, ledger: Ledger, model: str) -> None:
    """A second resume has nothing to do."""
    do(lambda client: client.submit(model=model, prompt="x"))
    assert len(do(lambda client: client.resume_all())) == 1
    assert do(lambda client: client.resume_all()) == []


def test_a_doubt_is_told_and_not_sent_again(
    do: Sync, ledger: Ledger, model: str, submitted: Callable[[], int]
) -> None:
    """A submission whose answer was lost stays as it is, and shows what it takes to ask."""
    with pytest.raises(errors.SubmitUncertain):
        do(lambda client: client.submit(model=model, prompt="[mock:fault=lost-response]"))
    before = submitted()
    (ending,) = do(lambda client: client.resume_all())
    assert isinstance(ending.error, errors.SubmitUncertain)
    assert ending.error.idempotency_key == ending.job.key
    assert states(ledger) == ["uncertain"]
    assert submitted() == before


def test_a_doubt_is_sent_again_where_that_is_asked_for_and_charged_once_where_keys_are_honoured(
    ledger: Ledger, model: str, tmp_path: Path, mock: MockServer, api_key: str
) -> None:
    """With the same key, a server that honours keys finds the task that it had made."""
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


def test_a_refusal_of_the_second_try_leaves_the_doubt(
    ledger: Ledger, model: str, mock: MockServer, api_key: str
) -> None:
    """That a second try is refused says nothing of the first, which may have been charged."""
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


def test_a_doubt_without_its_prompt_stays_one(
    path: Path, model: str, mock: MockServer, api_key: str
) -> None:
    """What was recorded without its prompt can't be sent again."""
    rule = mock.faults.add("lost-response", count=1, account=mock.accounts.for_key(api_key))
    try:
        with (
            Ledger(path, keep_prompts=False) as ledger,
            Client(api_key, mock.base_url, ledger=ledger) as client,
        ):
            with pytest.raises(errors.SubmitUncertain):
                client.submit(model=model, prompt="x")
            (ending,) = client.resume_all(resubmit_uncertain=True)
    finally:
        mock.faults.remove(rule.id)
    assert isinstance(ending.error, errors.SubmitUncertain)


def test_one_job_that_fails_costs_the_others_nothing(
    do: Sync, ledger: Ledger, model: str, tmp_path: Path
) -> None:
    """Each job has an ending of its own, and all of them are told as they come."""
    prompts = ["x", "[mock:fail=generation_timeout]", "[mock:download-fault=status=404]", "y"]
    for prompt in prompts:
        do(lambda client, prompt=prompt: client.submit(model=model, prompt=prompt))
    told: list[Any] = []
    endings = do(lambda client: client.resume_all(tmp_path, on_result=told.append))
    assert told == endings
    assert sorted(states(ledger)) == ["completed", "failed", "saved", "saved"]
    kinds = {str(ending.job.state): type(ending.error) for ending in endings}
    assert kinds["failed"] is errors.TaskFailed
    assert kinds["completed"] is errors.DownloadFailed
    again = do(lambda client: client.resume_all(tmp_path))
    assert [ending.job.state for ending in again] == [JobState.COMPLETED]


def test_jobs_of_another_server_are_left_to_it(
    do: Sync, ledger: Ledger, model: str, mock: MockServer, api_key: str
) -> None:
    """A task's id is known to the server that gave it, and nobody else is asked."""
    do(lambda client: client.submit(model=model, prompt="x"))
    with Client(api_key, f"{mock.base_url}/elsewhere", ledger=ledger) as client:
        assert client.resume_all() == []
    assert states(ledger) == ["accepted"]


def test_a_client_without_a_ledger_has_nothing_to_resume(mock: MockServer, api_key: str) -> None:
    """There must be a ledger, and the error says so."""
    with Client(api_key, mock.base_url) as client, pytest.raises(errors.ConfigurationError):
        client.resume_all()


def test_more_jobs_than_may_be_under_way_together_all_end(
    do: Sync, ledger: Ledger, model: str
) -> None:
    """A bound on what is under way leaves nothing behind."""
    for _ in range(7):
        do(lambda client: client.submit(model=model, prompt="x"))
    assert len(do(lambda client: client.resume_all(max_concurrency=2))) == 7
    assert set(states(ledger)) == {"completed"}


def test_what_expires_first_is_taken_up_first(
    mock: MockServer, api_key: str, ledger: Ledger, model: str, tmp_path: Path
) -> None:
    """Results before running tasks, and the older ones first: their links die sooner."""
    told: list[str] = []
    with Client(api_key, mock.base_url, ledger=ledger) as client:
        running, done = (client.submit(model=model, prompt=prompt) for prompt in ("a", "b"))
        client.submit(model=model, prompt="c").wait()
        done.wait()
        (last,) = [job for job in ledger.jobs() if job.task_id not in {running.id, done.id}]
        ledger.record_target_dir(mock.base_url, done.id, tmp_path)
        ledger.release_task(mock.base_url, done.id)
        endings = client.resume_all(
            tmp_path, max_concurrency=1, on_result=lambda ending: told.append(ending.job.task_id)
        )
    assert last.finished
    assert told == [done.id, last.task_id, running.id]
    assert [ending.error for ending in endings] == [None] * 3
