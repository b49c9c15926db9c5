"""Merge the operations of source specs that share a path and a method."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import frozen

from wanflow.catalog.deprecation import DEPRECATION_KEYS
from wanflow.spec.errors import Conflict
from wanflow.spec.merge.decisions import DecisionKind, DecisionLog
from wanflow.spec.merge.naming import operation_id
from wanflow.spec.merge.responses import ResponseMerger, merge_examples
from wanflow.spec.merge.union import SchemaUnion
from wanflow.spec.read.yaml import json_equal
from wanflow.spec.schema.equality import canonical_key
from wanflow.spec.schema.operations import JSON_MEDIA, SCHEMAS, SourceOperation, describe_pair

if TYPE_CHECKING:
    from wanflow.catalog.document import JsonObject
    from wanflow.spec.merge.components import ComponentMerger
    from wanflow.spec.merge.servers import Servers

_HANDLED_FIELDS = frozenset(
    {
        *("tags", "summary", "description", "operationId", "parameters"),
        *("requestBody", "responses", "security", "servers"),
    }
)


@frozen
class OperationMerger:
    """Merges operations that share a path and a method, in the order of their sources."""

    components: ComponentMerger
    decisions: DecisionLog
    servers: Servers

    def merge(self, operations: list[SourceOperation]) -> JsonObject:
        """Merge operations into one.

        Raises:
            Conflict: their parameters, security or bodies contradict each other.
        """
        at = operations[0].pointer
        node: JsonObject = {
            "tags": list(dict.fromkeys(tag for c in operations for tag in c.node.get("tags", ()))),
            **self._texts(operations, at),
            "operationId": self._id(operations, at),
            "parameters": self._parameters(operations, at),
            "requestBody": self._body(operations, at),
            "responses": ResponseMerger(self.components, self.decisions).merge(operations, at),
            "security": self._common(operations, "security"),
            "servers": self.servers.operation_servers(operations, at),
            **self._other_fields(operations),
        }
        return {
            key: value
            for key, value in node.items()
            if value not in (None, []) or key == "security"
        }

    def _texts(self, operations: list[SourceOperation], at: str) -> JsonObject:
        """Return a single operation's texts; of several, combine them under the models' names."""
        if len(operations) == 1:
            return {
                k: operations[0].node[k]
                for k in ("summary", "description")
                if k in operations[0].node
            }
        models = [model for operation in operations for model in operation.models]
        parts = [
            "\n\n".join(
                (
                    f"**{operation.label}**",
                    operation.node.get("summary", ""),
                    operation.node.get("description", ""),
                )
            )
            for operation in operations
        ]
        self.decisions.add(
            DecisionKind.DERIVED,
            f"{at}/summary",
            "the number of models; the description has the text of every source",
        )
        return {
            "summary": f"Submit a task to one of {len(models)} models"
            if models
            else operations[0].node.get("summary", ""),
            "description": "\n\n".join(part.strip() for part in parts),
        }

    def _id(self, operations: list[SourceOperation], at: str) -> str | None:
        operation_ids = [
            operation.node["operationId"]
            for operation in operations
            if "operationId" in operation.node
        ]
        if operation_ids and len(set(operation_ids)) == 1 and not operations[0].models:
            return str(operation_ids[0])
        derived = operation_id(operations[0].method, operations[0].path)
        self.decisions.add(
            DecisionKind.DERIVED,
            f"{at}/operationId",
            f"`{derived}` from the path; the sources have {', '.join(operation_ids) or 'none'}",
        )
        return derived

    def _parameters(self, operations: list[SourceOperation], at: str) -> list[JsonObject]:
        found: dict[tuple[str, str], list[tuple[SourceOperation, JsonObject]]] = {}
        for operation in operations:
            for parameter in operation.node.get("parameters", ()):
                renamed = self.components.rename_references(operation.source, parameter)
                same = found.setdefault((renamed["in"], renamed["name"]), [])
                same.append((operation, renamed))
                first, other = same[0]
                if canonical_key(other) != canonical_key(renamed):
                    raise Conflict(
                        f"two {renamed['in']} parameters named {renamed['name']} differ: "
                        f"{describe_pair(first, operation)}"
                    )
        return [self._parameter(same, f"{at}/parameters/{key[1]}") for key, same in found.items()]

    def _parameter(self, same: list[tuple[SourceOperation, JsonObject]], at: str) -> JsonObject:
        """Merge equal parameters: the most common text, and all examples."""
        merged = {key: value for key, value in same[0][1].items() if key != "example"}
        texts = [
            (operation.source.name, p["description"]) for operation, p in same if "description" in p
        ]
        if texts:
            merged["description"] = SchemaUnion(self.decisions).choose_text(
                texts, f"{at}/description"
            )
        examples = merge_examples(same)
        single = list(examples.values())
        if len(single) == 1 and "example" in same[0][1]:
            return {**merged, "example": single[0]["value"]}
        return {**merged, **({"examples": examples} if examples else {})}

    def _body(self, operations: list[SourceOperation], at: str) -> JsonObject | None:
        bodies = [operation for operation in operations if operation.request is not None]
        if not bodies:
            return None
        if not all(operation.models for operation in operations):
            return self._plain_body(operations)
        media = self._variants(operations)
        media["examples"] = merge_examples(
            [
                (operation, operation.node["requestBody"]["content"][JSON_MEDIA])
                for operation in operations
            ]
        )
        body: JsonObject = {"required": True, "content": {JSON_MEDIA: media}}
        texts = [
            (c.source.name, c.node["requestBody"]["description"])
            for c in operations
            if "description" in c.node["requestBody"]
        ]
        if texts:
            body["description"] = SchemaUnion(self.decisions).choose_text(
                texts, f"{at}/requestBody/description"
            )
        return body

    def _variants(self, operations: list[SourceOperation]) -> JsonObject:
        mapping = {
            model: SCHEMAS + self.components.requests[operation.key]
            for operation in operations
            for model in operation.models
        }
        references = sorted(set(mapping.values()))
        return {
            "schema": {
                "oneOf": [{"$ref": reference} for reference in references],
                "discriminator": {
                    "propertyName": "model",
                    "mapping": dict(sorted(mapping.items())),
                },
            }
        }

    def _plain_body(self, operations: list[SourceOperation]) -> JsonObject:
        first, *others = operations
        for operation in others:
            if canonical_key(operation.node.get("requestBody")) != canonical_key(
                first.node.get("requestBody")
            ):
                raise Conflict(
                    f"two different bodies without a model: {describe_pair(first, operation)}"
                )
        body: JsonObject = self.components.rename_references(
            first.source, first.node["requestBody"]
        )
        return body

    def _common(self, operations: list[SourceOperation], key: str) -> Any:
        first, *others = operations
        for operation in others:
            if not json_equal(operation.node[key], first.node[key]):
                raise Conflict(f"{describe_pair(first, operation)} differ in `{key}`")
        return first.node[key]

    def _other_fields(self, operations: list[SourceOperation]) -> JsonObject:
        """Return the other fields of operations (`deprecated`, `callbacks`), which must agree."""
        others: JsonObject = {}
        for operation in operations:
            for key in (
                operation.node.keys() - _HANDLED_FIELDS - _differing_deprecation_keys(operations)
            ):
                value = self.components.rename_references(operation.source, operation.node[key])
                if canonical_key(others.setdefault(key, value)) != canonical_key(value):
                    raise Conflict(f"{describe_pair(operations[0], operation)} differ in `{key}`")
        return dict(sorted(others.items()))


def _differing_deprecation_keys(operations: list[SourceOperation]) -> set[str]:
    """Return the deprecation keys that differ between models; they go to the request schemas."""
    return {
        key
        for key in DEPRECATION_KEYS
        if len({canonical_key(operation.node.get(key)) for operation in operations}) > 1
        and operations[0].models
    }
