# pyright: strict, reportUnnecessaryTypeIgnoreComment=true
"""What a user's type checker reports. Checked, never run; invalid lines are marked."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import assert_type

import wanflow.models
from wanflow import AsyncClient, AsyncResult, AsyncTask, Client, Result, Task, WanflowError
from wanflow.ledger import Estimate


def sync(client: Client) -> None:
    task = client.submit(model="wan2.5-text-to-video", prompt="A cat", duration=5, quality="480p")
    assert_type(task, Task)
    assert_type(task.wait(timeout=600), Result)
    assert_type(task.refresh(), Task)
    assert_type(client.task("task-unified-1").wait().download("out"), list[Path])
    result = client.run(model="wan2.5-text-to-image", prompt="A lake", n=2, output_dir="out")
    assert_type(result.urls, list[str])
    assert_type(result.expires_at, datetime | None)
    assert_type(client.submit({"model": "any", "prompt": "x"}), Task)
    frames = [Path("first.png")]
    client.submit(model="wan2.6-image-to-video", prompt="x", image_urls=frames)
    client.submit(model="wan2.6-image-to-video", prompt="x", image_urls=["https://a.com/a.png"])
    chosen = str(task.id)  # a model name that is known only at run time is part of the request
    assert_type(client.submit({"model": chosen, "prompt": "x"}), Task)
    assert_type(client.wait_all([task, "task-unified-2"]), list[Result | WanflowError])
    for ended in client.as_completed([task]):
        assert_type(ended.result(), Result)
    for snapshot in task.iter_updates():
        assert_type(snapshot.progress, int | None)
    assert_type(client.with_options(timeout=5), Client)
    request = wanflow.models.Wan25TextToVideoRequest(prompt="x", model="wan2.5-text-to-video")
    assert_type(client.submit(request, extra={"new": 1}), Task)
    model = "wan2.5-text-to-image"
    assert_type(client.preview(model=model, prompt="x", n=2).url, str)
    assert_type(client.estimate(model=model, prompt="x", n=2), Estimate)


async def asynchronous(client: AsyncClient) -> None:
    task = await client.submit(model="wan2.5-text-to-video", prompt="A cat", duration=10)
    assert_type(task, AsyncTask)
    assert_type(await task.wait(), AsyncResult)
    assert_type(await client.wait_all([task]), list[AsyncResult | WanflowError])
    async for ended in client.as_completed([task]):
        assert_type(ended.result(), AsyncResult)


def invalid(client: Client) -> None:
    client.submit(model="wan2.5-text-to-video", prompt="x", duration=7)  # pyright: ignore
    client.submit(model="wan2.5-text-to-video")  # pyright: ignore
    client.submit(model="wan2.5-text-to-video", prompt="x", size="1x1")  # pyright: ignore
    client.submit(model="wan9", prompt="x")  # pyright: ignore
    client.run(model="wan2.5-text-to-image", prompt=7)  # pyright: ignore
    client.submit(model="wan2.6-image-to-video", prompt="x", image_urls="u")  # pyright: ignore
    client.preview(model="wan2.5-text-to-image", prompt="x", duration=5)  # pyright: ignore
    client.estimate(model="wan2.5-text-to-image", prompt="x", duration=5)  # pyright: ignore
    client.task(7)  # pyright: ignore
