"""A batch runs each job once, whatever happens to the others; a second run costs nothing."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from attrs import evolve

from tests.ledger.test_remaining import age
from wanflow import Client, errors
from wanflow.batch import InvalidBatch, JobStatus, StopSignal
from wanflow.batch.contact_sheet import render_sheet
from wanflow.batch.input import RowParser, read_csv
from wanflow.catalog.catalog import packaged_catalog
from wanflow.ledger import JobState, Ledger
from wanflow.mock import MockServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.batch.conftest import BatchRunner
    from wanflow.batch import BatchProgress, Report
    from wanflow.mock.gateway.accounts import Account


def jobs_of(model: str, *prompts: str) -> list[dict[str, Any]]:
    return [{"model": model, "prompt": prompt} for prompt in prompts]


def statuses(report: Report) -> list[str]:
    return [str(outcome.status) for outcome in report.results]


@contextmanager
def injected_fault(server: MockServer, account: Account, fault: str, **more: Any) -> Iterator[None]:
    rule = server.faults.add(fault, account=account, **more)
    try:
        yield
    finally:
        server.faults.remove(rule.id)


def test_every_job_is_done_and_its_files_are_saved(
    run_batch: BatchRunner, model: str, account: Account
) -> None:
    """There is a result for each job, in order, with its files."""
    report = run_batch([*jobs_of(model, "a", "b"), {"model": model, "prompt": "c", "n": 2}])
    assert report.complete
    assert statuses(report) == ["saved"] * 3
    assert [len(outcome.files) for outcome in report.results] == [1, 1, 2]
    assert all(
        file.path.stat().st_size == file.size for one in report.results for file in one.files
    )
    assert account.submitted == 3
    assert report.credits_spent == pytest.approx(account.spent)


def test_the_same_batch_again_costs_nothing(
    run_batch: BatchRunner, model: str, account: Account
) -> None:
    """The same jobs in the same directory are not run again, even if some are equal."""
    jobs = jobs_of(model, "twice", "twice", "once")
    first, again = run_batch(jobs), run_batch(jobs)
    assert account.submitted == 3
    assert again.complete
    assert all(outcome.from_earlier_run for outcome in again.results)
    assert [one.files for one in again.results] == [one.files for one in first.results]
    assert again.credits_spent == first.credits_spent


def test_another_directory_is_another_batch(
    run_batch: BatchRunner, model: str, account: Account, tmp_path: Path
) -> None:
    """Jobs without a key belong to their directory."""
    run_batch(jobs_of(model, "x"))
    run_batch(jobs_of(model, "x"), out=tmp_path / "other")
    assert account.submitted == 2


def test_a_job_is_identified_by_the_users_key(
    run_batch: BatchRunner, model: str, account: Account, tmp_path: Path
) -> None:
    """A key that is used again, in this batch or a later one, in any order, isn't charged again."""
    one, two = ({**job, "key": job["prompt"]} for job in jobs_of(model, "one", "two"))
    run_batch([one, two, one])
    report = run_batch([two, one], out=tmp_path / "other")
    assert account.submitted == 2
    assert statuses(report) == ["saved", "saved"]


def test_all_errors_are_reported_before_anything_is_sent(
    run_batch: BatchRunner, model: str, account: Account
) -> None:
    """If one line is wrong, nothing is sent, and every error of every line is listed."""
    before = run_batch([{"model": model, "prompt": "x", "key": "used"}]).results
    assert len(before) == 1
    wrong = [
        {"model": model, "prompt": "fine"},
        {"model": model, "prompt": 7, "n": 99},
        {"model": "no-such-model", "prompt": "x"},
        {"model": model, "prompt": "another", "key": "used"},
        {"model": model, "prompt": "1", "key": "same"},
        {"model": model, "prompt": "2", "key": "same"},
        {"model": model, "prompt": "x", "key": ""},
    ]
    with pytest.raises(InvalidBatch) as caught:
        run_batch(wrong)
    assert [error.line for error in caught.value.row_errors] == [2, 2, 3, 4, 6, 7]
    assert account.submitted == 1


def test_keys_that_differ_only_in_blanks_are_an_error(
    run_batch: BatchRunner, model: str, account: Account
) -> None:
    """It is probably a mistake, and both jobs would be charged."""
    jobs = [{"model": model, "prompt": "x", "key": key} for key in ("a", "a ", " a")]
    with pytest.raises(InvalidBatch) as caught:
        run_batch(jobs)
    assert [error.line for error in caught.value.row_errors] == [2, 3]
    assert "only in blanks" in str(caught.value)
    assert account.submitted == 0


def test_all_errors_of_a_line_are_reported(
    form: RowParser, server: MockServer, api_key: str, tmp_path: Path
) -> None:
    """A bad key, a missing column and a wrong type don't hide each other."""
    text = ["n,key,shade,size\n", f"two,{'k' * 201},red,3x3\n"]
    with (
        Ledger(tmp_path / "l.db") as ledger,
        Client(api_key, server.base_url, ledger=ledger) as client,
        pytest.raises(InvalidBatch) as caught,
    ):
        client.batch(read_csv(text, form), tmp_path / "out")
    messages = "\n".join(error.message for error in caught.value.row_errors)
    assert {error.line for error in caught.value.row_errors} == {2}
    for word in (
        "a template needs animal",
        "key must be",
        "n must be",
        "shade is no",
        "size must",
    ):
        assert word in messages
    assert "prompt is required" not in messages


@pytest.fixture
def form(model: str) -> RowParser:
    """A parser for rows of an image model, whose prompt is made from a column."""
    return RowParser(packaged_catalog(), model, {"prompt": "a {animal}"})


@pytest.mark.parametrize("jobs", [{"prompt": "x"}, "x", b"x", None, 5])
def test_something_other_than_a_list_of_jobs_is_an_error(run_batch: BatchRunner, jobs: Any) -> None:
    """The message explains it, and nothing is sent."""
    with pytest.raises(errors.InvalidRequest, match="a batch is a list of jobs"):
        run_batch(jobs)


def test_something_other_than_a_job_is_an_error_of_its_line(
    run_batch: BatchRunner, model: str
) -> None:
    """Each is reported, and the valid jobs aren't sent."""
    jobs: Any = [{"model": model, "prompt": "x"}, "x", None, 5]
    with pytest.raises(InvalidBatch) as caught:
        run_batch(jobs)
    assert [error.line for error in caught.value.row_errors] == [2, 3, 4]
    assert "a job is a dict of parameters (got str)" in str(caught.value)


def test_a_failed_job_does_not_affect_the_others(run_batch: BatchRunner, model: str) -> None:
    """A failed task, a rejection and a missing file don't stop the other jobs."""
    prompts = ("a", "[mock:fail=content_policy_violation]", "[mock:code=400]", "b")
    report = run_batch(
        [*jobs_of(model, *prompts), *jobs_of(model, "[mock:download-fault=status=404]")]
    )
    assert statuses(report) == ["saved", "failed", "failed", "saved", "resumable"]
    assert not report.complete
    assert "content policy" in report.results[1].reason
    assert all(
        outcome.reason for outcome in report.results if outcome.status is not JobStatus.SAVED
    )


@pytest.mark.parametrize(
    ("code", "submissions"),
    [("generation_timeout", 3), ("unknown_error", 2), ("invalid_parameters", 1)],
)
def test_a_failed_task_is_submitted_again_only_if_that_can_help(
    run_batch: BatchRunner, model: str, account: Account, code: str, submissions: int
) -> None:
    """Its code must be retryable, and `retries` is the limit."""
    report = run_batch(jobs_of(model, f"[mock:fail={code}]"), retries=2)
    assert statuses(report) == ["failed"]
    assert report.results[0].attempts == submissions
    assert account.submitted == submissions


def test_without_retries_a_failed_task_is_not_submitted_again(
    run_batch: BatchRunner, model: str, account: Account
) -> None:
    """A later run doesn't submit it either."""
    for _ in range(2):
        assert statuses(run_batch(jobs_of(model, "[mock:fail=generation_timeout]"))) == ["failed"]
    assert account.submitted == 1


def test_the_credit_limit_is_never_exceeded(
    run_batch: BatchRunner, model: str, account: Account
) -> None:
    """The batch stops before the limit, and a higher one lets the rest run."""
    jobs = jobs_of(model, *"abcdef")
    price = run_batch(jobs_of(model, "price")).credits_spent
    report = run_batch(jobs, max_credits=3.5 * price)
    assert statuses(report).count("saved") == 3
    assert statuses(report).count("not_sent") == 3
    assert report.credits_spent <= 3.5 * price
    assert "credit limit" in report.stop_reason
    assert run_batch(jobs, max_credits=3.5 * price).credits_spent == report.credits_spent
    assert run_batch(jobs, max_credits=6 * price).complete
    assert account.submitted == 7


def test_the_first_job_of_a_price_class_is_sent_alone(
    run_batch: BatchRunner, model: str, account: Account
) -> None:
    """Until its price is known, no job of the same price class is sent."""
    seen: list[BatchProgress] = []
    jobs = jobs_of(model, *"abcd")
    report = run_batch(jobs, max_credits=1.0, on_progress=seen.append)
    assert statuses(report).count("saved") == 1
    assert account.submitted == 1
    assert max(tally.submitting + tally.running for tally in seen) == 1


def test_an_uncertain_submission_is_reported_and_not_sent_again(
    run_batch: BatchRunner, model: str, account: Account, server: MockServer
) -> None:
    """After a lost response the job is uncertain, in this run and the next one."""
    with injected_fault(server, account, "lost-response", count=1):
        report = run_batch(jobs_of(model, "a", "b"))
    assert sorted(statuses(report)) == ["saved", "uncertain"]
    assert sorted(statuses(run_batch(jobs_of(model, "a", "b")))) == ["saved", "uncertain"]
    assert account.submitted == 2
    (uncertain,) = (one for one in report.results if one.status is JobStatus.UNCERTAIN)
    assert uncertain.key


def test_resubmit_uncertain_sends_an_uncertain_job_again(
    run_batch: BatchRunner, model: str, account: Account, server: MockServer
) -> None:
    """With the option it is submitted once more."""
    with injected_fault(server, account, "lost-response", count=1):
        run_batch(jobs_of(model, "a"))
    assert run_batch(jobs_of(model, "a"), resubmit_uncertain=True).complete
    assert account.submitted == 2


def test_a_file_that_was_not_saved_is_saved_by_the_next_run(
    run_batch: BatchRunner, model: str, account: Account, server: MockServer
) -> None:
    """A failed download is resumed, and nothing is charged again."""
    with injected_fault(server, account, "status=404", operation="files"):
        assert statuses(run_batch(jobs_of(model, "a"))) == ["resumable"]
    assert run_batch(jobs_of(model, "a")).complete
    assert account.submitted == 1


def test_a_deleted_file_is_downloaded_again(
    run_batch: BatchRunner, model: str, account: Account
) -> None:
    """A file that is no longer on disk counts as not saved while its links are valid."""
    first = run_batch(jobs_of(model, "a"))
    first.results[0].files[0].path.unlink()
    assert run_batch(jobs_of(model, "a")).complete
    assert first.results[0].files[0].path.exists()
    assert account.submitted == 1


def test_a_job_locked_by_another_process_is_skipped(
    run_batch: BatchRunner, model: str, account: Account, server: MockServer, ledger: Ledger
) -> None:
    """Two processes with one ledger don't run the same job."""
    jobs = [{"model": model, "prompt": "x", "key": "mine"}]
    with injected_fault(server, account, "status=404", operation="files"):
        assert statuses(run_batch(jobs)) == ["resumable"]
    ledger.jobs()  # waits until everything is written
    with Ledger(ledger.path) as other:
        assert other.acquire(other.find_by_name("mine")[-1])
        assert statuses(run_batch(jobs)) == ["locked"]
    assert run_batch(jobs).complete
    assert account.submitted == 1


def test_a_stopped_batch_sends_nothing_more_and_can_be_resumed(
    run_batch: BatchRunner, model: str, account: Account
) -> None:
    """After the stop nothing is started; started jobs are recorded; the next run does the rest."""
    stop = StopSignal()
    jobs = jobs_of(model, *"abcdef")
    report = run_batch(jobs, max_concurrency=1, stop=stop, on_result=lambda _: stop.set())
    assert statuses(report).count("saved") == 1
    assert statuses(report).count("not_sent") == 5
    assert report.stop_reason
    assert account.submitted == 1
    assert run_batch(jobs).complete
    assert account.submitted == 6


def test_a_stopped_batch_leaves_nothing_running(
    run_batch: BatchRunner, model: str, account: Account
) -> None:
    """Waits end immediately, no thread continues, and the next run resumes the jobs."""
    jobs = jobs_of(model, "quick", "slow [mock:progression=polls=3]")
    stop = StopSignal()
    report = run_batch(jobs, stop=stop, on_result=lambda _: stop.set())
    assert sorted(statuses(report)) == ["resumable", "saved"]
    assert not [one for one in threading.enumerate() if one.name == "wanflow"]
    assert run_batch(jobs).complete
    assert account.submitted == 2


def test_an_account_without_credits_stops_the_batch(
    run_batch: BatchRunner, model: str, account: Account
) -> None:
    """Every other job would be rejected too, so none is sent."""
    account.limits = evolve(account.limits, credits=0.0)
    report = run_batch(jobs_of(model, *"abcd"), max_concurrency=1)
    assert set(statuses(report)) == {"not_sent"}
    assert "402" in report.stop_reason


def test_max_concurrency_limits_the_jobs_in_flight(run_batch: BatchRunner, model: str) -> None:
    """There are never more jobs in flight than `max_concurrency`."""
    seen: list[BatchProgress] = []
    report = run_batch(jobs_of(model, *"abcdefgh"), max_concurrency=3, on_progress=seen.append)
    assert report.complete
    assert 1 <= max(one.submitting + one.running + one.saving for one in seen) <= 3
    assert seen[-1].done == seen[-1].total == 8


def test_the_report_and_the_contact_sheet_are_next_to_the_files(
    run_batch: BatchRunner, model: str
) -> None:
    """The report is JSON with every job; the contact sheet escapes the prompts."""
    hostile = "<script>alert(1)</script>\"'><img src=x onerror=y>"
    report = run_batch(jobs_of(model, hostile))
    facts = json.loads((report.output_dir / "report.json").read_text())
    assert facts["jobs"][0]["request"]["prompt"] == hostile
    assert facts["counts"]["saved"] == 1
    page = (report.output_dir / "index.html").read_text()
    assert "<script" not in page
    assert "onerror=y>" not in page
    assert report.results[0].files[0].path.name in page


def test_the_contact_sheet_links_to_every_file_and_has_a_title(
    run_batch: BatchRunner, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Videos and unknown files have a link too; the title is the name of the directory."""
    monkeypatch.chdir(tmp_path)
    report = run_batch(jobs_of(model, "x"), out=".")
    (outcome,) = report.results
    files = [
        evolve(outcome.files[0], path=tmp_path / f"a b.{kind}") for kind in ("png", "mp4", "x")
    ]
    page = render_sheet(evolve(report, results=(evolve(outcome, files=tuple(files)),)))
    for kind in ("png", "mp4", "x"):
        assert page.count(f'<a href="a%20b.{kind}">') == 1
    assert f"<h1>{tmp_path.name}</h1>" in page


def test_a_batch_needs_a_ledger(server: MockServer, api_key: str, tmp_path: Path) -> None:
    """Without a ledger nothing could be resumed, so nothing is sent."""
    with Client(api_key, server.base_url) as client, pytest.raises(errors.ConfigurationError):
        client.batch([], tmp_path)


def test_every_attempt_is_in_the_ledger(run_batch: BatchRunner, model: str, ledger: Ledger) -> None:
    """A job that was submitted three times has three entries with its name."""
    run_batch(
        [{"model": model, "prompt": "[mock:fail=generation_timeout]", "key": "mine"}], retries=2
    )
    attempts = ledger.find_by_name("mine")
    assert [job.attempt for job in attempts] == [1, 2, 3]
    assert {job.state for job in attempts} == {JobState.FAILED}


@pytest.mark.parametrize("key", [{}, {"key": "poster"}], ids=["without a key", "with a key"])
def test_results_of_another_server_are_not_taken_for_those_of_this_one(
    run_batch: BatchRunner, ledger: Ledger, model: str, tmp_path: Path, key: dict[str, str]
) -> None:
    """After a trial on one server, the same batch on another sends nothing, and says why."""
    jobs = [{"model": model, "prompt": "a", **key}]
    assert run_batch(jobs).complete
    (first,) = ledger.jobs()
    with MockServer() as other, Client(other.api_key, other.base_url, ledger=ledger) as client:
        with pytest.raises(InvalidBatch, match=f"was submitted to {first.server}"):
            client.batch(jobs, tmp_path / "out")
        assert not len(other.journal)
    assert ledger.jobs() == [first]


def test_a_batch_goes_on_at_another_server_if_the_first_accepted_nothing(
    run_batch: BatchRunner, server: MockServer, ledger: Ledger, model: str, tmp_path: Path
) -> None:
    """A wrong base URL is corrected, and the job is recorded for the right one."""
    jobs = [{"model": model, "prompt": "a", "key": "poster"}]
    with Client(server.api_key, f"{server.base_url}/wrong", ledger=ledger) as client:
        assert not client.batch(jobs, tmp_path / "out").complete
    report = run_batch(jobs)
    assert report.complete, report.results
    assert [(job.state, job.server) for job in ledger.jobs()][-1] == (
        JobState.SAVED,
        server.base_url,
    )


def test_a_task_that_another_key_does_not_find_stays_resumable(
    run_batch: BatchRunner,
    server: MockServer,
    ledger: Ledger,
    location: Path | str,
    model: str,
    tmp_path: Path,
) -> None:
    """A run with the key of another account doesn't end the task; the right key saves its file."""
    jobs = jobs_of(model, "[mock:progression=polls=3] a")
    assert run_batch(jobs, timeout=0.1).counts[JobStatus.RESUMABLE] == 1
    age(location, 120)  # a 404 for a younger one is tolerated
    with Client(uuid4().hex, server.base_url, ledger=ledger) as other_client:
        report = other_client.batch(jobs, tmp_path / "out")
    assert report.counts[JobStatus.RESUMABLE] == 1, report.results
    assert run_batch(jobs).complete
