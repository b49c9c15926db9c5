"""The demo itself: half of the tasks on Client, each in a thread; half on AsyncClient, in one."""

from __future__ import annotations

import asyncio
from threading import Thread
from typing import TYPE_CHECKING

from wanflow.errors import WanflowError

if TYPE_CHECKING:
    from pathlib import Path

    from wanflow import AsyncClient, Client
    from wanflow.demo.place import Place
    from wanflow.demo.record import Record

SYNC, ASYNC = "sync", "async"


def play(records: list[Record], place: Place, out: Path) -> None:
    """Do every task at once, and return when all have ended.

    The threads end with the process, so that Ctrl-C needs to wait for nothing.
    """
    with place.client() as client:
        threads = [
            Thread(target=_generate, args=(client, record, out), daemon=True)
            for record in records
            if record.colour == SYNC
        ]
        threads.append(Thread(target=_play_async, args=(records, place, out), daemon=True))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def _generate(client: Client, record: Record, out: Path) -> None:
    try:
        task = client.submit(record.wish.body)
        record.submitted(task)
        result = task.wait(on_update=record.seen)
        record.saved(result.download(out))
    except WanflowError as error:
        record.failed(error)


async def _generate_async(client: AsyncClient, record: Record, out: Path) -> None:
    try:
        task = await client.submit(record.wish.body)
        record.submitted(task)
        result = await task.wait(on_update=record.seen)
        record.saved(await result.download(out))
    except WanflowError as error:
        record.failed(error)


def _play_async(records: list[Record], place: Place, out: Path) -> None:
    async def play_all() -> None:
        async with place.async_client() as client:
            mine = [record for record in records if record.colour == ASYNC]
            await asyncio.gather(*(_generate_async(client, record, out) for record in mine))

    asyncio.run(play_all())
