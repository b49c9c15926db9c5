"""Result files: rendered at the first request, and cached within bounds."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from typing import TYPE_CHECKING

from attrs import define, field, frozen

from wanflow.mock.files import media

if TYPE_CHECKING:
    from wanflow.mock.gateway.scheduler import Scheduler
    from wanflow.mock.gateway.tasks import Task

_MIB = 1024 * 1024
CONTENT_TYPES = {
    "png": b"image/png",
    "mp4": b"video/mp4",
    "wav": b"audio/wav",
    "txt": b"text/plain; charset=utf-8",
}


@frozen
class File:
    """A file's bytes, its content type, and its ETag with quotes."""

    content: bytes = field(repr=False)
    content_type: bytes
    etag: bytes


@define
class FileCache:
    """Renders files in its own thread and keeps the latest, at most `max_bytes` in all.

    A file is removed when its URL expires.
    """

    scheduler: Scheduler = field(repr=False)
    max_bytes: int = 128 * _MIB
    _files: OrderedDict[tuple[str, int], File] = field(
        factory=OrderedDict[tuple[str, int], File], repr=False
    )
    _total_bytes: int = 0
    _pending: dict[tuple[str, int], asyncio.Future[File]] = field(
        factory=dict[tuple[str, int], asyncio.Future[File]], repr=False
    )
    _executor: ThreadPoolExecutor | None = field(default=None, repr=False)

    async def file(self, task: Task, index: int) -> File:
        """Return one of a task's files, rendering it if needed."""
        key = (task.id, index)
        cached = self._files.get(key)
        if cached is not None:
            self._files.move_to_end(key)
            return cached
        pending = self._pending.get(key)
        if pending is None:
            loop = asyncio.get_running_loop()
            if self._executor is None:
                self._executor = ThreadPoolExecutor(1, "wanflow-mock-media")
            pending = loop.run_in_executor(self._executor, _make, task, index)
            self._pending[key] = pending
            pending.add_done_callback(lambda done: self._store(key, done, task.urls_expire_at()))
        return await asyncio.shield(pending)

    def close(self) -> None:
        """End the thread, after the current file."""
        if self._executor is not None:
            self._executor.shutdown(wait=True, cancel_futures=True)
            self._executor = None

    def _store(self, key: tuple[str, int], done: asyncio.Future[File], until: float) -> None:
        self._pending.pop(key, None)
        if done.cancelled() or done.exception() is not None:
            return
        file = self._files[key] = done.result()
        self._total_bytes += len(file.content)
        self.scheduler.call_at(until, lambda: self._drop(key))
        while self._total_bytes > self.max_bytes and len(self._files) > 1:
            self._drop(next(iter(self._files)))

    def _drop(self, key: tuple[str, int]) -> None:
        file = self._files.pop(key, None)
        if file is not None:
            self._total_bytes -= len(file.content)


def _make(task: Task, index: int) -> File:
    content = _render(task, index)
    etag = sha256(content).hexdigest()[:32].encode()
    return File(content, CONTENT_TYPES[task.extension], b'"' + etag + b'"')


def _render(task: Task, index: int) -> bytes:
    output, real = task.output, media.available()
    if output.kind == "text":
        return f"{task.model}\n{task.id}, index {index}\n\n{task.prompt}\n".encode()
    if output.kind == "audio":
        return media.wav(output.seconds, f"{task.model} {task.prompt}")
    if output.kind == "image":
        image = media.ImageSpec(
            output.width, output.height, task.prompt, task.model, task.id, index, task.seed
        )
        return (
            media.render_png(image) if real else media.placeholder_png(output.width, output.height)
        )
    video = media.VideoSpec(
        output.width,
        output.height,
        output.seconds,
        task.prompt,
        task.model,
        task.id,
        index,
        task.seed,
        output.sound,
        output.aspect_ratio,
    )
    return media.render_mp4(video) if real else media.placeholder_mp4()
