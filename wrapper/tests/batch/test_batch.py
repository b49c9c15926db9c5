"""A batch does each job once, whatever becomes of the others, and can be done again for nothing."""

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

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.batch.conftest import Doer
    from wanflow.batch import BatchProgress, Report
    from wanflow.mock import MockServer
    from wanflow.mock.gateway.accounts import Account


def jobs_of(model: str, *prompts: str) -> list[dict[str, Any]]:
    return [{"model": model, "prompt": prompt} for prompt in prompts]


def ends(report: Report) -> list[str]:
    return [str(outcome.status) for outcome in report.results]


@contextmanager
def struck(server: MockServer, account: Account, fault: str, **more: Any) -> Iterator[None]:
    rule = server.faults.add(fault, account=account, **more)
    try:
        yield
    finally:
        server.faults.remove(rule.id)


def test_every_job_is_done_and_its_files_are_there(do: Doer, model: str, account: Account) -> None:
    """Each line has an outcome in its place, with the files that it made."""
    report = do([*jobs_of(model, "a", "b"), {"model": model, "prompt": "c", "n": 2}])
    assert report.complete
    assert ends(report) == ["saved"] * 3
    assert [len(outcome.files) for outcome in report.results] == [1, 1, 2]
    assert all(
        file.path.stat().st_size == file.size for one in report.results for file in one.files
    )
    assert account.submitted == 3
    assert report.credits_spent == pytest.approx(account.spent)


def test_the_same_batch_again_costs_nothing(do: Doer, model: str, account: Account) -> None:
    """The same jobs into the same folder are the same jobs, equal lines included."""
    jobs = jobs_of(model, "twice", "twice", "once")
    first, again = do(jobs), do(jobs)
    assert account.submitted == 3
    assert again.complete
    assert all(outcome.from_earlier_run for outcome in again.results)
    assert [one.files for one in again.results] == [one.files for one in first.results]
    assert again.credits_spent == first.credits_spent


def test_another_folder_is_another_batch(
    do: Doer, model: str, account: Account, tmp_path: Path
) -> None:
    """Jobs without keys of their own belong to their folder."""
    do(jobs_of(model, "x"))
    do(jobs_of(model, "x"), out=tmp_path / "other")
    assert account.submitted == 2


def test_the_users_own_key_is_the_job(
    do: Doer, model: str, account: Account, tmp_path: Path
) -> None:
    """The same key again, in this batch or a later one and in any order, is not charged again."""
    one, two = ({**job, "key": job["prompt"]} for job in jobs_of(model, "one", "two"))
    do([one, two, one])
    report = do([two, one], out=tmp_path / "other")
    assert account.submitted == 2
    assert ends(report) == ["saved", "saved"]


def test_all_faults_are_told_before_anything_is_sent(
    do: Doer, model: str, account: Account
) -> None:
    """One wrong line keeps all from being sent, and every fault of every line is listed."""
    before = do([{"model": model, "prompt": "x", "key": "used"}]).results
    assert len(before) == 1
    wrong = [
        {"model": model, "prompt": "fine"},
        {"model": model, "prompt": 7, "n": 99},
        {"model": "no-such-model", "prompt": "x"},
        {"model": model, "prompt": "another", "key": "used"},
        {"model": model, "prompt": "1", "key": "twin"},
        {"model": model, "prompt": "2", "key": "twin"},
        {"model": model, "prompt": "x", "key": ""},
    ]
    with pytest.raises(InvalidBatch) as caught:
        do(wrong)
    assert [fault.line for fault in caught.value.row_errors] == [2, 2, 3, 4, 6, 7]
    assert account.submitted == 1


def test_keys_that_differ_in_blanks_alone_are_not_both_taken(
    do: Doer, model: str, account: Account
) -> None:
    """One of them is a slip, and both would be paid for."""
    jobs = [{"model": model, "prompt": "x", "key": key} for key in ("a", "a ", " a")]
    with pytest.raises(InvalidBatch) as caught:
        do(jobs)
    assert [fault.line for fault in caught.value.row_errors] == [2, 3]
    assert "only in blanks" in str(caught.value)
    assert account.submitted == 0


def test_a_line_is_told_of_all_that_is_wrong_with_it(
    form: RowParser, server: MockServer, api_key: str, tmp_path: Path
) -> None:
    """A bad key, a missing column and a cell of another type hide nothing else of their line."""
    text = ["n,key,shade,size\n", f"two,{'k' * 201},red,3x3\n"]
    with (
        Ledger(tmp_path / "l.db") as ledger,
        Client(api_key, server.base_url, ledger=ledger) as client,
        pytest.raises(InvalidBatch) as caught,
    ):
        client.batch(read_csv(text, form), tmp_path / "out")
    said = "\n".join(fault.message for fault in caught.value.row_errors)
    assert {fault.line for fault in caught.value.row_errors} == {2}
    for word in (
        "a template needs animal",
        "key must be",
        "n must be",
        "shade is no",
        "size must",
    ):
        assert word in said
    assert "prompt is required" not in said


@pytest.fixture
def form(model: str) -> RowParser:
    """Lines of a picture's model, whose prompt is made of a column."""
    return RowParser(packaged_catalog(), model, {"prompt": "a {animal}"})


@pytest.mark.parametrize("jobs", [{"prompt": "x"}, "x", b"x", None, 5])
def test_what_is_not_many_jobs_is_refused(do: Doer, jobs: Any) -> None:
    """One job's dict, a text or nothing: a sentence, and nothing is sent."""
    with pytest.raises(errors.InvalidRequest, match="a batch is a list of jobs"):
        do(jobs)


def test_what_is_no_job_is_a_fault_of_its_line(do: Doer, model: str) -> None:
    """All of them are told, and the good ones aren't sent."""
    jobs: Any = [{"model": model, "prompt": "x"}, "x", None, 5]
    with pytest.raises(InvalidBatch) as caught:
        do(jobs)
    assert [fault.line for fault in caught.value.row_errors] == [2, 3, 4]
    assert "a job is a dict of parameters (got str)" in str(caught.value)


def test_one_jobs_end_costs_the_others_nothing(do: Doer, model: str) -> None:
    """A failed task, a refusal and a file that can't be had leave the rest as they are."""
    prompts = ("a", "[mock:fail=content_policy_violation]", "[mock:code=400]", "b")
    report = do([*jobs_of(model, *prompts), *jobs_of(model, "[mock:download-fault=status=404]")])
    assert ends(report) == ["saved", "failed", "failed", "saved", "resumable"]
    assert not report.complete
    assert "content policy" in report.results[1].reason
    assert all(
        outcome.reason for outcome in report.results if outcome.status is not JobStatus.SAVED
    )


@pytest.mark.parametrize(
    ("code", "submissions"),
    [("generation_timeout", 3), ("unknown_error", 2), ("invalid_parameters", 1)],
)
def test_a_failed_task_is_submitted_again_only_where_that_can_help(
    do: Doer, model: str, account: Account, code: str, submissions: int
) -> None:
    """Its code must say that it can help, and the user how often."""
    report = do(jobs_of(model, f"[mock:fail={code}]"), retries=2)
    assert ends(report) == ["failed"]
    assert report.results[0].attempts == submissions
    assert account.submitted == submissions


def test_without_retries_a_failed_task_stays_one(do: Doer, model: str, account: Account) -> None:
    """Nothing is charged again that nobody asked for, not in a later run either."""
    for _ in range(2):
        assert ends(do(jobs_of(model, "[mock:fail=generation_timeout]"))) == ["failed"]
    assert account.submitted == 1


def test_the_ceiling_is_never_passed(do: Doer, model: str, account: Account) -> None:
    """It stops before the ceiling, and a higher one lets the rest through."""
    jobs = jobs_of(model, *"abcdef")
    price = do(jobs_of(model, "price")).credits_spent
    report = do(jobs, max_credits=3.5 * price)
    assert ends(report).count("saved") == 3
    assert ends(report).count("not_sent") == 3
    assert report.credits_spent <= 3.5 * price
    assert "credit limit" in report.stop_reason
    assert do(jobs, max_credits=3.5 * price).credits_spent == report.credits_spent
    assert do(jobs, max_credits=6 * price).complete
    assert account.submitted == 7


def test_the_first_of_a_kind_is_let_through_alone(do: Doer, model: str, account: Account) -> None:
    """Until the first has told its price, none like it is sent; other kinds have their own."""
    seen: list[BatchProgress] = []
    jobs = jobs_of(model, *"abcd")
    report = do(jobs, max_credits=1.0, on_progress=seen.append)
    assert ends(report).count("saved") == 1
    assert account.submitted == 1
    assert max(tally.submitting + tally.running for tally in seen) == 1


def test_a_submission_in_doubt_is_told_and_not_sent_again(
    do: Doer, model: str, account: Account, server: MockServer
) -> None:
    """A lost answer leaves one uncertain job, in this run and in the next."""
    with struck(server, account, "lost-response", count=1):
        report = do(jobs_of(model, "a", "b"))
    assert sorted(ends(report)) == ["saved", "uncertain"]
    assert sorted(ends(do(jobs_of(model, "a", "b")))) == ["saved", "uncertain"]
    assert account.submitted == 2
    (doubt,) = (one for one in report.results if one.status is JobStatus.UNCERTAIN)
    assert doubt.key


def test_a_doubt_is_sent_again_where_that_is_asked_for(
    do: Doer, model: str, account: Account, server: MockServer
) -> None:
    """Whoever asks for it has it submitted once more."""
    with struck(server, account, "lost-response", count=1):
        do(jobs_of(model, "a"))
    assert do(jobs_of(model, "a"), resubmit_uncertain=True).complete
    assert account.submitted == 2


def test_a_file_that_was_not_saved_is_saved_by_the_next_run(
    do: Doer, model: str, account: Account, server: MockServer
) -> None:
    """A download that failed is taken up, and nothing is paid again."""
    with struck(server, account, "status=404", operation="files"):
        assert ends(do(jobs_of(model, "a"))) == ["resumable"]
    assert do(jobs_of(model, "a")).complete
    assert account.submitted == 1


def test_a_file_that_was_deleted_is_fetched_again(do: Doer, model: str, account: Account) -> None:
    """What is no longer on disk counts as not saved, as long as its links live."""
    first = do(jobs_of(model, "a"))
    first.results[0].files[0].path.unlink()
    assert do(jobs_of(model, "a")).complete
    assert first.results[0].files[0].path.exists()
    assert account.submitted == 1


def test_what_another_process_is_at_is_left_to_it(
    do: Doer, model: str, account: Account, server: MockServer, ledger: Ledger
) -> None:
    """Two processes on one ledger don't do the same job."""
    jobs = [{"model": model, "prompt": "x", "key": "mine"}]
    with struck(server, account, "status=404", operation="files"):
        assert ends(do(jobs)) == ["resumable"]
    ledger.jobs()  # what is noted is written
    with Ledger(ledger.path) as other:
        assert other.acquire(other.find_by_name("mine")[-1])
        assert ends(do(jobs)) == ["locked"]
    assert do(jobs).complete
    assert account.submitted == 1


def test_a_stopped_batch_sends_nothing_more_and_can_go_on(
    do: Doer, model: str, account: Account
) -> None:
    """After the stop nothing is begun; what was begun is recorded; the next run does the rest."""
    stop = StopSignal()
    jobs = jobs_of(model, *"abcdef")
    report = do(jobs, max_concurrency=1, stop=stop, on_result=lambda _: stop.set())
    assert ends(report).count("saved") == 1
    assert ends(report).count("not_sent") == 5
    assert report.stop_reason
    assert account.submitted == 1
    assert do(jobs).complete
    assert account.submitted == 6


def test_a_stopped_batch_leaves_nothing_running(do: Doer, model: str, account: Account) -> None:
    """What still waits is let go at once: no thread goes on, and the next run takes its jobs up."""
    jobs = jobs_of(model, "quick", "slow [mock:progression=polls=3]")
    stop = StopSignal()
    report = do(jobs, stop=stop, on_result=lambda _: stop.set())
    assert sorted(ends(report)) == ["resumable", "saved"]
    assert not [one for one in threading.enumerate() if one.name == "wanflow"]
    assert do(jobs).complete
    assert account.submitted == 2


def test_an_account_without_credits_stops_the_batch(do: Doer, model: str, account: Account) -> None:
    """Where no job would fare better, the rest is not sent."""
    account.limits = evolve(account.limits, credits=0.0)
    report = do(jobs_of(model, *"abcd"), max_concurrency=1)
    assert set(ends(report)) == {"not_sent"}
    assert "402" in report.stop_reason


def test_bounds_on_what_is_under_way_are_kept(do: Doer, model: str) -> None:
    """No more jobs are under way than was said."""
    seen: list[BatchProgress] = []
    report = do(jobs_of(model, *"abcdefgh"), max_concurrency=3, on_progress=seen.append)
    assert report.complete
    assert 1 <= max(one.submitting + one.running + one.saving for one in seen) <= 3
    assert seen[-1].done == seen[-1].total == 8


def test_the_report_and_the_sheet_lie_beside_the_files(do: Doer, model: str) -> None:
    """The report is JSON with every job; in the sheet nothing of a prompt is markup."""
    hostile = "<script>alert(1)</script>\"'><img src=x onerror=y>"
    report = do(jobs_of(model, hostile))
    facts = json.loads((report.output_dir / "report.json").read_text())
    assert facts["jobs"][0]["request"]["prompt"] == hostile
    assert facts["counts"]["saved"] == 1
    page = (report.output_dir / "index.html").read_text()
    assert "<script" not in page
    assert "onerror=y>" not in page
    assert report.results[0].files[0].path.name in page


def test_the_sheet_links_to_every_file_and_has_a_name(
    do: Doer, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Films and what can't be shown have a link, too; the folder that one is in has its name."""
    monkeypatch.chdir(tmp_path)
    report = do(jobs_of(model, "x"), out=".")
    (outcome,) = report.results
    files = [
        evolve(outcome.files[0], path=tmp_path / f"a b.{kind}") for kind in ("png", "mp4", "x")
    ]
    page = render_sheet(evolve(report, results=(evolve(outcome, files=tuple(files)),)))
    for kind in ("png", "mp4", "x"):
        assert page.count(f'<a href="a%20b.{kind}">') == 1
    assert f"<h1>{tmp_path.name}</h1>" in page


def test_a_batch_needs_a_ledger(server: MockServer, api_key: str, tmp_path: Path) -> None:
    """Without a record nothing could be resumed, so nothing is begun."""
    with Client(api_key, server.base_url) as client, pytest.raises(errors.ConfigurationError):
        client.batch([], tmp_path)


def test_every_attempt_is_in_the_ledger(do: Doer, model: str, ledger: Ledger) -> None:
    """A job that was submitted three times has three entries under its name."""
    do([{"model": model, "prompt": "[mock:fail=generation_timeout]", "key": "mine"}], retries=2)
    attempts = ledger.find_by_name("mine")
    assert [job.attempt for job in attempts] == [1, 2, 3]
    assert {job.state for job in attempts} == {JobState.FAILED}


def test_a_task_that_another_key_does_not_find_stays_open(
    do: Doer, server: MockServer, ledger: Ledger, model: str, tmp_path: Path
) -> None:
    """A run under a key of another account gives no paid task up: the right one saves it."""
    jobs = jobs_of(model, "[mock:progression=polls=3] a")
    assert do(jobs, timeout=0.1).counts[JobStatus.RESUMABLE] == 1
    age(tmp_path / "ledger.db", 120)  # younger ones are asked about for a minute
    with Client(uuid4().hex, server.base_url, ledger=ledger) as stranger:
        report = stranger.batch(jobs, tmp_path / "out")
    assert report.counts[JobStatus.RESUMABLE] == 1, report.results
    assert do(jobs).complete
