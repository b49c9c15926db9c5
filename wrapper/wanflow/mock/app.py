"""The mock as an ASGI application: from a request to the gateway's answer."""

from __future__ import annotations

import re
import sys
import traceback
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from attrs import define, field

from wanflow.mock.account import Accounts
from wanflow.mock.answer import Answer, json_answer
from wanflow.mock.contract import Endpoint, Query, Submission
from wanflow.mock.delivery import deliver
from wanflow.mock.errors import retry_after
from wanflow.mock.gallery import Gallery
from wanflow.mock.payload import parse
from wanflow.mock.refusal import Refusal
from wanflow.mock.task import COMPLETED
from wanflow.mock.triggers import preferred_code

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from wanflow.mock.gateway import Gateway

    Message = dict[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]

_MEDIA = re.compile(r"/media/([a-z0-9-]+)/(0|[1-9][0-9]?)\.(png|mp4)", re.ASCII)
_WAITING = frozenset({429, 503})
MOST_BYTES = 1024 * 1024


@define(eq=False)
class MockApp:
    """Serves a gateway: the document's endpoints, the results' files, and its own health."""

    gateway: Gateway
    accounts: Accounts = field(factory=Accounts)
    gallery: Gallery = field(factory=Gallery)
    most_bytes: int = MOST_BYTES
    _submissions: dict[str, Submission] = field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        """Lay out the paths."""
        self._submissions = {one.path: one for one in self.gateway.contract.submissions}

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request; anything that isn't HTTP is left alone."""
        if scope["type"] != "http":
            return
        answer = await self._answer(scope, receive)
        headers = answer.header_list()
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})

    async def _answer(self, scope: Message, receive: Receive) -> Answer:
        endpoint: Endpoint = self.gateway.contract.query
        try:
            path = scope["raw_path"].decode("latin-1")
            found = self._endpoint(path)
            if found is None:
                return await self._elsewhere(scope, unquote(path))
            endpoint, task_id = found
            return await self._serve(endpoint, task_id, scope, receive)
        except Refusal as refusal:
            return _refused(endpoint, refusal)
        except Exception:
            traceback.print_exc(file=sys.stderr)  # a bug of the mock: the last resort
            return _refused(endpoint, Refusal(500))

    def _endpoint(self, path: str) -> tuple[Endpoint, str] | None:
        submission = self._submissions.get(path)
        if submission is not None:
            return submission, ""
        query = self.gateway.contract.query
        prefix, suffix = query.prefix, query.suffix
        if path.startswith(prefix) and path.endswith(suffix):
            task_id = path[len(prefix) : len(path) - len(suffix)]
            return (query, task_id) if task_id and "/" not in task_id else None
        decoded = unquote(path)
        submission = self._submissions.get(decoded) if decoded != path else None
        return (submission, "") if submission else None

    async def _serve(
        self, endpoint: Endpoint, task_id: str, scope: Message, receive: Receive
    ) -> Answer:
        if scope["method"] != endpoint.method:
            raise _not_allowed(scope, endpoint.method)
        headers = dict(scope["headers"])
        account = self.accounts.admit(headers) if endpoint.guarded else self.accounts.anyone()
        code = preferred_code(headers)
        if code is not None and code != endpoint.success:
            raise _preferred(endpoint, code)
        if isinstance(endpoint, Query):
            return json_answer(200, self.gateway.look(endpoint, account, task_id))
        assert isinstance(endpoint, Submission)
        body = parse(headers, await self._read(headers, receive))
        return json_answer(endpoint.success, self.gateway.submit(endpoint, account, body))

    async def _read(self, headers: Mapping[bytes, bytes], receive: Receive) -> bytes:
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or int(length) > self.most_bytes:
            raise self._too_large()
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] != "http.request":
                raise Refusal(400, "the request ended before its body did")
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > self.most_bytes:
                raise self._too_large()
        return body

    def _too_large(self) -> Refusal:
        return Refusal(413, f"the body must have at most {self.most_bytes} bytes")

    async def _elsewhere(self, scope: Message, path: str) -> Answer:
        found = _MEDIA.fullmatch(path)
        if found is None and path != "/_mock/health":
            raise Refusal(404, "there is nothing at this path")
        if scope["method"] not in {"GET", "HEAD"}:
            raise _not_allowed(scope, "GET, HEAD")
        if found is None:
            return json_answer(200, {"status": "ok", "tasks": len(self.gateway.tasks)})
        task = self.gateway.tasks.get(found[1])
        index = int(found[2])
        if task is None or index >= task.order.count or found[3] != task.extension:
            raise Refusal(404, "there is no such file")
        if task.phase(self.gateway.clock.now()).name != COMPLETED:
            raise Refusal(404, "the file's task is not completed")
        file = await self.gallery.file(task, index)
        return deliver(file, dict(scope["headers"]), head=scope["method"] == "HEAD")


def _not_allowed(scope: Message, allowed: str) -> Refusal:
    message = f"{scope['method']} is not allowed here, only {allowed}"
    return Refusal(405, message, headers=((b"allow", allowed.encode()),))


def _preferred(endpoint: Endpoint, code: int) -> Refusal:
    if code not in endpoint.statuses:
        known = ", ".join(str(status) for status in sorted(endpoint.statuses))
        name = endpoint.operation.operation_id
        return Refusal(400, f"Prefer: code={code} is no documented status of {name}; {known} are")
    return Refusal(code, headers=((b"preference-applied", b"code=%d" % code),))


def _refused(endpoint: Endpoint, refusal: Refusal) -> Answer:
    body = endpoint.errors.body(refusal)
    headers = list(refusal.headers)
    if refusal.status in _WAITING and (seconds := retry_after(body)):
        headers.append((b"retry-after", seconds))
    return json_answer(refusal.status, body, headers)
