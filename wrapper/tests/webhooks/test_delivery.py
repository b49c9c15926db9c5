"""End to end: the mock sends callbacks; the receiver verifies and handles them."""

from __future__ import annotations

import socket
from contextlib import ExitStack, asynccontextmanager, contextmanager
from queue import Queue
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
import pytest
import uvicorn

from tests.waiting import wait_until
from tests.webhooks.conftest import callback_body
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
TIMEOUT = 60


class MockSite:
    """A mock with a virtual clock, and a receiver for its callbacks."""

    def __init__(self, mock: MockServer, port: int) -> None:
        self.mock = mock
        self.handled: Queue[TaskDone] = Queue()
        self.base = f"http://127.0.0.1:{port}/callbacks"
        self.receiver: Receiver

    def receive(self, client: Client | AsyncClient | None, **more: Any) -> Receiver:
        on_task_done = None if client is None else self.handled.put
        self.receiver = Receiver(
            SECRET, self.base, client=client, on_task_done=on_task_done, allow_local=True, **more
        )
        return self.receiver

    def request(self, job: str, prompt: str = "a lake") -> dict[str, Any]:
        """Return a request with a callback URL for a job."""
        url = self.receiver.url(job)
        return {**MODELS[0].example, "prompt": prompt, "callback_url": url}

    def attempts(self, number: int) -> list[int]:
        """Return the statuses of the mock's attempts, once there are so many."""
        sender = self.mock.app.callback_sender
        wait_until(lambda: len(sender.attempts) >= number)
        return [attempt.status for attempt in sender.attempts]


@pytest.fixture
def site() -> Iterator[MockSite]:
    clock = VirtualClock()
    with MockServer(seconds=60, clock=clock, loopback_callbacks=True) as mock:
        yield MockSite(mock, 0)


@contextmanager
def served(site: MockSite, **more: Any) -> Iterator[Client]:
    """Serve a receiver with a Client on a port that the mock can reach."""
    with Client(site.mock.api_key, site.mock.base_url) as client, ExitStack() as stack:
        app = _LateApp()
        server = stack.enter_context(CallbackServer(app))  # type: ignore[arg-type]
        site.base = f"http://127.0.0.1:{server.port}/callbacks"
        app.app = site.receive(client, **more).app
        yield client
        site.receiver.close()


class _LateApp:
    """An application that is set only after its port is known."""

    app: CallbackApp

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope, receive, send)


class TestSync:
    """With the sync client and the library's own server."""

    @pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
    def test_an_end_is_handled(self, site: MockSite, model: Any) -> None:
        """For every model with a callback URL: submitted, called back, verified, handled."""
        with served(site) as client:
            url = site.receiver.url("poster", "picture")
            task = client.submit({**model.example, "callback_url": url}, validate=False)
            site.receiver.link_task("poster", task.id)
            site.mock.clock.advance(120)
            event = site.handled.get(timeout=TIMEOUT)
            assert (event.job, event.kind, event.task_id) == ("poster", "picture", task.id)
            assert event.snapshot.succeeded
            assert event.snapshot.urls
            assert site.attempts(1) == [202]

    def test_a_failure_is_handled(self, site: MockSite) -> None:
        """The end of a failed task has its error."""
        with served(site) as client:
            request = site.request("poster", "a lake [mock:fail=content_policy_violation]")
            task = client.submit(request, validate=False)
            site.receiver.link_task("poster", task.id)
            site.mock.clock.advance(120)
            failure = site.handled.get(timeout=TIMEOUT).snapshot.failure
            assert failure is not None
            assert failure.code == "content_policy_violation"

    def test_a_callback_before_link_task_is_retried(self, site: MockSite) -> None:
        """The response is 503 until the task is linked; the sender's second attempt is accepted."""
        with served(site) as client:
            task = client.submit(site.request("poster"), validate=False)
            site.mock.clock.advance(60)
            assert site.attempts(1) == [503]
            site.receiver.link_task("poster", task.id)
            site.mock.clock.advance(1)
            assert site.attempts(2) == [503, 202]
            assert site.handled.get(timeout=TIMEOUT).task_id == task.id

    def test_a_callback_about_a_task_of_another_job_is_rejected(self, site: MockSite) -> None:
        """A callback about an ended task that isn't the job's has no effect."""
        with served(site) as client:
            mine = client.submit(site.request("mine"), validate=False)
            other = client.submit({**MODELS[0].example})
            site.receiver.link_task("mine", mine.id)
            site.mock.clock.advance(50)
            token = site.receiver.url("mine").rpartition("/")[2]
            forged = callback_body(other.id)
            assert site.receiver.handle_request(token, "application/json", forged) == 403
            assert site.handled.empty()

    def test_a_false_callback_is_not_handled(self, site: MockSite) -> None:
        """A callback about a running task is verified, denied by the API, and not handled."""
        with served(site) as client:
            task = client.submit(site.request("mine"), validate=False)
            site.receiver.link_task("mine", task.id)
            token = site.receiver.url("mine").rpartition("/")[2]
            assert (
                site.receiver.handle_request(token, "application/json", callback_body(task.id))
                == 202
            )
            assert (
                site.receiver.handle_request(token, "application/json", callback_body(task.id))
                == 200
            )
            assert site.handled.empty()
            site.mock.clock.advance(60)
            assert site.handled.get(timeout=TIMEOUT).task_id == task.id

    def test_fifty_concurrent_ends_are_each_handled_once(self, site: MockSite) -> None:
        """Each end is handled once."""
        with served(site, max_checks_per_second=1000.0) as client:
            ids = set()
            for n in range(50):
                task = client.submit(site.request(f"job {n}"), validate=False)
                site.receiver.link_task(f"job {n}", task.id)
                ids.add(task.id)
            site.mock.clock.advance(60)
            ended = [site.handled.get(timeout=TIMEOUT) for _ in ids]
            assert {event.task_id for event in ended} == ids
            assert {event.job for event in ended} == {f"job {n}" for n in range(50)}
            assert site.attempts(50) == [202] * 50
            assert site.handled.empty()


class TestAsync:
    """With the async client, in a server of the user."""

    def test_an_end_is_handled(self, site: MockSite) -> None:
        """The callback is verified and handled in the server's own loop."""

        async def run() -> None:
            async with (
                AsyncClient(site.mock.api_key, site.mock.base_url) as client,
                served_by_user(site),
            ):
                site.receive(client)
                site.app.app = site.receiver.app  # type: ignore[attr-defined]
                task = await client.submit(site.request("poster"), validate=False)
                site.receiver.link_task("poster", task.id)
                await anyio.to_thread.run_sync(site.mock.clock.advance, 120)
                event = await anyio.to_thread.run_sync(lambda: site.handled.get(timeout=TIMEOUT))
                assert (event.job, event.task_id, event.snapshot.succeeded) == (
                    "poster",
                    task.id,
                    True,
                )
                assert await anyio.to_thread.run_sync(site.attempts, 1) == [202]

        anyio.run(run)


@asynccontextmanager
async def served_by_user(site: MockSite) -> AsyncIterator[None]:
    """Serve from the running loop, like a user's application."""
    app = _LateApp()
    site.app = app  # type: ignore[attr-defined]
    config = uvicorn.Config(app, lifespan="off", log_config=None, timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as bound:
        site.base = f"http://127.0.0.1:{bound.getsockname()[1]}/callbacks"
        async with anyio.create_task_group() as group:
            group.start_soon(server._serve, [bound])
            yield
            server.should_exit = True
