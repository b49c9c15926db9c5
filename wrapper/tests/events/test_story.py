"""The events of an operation are what happened: no more, no less.

Each flow runs against the mock, with faults. Every request in the mock's journal is one event with
the same status, in the same order. Every operation that begins ends once. Every retry is followed
by another request, or by the end.
"""

from __future__ import annotations

import contextlib
import threading
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from tests.any_model import model_name
from tests.client.clients import httpx
from tests.client.fast_clock import with_fast_clock
from tests.waiting import TIME_LIMIT
from wanflow import Ledger, WanflowError, events
from wanflow.catalog.catalog import packaged_catalog
from wanflow.mock import MockServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

MODEL = packaged_catalog().models[model_name("image", "size", "n")]
# Small pictures: drawing them takes most of the time of these tests.
REQUEST = {"model": MODEL.name, "prompt": "a quiet lake", "n": 2, "size": "768x768"}
TIMEOUT = 60.0
TASK_IDS = ("task-unified-1760000000-abcd1234", "task-unified-1760000000-abcd1235")

SUBMIT, POLL, FILE = MODEL.operation_id, packaged_catalog().status_operation.operation_id, "files"
EXCHANGES = {
    events.Submitted: SUBMIT,
    events.SubmissionRejected: SUBMIT,
    events.SubmissionUncertain: SUBMIT,
    events.Polled: POLL,
    events.PollFailed: POLL,
    events.DownloadAttempted: FILE,
}
OPERATIONS = {"wait": POLL, "poll": POLL, "download": FILE}
STARTS = (
    *(events.SubmitStarted, events.WaitStarted),
    *(events.DownloadStarted, events.UploadStarted),
)
ENDS = (
    *(events.Submitted, events.AlreadySubmitted, events.SubmitFailed, events.Interrupted),
    *(events.Completed, events.Failed, events.WaitTimedOut, events.WaitFailed),
    *(events.Saved, events.DownloadFailed, events.Uploaded, events.UploadFailed),
)


NOTES = (events.RateLimitReached, events.PauseShortened)
"""Events about all operations of a client."""


class Story:
    """A client that records its events, against a mock of its own."""

    def __init__(self, runner: Any, mock: MockServer, folder: Path, ledger: Ledger) -> None:
        self.runner, self.mock, self.folder = runner, mock, folder
        self.seen: list[events.Event] = []
        self.client = with_fast_clock(
            runner.client(
                api_key=mock.api_key,
                base_url=mock.base_url,
                ledger=ledger,
                on_event=self.seen.append,
                timeout=2.0,
                retry_timeout=30.0,
            )
        )

    def submitted(self, count: int = 2) -> list[str]:
        """Submit tasks → their ids."""
        return [self.runner.do(self.client.submit, REQUEST).id for _ in range(count)]

    def completed(self) -> Any:
        """Return a result that isn't saved."""
        return self.runner.do(self.client.run, REQUEST)


def submit(story: Story) -> Iterator[None]:
    yield
    story.runner.do(story.client.submit, REQUEST)


def resubmit(story: Story) -> Iterator[None]:
    yield
    story.runner.do(story.client.submit, REQUEST, resubmit_uncertain=True)


def submit_again(story: Story) -> Iterator[None]:
    key = "0123456789abcdef"
    story.runner.do(story.client.submit, REQUEST, idempotency_key=key)
    yield
    story.runner.do(story.client.submit, REQUEST, idempotency_key=key)


def run(story: Story) -> Iterator[None]:
    yield
    story.runner.do(story.client.run, REQUEST, output_dir=story.folder, timeout=TIMEOUT)


def refresh(story: Story) -> Iterator[None]:
    (task_id,) = story.submitted(1)
    yield
    story.runner.do(story.client.task(task_id).refresh)


def wait(story: Story) -> Iterator[None]:
    (task_id,) = story.submitted(1)
    yield
    story.runner.do(story.client.task(task_id).wait, TIMEOUT)


def iter_updates(story: Story) -> Iterator[None]:
    (task_id,) = story.submitted(1)
    yield
    story.runner.items(story.client.task(task_id).iter_updates(TIMEOUT))


def wait_all(story: Story) -> Iterator[None]:
    task_ids = story.submitted()
    yield
    story.runner.do(story.client.wait_all, task_ids, timeout=TIMEOUT)


def as_completed(story: Story) -> Iterator[None]:
    task_ids = story.submitted()
    yield
    story.runner.items(story.client.as_completed(task_ids, timeout=TIMEOUT))


def download(story: Story) -> Iterator[None]:
    result = story.completed()
    yield
    story.runner.do(result.download, story.folder)


def batch(story: Story) -> Iterator[None]:
    yield
    jobs = [{**REQUEST, "prompt": f"lake {number}"} for number in range(3)]
    story.runner.do(story.client.batch, jobs, story.folder, timeout=TIMEOUT)


def resume_all(story: Story) -> Iterator[None]:
    story.submitted()
    yield
    story.runner.do(story.client.resume_all, story.folder, timeout=TIMEOUT)


POSTS = ["status=429", "status=503", "status=400", "status=500", "reset", "lost-response", "html"]
GETS = ["status=503", "status=429", "status=404", "status=401", "html", "reset", "unknown-status"]
GETS += ["reset-in-body", "missing=results"]
FILES = ["status=503", "status=404", "reset-in-body", "html", "empty"]
FLOWS: dict[Callable[[Story], Iterator[None]], str] = {
    submit: SUBMIT,
    resubmit: SUBMIT,
    submit_again: SUBMIT,
    run: SUBMIT + POLL + FILE,
    refresh: POLL,
    wait: POLL,
    iter_updates: POLL,
    wait_all: POLL,
    as_completed: POLL,
    download: FILE,
    batch: SUBMIT + POLL + FILE,
    resume_all: POLL + FILE,
}
CASES = [
    (flow, operation, fault)
    for flow, operations in FLOWS.items()
    for operation, faults in ((SUBMIT, POSTS), (POLL, GETS), (FILE, FILES))
    for fault in ("", *faults)
    if operation in operations
]


@pytest.mark.parametrize(
    ("flow", "operation", "fault"),
    CASES,
    ids=[f"{flow.__name__}-{operation}-{fault or 'no fault'}" for flow, operation, fault in CASES],
)
def test_events_are_what_happened(
    flow: Any, operation: str, fault: str, runner: Any, tmp_path: Path
) -> None:
    """Requests, statuses, order, beginnings, ends and retries."""
    with MockServer(polls=2) as mock, Ledger(tmp_path / "jobs.db") as ledger:
        story = Story(runner, mock, tmp_path / "out", ledger)
        steps = flow(story)
        next(steps)
        mock.journal.clear()
        story.seen.clear()
        if fault:
            mock.faults.add(fault, operation=operation, count=2)
        with contextlib.suppress(WanflowError, StopIteration):
            next(steps)
        check_requests(story.seen, mock)
        check_operations(story.seen)
        check_retries(story.seen)
    assert story.seen


def check_requests(seen: Sequence[events.Event], mock: MockServer) -> None:
    """Each request is one event, in order for each task; the others have none."""
    emitted, happened = defaultdict[Any, list[Any]](list), defaultdict[Any, list[Any]](list)
    for event in seen:
        operation = exchange_of(event)
        if operation is not None:
            key = operation, event.task_id if operation != SUBMIT else None
            emitted[key].append(status_of(event))
    for entry in mock.journal:
        key = entry.operation, entry.task_id if entry.operation != SUBMIT else None
        happened[key].append(entry.status)
    assert emitted.keys() == happened.keys()
    for key, statuses in emitted.items():
        there = happened[key]
        if key[0] == FILE:
            # Two files at the same time. One may find that its connection was closed before.
            assert 0 <= len(statuses) - len(there) <= statuses.count(None)
            assert Counter(filter(None, statuses)) <= Counter(there)
        elif sum(isinstance(event, events.SubmitStarted) for event in seen) > 1:
            # Jobs of a batch are submitted at the same time.
            assert len(statuses) == len(there)
            assert Counter(filter(None, statuses)) <= Counter(there)
        else:
            pairs = zip(statuses, there, strict=True)
            assert all(status in {None, other} for status, other in pairs), (statuses, there)


def exchange_of(event: events.Event) -> str | None:
    """Return the operation id of the request that an event is about, None for other events."""
    if isinstance(event, events.TransportFailed):
        return OPERATIONS.get(event.operation)
    return EXCHANGES.get(type(event))


def status_of(event: Any) -> int | None:
    """Return the HTTP status that an event has, None where no whole response came."""
    if isinstance(event, events.Submitted | events.Polled):
        return 200
    return getattr(event, "http_status", None)


def key_of(event: Any) -> Any:
    """Return the operation that an event belongs to."""
    return (
        event.operation,
        getattr(event, "idempotency_key", None) or event.task_id,
        getattr(event, "position", None),
    )


def check_operations(seen: Sequence[events.Event]) -> None:
    """Each operation begins once and ends once, and has no event before or after."""
    opened: Counter[Any] = Counter()
    for event in seen:
        if event.operation == "poll" or isinstance(event, NOTES):
            continue
        if isinstance(event, STARTS):
            opened[key_of(event)] += 1
        assert opened[key_of(event)] == 1, f"{event!r} is outside of its operation"
        if isinstance(event, ENDS):
            opened[key_of(event)] -= 1
    assert not +opened, "an operation hasn't ended"


def check_retries(seen: Sequence[events.Event]) -> None:
    """After a retry is scheduled comes another request, or the end of its operation."""
    for index, event in enumerate(seen):
        if isinstance(event, events.RetryScheduled):
            rest = [
                one
                for one in seen[index + 1 :]
                if key_of(one) == key_of(event) and not isinstance(one, NOTES)
            ]
            assert exchange_of(rest[0]) or isinstance(rest[0], (*ENDS, events.TransportFailed))


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError], ids=lambda one: one.__name__)
@pytest.mark.parametrize("name", ["wait", "wait_all", "as_completed", "run", "batch"])
def test_an_operation_that_is_broken_off_has_an_end(
    name: str, error: type[BaseException], runner: Any, tmp_path: Path
) -> None:
    """An exception of a callback of the user's: each wait that had begun is interrupted by it."""

    def fail(_: object) -> None:
        raise error

    if error is KeyboardInterrupt and runner.name != "sync":
        pytest.skip("it would end the event loop of the test, not the operation")
    with MockServer(progression="never") as mock, Ledger(tmp_path / "jobs.db") as ledger:
        story = Story(runner, mock, tmp_path / "out", ledger)
        client, jobs = story.client, [REQUEST, {**REQUEST, "prompt": "a hill"}]
        task_ids = story.submitted()
        calls: dict[str, Callable[[], Any]] = {
            "wait": lambda: runner.do(client.task(task_ids[0]).wait, 60, on_update=fail),
            "wait_all": lambda: runner.do(client.wait_all, task_ids, on_update=fail),
            "as_completed": lambda: runner.items(client.as_completed(task_ids, on_update=fail)),
            "run": lambda: runner.do(client.run, REQUEST, on_update=fail),
            "batch": lambda: runner.do(client.batch, jobs, story.folder, on_progress=fail),
        }
        with pytest.raises(error):
            calls[name]()
        check_operations(story.seen)
    ends = [event for event in story.seen if isinstance(event, events.Interrupted)]
    assert all(event.error == error.__name__ for event in ends if event.operation == "wait")
    assert len(ends) == {"wait": 1, "wait_all": 2, "as_completed": 2}.get(name, len(ends))


def test_what_arrives_after_the_end_of_a_wait_is_no_event(runner: Any) -> None:
    """A callback for one task ends the waits of both, and the other is answered in that moment."""
    seen: list[events.Event] = []
    event = threading.Event if runner.name == "sync" else anyio.Event
    both_asked, released = runner.do(event), runner.do(event)

    def on_event(one: events.Event) -> None:
        seen.append(one)
        if isinstance(one, events.Interrupted):
            released.set()

    def respond(request: httpx.Request) -> Any:
        first = request.url.path.endswith(TASK_IDS[0])
        if not first:
            both_asked.set()
        content = {"id": TASK_IDS[not first], "status": "pending"}
        response = httpx.Response(200, json=content)
        return wait_then(both_asked if first else released, response)

    def wait_then(event: Any, response: httpx.Response) -> Any:
        async def wait() -> httpx.Response:
            await event.wait()
            return response

        return wait() if runner.name != "sync" else event.wait(TIME_LIMIT) and response

    def fail(_: object) -> None:
        raise ZeroDivisionError

    transport = httpx.MockTransport(respond)
    client = runner.client(
        api_key="k", base_url="http://127.0.0.1:9/v", transport=transport, on_event=on_event
    )
    with pytest.raises(ZeroDivisionError):
        runner.do(client.wait_all, TASK_IDS, on_update=fail)
    runner.do(client.close)
    check_operations(seen)
    assert sum(isinstance(one, events.Interrupted) for one in seen) == 2
