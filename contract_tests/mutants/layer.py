"""An ASGI layer around the mock that changes what goes in and out, one fault at a time."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from attrs import define, field

from wanflow.mock import MockServer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from contract_tests.mutants.mutant import Mutant

    Message = dict[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]


@define
class Call:
    """A request on its way in; `headers` have lower-case names, `path` is without the base."""

    method: str
    path: str
    headers: dict[str, str]
    content: bytes
    query: str = ""

    @property
    def submits(self) -> bool:
        """Whether it goes to where tasks are submitted."""
        return self.method == "POST" and self.path.endswith("/generations")

    @property
    def queries(self) -> bool:
        """Whether it asks for a task."""
        return self.method == "GET" and self.path.startswith("/v1/tasks/")

    @property
    def task_id(self) -> str:
        """The id that is asked for."""
        return self.path.rpartition("/")[2]

    @property
    def body(self) -> dict[str, Any]:
        """The decoded body, empty where it is no JSON object."""
        try:
            body = json.loads(self.content)
        except (ValueError, RecursionError):
            return {}
        return body if isinstance(body, dict) else {}


@define
class Reply:
    """An answer on its way out."""

    status: int
    headers: list[tuple[str, str]]
    content: bytes

    @property
    def body(self) -> Any:
        """The decoded body, None where it isn't JSON."""
        try:
            return json.loads(self.content)
        except ValueError:
            return None

    def say(self, body: Any) -> None:
        """Replace the body."""
        self.write(json.dumps(body).encode())

    def write(self, content: bytes) -> None:
        """Replace the bytes of the body, and the length with them."""
        self.content = content
        self.set("content-length", str(len(content)))

    def set(self, name: str, value: str | None) -> None:
        """Replace a header; None removes it."""
        kept = [one for one in self.headers if one[0].lower() != name]
        self.headers = kept if value is None else [*kept, (name, value)]


@define(eq=False)
class Layer:
    """The mock's application with a fault around it; counts requests and where the fault struck."""

    app: Any
    base: str
    mutant: Mutant
    requests: int = 0
    reached: int = 0
    triggered: int = 0
    state: dict[str, Any] = field(factory=dict)

    def __getattr__(self, name: str) -> Any:
        """Stand in for the application."""
        return getattr(self.app, name)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Carry one exchange through the fault; the mock's own side is left alone."""
        if scope["type"] != "http" or scope["path"].startswith("/_mock"):
            await self.app(scope, receive, send)
            return
        self.requests += 1
        call = await self._call(scope, receive)
        reply = await self.mutant.act(call, self, scope)
        raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in reply.headers]
        await send({"type": "http.response.start", "status": reply.status, "headers": raw})
        await send({"type": "http.response.body", "body": reply.content})

    async def forward(self, call: Call, scope: Message) -> Reply:
        """Have the mock answer a call."""
        done, sent = False, list[dict[str, Any]]()

        async def receive() -> Message:
            nonlocal done
            content, done = (b"" if done else call.content), True
            return {"type": "http.request", "body": content, "more_body": False}

        async def send(message: Message) -> None:
            sent.append(message)

        raw = [(name.encode(), value.encode("latin-1")) for name, value in call.headers.items()]
        path = (self.base if not call.path.startswith("/media") else "") + call.path
        inner = {
            **scope,
            "method": call.method,
            "headers": raw,
            "path": path,
            "raw_path": path.encode("latin-1", "replace"),
            "extensions": {},
        }
        await self.app(inner, receive, send)
        start = next(one for one in sent if one["type"] == "http.response.start")
        content = b"".join(one.get("body", b"") for one in sent[1:])
        headers = [(name.decode(), value.decode("latin-1")) for name, value in start["headers"]]
        return Reply(start["status"], headers, content)

    async def _call(self, scope: Message, receive: Receive) -> Call:
        content, more = b"", True
        while more:
            message = await receive()
            content += message.get("body", b"")
            more = message.get("more_body", False)
        headers = {
            name.decode().lower(): value.decode("latin-1") for name, value in scope["headers"]
        }
        path = scope["raw_path"].decode("latin-1").partition("?")[0].removeprefix(self.base)
        query = scope.get("query_string", b"").decode("latin-1")
        return Call(scope["method"], path, headers, content, query)


class MutatedServer(MockServer):
    """The mock with a fault around it, or with a document that has one."""

    def __init__(self, mutant: Mutant, **options: Any) -> None:
        document = mutant.document()
        more: dict[str, Any] = {} if document is None else {"document": document}
        super().__init__(**options, **more)
        base = self.gateway.contract.base
        self.layer: Any = Layer(self.app, base, mutant)
        self.app = self.layer  # it stands in for the application
