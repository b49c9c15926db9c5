"""The spec's operations as endpoints of the mock."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import jsonschema_rs
from attrs import field, frozen

from wanflow.catalog.catalog import Catalog, Model, Operation
from wanflow.catalog.document import JsonObject, load_packaged, resolve_ref
from wanflow.catalog.patterns import validator_for
from wanflow.catalog.validator import RequestValidator
from wanflow.mock.errors import UnsupportedSpec
from wanflow.mock.gateway.error_responses import ErrorResponses, load_errors, media_of
from wanflow.mock.gateway.response_builder import ResponseTemplate, compile_schema

if TYPE_CHECKING:
    from collections.abc import Mapping

_PARAMETER = re.compile(r"\{([^{}]+)\}")
_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)*/?")
_DRAFT = "https://json-schema.org/draft/2020-12/schema"


@frozen
class Endpoint:
    """An operation as the mock serves it.

    `path` includes the server's path; `success` is the status of a successful response, `template`
    builds its body, `schemas` validate each documented response.
    """

    operation: Operation
    method: str
    path: str
    requires_auth: bool
    success: int
    template: ResponseTemplate = field(repr=False)
    errors: ErrorResponses = field(repr=False)
    schemas: Mapping[int, jsonschema_rs.Validator] = field(repr=False)

    @property
    def statuses(self) -> frozenset[int]:
        """The documented statuses, including the successful one."""
        return self.errors.statuses | {self.success}


@frozen
class SubmitEndpoint(Endpoint):
    """An endpoint that submits a request for one of its models and returns a task."""

    models: Mapping[str, Model] = field(repr=False, kw_only=True)


@frozen
class StatusEndpoint(Endpoint):
    """The endpoint for status requests; `prefix` and `suffix` enclose the id in its path."""

    parameter: str = field(kw_only=True)
    ids: jsonschema_rs.Validator = field(repr=False, kw_only=True)

    @property
    def prefix(self) -> str:
        """The path before the task's id."""
        return self.path.partition("{")[0]

    @property
    def suffix(self) -> str:
        """The path after the task's id."""
        return self.path.partition("}")[2]

    def name_in(self, path: str) -> str:
        """Return the id in a path of this endpoint, as it is written there."""
        return path[len(self.prefix) : len(path) - len(self.suffix)]


@frozen
class Api:
    """A spec's endpoints; `base` is the path of its server, without a trailing slash."""

    base: str
    submit_endpoints: tuple[SubmitEndpoint, ...]
    status_endpoint: StatusEndpoint
    validator: RequestValidator = field(repr=False)


def load(document: JsonObject) -> Api:
    """Load a merged spec.

    Raises:
        UnsupportedSpec: the spec has something that the mock can't serve; the message says what.
    """
    try:
        return _read(document)
    except (LookupError, StopIteration, TypeError, AttributeError, RecursionError) as error:
        raise UnsupportedSpec(f"the spec can't be read: {type(error).__name__}: {error}") from error
    except (ValueError, jsonschema_rs.ReferencingError) as error:
        raise UnsupportedSpec(f"a schema of the spec can't be compiled: {error}") from error


@cache
def load_packaged_api() -> Api:
    """Load the packaged spec, once for all mocks: it never changes."""
    return load(load_packaged())


def _read(document: JsonObject) -> Api:
    catalog = Catalog(document)
    status = catalog.status_operation
    base = urlsplit(catalog.server_url).path.rstrip("/")
    submissions = tuple(
        _submission(catalog, operation, base)
        for operation in catalog.operations
        if operation != status
    )
    api = Api(base, submissions, _query(catalog, status, base), RequestValidator(catalog))
    if not submissions:
        raise UnsupportedSpec("the spec has no operation that submits a request for a model")
    return api


def _submission(catalog: Catalog, operation: Operation, base: str) -> SubmitEndpoint:
    found = catalog.models.values()
    models = {model.name: model for model in found if model.operation_id == operation.operation_id}
    if not models or not _PATH.fullmatch(operation.path):
        raise UnsupportedSpec(
            f"{operation.operation_id} is neither the status request nor takes a model: "
            "the mock can't serve it"
        )
    return SubmitEndpoint(**_endpoint(catalog, operation, base), models=models)


def _query(catalog: Catalog, operation: Operation, base: str) -> StatusEndpoint:
    names = _PARAMETER.findall(operation.path)
    if len(names) != 1 or operation.method != "get":
        raise UnsupportedSpec(
            f"{operation.operation_id} must be a GET with one parameter in its path, "
            f"not {operation.method.upper()} {operation.path}"
        )
    parameters = (
        resolve_ref(catalog.document, one) for one in operation.node.get("parameters", ())
    )
    schema = next(
        (one["schema"] for one in parameters if one["name"] == names[0]), {"type": "string"}
    )
    ids = _validator(catalog.document, schema)
    return StatusEndpoint(**_endpoint(catalog, operation, base), parameter=names[0], ids=ids)


def _endpoint(catalog: Catalog, operation: Operation, base: str) -> dict[str, Any]:
    document, responses = catalog.document, operation.node["responses"]
    media = {int(s): media_of(document, raw) for s, raw in responses.items() if s.isdigit()}
    schemas = {
        status: body["schema"] for status, body in media.items() if body and "schema" in body
    }
    success = next((status for status in sorted(schemas) if 200 <= status < 300), None)  # noqa: PLR2004
    if success is None:
        raise UnsupportedSpec(
            f"{operation.operation_id} has no successful response with a JSON body"
        )
    validators = {status: _validator(document, schema) for status, schema in schemas.items()}
    return {
        "operation": operation,
        "method": operation.method.upper(),
        "path": base + operation.path,
        "requires_auth": _requires_auth(document, operation),
        "success": success,
        "template": compile_schema(document, schemas[success]),
        "errors": load_errors(document, operation.node, validators),
        "schemas": validators,
    }


def _requires_auth(document: JsonObject, operation: Operation) -> bool:
    wanted: list[JsonObject] = operation.node.get("security") or document.get("security") or []
    if operation.node.get("security") == []:
        return False
    for name in {name for choice in wanted for name in choice}:
        scheme = resolve_ref(document, document["components"]["securitySchemes"][name])
        if (scheme.get("type"), str(scheme.get("scheme")).lower()) != ("http", "bearer"):
            raise UnsupportedSpec(
                f"{operation.operation_id} requires {name}; the mock only supports bearer"
            )
    return bool(wanted)


def _validator(document: JsonObject, schema: JsonObject) -> jsonschema_rs.Validator:
    root = {"$schema": _DRAFT, "components": document.get("components", {}), "allOf": [schema]}
    return validator_for(root)
