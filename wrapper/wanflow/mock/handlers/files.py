"""Serves the files of completed tasks."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from attrs import define

from wanflow.mock.errors import HTTPError
from wanflow.mock.faults.inject import inject
from wanflow.mock.faults.rules import FILES, FaultRules
from wanflow.mock.gateway.directives import header_faults
from wanflow.mock.gateway.tasks import COMPLETED
from wanflow.mock.http.response import Response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wanflow.mock.files.cache import File, FileCache
    from wanflow.mock.gateway.fault import FaultSet
    from wanflow.mock.gateway.gateway import Gateway
    from wanflow.mock.gateway.tasks import Task
    from wanflow.mock.handlers.exchange import RequestContext
    from wanflow.mock.http.request import Request
    from wanflow.mock.http.response import Header

_RANGE = re.compile(rb"bytes=\s*([0-9]{0,18})-([0-9]{0,18})\s*")


def file_response(file: File, headers: Mapping[bytes, bytes], *, head: bool) -> Response:
    """Return the response to a GET or HEAD for a file (RFC 9110, sections 13 and 14).

    For several ranges, or units other than bytes, return the whole file.
    """
    size = len(file.content)
    common: tuple[Header, ...] = (
        (b"content-type", file.content_type),
        (b"etag", file.etag),
        (b"accept-ranges", b"bytes"),
        (b"cache-control", b"private, max-age=86400"),
    )
    if _matches(headers.get(b"if-none-match"), file.etag):
        return Response(304, b"", common[1:], length=size)
    part = None if head else _part(file, headers)
    if part is None:
        return Response(200, b"" if head else file.content, common, length=size)
    if not part:
        return Response(416, b"", ((b"content-range", b"bytes */%d" % size),))
    content_range = (b"content-range", b"bytes %d-%d/%d" % (part.start, part.stop - 1, size))
    return Response(206, file.content[part.start : part.stop], (*common, content_range))


def _matches(wanted: bytes | None, etag: bytes) -> bool:
    if wanted is None:
        return False
    tags = {tag.strip().removeprefix(b"W/") for tag in wanted.split(b",")}
    return bool(tags & {etag, b"*"})


def _part(file: File, headers: Mapping[bytes, bytes]) -> range | None:
    found = _RANGE.fullmatch(headers.get(b"range", b""))
    condition = headers.get(b"if-range", file.etag)
    if found is None or not (found[1] or found[2]) or condition != file.etag:
        return None
    size = len(file.content)
    if not found[1]:
        return range(max(0, size - int(found[2])), size)
    first, last = int(found[1]), int(found[2]) if found[2] else size - 1
    if found[2] and last < first:
        return None
    return range(first, min(last + 1, size))


_PATH = re.compile(r"(/_mock)?/media/([a-z0-9-]+)/(0|[1-9][0-9]?)\.(png|mp4|wav|txt)", re.ASCII)


@define(eq=False)
class FileHandler:
    """Serves result files without authentication, until their URLs expire.

    Under `/_mock` are the same files for the web page, without faults.
    """

    gateway: Gateway
    file_cache: FileCache
    rules: FaultRules

    async def handle(self, context: RequestContext) -> Response | None:
        """Handle a request for a file; return None for other paths.

        Raises:
            HTTPError: 404, the file doesn't exist, or not yet; 410, its URL has expired.
        """
        request = context.request
        found = _PATH.fullmatch(request.decoded)
        if found is None:
            return None
        preview, name, index, extension = found.groups()
        context.operation, context.task_id = FILES, name
        request.require_method("GET", "HEAD")
        task = self._task(name, int(index), extension)
        if not preview:
            context.faults = self._faults(request, task)
            await inject(context.faults, self.rules)
        file = await self.file_cache.file(task, int(index))
        return file_response(file, request.headers, head=request.method == "HEAD")

    def _faults(self, request: Request, task: Task) -> FaultSet:
        wanted = header_faults(request.headers)
        own = task.download_faults.active(task.created, self.gateway.clock.now())
        found = wanted if wanted.all else own
        return found if found.all else self.rules.pick(FILES, task.account)

    def _task(self, name: str, index: int, extension: str) -> Task:
        now = self.gateway.clock.now()
        task = self.gateway.tasks.get(name, now)
        if task is None or index >= task.output.count or extension != task.extension:
            raise HTTPError(404, "there is no such file")
        if task.phase(now).name != COMPLETED:
            raise HTTPError(404, "the file's task is not completed")
        self.gateway.settle(task)
        if task.expired(now):
            raise HTTPError(410, "the URL has expired: it was valid for 24 hours")
        return task
