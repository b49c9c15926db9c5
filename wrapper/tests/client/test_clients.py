"""Laws of clients: many tasks at once, news from outside, options, event loops and dead pools."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from tests.client.fast_clock import leaping
from wanflow import AsyncClient, Client, InvalidRequest, WaitTimeout, WanflowError, errors
from wanflow._runtime.notifications import Notifier

KEY = "a-key-of-the-tests"
URL = "http://api.example/base"


class Tasks:
    """Answers queries: the task `n-K` ends at its look K; `bad` fails, `never` never ends."""

    def __init__(self) -> None:
        self.looks: Counter[str] = Counter()
        self.flying = self.most = 0
        self.lock = threading.Lock()
        self.done: set[str] = set()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        name = request.url.path.rpartition("/")[2]
        with self.lock:
            self.looks[name] += 1
            look = self.looks[name]
        body: dict[str, Any] = {"id": name, "status": "processing", "progress": 99}
        if name == "gone":
            return httpx.Response(404, json={"error": {"code": 404, "message": "no"}})
        if name == "bad":
            body["status"] = "failed"
        elif name in self.done or (name.startswith("n-") and look >= int(name[2])):
            body |= {"status": "completed", "results": [f"https://f.example/{name}.mp4"]}
        return httpx.Response(200, content=json.dumps(body))


@pytest.fixture
def tasks() -> Tasks:
    return Tasks()


def client_of(colour: Any, tasks: Tasks, **options: Any) -> Any:
    """A client on these tasks."""
    transport = httpx.MockTransport(tasks)
    return colour.client(api_key=KEY, base_url=URL, transport=transport, **options)


def test_wait_all_gives_each_end_in_the_order_given(colour: Any, tasks: Tasks) -> None:
    """Results, failures and refusals stand where their tasks stood; none costs the others."""
    client = client_of(colour, tasks)
    names = ["n-2", "bad", "n-1", "gone", "n-1", "never"]
    seen: list[str] = []
    ends = colour.do(
        client.wait_all, names, timeout=1.7, on_update=lambda found: seen.append(found.id)
    )
    kinds = [type(end).__name__.removeprefix("Async") for end in ends]
    assert kinds == ["Result", "TaskFailed", "Result", "NotFound", "Result", "WaitTimeout"]
    assert [getattr(end, "task_id", None) for end in ends] == names
    assert ends[0].urls == ["https://f.example/n-2.mp4"]
    assert tasks.looks["never"] >= 2
    assert {"n-2", "bad", "never"} <= set(seen)


def test_as_completed_hands_out_each_as_it_ends(colour: Any, tasks: Tasks) -> None:
    """The first to end comes first; its task gives the result, or raises why there is none."""
    client = client_of(colour, tasks)
    given = [client.task(name) for name in ("n-2", "n-1", "bad")]
    ended = colour.items(client.as_completed(given, timeout=20))
    assert {task.id for task in ended} == {"n-2", "n-1", "bad"}
    assert ended[-1].id == "n-2"
    assert all(task in given for task in ended)
    assert ended[-1].result().task_id == "n-2"
    with pytest.raises(errors.TaskFailed):
        next(task for task in ended if task.id == "bad").result()


def test_nothing_to_wait_for_is_nothing(colour: Any, tasks: Tasks) -> None:
    """An empty crowd ends at once."""
    client = client_of(colour, tasks)
    assert colour.do(client.wait_all, []) == []
    assert colour.items(client.as_completed([])) == []


def test_iter_updates_yields_every_snapshot(colour: Any, tasks: Tasks) -> None:
    """The last one included; a failed task is an end and no error."""
    client = leaping(client_of(colour, tasks))
    assert [s.status for s in colour.items(client.task("n-2").iter_updates())] == [
        "processing",
        "completed",
    ]
    assert [s.status for s in colour.items(client.task("bad").iter_updates())] == ["failed"]
    with pytest.raises(WaitTimeout):
        colour.items(client.task("never").iter_updates(timeout=0))


def test_a_task_that_was_not_seen_to_end_has_no_result(colour: Any, tasks: Tasks) -> None:
    """`result()` asks nobody."""
    client = client_of(colour, tasks)
    with pytest.raises(WaitTimeout):
        client.task("n-1").result()
    assert not tasks.looks


@pytest.mark.parametrize("many", [False, True])
def test_a_wait_that_is_told_looks_at_once(many: bool, colour: Any, tasks: Tasks) -> None:
    """`notify` from another thread ends the pause; what it says isn't believed, but looked up."""
    client = client_of(colour, tasks)

    def tell() -> None:
        while not tasks.looks["later"]:
            time.sleep(0.01)
        time.sleep(0.1)
        tasks.done.add("later")
        client.notify("later")

    teller = threading.Thread(target=tell)
    teller.start()
    begun = time.monotonic()
    if many:
        assert colour.do(client.wait_all, ["later"], timeout=30)[0].task_id == "later"
    else:
        assert colour.do(client.task("later").wait, 30).task_id == "later"
    teller.join()
    assert time.monotonic() - begun < 3
    assert tasks.looks["later"] == 2


def test_a_ring_between_a_look_and_a_sleep_is_not_lost() -> None:
    """It is kept for the next who sleeps on the topic, once."""
    bells = Notifier()
    bells.notify("a")
    with bells.waiter("a", lambda _: None) as rung:
        assert rung
    with bells.waiter("a", lambda _: None) as rung:
        assert not rung
    heard: list[str] = []
    for topic in ("x", "b"):
        bells.notify(topic)
    with bells.subscribe_many({"a", "b"}, heard.append):
        bells.notify("a")
    assert heard == ["b", "a"]


def test_options_make_another_client_over_the_same_connections(colour: Any, tasks: Tasks) -> None:
    """The first one stays as it was."""
    client = client_of(colour, tasks, timeout=7)
    other = client.with_options(timeout=3, retry_timeout=0)
    assert type(other) is type(client)
    assert (client._config.timeout, other._config.timeout) == (7, 3)
    assert other._driver._wire is client._driver._wire
    assert colour.do(other.task("n-1").wait).task_id == "n-1"
    with pytest.raises(errors.ConfigurationError):
        client.with_options(timeout=-1)


def test_an_async_client_is_usable_in_a_new_event_loop(tasks: Tasks) -> None:
    """Loop after loop, with real connections made anew in each."""
    client = AsyncClient(KEY, URL, transport=httpx.MockTransport(tasks))

    async def one() -> str:
        result = await client.task("n-1").wait()
        await client.close()
        return result.task_id

    assert [asyncio.run(one()) for _ in range(3)] == ["n-1"] * 3


def test_no_more_requests_than_connections(colour: Any, tasks: Tasks) -> None:
    """Whatever is asked for at once, the transport has no more of it than was agreed."""
    slow = Tasks()

    def answer(request: httpx.Request) -> httpx.Response:
        with slow.lock:
            slow.flying += 1
            slow.most = max(slow.most, slow.flying)
        time.sleep(0.02)
        with slow.lock:
            slow.flying -= 1
        return slow(request)

    client = colour.client(
        api_key=KEY,
        base_url=URL,
        transport=httpx.MockTransport(answer),
        max_connections=3,
        max_polls_per_second=1e4,
    )
    ends = colour.do(client.wait_all, [f"n-1-{index}" for index in range(30)], timeout=30)
    assert not any(isinstance(end, WanflowError) for end in ends)
    assert 1 <= slow.most <= 3


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


def test_a_dead_pool_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pool that has no connection although none is in use is left for a new one."""
    made: list[httpx.Client] = []

    class DeadAtFirst(httpx.Client):
        def __init__(self, **options: Any) -> None:
            made.append(self)
            answer = _dead if len(made) == 1 else Tasks()
            super().__init__(**options | {"transport": httpx.MockTransport(answer)})

    monkeypatch.setattr(httpx, "Client", DeadAtFirst)
    with Client(KEY, URL) as client:
        assert client.task("n-1").wait(20).task_id == "n-1"
    assert len(made) == 2


def _dead(request: httpx.Request) -> httpx.Response:
    raise httpx.PoolTimeout("no connection", request=request)


def test_a_client_says_where_it_is_and_no_more(colour: Any, tasks: Tasks) -> None:
    """And refuses what is no task id, in a crowd as alone."""
    client = client_of(colour, tasks)
    assert URL in repr(client)
    with pytest.raises(InvalidRequest):
        colour.do(client.wait_all, ["a b"])
    for one in ("task-unified-a", client.task("task-unified-a"), 7, None):
        with pytest.raises(InvalidRequest, match="pass a list of tasks"):
            colour.do(client.wait_all, one)
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
    created: object, wanted: datetime | None, colour: Any
) -> None:
    """`expires_at` is a moment in UTC, and None where the API doesn't say when it was created."""
    body = {"id": "task-unified-1-a", "status": "completed", "results": ["https://a.example/x.png"]}
    body |= {} if created is None else {"created": created}
    client = colour.client(
        api_key="k",
        base_url="http://a.example",
        transport=httpx.MockTransport(lambda _: httpx.Response(200, json=body)),
    )
    assert colour.do(client.task("task-unified-1-a").wait, 5).expires_at == wanted
