"""Make one operation of those that documents have under one path and method."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import frozen

from wanflow.spec.call import JSON_MEDIA, SCHEMAS, Call
from wanflow.spec.decisions import Decisions, Kind
from wanflow.spec.document import is_object
from wanflow.spec.failures import Contradiction
from wanflow.spec.naming import operation_id, request_name
from wanflow.spec.union import Said, Union, key_of
from wanflow.spec.yaml_text import escape, same

if TYPE_CHECKING:
    from wanflow.spec.components import Components
    from wanflow.spec.document import Json

_KNOWN = frozenset(
    {
        *("tags", "summary", "description", "operationId", "parameters"),
        *("requestBody", "responses", "security", "servers"),
    }
)


@frozen
class Operations:
    """Merges calls that share a path and a method, in the order of their sources."""

    components: Components
    decisions: Decisions
    servers: list[Json]

    def merged(self, calls: list[Call]) -> Json:
        """Return the one operation of these calls.

        Raises:
            Contradiction: their parameters, security or bodies can't be one.
        """
        at = calls[0].pointer
        node: Json = {
            "tags": list(dict.fromkeys(tag for c in calls for tag in c.node.get("tags", ()))),
            **self._texts(calls, at),
            "operationId": self._id(calls, at),
            "parameters": self._parameters(calls),
            "requestBody": self._body(calls, at),
            "responses": self._responses(calls, at),
            "security": self._agreed(calls, "security"),
            "servers": self._servers(calls, at),
            **self._others(calls),
        }
        return {
            key: value
            for key, value in node.items()
            if value not in (None, []) or key == "security"
        }

    def _texts(self, calls: list[Call], at: str) -> Json:
        """Keep a lone operation's texts; of several, tell each model's under its name."""
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
            Kind.DERIVED,
            f"{at}/summary",
            "the models in one line; the description has every source's text",
        )
        return {
            "summary": f"Submit a task to one of {len(models)} models"
            if models
            else calls[0].node.get("summary", ""),
            "description": "\n\n".join(part.strip() for part in parts),
        }

    def _id(self, calls: list[Call], at: str) -> str | None:
        told = [call.node["operationId"] for call in calls if "operationId" in call.node]
        if told and len(set(told)) == 1 and not calls[0].models:
            return str(told[0])
        derived = operation_id(calls[0].method, calls[0].path)
        self.decisions.add(
            Kind.DERIVED,
            f"{at}/operationId",
            f"`{derived}` of the path; the sources say {', '.join(told) or 'nothing'}",
        )
        return derived

    def _parameters(self, calls: list[Call]) -> list[Json]:
        found: dict[tuple[str, str], tuple[Call, Json]] = {}
        for call in calls:
            for parameter in call.node.get("parameters", ()):
                mine = self.components.rewritten(call.source, parameter)
                key = (mine["in"], mine["name"])
                first, other = found.setdefault(key, (call, mine))
                if key_of(other) != key_of(mine):
                    raise Contradiction(
                        f"two different {key[0]} parameters are called {key[1]}: "
                        f"{first.source.where(first.pointer)} and {call.source.where(call.pointer)}"
                    )
        return [parameter for _, parameter in found.values()]

    def _body(self, calls: list[Call], at: str) -> Json | None:
        bodies = [call for call in calls if call.request is not None]
        if not bodies:
            return None
        if not all(call.models for call in calls):
            return self._plain_body(calls)
        media = self._variants(calls)
        media["examples"] = self._examples(
            [(call, call.node["requestBody"]["content"][JSON_MEDIA]) for call in calls],
        )
        body: Json = {"required": True, "content": {JSON_MEDIA: media}}
        texts = [
            (c.source.name, c.node["requestBody"]["description"])
            for c in calls
            if "description" in c.node["requestBody"]
        ]
        if texts:
            body["description"] = Union(self.decisions).text(texts, f"{at}/requestBody/description")
        return body

    def _variants(self, calls: list[Call]) -> Json:
        mapping = {
            model: SCHEMAS + request_name(list(call.models), call.source.name)
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

    def _plain_body(self, calls: list[Call]) -> Json:
        first, *others = calls
        for call in others:
            if key_of(call.node.get("requestBody")) != key_of(first.node.get("requestBody")):
                raise Contradiction(
                    f"two bodies, and no model to tell them by: "
                    f"{first.source.where(first.pointer)} and {call.source.where(call.pointer)}"
                )
        body: Json = self.components.rewritten(first.source, first.node["requestBody"])
        return body

    def _responses(self, calls: list[Call], at: str) -> Json:
        statuses = sorted({status for call in calls for status in call.node["responses"]})
        return {
            status: self._response(
                [(c, c.node["responses"][status]) for c in calls if status in c.node["responses"]],
                f"{at}/responses/{status}",
            )
            for status in statuses
        }

    def _response(self, said: list[tuple[Call, Json]], at: str) -> Json:
        texts = [
            (call.source.name, node["description"]) for call, node in said if "description" in node
        ]
        merged: Json = {
            "description": Union(self.decisions).text(texts, f"{at}/description") if texts else ""
        }
        for key in ("headers", "links"):
            parts = {
                name: node for _, response in said for name, node in response.get(key, {}).items()
            }
            self._clash(said, key, at)
            if parts:
                merged[key] = parts
        kinds = list(dict.fromkeys(kind for _, node in said for kind in node.get("content", {})))
        if kinds:
            merged["content"] = {kind: self._media(said, kind, at) for kind in kinds}
        return merged

    def _clash(self, said: list[tuple[Call, Json]], key: str, at: str) -> None:
        first: dict[str, tuple[Call, Json]] = {}
        for call, response in said:
            for name, node in response.get(key, {}).items():
                owner, other = first.setdefault(name, (call, node))
                if key_of(other) != key_of(node):
                    raise Contradiction(
                        f"{at}: two different {key} are called {name}, in "
                        f"{owner.source.where(owner.pointer)} and {call.source.where(call.pointer)}"
                    )

    def _media(self, said: list[tuple[Call, Json]], kind: str, at: str) -> Json:
        having = [
            (call, node["content"][kind]) for call, node in said if kind in node.get("content", {})
        ]
        schemas = [
            Said(call.source.name, self.components.rewritten(call.source, media["schema"]))
            for call, media in having
            if "schema" in media
        ]
        merged: Json = {}
        if schemas:
            merged["schema"] = Union(self.decisions).part(
                schemas, f"{at}/content/{escape(kind)}/schema"
            )
        if examples := self._examples(having):
            merged["examples"] = examples
        return merged

    def _examples(self, having: list[tuple[Call, Json]]) -> Json:
        """Keep every example: under `default` where all agree, else under its model."""
        shown = [(call, key, example) for call, media in having for key, example in _shown(media)]
        values = [example.get("value") for _, _, example in shown]
        callers = {call.source.name for call, _, _ in shown}
        if (
            values
            and all(same(value, values[0]) for value in values)
            and not _names_model(values[0])
        ):
            return {"default": shown[0][2]} if len(callers) == len(having) else self._filed(shown)
        return self._filed(shown)

    def _filed(self, shown: list[tuple[Call, str, Json]]) -> Json:
        filed: Json = {}
        for call, key, example in shown:
            label = _label(example.get("value"), key, call)
            for longer in (f"{label}-{key}", f"{call.source.name}-{label}-{key}"):
                label = longer if label in filed else label
            filed[label] = example
        return dict(sorted(filed.items()))

    def _agreed(self, calls: list[Call], key: str) -> Any:
        first, *others = calls
        for call in others:
            if not same(call.node[key], first.node[key]):
                raise Contradiction(
                    f"{first.source.where(first.pointer)} and {call.source.where(call.pointer)} "
                    f"differ in `{key}`"
                )
        return first.node[key]

    def _servers(self, calls: list[Call], at: str) -> list[Json]:
        urls = {server["url"]: server for call in calls for server in call.node["servers"]}
        if set(urls) == {server["url"] for server in self.servers}:
            return []
        self.decisions.add(
            Kind.WIDENED,
            f"{at}/servers",
            f"{len(urls)} servers of its own",
            [c.source.name for c in calls],
        )
        return list(urls.values())

    def _others(self, calls: list[Call]) -> Json:
        """Keep what else an operation may have (`deprecated`, `callbacks`) where all agree."""
        others: Json = {}
        for call in calls:
            for key in call.node.keys() - _KNOWN:
                value = self.components.rewritten(call.source, call.node[key])
                if key_of(others.setdefault(key, value)) != key_of(value):
                    raise Contradiction(
                        f"{call.source.where(call.pointer)} differs from others in `{key}`"
                    )
        return dict(sorted(others.items()))


def _shown(media: Json) -> list[tuple[str, Json]]:
    single = [("example", {"value": media["example"]})] if "example" in media else []
    return [*single, *media.get("examples", {}).items()]


def _names_model(value: Any) -> bool:
    return is_object(value) and "model" in value


def _label(value: Any, key: str, call: Call) -> str:
    named = value.get("model") if is_object(value) else None
    if named in call.models:
        return str(named)
    if call.models:
        return call.label
    return "default" if key == "example" else key
