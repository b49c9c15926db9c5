"""Takes uploads of input files, and checks the files that a request names."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from attrs import define, field

from wanflow.catalog.document import is_array, is_object
from wanflow.catalog.keywords import AUDIO_FILE, IMAGE_FILE
from wanflow.mock.callbacks.ssrf_guard import SsrfGuard, UrlBlocked
from wanflow.mock.errors import HTTPError
from wanflow.mock.files.input_check import (
    UNREADABLE,
    WRONG_AUDIO,
    InvalidInput,
    check_input,
)
from wanflow.mock.files.inputs import PREFIX, InputFiles
from wanflow.mock.handlers.files import file_response
from wanflow.mock.http.response import Response, json_response

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wanflow.catalog.catalog import Model
    from wanflow.catalog.document import JsonObject
    from wanflow.mock.gateway.gateway import Gateway
    from wanflow.mock.handlers.exchange import RequestContext

_TIMEOUT = 20.0
_MAX_SIZE = 64 * 1024 * 1024
_STATUS = re.compile(rb"HTTP/1\.[01] 200[ \r]")


@define(eq=False)
class InputHandler:
    """Serves `/_mock/uploads/`, and checks input files by the spec.

    A file that was uploaded here is always checked; that of another link only where `fetch` is
    True: then it is fetched, from public hosts and from this machine.
    """

    gateway: Gateway
    fetch: bool = False
    files: InputFiles = field(factory=InputFiles)
    _guard: SsrfGuard = field(factory=lambda: SsrfGuard(allow_loopback=True), repr=False)

    def handle(self, context: RequestContext) -> Response | None:
        """Handle a request for an uploaded file; return None for other paths.

        Raises:
            HTTPError: 400, the name isn't that of the content; 404, there is no such file.
        """
        request = context.request
        if not request.path.startswith(PREFIX):
            return None
        request.require_method("PUT", "GET", "HEAD")
        name = request.path.removeprefix(PREFIX)
        if request.method == "PUT":
            kind = request.headers.get(b"content-type", b"application/octet-stream")
            self.files.put(name, request.body(), kind)
            return json_response(201, {"url": f"{context.link_base}{PREFIX}{name}"})
        file = self.files.get(name)
        if file is None:
            raise HTTPError(404, "there is no such file")
        return file_response(file, request.headers, head=request.method == "HEAD")

    async def check(self, model: Model, body: JsonObject, link_base: str) -> None:
        """Check the files of a request; links to uploads begin with `link_base`.

        Raises:
            HTTPError: 400, a `data:` URI is in place of a link.
            InvalidInput: a file violates the spec; its task is accepted, and fails.
        """
        links = list(_links(model.schema, body, ""))
        for name, link, _ in links:
            if link[:5].lower() == "data:":
                message = f"{name} must be a URL that the server can fetch, not a data: URI"
                raise HTTPError(400, message, param=name.partition("[")[0], model=model.name)
        for name, link, rule in links:
            try:
                code = UNREADABLE if IMAGE_FILE in rule else WRONG_AUDIO
                content = await self._content(link, code, link_base)
                if content is not None:
                    check_input(rule, content)
            except InvalidInput as error:
                raise InvalidInput(error.code, f"{name}: {error}") from error

    async def _content(self, link: str, code: str, link_base: str) -> bytes | None:
        """Return the content of a link, None if it isn't to be fetched.

        Raises:
            InvalidInput: it can't be fetched; it has the `code`.
        """
        _, uploaded, name = urlsplit(link).path.partition(PREFIX)
        if uploaded:
            file = self.files.get(name)
            if file is not None:
                return file.content
            if link.startswith((f"{link_base}{PREFIX}", f"{self.gateway.origin}{PREFIX}")):
                raise InvalidInput(code, "it wasn't uploaded, or isn't stored any more")
        if not self.fetch:
            return None
        try:
            # In a task of its own: the server handles most requests outside of any.
            return await asyncio.get_running_loop().create_task(self._fetch(link))
        except (OSError, UrlBlocked, ValueError, asyncio.IncompleteReadError) as error:
            raise InvalidInput(code, "it can't be fetched") from error

    async def _fetch(self, link: str) -> bytes:
        async with asyncio.timeout(_TIMEOUT):
            target, (reader, writer) = await self._guard.connect_to(link)
            # HTTP 1.0, so that the body has no chunks and ends with the connection.
            head = f"GET {target.path} HTTP/1.0\r\nHost: {target.authority}\r\n\r\n"
            try:
                writer.write(head.encode("ascii"))
                await writer.drain()
                headers = await reader.readuntil(b"\r\n\r\n")
                content = b""
                while len(content) <= _MAX_SIZE and (piece := await reader.read(_MAX_SIZE)):
                    content += piece
            finally:
                writer.close()
        if not _STATUS.match(headers):
            raise ValueError("the response isn't 200")
        return content


def _links(schema: Any, value: Any, name: str) -> Iterator[tuple[str, str, JsonObject]]:
    """Yield the links of files in a request: name, link, and the rule with its requirements."""
    if not is_object(schema):
        return
    if IMAGE_FILE in schema or AUDIO_FILE in schema:
        entries = enumerate(value) if is_array(value) else [(None, value)]
        for index, link in entries:
            if isinstance(link, str):
                yield (name if index is None else f"{name}[{index}]"), link, schema
    elif is_object(value):
        for inner, rule in schema.get("properties", {}).items():
            if inner in value:
                yield from _links(rule, value[inner], f"{name}.{inner}" if name else inner)
