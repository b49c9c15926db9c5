"""Whether a task may have expired is decided by its server's clock: others may be wrong by days."""

from __future__ import annotations

import time
from email.utils import formatdate
from typing import TYPE_CHECKING

import pytest
from attrs import evolve

from tests.ledger.test_file import SERVER, intent
from tests.ledgers import execute
from tests.transport.misbehaving_server import ID, MisbehavingServer, responds_json
from wanflow import errors
from wanflow._core.snapshot import LINK_LIFETIME, Snapshot
from wanflow.ledger import JobState

if TYPE_CHECKING:
    from pathlib import Path

    from tests.ledger.conftest import SyncRunner
    from wanflow.ledger import Ledger

DAY = 86_400.0


def accept(ledger: Ledger, server: str, created: float) -> None:
    """Record a task, created at a time of its server's clock."""
    submission = evolve(intent(1), server=server)
    ledger.record_intent(submission)
    snapshot = Snapshot(ID, "pending", created=int(created))
    ledger.record_accepted(submission.key, snapshot, hold=False)


@pytest.mark.parametrize("wrong", [-3 * DAY, 3 * DAY], ids=["behind", "ahead"])
def test_a_task_of_a_wrong_clock_is_not_lost_within_a_day(
    ledger: Ledger, location: Path | str, wrong: float
) -> None:
    """This machine's clock was wrong when the task was accepted, and is right now."""
    created = time.time()
    accept(ledger, SERVER, created)
    execute(location, "UPDATE job SET accepted = ?", [created + wrong])
    ledger.record_missing(SERVER, ID, "not found", created + LINK_LIFETIME - 1)
    assert ledger.jobs()[0].state is JobState.ACCEPTED
    ledger.record_missing(SERVER, ID, "not found", created + LINK_LIFETIME + abs(wrong) + 1)
    assert ledger.jobs()[0].state is JobState.LOST


@pytest.mark.parametrize(
    ("passed", "state"), [(3_600, JobState.ACCEPTED), (DAY + 1, JobState.LOST)]
)
def test_a_task_is_not_lost_because_this_machine_s_clock_jumped_forward(
    do: SyncRunner, ledger: Ledger, location: Path | str, passed: float, state: JobState
) -> None:
    """The response that doesn't know the task says when it was sent."""
    created = time.time() - 2 * DAY
    date = f"Date: {formatdate(created + passed, usegmt=True)}"
    missing = {"error": {"code": 404, "message": "x", "param": "task_id"}}
    with MisbehavingServer(get=[responds_json(404, missing, date)] * 9) as server:
        accept(ledger, server.url, created)
        execute(location, "UPDATE job SET accepted = ?", [created])
        with pytest.raises(errors.NotFound) as caught:
            do(lambda client: client.task(ID).refresh(), base_url=server.url)
    assert caught.value.sent_at == int(created + passed)
    assert [job.state for job in ledger.jobs()] == [state]
