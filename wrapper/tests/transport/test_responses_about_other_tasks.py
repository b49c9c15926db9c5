"""A response about another task, or one that is too early, doesn't end a wait."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.client.fast_clock import with_fast_clock
from tests.transport.hostile_text import PNG
from tests.transport.misbehaving_server import (
    ID,
    MisbehavingServer,
    http,
    responds,
    responds_json,
    task,
)
from tests.transport.test_guarantees import KEY, body
from wanflow.errors import NotFound, UnexpectedResponse
from wanflow.ledger import Ledger
from wanflow.ledger.job import JobState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

OTHER = task("completed", id=f"{ID}-other", results=["https://files.example/other.png"])
MISSING = responds_json(404, {"error": {"message": "no such task", "code": "task_not_found"}})
WITHOUT_LINKS = task("completed", results=[])
ACCEPTED = responds_json(200, {"id": ID, "status": "pending", "progress": 99})


def by_wait(runner: Any, client: Any, out: Path) -> None:
    made = runner.do(client.submit, body())
    runner.do(runner.do(made.wait, 60).download, out)


def by_run(runner: Any, client: Any, out: Path) -> None:
    runner.do(client.run, body(), output_dir=out, timeout=60)


def by_wait_all(runner: Any, client: Any, out: Path) -> None:
    made = runner.do(client.submit, body())
    (result,) = runner.do(client.wait_all, [made], timeout=60)
    runner.do(result.download, out)


def by_batch(runner: Any, client: Any, out: Path) -> None:
    assert runner.do(client.batch, [body()], out, timeout=60).complete


def by_resume(runner: Any, client: Any, out: Path) -> None:
    runner.do(client.submit, body())
    (ending,) = runner.do(client.resume_all, out, timeout=60)
    assert ending.error is None


@pytest.fixture
def files() -> Iterator[MisbehavingServer]:
    with MisbehavingServer(get=[responds(http(200, PNG, "Content-Type: image/png"))]) as server:
        yield server


@pytest.mark.parametrize(
    "polls",
    [[OTHER, OTHER], [MISSING, MISSING], [WITHOUT_LINKS], [WITHOUT_LINKS, OTHER]],
    ids=["another task", "unknown", "without links", "both"],
)
@pytest.mark.parametrize("way", [by_wait, by_run, by_wait_all, by_batch, by_resume])
def test_a_wait_ends_with_its_own_task_only(
    way: Callable[..., None],
    polls: list[Any],
    runner: Any,
    files: MisbehavingServer,
    tmp_path: Path,
) -> None:
    """Another task's result, a 404 just after the submission, links that come late."""
    end = task("completed", results=[f"{files.url}/mine.png"])
    with (
        MisbehavingServer(post=[ACCEPTED], get=[*polls, end]) as server,
        Ledger(tmp_path / "ledger.db") as ledger,
    ):
        client = with_fast_clock(runner.client(api_key=KEY, base_url=server.url, ledger=ledger))
        way(runner, client, tmp_path / "out")
        (job,) = ledger.jobs()
    assert job.state is JobState.SAVED
    assert job.task_id == ID
    assert [file.path.stem for file in job.files] == [ID]
    assert [target for _, target, _ in files.requests] == ["/mine.png"]


def test_a_refresh_with_a_response_about_another_task_is_an_error(
    runner: Any, tmp_path: Path
) -> None:
    """The error names both tasks, and the response isn't recorded."""
    with (
        MisbehavingServer(post=[ACCEPTED], get=[OTHER]) as server,
        Ledger(tmp_path / "ledger.db") as ledger,
    ):
        client = runner.client(api_key=KEY, base_url=server.url, ledger=ledger)
        made = runner.do(client.submit, body())
        with pytest.raises(UnexpectedResponse) as caught:
            runner.do(made.refresh)
        (job,) = ledger.jobs()
    assert f"about task {ID}, but its body is about task '{ID}-other'" in str(caught.value)
    assert (job.state, job.links) == (JobState.ACCEPTED, ())
    assert made.snapshot.status == "pending"


def test_a_404_for_a_task_of_unknown_age_ends_the_wait(runner: Any) -> None:
    """A 404 is only tolerated just after the submission."""
    with MisbehavingServer(get=[MISSING]) as server:
        client = with_fast_clock(runner.client(api_key=KEY, base_url=server.url))
        with pytest.raises(NotFound):
            runner.do(client.task(ID).wait, 60)
        assert server.count("GET") == 1


def test_jobs_with_the_same_task_id_are_uncertain_but_the_first(
    runner: Any, tmp_path: Path
) -> None:
    """The first job has the task; the others are uncertain, in this run and the next one."""
    jobs = [{**body(), "prompt": prompt} for prompt in "abc"]
    with MisbehavingServer(post=[task("pending")], get=[task("processing")]) as server:
        with Ledger(tmp_path / "ledger.db") as ledger:
            made = runner.client(api_key=KEY, base_url=server.url, ledger=ledger)
            client = with_fast_clock(made)
            for _ in range(2):
                report = runner.do(client.batch, jobs, tmp_path / "out", timeout=20)
                assert report.counts == {"resumable": 1, "uncertain": 2}
                assert sorted(str(one.task_id) for one in report.results) == ["None", "None", ID]
        assert server.count("POST") == len(jobs)
