"""A program that uses a client, forks, and continues to use it in the parent and the children.

`python forking.py CLIENT SCENE URL`, where CLIENT is sync, asyncio, aiohttp or trio. Each process
prints one line of JSON with the task ids of its own submissions.
"""

from __future__ import annotations

import asyncio
import json
import os
import selectors
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import anyio

from wanflow import AsyncClient, Client
from wanflow._event_loop import run_in_thread

if TYPE_CHECKING:
    from collections.abc import Callable

CHILDREN = 3
EACH = 12
SETTINGS: dict[str, Any] = {"api_key": "sk-forked-000000000000", "timeout": 20, "retry_timeout": 0}


def bodies(client: Client | AsyncClient) -> dict[str, Any]:
    """Return a valid request."""
    model = client.models()[-1]
    return {"model": model.name, **model.example}


def one_after_another(client: Client, name: str) -> dict[str, str]:
    """Submit several requests, each with its own key."""
    keys = [f"{name}-{number:016d}" for number in range(EACH)]
    return {key: client.submit(bodies(client), idempotency_key=key).id for key in keys}


async def together(client: AsyncClient, name: str) -> dict[str, str]:
    """Submit several requests concurrently, each with its own key."""
    found: dict[str, str] = {}
    # Blocking calls run in threads, and a child has none of its parent's threads.
    assert await run_in_thread(os.getpid) == os.getpid()

    async def one(key: str) -> None:
        found[key] = (await client.submit(bodies(client), idempotency_key=key)).id

    async with anyio.create_task_group() as group:
        for number in range(EACH):
            group.start_soon(one, f"{name}-{number:016d}")
    return found


def in_children(act: Callable[[str], dict[str, str]]) -> None:
    """Call a function in forked children and in the parent concurrently; print the results."""
    children = []
    for number in range(CHILDREN):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                line = json.dumps(act(f"child{number}")) + "\n"
                os.write(1, line.encode())
                code = 0
            finally:
                os._exit(code)
        children.append(child)
    os.write(1, (json.dumps(act("parent")) + "\n").encode())
    for child in children:
        _, status = os.waitpid(child, 0)
        assert status == 0, status
    os.write(1, (json.dumps(act("parentlater")) + "\n").encode())


def sync(url: str, scene: str) -> None:
    """Fork with open connections, or while another thread owns the only slot and every lock."""
    busy = scene == "busy"
    client = Client(base_url=url, max_connections=1 if busy else 8, **SETTINGS)
    if not busy:
        one_after_another(client, "before")
        in_children(lambda name: one_after_another(client, name))
        return
    asked = threading.Thread(target=client.task("task-unified-1-hangs").refresh, daemon=True)
    asked.start()
    sys.stdin.readline()  # its request has arrived
    time.sleep(0.2)  # so that it usually reads
    pool: Any = vars(vars(vars(client)["_driver"])["_transport"])["_api"]
    shared: Any = vars(vars(client)["_driver"])["_shared"]
    locks = [pool._lock, shared._lock, shared.notifier._lock]
    locked = threading.Event()

    def acquire_all() -> None:
        for lock in locks:
            lock.acquire()
        locked.set()

    threading.Thread(target=acquire_all, daemon=True).start()
    locked.wait()
    child = os.fork()
    if child == 0:
        os.write(1, (json.dumps(one_after_another(client, "child0")) + "\n").encode())
        os._exit(0)
    os.waitpid(child, 0)
    os._exit(0)


def asynchronous(url: str, backend: str) -> None:
    """Fork, run another event loop in each child, and continue the first one in the parent."""
    client = AsyncClient(base_url=url, max_connections=8, **SETTINGS)

    async def fork_within() -> None:
        await together(client, "before")
        in_children(lambda name: _in_new_loop(backend, client, name))
        os.write(1, (json.dumps(await together(client, "samelooplater")) + "\n").encode())
        await client.close()

    anyio.run(fork_within, backend=backend)


def same_loop(url: str) -> None:
    """Fork while an event loop is paused, and continue it in the child, then in the parent."""
    client = AsyncClient(base_url=url, max_connections=8, **SETTINGS)
    # Not epoll: both processes would share its state in the kernel.
    loop = asyncio.SelectorEventLoop(selectors.SelectSelector())
    asyncio.set_event_loop(loop)

    def submit(name: str) -> None:
        os.write(1, (json.dumps(loop.run_until_complete(together(client, name))) + "\n").encode())

    submit("before")
    child = os.fork()
    if child == 0:
        submit("child0")
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert status == 0, status
    submit("parentlater")
    os._exit(0)


def _in_new_loop(backend: str, client: AsyncClient, name: str) -> dict[str, str]:
    """Submit in another event loop, in a thread of its own."""
    found: list[dict[str, str]] = []

    def run() -> None:
        async def do() -> dict[str, str]:
            ids = await together(client, name)
            await client.close()
            return ids

        found.append(anyio.run(do, backend=backend))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return found[0]


if __name__ == "__main__":
    kind, scene, url = sys.argv[1:]
    if kind != "aiohttp":
        sys.modules["wanflow._transport.aiohttp_backend"] = None  # type: ignore[assignment]
    if kind == "sync":
        sync(url, scene)
    elif scene == "same loop":
        same_loop(url)
    else:
        asynchronous(url, "trio" if kind == "trio" else "asyncio")
