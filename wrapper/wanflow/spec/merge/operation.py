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

    def merge(self, calls: list[SourceOperation]) -> JsonObject:
        """Merge operations into one.

        Raises:
            Conflict: their parameters, security or bodies contradict each other.
        """
        at = calls[0].pointer
        node: JsonObject = {
            "tags": list(dict.fromkeys(tag for c in calls for tag in c.node.get("tags", ()))),
            **self._texts(calls, at),
            "operationId": self._id(calls, at),
            "parameters": self._parameters(calls, at),
            "requestBody": self._body(calls, at),
            "responses": ResponseMerger(self.components, self.decisions).merge(calls, at),
            "security": self._common(calls, "security"),
            "servers": self.servers.operation_servers(calls, at),
            **self._other_fields(calls),
        }
        return {
            key: value
            for key, value in node.items()
            if value not in (None, []) or key == "security"
        }

    def _texts(self, calls: list[SourceOperation], at: str) -> JsonObject:
        """Return a single operation's texts; of several, combine them under the models' names."""
        if len(calls) == 1:
            return {k: calls[0].node[k] for k in ("summary", "description") if k in calls[0].node}
        models = [model for call in calls for model in call.models]
        parts = [
            "\n\n".join(
                (
                    f"**{call.label}**",
                    call.node.get("summary", ""),
                    call.node.get("description", ""),
                )
            )
            for call in calls
        ]
        self.decisions.add(
            DecisionKind.DERIVED,
            f"{at}/summary",
            "the number of models; the description has the text of every source",
        )
        return {
            "summary": f"Submit a task to one of {len(models)} models"
            if models
            else calls[0].node.get("summary", ""),
            "description": "\n\n".join(part.strip() for part in parts),
        }

    def _id(self, calls: list[SourceOperation], at: str) -> str | None:
        told = [call.node["operationId"] for call in calls if "operationId" in call.node]
        if told and len(set(told)) == 1 and not calls[0].models:
            return str(told[0])
        derived = operation_id(calls[0].method, calls[0].path)
        self.decisions.add(
            DecisionKind.DERIVED,
            f"{at}/operationId",
            f"`{derived}` from the path; the sources have {', '.join(told) or 'none'}",
        )
        return derived

    def _parameters(self, calls: list[SourceOperation], at: str) -> list[JsonObject]:
        found: dict[tuple[str, str], list[tuple[SourceOperation, JsonObject]]] = {}
        for call in calls:
            for parameter in call.node.get("parameters", ()):
                mine = self.components.rename_references(call.source, parameter)
                same = found.setdefault((mine["in"], mine["name"]), [])
                same.append((call, mine))
                first, other = same[0]
                if canonical_key(other) != canonical_key(mine):
                    raise Conflict(
                        f"two {mine['in']} parameters named {mine['name']} differ: "
                        f"{describe_pair(first, call)}"
                    )
        return [self._parameter(same, f"{at}/parameters/{key[1]}") for key, same in found.items()]

    def _parameter(self, same: list[tuple[SourceOperation, JsonObject]], at: str) -> JsonObject:
        """Merge equal parameters: the most common text, and all examples."""
        merged = {key: value for key, value in same[0][1].items() if key != "example"}
        texts = [(call.source.name, p["description"]) for call, p in same if "description" in p]
        if texts:
            merged["description"] = SchemaUnion(self.decisions).choose_text(
                texts, f"{at}/description"
            )
        examples = merge_examples(same)
        single = list(examples.values())
        if len(single) == 1 and "example" in same[0][1]:
            return {**merged, "example": single[0]["value"]}
        return {**merged, **({"examples": examples} if examples else {})}

    def _body(self, calls: list[SourceOperation], at: str) -> JsonObject | None:
        bodies = [call for call in calls if call.request is not None]
        if not bodies:
            return None
        if not all(call.models for call in calls):
            return self._plain_body(calls)
        media = self._variants(calls)
        media["examples"] = merge_examples(
            [(call, call.node["requestBody"]["content"][JSON_MEDIA]) for call in calls]
        )
        body: JsonObject = {"required": True, "content": {JSON_MEDIA: media}}
        texts = [
            (c.source.name, c.node["requestBody"]["description"])
            for c in calls
            if "description" in c.node["requestBody"]
        ]
        if texts:
            body["description"] = SchemaUnion(self.decisions).choose_text(
                texts, f"{at}/requestBody/description"
            )
        return body

    def _variants(self, calls: list[SourceOperation]) -> JsonObject:
        mapping = {
            model: SCHEMAS + self.components.requests[call.key]
            for call in calls
            for model in call.models
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

    def _plain_body(self, calls: list[SourceOperation]) -> JsonObject:
        first, *others = calls
        for call in others:
            if canonical_key(call.node.get("requestBody")) != canonical_key(
                first.node.get("requestBody")
            ):
                raise Conflict(
                    f"two different bodies without a model: {describe_pair(first, call)}"
                )
        body: JsonObject = self.components.rename_references(
            first.source, first.node["requestBody"]
        )
        return body

    def _common(self, calls: list[SourceOperation], key: str) -> Any:
        first, *others = calls
        for call in others:
            if not json_equal(call.node[key], first.node[key]):
                raise Conflict(f"{describe_pair(first, call)} differ in `{key}`")
        return first.node[key]

    def _other_fields(self, calls: list[SourceOperation]) -> JsonObject:
        """Return the other fields of operations (`deprecated`, `callbacks`), which must agree."""
        others: JsonObject = {}
        for call in calls:
            for key in call.node.keys() - _HANDLED_FIELDS - _differing_deprecation_keys(calls):
                value = self.components.rename_references(call.source, call.node[key])
                if canonical_key(others.setdefault(key, value)) != canonical_key(value):
                    raise Conflict(f"{describe_pair(calls[0], call)} differ in `{key}`")
        return dict(sorted(others.items()))


def _differing_deprecation_keys(calls: list[SourceOperation]) -> set[str]:
    """Return the deprecation keys that differ between models; they go to the request schemas."""
    return {
        key
        for key in DEPRECATION_KEYS
        if len({canonical_key(call.node.get(key)) for call in calls}) > 1 and calls[0].models
    }
