"""The models and operations of the merged spec, and the request schema of each model."""

from __future__ import annotations

from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from wanflow.catalog.deprecation import Deprecation, deprecation_of, has_deprecations
from wanflow.catalog.document import (
    DEFAULT_SERVER,
    SERVER_MODELS,
    JsonObject,
    load_packaged,
    resolve_ref,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@frozen(slots=False)
class Model:
    """One value of the `model` parameter, and what the spec says about it.

    `kind` is what it generates: the first word of the task's `object` (`video.generation.task`).
    `schema` is the schema of its request, with references unresolved. `example` is the request
    example of the spec for this model, empty if it has none. `servers` are the base URLs of its
    source spec if they differ from the default server.
    """

    name: str
    kind: str
    path: str
    operation_id: str
    schema_name: str
    schema: JsonObject = field(repr=False)
    example: JsonObject = field(repr=False)
    summary: str = field(repr=False, default="")
    servers: tuple[str, ...] = ()
    deprecation: Deprecation | None = field(repr=False, default=None)

    @cached_property
    def parameters(self) -> dict[str, JsonObject]:
        """The schema of each parameter except `model`, in the order of the spec."""
        return {name: rule for name, rule in self.schema["properties"].items() if name != "model"}

    @cached_property
    def has_deprecated_parts(self) -> bool:
        """Whether a parameter, or a value of one, is deprecated."""
        return has_deprecations(self.schema)

    @property
    def required(self) -> tuple[str, ...]:
        """The required parameters, without `model`."""
        return tuple(name for name in self.schema.get("required", ()) if name != "model")


@frozen
class Operation:
    """An operation of the spec: its method, its path below the server URL, and its JSON object."""

    operation_id: str
    method: str
    path: str
    node: JsonObject = field(repr=False)


@frozen(slots=False)
class Catalog:
    """Gives access to the models and operations of a merged spec."""

    document: JsonObject = field(repr=False)

    @cached_property
    def operations(self) -> tuple[Operation, ...]:
        """Every operation, in the order of the spec."""
        return tuple(
            Operation(node["operationId"], method, path, node)
            for path, item in self.document["paths"].items()
            for method, node in item.items()
            if method in METHODS
        )

    @cached_property
    def models(self) -> Mapping[str, Model]:
        """Every model by name, sorted."""
        found = [model for operation in self.operations for model in self._models_of(operation)]
        return {model.name: model for model in sorted(found, key=lambda model: model.name)}

    @cached_property
    def status_operation(self) -> Operation:
        """The operation that returns a task's status: the one that the submissions link to.

        Without links, it is the only GET operation whose path ends with a parameter.

        Raises:
            LookupError: there is no link, and no such operation or more than one.
        """
        for operation in self.operations:
            for link in self._links_of(operation):
                return next(o for o in self.operations if o.operation_id == link["operationId"])
        reads = [one for one in self.operations if one.method == "get" and one.path[-1:] == "}"]
        if len(reads) == 1:
            return reads[0]
        raise LookupError("no operation of the spec links to a status operation")

    @property
    def default_server(self) -> str | None:
        """The base URL that the user chose in specs/settings.yaml; None if there is none."""
        url: str | None = self.document.get(DEFAULT_SERVER)
        return url

    @property
    def server_urls(self) -> tuple[str, ...]:
        """All base URLs that the spec names, paths included; never used to send the key."""
        operations = (operation.node for operation in self.operations)
        named = [one for node in (self.document, *operations) for one in node.get("servers", ())]
        return tuple(dict.fromkeys(str(one["url"]) for one in named))

    @property
    def server_url(self) -> str:
        """The first base URL that the spec names."""
        return next(iter(self.server_urls), "/")

    def _links_of(self, operation: Operation) -> Iterator[JsonObject]:
        for response in operation.node["responses"].values():
            yield from response.get("links", {}).values()

    def _models_of(self, operation: Operation) -> Iterator[Model]:
        body = operation.node.get("requestBody")
        if body is None:
            return
        media = body["content"]["application/json"]
        examples: list[JsonObject] = [
            example["value"] for example in media.get("examples", {}).values()
        ]
        union = resolve_ref(self.document, media["schema"])
        for name, reference in union.get("discriminator", {}).get("mapping", {}).items():
            schema = resolve_ref(self.document, {"$ref": reference})
            yield Model(
                name=name,
                kind=self._kind_of(operation),
                path=operation.path,
                operation_id=operation.operation_id,
                schema_name=reference.rpartition("/")[2],
                schema=schema,
                example=next(
                    (example for example in examples if example.get("model") == name), JsonObject()
                ),
                summary=str(schema.get("description", operation.node.get("summary", ""))),
                servers=_servers_of(name, operation.node),
                deprecation=deprecation_of(schema) or deprecation_of(operation.node),
            )

    def _kind_of(self, operation: Operation) -> str:
        media = operation.node["responses"]["200"]["content"]["application/json"]
        task = resolve_ref(self.document, media["schema"])
        object_schema: JsonObject = task.get("properties", {}).get("object", {})
        values: list[Any] = resolve_ref(self.document, object_schema).get("enum", [])
        return (
            str(values[0]).partition(".")[0] if values else operation.path.split("/")[2].rstrip("s")
        )


def _servers_of(model: str, node: JsonObject) -> tuple[str, ...]:
    servers: list[JsonObject] = node.get("servers", [])
    return tuple(s["url"].rstrip("/") for s in servers if model in s.get(SERVER_MODELS, [model]))


METHODS = frozenset({"get", "put", "post", "delete", "options", "head", "patch", "trace"})


@cache
def packaged_catalog() -> Catalog:
    """Return the catalog of the installed spec."""
    return Catalog(load_packaged())
