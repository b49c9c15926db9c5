"""The whole way, over sockets: the mock calls, the receiver asks it, and the end is handled."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import ExitStack, asynccontextmanager, contextmanager
from queue import Queue
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
import pytest
import uvicorn

from tests.webhooks.conftest import body_of
from wanflow import AsyncClient, Client
from wanflow.catalog.catalog import packaged_catalog
from wanflow.mock import MockServer
from wanflow.mock.clock import VirtualClock
from wanflow.webhooks import Receiver, TaskDone
from wanflow.webhooks.server import CallbackServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from wanflow.webhooks.asgi import CallbackApp

MODELS = [m for m in packaged_catalog().models.values() if "callback_url" in m.parameters]
SECRET = "a secret of sixteen"
PATIENCE = 10


class Site:
    """A mock whose clock stands still, and a receiver that it can call."""

    def __init__(self, mock: MockServer, port: int) -> None:
        self.mock = mock
        self.ends: Queue[TaskDone] = Queue()
        self.base = f"http://127.0.0.1:{port}/callbacks"
        self.receiver: Receiver

    def receive(self, client: Client | AsyncClient | None, **more: Any) -> Receiver:
        on_end = None if client is None else self.ends.put
        self.receiver = Receiver(
            SECRET, self.base, client=client, on_task_done=on_end, allow_local=True, **more
        )
        return self.receiver

    def request(self, job: str, prompt: str = "a lake") -> dict[str, Any]:
        """A request that asks to be called back about a job."""
        url = self.receiver.url(job)
        return {**MODELS[0].example, "prompt": prompt, "callback_url": url}

    def attempts(self, number: int) -> list[int]:
        """The statuses of the mock's tries to call, when there are so many."""
        until = time.monotonic() + PATIENCE
        courier = self.mock.app.callback_sender
        while len(courier.attempts) < number and time.monotonic() < until:
            threading.Event().wait(0.01)
        return [attempt.status for attempt in courier.attempts]


@pytest.fixture
def site() -> Iterator[Site]:
    clock = VirtualClock()
    with MockServer(seconds=60, clock=clock, loopback_callbacks=True) as mock:
        yield Site(mock, 0)


@contextmanager
def served(site: Site, **more: Any) -> Iterator[Client]:
    """Serve a receiver with a Client on a socket that the mock can call."""
    with Client(site.mock.api_key, site.mock.base_url) as client, ExitStack() as stack:
        door = _Late()
        listener = stack.enter_context(CallbackServer(door))  # type: ignore[arg-type]
        site.base = f"http://127.0.0.1:{listener.port}/callbacks"
        door.app = site.receive(client, **more).app
        yield client
        site.receiver.close()


class _Late:
    """An application that is known only after its port is."""

    app: CallbackApp

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope, receive, send)


class TestSync:
    """With the blocking client and a listener of the library's own."""

    @pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
    def test_an_end_arrives(self, site: Site, model: Any) -> None:
        """Every model that takes a callback URL: submitted, called back, confirmed, handled."""
        with served(site) as client:
            url = site.receiver.url("poster", "picture")
            task = client.submit({**model.example, "callback_url": url}, validate=False)
            site.receiver.link_task("poster", task.id)
            site.mock.clock.advance(120)
            end = site.ends.get(timeout=PATIENCE)
            assert (end.job, end.kind, end.task_id) == ("poster", "picture", task.id)
            assert end.snapshot.succeeded
            assert end.snapshot.urls
            assert site.attempts(1) == [202]

    def test_a_failure_arrives(self, site: Site) -> None:
        """A failed task is an end, with its reason."""
        with served(site) as client:
            request = site.request("poster", "a lake [mock:fail=content_policy_violation]")
            task = client.submit(request, validate=False)
            site.receiver.link_task("poster", task.id)
            site.mock.clock.advance(120)
            failure = site.ends.get(timeout=PATIENCE).snapshot.failure
            assert failure is not None
            assert failure.code == "content_policy_violation"

    def test_a_callback_that_is_too_early_comes_again(self, site: Site) -> None:
        """503 until the task is known to be the job's, and taken at the sender's second try."""
        with served(site) as client:
            task = client.submit(site.request("poster"), validate=False)
            site.mock.clock.advance(60)
            assert site.attempts(1) == [503]
            site.receiver.link_task("poster", task.id)
            site.mock.clock.advance(1)
            assert site.attempts(2) == [503, 202]
            assert site.ends.get(timeout=PATIENCE).task_id == task.id

    def test_another_ones_task_is_refused_by_the_api_or_before(self, site: Site) -> None:
        """A claim of a task that ended, but isn't the job's, is nothing, whoever it belongs to."""
        with served(site) as client:
            mine = client.submit(site.request("mine"), validate=False)
            other = client.submit({**MODELS[0].example})
            site.receiver.link_task("mine", mine.id)
            site.mock.clock.advance(50)
            token = site.receiver.url("mine").rpartition("/")[2]
            forged = body_of(other.id)
            assert site.receiver.handle_request(token, "application/json", forged) == 403
            assert site.ends.empty()

    def test_a_claim_of_an_end_that_is_none_is_not_believed(self, site: Site) -> None:
        """Somebody who knows the URL says that it has ended: the API says no, for half a minute."""
        with served(site) as client:
            task = client.submit(site.request("mine"), validate=False)
            site.receiver.link_task("mine", task.id)
            token = site.receiver.url("mine").rpartition("/")[2]
            assert site.receiver.handle_request(token, "application/json", body_of(task.id)) == 202
            assert site.receiver.handle_request(token, "application/json", body_of(task.id)) == 200
            assert site.ends.empty()
            site.mock.clock.advance(60)
            assert site.ends.get(timeout=PATIENCE).task_id == task.id

    def test_fifty_ends_at_once_are_fifty_ends(self, site: Site) -> None:
        """Each once, and each asked about once."""
        with served(site, max_checks_per_second=1000.0) as client:
            ids = set()
            for n in range(50):
                task = client.submit(site.request(f"job {n}"), validate=False)
                site.receiver.link_task(f"job {n}", task.id)
                ids.add(task.id)
            site.mock.clock.advance(60)
            ended = [site.ends.get(timeout=PATIENCE) for _ in ids]
            assert {end.task_id for end in ended} == ids
            assert {end.job for end in ended} == {f"job {n}" for n in range(50)}
            assert site.attempts(50) == [202] * 50
            assert site.ends.empty()


class TestAsync:
    """With the async client, inside a server of the user's own."""

    def test_an_end_arrives(self, site: Site) -> None:
        """Asked and handled in the server's own loop; a second call of the same is 200."""

        async def run() -> None:
            async with AsyncClient(site.mock.api_key, site.mock.base_url) as client, own(site):
                site.receive(client)
                site.door.app = site.receiver.app  # type: ignore[attr-defined]
                task = await client.submit(site.request("poster"), validate=False)
                site.receiver.link_task("poster", task.id)
                await anyio.to_thread.run_sync(site.mock.clock.advance, 120)
                end = await anyio.to_thread.run_sync(lambda: site.ends.get(timeout=PATIENCE))
                assert (end.job, end.task_id, end.snapshot.succeeded) == ("poster", task.id, True)
                assert await anyio.to_thread.run_sync(site.attempts, 1) == [202]

        anyio.run(run)


@asynccontextmanager
async def own(site: Site) -> AsyncIterator[None]:
    """Serve from the running loop, as a user's application does."""
    door = _Late()
    site.door = door  # type: ignore[attr-defined]
    config = uvicorn.Config(door, lifespan="off", log_config=None, timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as bound:
        site.base = f"http://127.0.0.1:{bound.getsockname()[1]}/callbacks"
        async with anyio.create_task_group() as group:
            group.start_soon(server._serve, [bound])
            yield
            server.should_exit = True
