"""A layer around the mock that changes requests and responses, with one fault."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from attrs import define, field

from wanflow.mock import MockServer
from wanflow.mock.http.request import Request
from wanflow.mock.http.response import Response

if TYPE_CHECKING:
    from self_tests.mutation.mutant import Mutant
    from wanflow.mock.gateway.fault import Fault


@define
class MutableRequest:
    """A request that a fault may change; lower-case header names, `path` without the base."""

    method: str
    path: str
    headers: dict[str, str]
    content: bytes
    query: str = ""

    @property
    def is_submission(self) -> bool:
        """Whether it submits a task."""
        return self.method == "POST" and self.path.endswith("/generations")

    @property
    def is_query(self) -> bool:
        """Whether it queries a task."""
        return self.method == "GET" and self.path.startswith("/v1/tasks/")

    @property
    def task_id(self) -> str:
        """The queried task id."""
        return self.path.rpartition("/")[2]

    @property
    def body(self) -> dict[str, Any]:
        """The decoded body, empty if it isn't a JSON object."""
        try:
            body = json.loads(self.content)
        except (ValueError, RecursionError):
            return {}
        return body if isinstance(body, dict) else {}


@define
class MutableResponse:
    """A response that a fault may change."""

    status: int
    headers: list[tuple[str, str]]
    content: bytes
    fault: Fault | None = None

    @property
    def body(self) -> Any:
        """The decoded body, None if it isn't JSON."""
        try:
            return json.loads(self.content)
        except ValueError:
            return None

    def set_body(self, body: Any) -> None:
        """Replace the body."""
        self.set_content(json.dumps(body).encode())

    def set_content(self, content: bytes) -> None:
        """Replace the bytes of the body, and the content length."""
        self.content = content
        self.set_header("content-length", str(len(content)))

    def set_header(self, name: str, value: str | None) -> None:
        """Replace a header; None removes it."""
        kept = [one for one in self.headers if one[0].lower() != name]
        self.headers = kept if value is None else [*kept, (name, value)]


@define(eq=False)
class Layer:
    """The mock's application with a fault around it; counts requests and triggered faults."""

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

    async def respond(self, request: Request) -> Response:
        """Handle one exchange with the fault; the admin API is left unchanged."""
        if request.path.startswith("/_mock"):
            return await self.app.respond(request)
        self.requests += 1
        response = await self.mutant.act(self._call(request), self)
        raw = [
            (name.encode("latin-1"), value.encode("latin-1"))
            for name, value in response.headers
            if name.lower() != "content-length"
        ]
        length = next((value for name, value in response.headers if name == "content-length"), None)
        return Response(
            response.status,
            response.content,
            tuple(raw),
            None if length is None else int(length),
            response.fault,
        )

    async def forward(self, call: MutableRequest) -> MutableResponse:
        """Forward a request to the mock."""
        raw = {name.encode(): value.encode("latin-1") for name, value in call.headers.items()}
        path = (self.base if not call.path.startswith("/media") else "") + call.path
        answer: Response = await self.app.respond(Request(call.method, path, raw, call.content))
        headers = [(n.decode(), v.decode("latin-1")) for n, v in answer.header_list()]
        return MutableResponse(answer.status, headers, answer.body, answer.fault)

    def _call(self, request: Request) -> MutableRequest:
        headers = {
            name.decode().lower(): value.decode("latin-1")
            for name, value in request.headers.items()
        }
        path = request.path.removeprefix(self.base)
        query = request.query.decode("latin-1")
        return MutableRequest(request.method, path, headers, request.body_bytes or b"", query)


class MutatedServer(MockServer):
    """The mock with a fault around it, or with a faulty spec."""

    def __init__(self, mutant: Mutant, **options: Any) -> None:
        document = mutant.document()
        more: dict[str, Any] = {} if document is None else {"document": document}
        super().__init__(**options, **more)
        base = self.gateway.api.base
        self.layer: Any = Layer(self.app, base, mutant)
        self.app = self.layer  # it stands in for the application
