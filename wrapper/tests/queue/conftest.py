"""A queue in an empty database, a mock that charges twice for what is sent twice, and workers."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.any_model import model_name
from tests.ledger.cutting_proxy import CuttingProxy
from tests.queue.manual_worker import ManualWorker, enqueue
from tests.uploads import conftest as object_storage
from wanflow.mock import MockServer
from wanflow.queue import schema

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from tests.postgres import PostgresServer
    from wanflow.mock.gateway.accounts import Account
    from wanflow.queue.handle import QueuedBatch


s3, s3_url = object_storage.s3, object_storage.s3_url


@pytest.fixture(scope="module")
def server() -> Iterator[MockServer]:
    """A mock that ignores idempotency keys, so it charges twice for what is sent twice."""
    with MockServer(polls=1, idempotency=False) as mock:
        yield mock


@pytest.fixture
def account(server: MockServer, api_key: str) -> Account:
    """The test's account on the server."""
    return server.accounts.for_key(api_key)


@pytest.fixture
def fault(server: MockServer, account: Account) -> Callable[..., AbstractContextManager[None]]:
    """Inject a fault into the requests of the test's account, inside a block."""

    @contextmanager
    def inject(text: str, **more: Any) -> Generator[None]:
        rule = server.faults.add(text, account=account, **more)
        try:
            yield
        finally:
            server.faults.remove(rule.id)

    return inject


@pytest.fixture
def queue(postgres_url: str) -> str:
    """The URL of a database with an empty queue."""
    initialize(postgres_url)
    return postgres_url


@pytest.fixture
def proxy(postgres_server: PostgresServer) -> Iterator[CuttingProxy]:
    """A proxy before the server, which can be slow and silent."""
    proxy = CuttingProxy(postgres_server.folder / ".s.PGSQL.5432")
    yield proxy
    proxy.close()


@pytest.fixture
def proxied_queue(queue: str, proxy: CuttingProxy, postgres_server: PostgresServer) -> str:
    """The URL of the queue by the proxy."""
    database = queue.partition("?")[0].rpartition("/")[2]
    return postgres_server.url(database, host=str(proxy.folder), connect_timeout="2")


def initialize(url: str) -> None:
    """Create the tables of a queue."""
    schema.initialize(url)


@pytest.fixture
def own_queue(own_postgres_server: PostgresServer) -> tuple[PostgresServer, str]:
    """A server that the test may stop, and the URL of its queue."""
    url = own_postgres_server.create_database()
    initialize(url)
    return own_postgres_server, url


@pytest.fixture
def new_worker(
    queue: str, server: MockServer, api_key: str, tmp_path: Path
) -> Iterator[Callable[..., ManualWorker]]:
    """Make workers of the queue; each counts as a process of its own."""
    made: list[ManualWorker] = []

    def new(**more: Any) -> ManualWorker:
        given = more.pop("key", api_key)
        made.append(ManualWorker(queue, server, given, tmp_path, **more))
        return made[-1]

    yield new
    for one in made:
        one.close()


@pytest.fixture
def worker(new_worker: Callable[..., ManualWorker]) -> ManualWorker:
    """A worker of the queue."""
    return new_worker()


@pytest.fixture
def add_jobs(
    queue: str, server: MockServer, api_key: str, tmp_path: Path
) -> Callable[..., QueuedBatch]:
    """Enqueue a number of jobs that differ in their prompts, which begin with a text."""

    def add(count: int = 1, prompt: str = "a cat", **more: Any) -> QueuedBatch:
        model = model_name("image")
        jobs = [{"model": model, "prompt": f"{prompt} {number}"} for number in range(count)]
        return enqueue(queue, server, api_key, jobs, tmp_path / "out", **more)

    return add
