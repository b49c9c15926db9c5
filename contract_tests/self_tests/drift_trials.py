"""Whether `wanflow drift` blames the right one: thirty changes of the spec, the mock and a server.

`python -m benchmarks.drift` runs all of them. The spec that is changed is the one that both are
judged by; the mock and the server stay as they are. The mock is changed by mutants of the suite's
own tests; the server is the reference server with its faults, or with such mutants around it.
"""

from __future__ import annotations

from contextlib import ExitStack, closing
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from attrs import frozen

from self_tests.mutation import manual_responses, manual_states
from self_tests.mutation.fault_layer import MutableRequest, MutableResponse, MutatedServer
from self_tests.mutation.mutant import MUTANTS
from self_tests.reference_server import faults
from self_tests.reference_server.server import Handler, Server
from wanflow.catalog.catalog import Catalog, packaged_catalog
from wanflow.catalog.document import load_packaged
from wanflow.mock import MockServer
from wanflow_contract.checks.documented_responses import Contract
from wanflow_contract.drift.command import MOCK_KEY, compared
from wanflow_contract.drift.target import Target
from wanflow_contract.plan.budget import SpendBudget

if TYPE_CHECKING:
    from collections.abc import Callable

    from wanflow.catalog.document import JsonObject

KEY = "a-key-of-the-server"
LIMIT = 100.0
_ = (manual_responses, manual_states)  # they register the mutants


@frozen
class Change:
    """A change of one of the three: `side` names it."""

    side: str
    name: str
    edit: Callable[[JsonObject], object] | None = None
    server: type[Server] = Server


def schemas(document: JsonObject) -> Any:
    """Return the schemas of a document."""
    return document["components"]["schemas"]


def _model(document: JsonObject, kind: str) -> Any:
    model = next(one for one in Catalog(document).models.values() if one.kind == kind)
    return schemas(document)[model.schema_name]


def _detail(document: JsonObject) -> Any:
    return schemas(document)["TaskDetailResponse"]["properties"]


def _require(schema: Any, name: str) -> None:
    schema.setdefault("required", []).append(name)


def _add_a_style(document: JsonObject) -> None:
    schema = _model(document, "video")
    schema["properties"]["style"] = {"type": "string", "enum": ["plain", "noir"]}


SPEC_EDITS: dict[str, Callable[[JsonObject], object]] = {
    "a status response must have a new field": lambda one: _require(
        schemas(one)["TaskDetailResponse"], "expires_at"
    ),
    "created is a text": lambda one: _detail(one)["created"].update(type="string"),
    "a completed task has another status": lambda one: _detail(one)["status"].update(
        enum=["pending", "processing", "done", "failed"]
    ),
    "progress is a fraction": lambda one: _detail(one)["progress"].update(maximum=1),
    "results are numbers": lambda one: _detail(one)["results"].update(items={"type": "integer"}),
    "a receipt must have a new field": lambda one: _require(
        schemas(one)["VideoGenerationResponse"], "expires_at"
    ),
    "a prompt may be longer": lambda one: _model(one, "image")["properties"]["prompt"].update(
        maxLength=4000
    ),
    "a prompt must be shorter": lambda one: _model(one, "image")["properties"]["prompt"].update(
        maxLength=100
    ),
    "there is another parameter": _add_a_style,
    "errors must have a new field": lambda one: _require(
        schemas(one)["ErrorResponse"], "request_id"
    ),
}
MOCK_MUTANTS = (
    "submit-200-201",
    "submit-400-409",
    "any-401-403",
    "json-as-html",
    "no-message",
    "no-code",
    "code-of-another-status",
    "type-of-another-status",
    "query-404-200",
    "submit-400-500",
)
SERVER_MUTANTS = ("submit-200-202", "no-content-type", "code-as-fraction", "any-401-400")


def _mutated(name: str) -> type[Server]:
    """Return the reference server with a mutant around it."""
    mutant = MUTANTS[name]

    class Mutated(Server):
        """Changes each response of the API."""

        def handler(self) -> type[Handler]:
            return Changing

    class Changing(Handler):
        """HTTP/1.1 with a fault."""

        def reply(self, status: int, kind: str, content: bytes) -> None:
            sent = {name.lower(): value for name, value in self.headers.items()}
            path = self.path.removeprefix(self.server.base)
            call = MutableRequest(self.command, path, sent, b"")
            response = MutableResponse(status, [("content-type", kind)], content)
            if mutant.where(call) and mutant.after is not None:
                mutant.after(call, response, {})
            kinds = [value for key, value in response.headers if key == "content-type"]
            super().reply(response.status, kinds[0] if kinds else "", response.content)

    return Mutated


CHANGES = (
    *(Change("spec", name, edit) for name, edit in SPEC_EDITS.items()),
    *(Change("mock", name) for name in MOCK_MUTANTS),
    *(
        Change("server", one.__name__, server=one)
        for one in (
            faults.KeysNotChecked,
            faults.NotValidated,
            faults.OneTask,
            faults.Backwards,
            faults.DeadLinks,
            faults.TextNumbers,
        )
    ),
    *(Change("server", name, server=_mutated(name)) for name in SERVER_MUTANTS),
)


def blamed(change: Change, models: tuple[str, ...] = ()) -> dict[str, list[str]]:
    """Compare after a change; return the places by who is said to be alone there."""
    document = load_packaged()
    if change.edit is not None:
        document = deepcopy(document)
        change.edit(document)
    with ExitStack() as stack:
        server = stack.enter_context(change.server(KEY))
        server.handle_error = lambda *_: None  # type: ignore[method-assign]
        options: dict[str, Any] = {"api_key": MOCK_KEY, "polls": 2}
        mutant = MUTANTS[change.name] if change.side == "mock" else None
        mock = MockServer(**options) if mutant is None else MutatedServer(mutant, **options)
        stack.enter_context(mock)
        side = stack.enter_context(
            closing(Target(Contract(Catalog(document)), server.origin + server.base, KEY))
        )
        found = compared(side, mock, SpendBudget(LIMIT), models, 20.0)
    said = dict[str, list[str]]()
    for one in found.differences:
        said.setdefault(one.alone.value, []).append(
            f"{one.place} ({one.check}): {one.spec} | {one.mock} | {one.server}"
        )
    return said


def one_of_each_kind() -> tuple[str, ...]:
    """Return the name of the first model of each kind."""
    models = reversed(packaged_catalog().models.values())
    return tuple({one.kind: one.name for one in models}.values())
