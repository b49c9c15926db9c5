"""A job has one task at a time, and a rejected callback is logged with its reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.webhooks.conftest import callback_body, task_response
from tests.webhooks.test_receiver import ReceiverHarness
from wanflow.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Iterator

FIRST, SECOND = "task-unified-1", "task-unified-2"


@pytest.fixture(name="harness", params=["plain", "asgi"])
def made_harness(request: pytest.FixtureRequest) -> Iterator[ReceiverHarness]:
    """Both interfaces."""
    made = ReceiverHarness(request.param)
    yield made
    made.close()


def test_a_name_whose_task_is_not_done_is_refused(harness: ReceiverHarness) -> None:
    """The first task's callback is still accepted; then the name is free."""
    harness.api.responses[FIRST] = [task_response(FIRST)]
    for _ in range(2):
        harness.receiver.link_task("job", FIRST)
    with pytest.raises(InvalidRequest, match=f"'job' has the task {FIRST}.*new name"):
        harness.receiver.link_task("job", SECOND)
    assert harness.post(callback_body(FIRST)) == 202
    harness.wait_until_idle()
    harness.receiver.link_task("job", SECOND)
    assert harness.post(callback_body(SECOND)) == 202


def test_a_rejected_callback_is_logged_once(
    harness: ReceiverHarness, caplog: pytest.LogCaptureFixture
) -> None:
    """With the job, the status and the reason; the next ones of a minute are not."""
    harness.receiver.link_task("other", SECOND)
    assert {harness.post(callback_body(FIRST)) for _ in range(5)} == {503}
    (line,) = [line for line in caplog.messages if "was answered" in line]
    assert "'job'" in line
    assert "503: the job's task isn't known yet" in line
