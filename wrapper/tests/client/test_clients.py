"""Clients: many tasks, notifications, options, event loops and broken pools."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from tests.client.clients import httpx
from tests.client.fast_clock import EndlessPauses, with_endless_pauses, with_fast_clock
from wanflow import AsyncClient, Client, InvalidRequest, WaitTimeout, WanflowError, errors
from wanflow._runtime.notifications import Inbox, Notifier

if TYPE_CHECKING:
    from collections.abc import Callable
    from queue import SimpleQueue

    from wanflow._event_loop import WakeupEvent

T = TypeVar("T")

KEY = "a-key-of-the-tests"
URL = "http://api.example/base"


class Tasks:
    """Responds to polls: the task `n-K` is done at its poll K; `bad` fails, `never` never ends."""

    def __init__(self) -> None:
        self.polls: Counter[str] = Counter()
        self.in_flight = self.highest = 0
        self.lock = threading.Lock()
        self.done: set[str] = set()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        name = request.url.path.rpartition("/")[2]
        with self.lock:
            self.polls[name] += 1
            poll = self.polls[name]
        body: dict[str, Any] = {"id": name, "status": "processing"}
        if not name.startswith("later"):  # which isn't polled again for seconds
            body["progress"] = 99
        if name == "unknown":
            return httpx.Response(404, json={"error": {"code": "task_not_found", "message": "no"}})
        if name == "bad":
            body["status"] = "failed"
        elif name in self.done or (name.startswith("n-") and poll >= int(name[2])):
            body |= {"status": "completed", "results": [f"https://f.example/{name}.mp4"]}
        return httpx.Response(200, content=json.dumps(body))


@pytest.fixture
def tasks() -> Tasks:
    return Tasks()


def client_of(runner: Any, tasks: Any, **options: Any) -> Any:
    """A client of an API with these tasks."""
    transport = httpx.MockTransport(tasks)
    return runner.client(api_key=KEY, base_url=URL, transport=transport, **options)


def test_wait_all_returns_each_outcome_in_the_order_of_the_tasks(runner: Any, tasks: Tasks) -> None:
    """Results and errors have the positions of their tasks; none affects the others."""
    client = with_fast_clock(client_of(runner, tasks))
    names = ["n-2", "bad", "n-1", "unknown", "n-1", "never"]
    updated: list[str] = []
    ends = runner.do(
        client.wait_all, names, timeout=300, on_update=lambda found: updated.append(found.id)
    )
    kinds = [type(end).__name__.removeprefix("Async") for end in ends]
    assert kinds == ["Result", "TaskFailed", "Result", "NotFound", "Result", "WaitTimeout"]
    assert [getattr(end, "task_id", None) for end in ends] == names
    assert ends[0].urls == ["https://f.example/n-2.mp4"]
    assert tasks.polls["never"] >= 2
    assert {"n-2", "bad", "never"} <= set(updated)


def test_as_completed_yields_each_task_as_it_ends(runner: Any, tasks: Tasks) -> None:
    """The first that is done comes first; its task returns the result or raises the error."""
    client = client_of(runner, tasks)
    given = [client.task(name) for name in ("n-2", "n-1", "bad")]
    ended = runner.items(client.as_completed(given, timeout=20))
    assert {task.id for task in ended} == {"n-2", "n-1", "bad"}
    assert ended[-1].id == "n-2"
    assert all(task in given for task in ended)
    assert ended[-1].result().task_id == "n-2"
    with pytest.raises(errors.TaskFailed):
        next(task for task in ended if task.id == "bad").result()


def test_waiting_for_no_tasks_returns_nothing(runner: Any, tasks: Tasks) -> None:
    """An empty list ends the wait immediately."""
    client = client_of(runner, tasks)
    assert runner.do(client.wait_all, []) == []
    assert runner.items(client.as_completed([])) == []


def test_iter_updates_yields_every_snapshot(runner: Any, tasks: Tasks) -> None:
    """The last one included; a failed task raises nothing."""
    client = with_fast_clock(client_of(runner, tasks))
    assert [s.status for s in runner.items(client.task("n-2").iter_updates())] == [
        "processing",
        "completed",
    ]
    assert [s.status for s in runner.items(client.task("bad").iter_updates())] == ["failed"]
    with pytest.raises(WaitTimeout):
        runner.items(client.task("never").iter_updates(timeout=0))


def test_a_task_that_is_not_known_to_be_done_has_no_result(runner: Any, tasks: Tasks) -> None:
    """`result()` sends nothing."""
    client = client_of(runner, tasks)
    with pytest.raises(WaitTimeout):
        client.task("n-1").result()
    assert not tasks.polls


class WatchedPauses(EndlessPauses):
    """Pauses that call `begin` and `end`, both while a notification would end them."""

    def __init__(
        self, begin: Callable[[], None] = lambda: None, end: Callable[[], None] = lambda: None
    ) -> None:
        self.begin = begin
        self.end = end

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Wait for the event."""
        self.begin()
        woken = super().wait(event, seconds)
        self.end()
        return woken

    def receive(self, news: SimpleQueue[T], seconds: float | None) -> T | None:
        """Wait for news."""
        self.begin()
        found = super().receive(news, seconds)
        self.end()
        return found

    async def wait_async(self, alarm: WakeupEvent, seconds: float | None) -> bool:
        """Wait for the alarm."""
        self.begin()
        woken = await super().wait_async(alarm, seconds)
        self.end()
        return woken


@pytest.mark.parametrize("many", [False, True])
def test_a_notified_wait_polls_immediately(many: bool, runner: Any, tasks: Tasks) -> None:
    """`notify` from another thread ends the sleep, and the task is polled."""
    seen: list[Any] = []

    def begin() -> None:
        if seen and not tasks.done:
            tasks.done.add("later")
            notifier = threading.Thread(target=client.notify, args=("later",))
            notifier.start()
            notifier.join()

    client = client_of(runner, tasks)
    client._driver._shared.clock = WatchedPauses(begin)
    arguments: Any = {"timeout": 300, "on_update": seen.append}
    if many:
        assert runner.do(client.wait_all, ["later"], **arguments)[0].task_id == "later"
    else:
        assert runner.do(client.task("later").wait, **arguments).task_id == "later"
    assert tasks.polls["later"] == 2


@pytest.mark.parametrize("many", [False, True])
def test_a_notification_during_a_poll_is_not_lost(many: bool, runner: Any, tasks: Tasks) -> None:
    """The response may be older than the notification, so another poll follows immediately."""

    def respond(request: httpx.Request) -> httpx.Response:
        response = tasks(request)
        if not tasks.done:
            tasks.done.add("later")
            client.notify("later")
        return response

    client = with_endless_pauses(client_of(runner, respond))
    if many:
        assert runner.do(client.wait_all, ["later"], timeout=300)[0].task_id == "later"
    else:
        assert runner.do(client.task("later").wait, 300).task_id == "later"
    assert tasks.polls["later"] == 2


def test_a_notification_between_a_poll_and_a_sleep_is_not_lost() -> None:
    """It ends the next wait for the topic, once."""
    notifier = Notifier()
    notifier.notify("a")
    with notifier.waiter("a", lambda _: None) as notified:
        assert notified
    with notifier.waiter("a", lambda _: None) as notified:
        assert not notified
    topics: list[str] = []
    inbox = Inbox(topics.append)
    for topic in ("x", "b"):
        notifier.notify(topic)
    with notifier.subscribe_many({"a", "b"}, inbox):
        notifier.notify("a")
    assert topics == [inbox.take(), inbox.take()] == ["b", "a"]


def test_a_notification_that_an_ended_wait_did_not_handle_is_not_lost() -> None:
    """A cancelled sleep and an ended group leave it to the next waiter, once."""
    notifier = Notifier()
    for before in (True, False):
        with pytest.raises(KeyboardInterrupt), notifier.waiter("a", lambda _: None):  # noqa: PT012
            if not before:
                notifier.notify("a")
            raise KeyboardInterrupt
        with notifier.waiter("a", lambda _: None) as notified:
            assert notified is not before
    inbox, late = Inbox(lambda _: None), Inbox(lambda _: None)
    with notifier.subscribe_many({"a", "b"}, inbox):
        for topic in ("a", "b"):
            notifier.notify(topic)
    assert inbox.take() == "a"
    notifier.give_back(inbox)
    with notifier.subscribe_many({"a", "b"}, late):
        assert [*late.topics] == ["b"]


def test_a_notification_at_the_end_of_another_task_is_not_lost(runner: Any, tasks: Tasks) -> None:
    """It arrives after the last poll of one task ended, and before that task is yielded."""
    ids = ["later-1", "later-2"]
    seen: set[str] = set()

    def end(task_id: str) -> None:
        if task_id not in tasks.done:
            tasks.done.add(task_id)
            client.notify(task_id)

    def on_update(snapshot: Any) -> None:
        seen.add(snapshot.id)
        if len(seen) == 2:
            end("later-1")

    def at_end() -> None:
        if tasks.polls["later-1"] == 2:
            end("later-2")

    client = client_of(runner, tasks)
    client._driver._shared.clock = WatchedPauses(end=at_end)
    ended = runner.items(client.as_completed(ids, timeout=300, on_update=on_update))
    assert [task.id for task in ended] == ids
    assert tasks.polls == dict.fromkeys(ids, 2)


def test_a_notification_between_two_tasks_of_as_completed_is_not_lost(
    runner: Any, tasks: Tasks
) -> None:
    """While the caller handles one task, nothing waits for the other."""

    def handle(task: Any) -> None:
        if task.id == "later-1":
            tasks.done.add("later-2")
            client.notify("later-2")

    def on_update(snapshot: Any) -> None:
        if snapshot.id == "later-2":
            tasks.done.add("later-1")
            client.notify("later-1")

    client = with_endless_pauses(client_of(runner, tasks))
    ended = client.as_completed(["later-1", "later-2"], timeout=300, on_update=on_update)
    assert [task.id for task in runner.items(ended, handle)] == ["later-1", "later-2"]
    assert tasks.polls["later-2"] == 2


def test_options_make_another_client_over_the_same_connections(runner: Any, tasks: Tasks) -> None:
    """The first client doesn't change."""
    client = client_of(runner, tasks, timeout=7)
    other = client.with_options(timeout=3, retry_timeout=0)
    assert type(other) is type(client)
    assert (client._config.timeout, other._config.timeout) == (7, 3)
    assert other._driver._transport is client._driver._transport
    assert runner.do(other.task("n-1").wait).task_id == "n-1"
    with pytest.raises(errors.ConfigurationError):
        client.with_options(timeout=-1)


def test_an_async_client_is_usable_in_a_new_event_loop(tasks: Tasks) -> None:
    """Each loop gets new connections."""
    client = AsyncClient(KEY, URL, transport=httpx.MockTransport(tasks))

    async def one() -> str:
        result = await client.task("n-1").wait()
        await client.close()
        return result.task_id

    assert [asyncio.run(one()) for _ in range(3)] == ["n-1"] * 3


def test_no_more_requests_than_connections(runner: Any, tasks: Tasks) -> None:
    """However many tasks there are, at most `max_connections` requests are in flight."""
    slow = Tasks()

    def respond(request: httpx.Request) -> httpx.Response:
        with slow.lock:
            slow.in_flight += 1
            slow.highest = max(slow.highest, slow.in_flight)
        time.sleep(0.02)
        with slow.lock:
            slow.in_flight -= 1
        return slow(request)

    client = runner.client(
        api_key=KEY,
        base_url=URL,
        transport=httpx.MockTransport(respond),
        max_connections=3,
        max_polls_per_second=1e4,
    )
    ends = runner.do(client.wait_all, [f"n-1-{index}" for index in range(30)], timeout=30)
    assert not any(isinstance(end, WanflowError) for end in ends)
    assert 1 <= slow.highest <= 3


def test_a_sync_client_is_shared_by_threads(tasks: Tasks) -> None:
    """Many threads wait through one client."""
    with Client(
        KEY, URL, transport=httpx.MockTransport(tasks), max_connections=4, max_polls_per_second=1e4
    ) as client:
        found: list[str] = []

        def wait(name: str) -> None:
            found.append(client.task(name).wait(20).task_id)

        threads = [threading.Thread(target=wait, args=(f"n-1-{n}",)) for n in range(30)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(found) == sorted(f"n-1-{n}" for n in range(30))


def test_a_broken_pool_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pool that has no connection although none is in use is replaced by a new one."""
    made: list[httpx.Client] = []

    class BrokenAtFirst(httpx.Client):
        def __init__(self, **options: Any) -> None:
            made.append(self)
            respond = _raise_pool_timeout if len(made) == 1 else Tasks()
            super().__init__(**options | {"transport": httpx.MockTransport(respond)})

    monkeypatch.setattr(httpx, "Client", BrokenAtFirst)
    with Client(KEY, URL) as client:
        assert client.task("n-1").wait(20).task_id == "n-1"
    assert len(made) == 2


def _raise_pool_timeout(request: httpx.Request) -> httpx.Response:
    raise httpx.PoolTimeout("no connection", request=request)


def test_the_repr_of_a_client_has_its_url_and_no_key(runner: Any, tasks: Tasks) -> None:
    """And what is not a task id is rejected, in a list too."""
    client = client_of(runner, tasks)
    assert URL in repr(client)
    with pytest.raises(InvalidRequest):
        runner.do(client.wait_all, ["a b"])
    for one in ("task-unified-a", client.task("task-unified-a"), 7, None):
        with pytest.raises(InvalidRequest, match="pass a list of tasks"):
            runner.do(client.wait_all, one)
    with pytest.raises(InvalidRequest):
        client.notify("a b")


@pytest.mark.parametrize(
    ("created", "wanted"),
    [
        (1_760_000_000, datetime(2025, 10, 10, 8, 53, 20, tzinfo=UTC)),
        (0, datetime(1970, 1, 2, tzinfo=UTC)),
        (2**52, None),
        (None, None),
        ("soon", None),
    ],
)
def test_links_expire_a_day_after_the_submission(
    created: object, wanted: datetime | None, runner: Any
) -> None:
    """`expires_at` is in UTC, and None if the API doesn't say when the task was created."""
    body = {"id": "task-unified-1-a", "status": "completed", "results": ["https://a.example/x.png"]}
    body |= {} if created is None else {"created": created}
    client = runner.client(
        api_key="k",
        base_url="http://a.example",
        transport=httpx.MockTransport(lambda _: httpx.Response(200, json=body)),
    )
    assert runner.do(client.task("task-unified-1-a").wait, 5).expires_at == wanted
