"""An uncertain submission is sent again only if its user allowed it, and within a minute."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.queue.test_steps import SUBMIT
from wanflow.mock import MockServer
from wanflow.queue.engine import StepKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from tests.queue.manual_worker import ManualWorker
    from wanflow.mock.admin.journal import LoggedRequest
    from wanflow.mock.gateway.accounts import Account
    from wanflow.queue.handle import QueuedBatch

    Fault = Callable[..., AbstractContextManager[None]]


@pytest.fixture(scope="module")
def server() -> Iterator[MockServer]:
    """A mock that honours idempotency keys."""
    with MockServer(polls=1) as mock:
        yield mock


def test_a_lost_response_is_found_again_by_the_key(
    add_jobs: Callable[..., QueuedBatch], worker: ManualWorker, account: Account, fault: Fault
) -> None:
    add_jobs(1, resubmit_uncertain=True)
    with fault("lost-response", operation=SUBMIT, count=1):
        worker.turn()
    assert worker.states() == {"uncertain": 1}
    worker.drain()
    assert worker.states() == {"saved": 1}
    assert account.submitted == 1
    # The server said that it replayed the first one.
    assert worker.column("sends") == [1]


def test_after_a_minute_it_is_not_sent_again_since_the_key_may_be_forgotten(
    add_jobs: Callable[..., QueuedBatch], worker: ManualWorker, account: Account, fault: Fault
) -> None:
    add_jobs(1, resubmit_uncertain=True)
    with fault("lost-response", operation=SUBMIT, count=1):
        worker.turn()
    worker.execute("UPDATE wanflow.job SET intended = intended - 61")
    server_requests = account.submitted
    worker.drain()
    assert worker.states() == {"uncertain": 1}
    assert account.submitted == server_requests == 1
    assert worker.rows() == 0


@pytest.mark.parametrize("died", [False, True])
def test_after_the_clock_was_set_back_it_is_not_sent_again_since_its_age_is_unknown(
    add_jobs: Callable[..., QueuedBatch],
    worker: ManualWorker,
    server: MockServer,
    account: Account,
    fault: Fault,
    died: bool,
) -> None:
    """The intent is in the future by an hour, for which a window would be open."""
    add_jobs(1, resubmit_uncertain=True)
    if died:
        (work,) = worker.take()
        worker.stalled_submission(work)
        worker.die()
        worker.execute("UPDATE wanflow.job SET sending_until = 0")
    else:
        with fault("lost-response", operation=SUBMIT, count=1):
            worker.turn()
    worker.execute("UPDATE wanflow.job SET intended = intended + 3600")
    worker.drain()
    assert worker.states() == {"uncertain": 1}
    assert len(sent(server, account)) == 1


def test_two_workers_with_the_same_resend_send_it_once(
    add_jobs: Callable[..., QueuedBatch],
    new_worker: Callable[..., ManualWorker],
    server: MockServer,
    account: Account,
    fault: Fault,
) -> None:
    add_jobs(1, resubmit_uncertain=True)
    one, other = new_worker(), new_worker()
    with fault("lost-response", operation=SUBMIT, count=1):
        one.turn()
    one.make_due()
    works = one.take([StepKind.SUBMIT])
    other.execute("UPDATE wanflow.queue SET status = 'queued'")
    again = other.take([StepKind.SUBMIT])
    one.run(works)
    other.run(again)
    assert one.states() == {"accepted": 1}
    assert account.submitted == 1
    assert len(sent(server, account)) == 2


def test_a_rejection_of_a_resend_proves_nothing(
    add_jobs: Callable[..., QueuedBatch], worker: ManualWorker, fault: Fault
) -> None:
    add_jobs(1, resubmit_uncertain=True)
    with fault("lost-response", operation=SUBMIT, count=1):
        worker.turn()
    with fault("status=400", operation=SUBMIT):
        worker.turn()
    worker.drain()
    assert worker.states() == {"uncertain": 1}


def sent(server: MockServer, account: Account) -> list[LoggedRequest]:
    """Return the submissions of an account that reached the server."""
    return [
        one for one in server.journal if one.operation == SUBMIT and one.account == account.name
    ]
