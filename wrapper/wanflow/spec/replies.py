"""Make one answer of those that documents give for one status of one operation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

from wanflow.spec.call import Call, both
from wanflow.spec.decisions import Decisions, Kind
from wanflow.spec.failures import Contradiction
from wanflow.spec.likeness import key_of
from wanflow.spec.shown import filed_examples
from wanflow.spec.union import Said, Union
from wanflow.spec.yaml_text import escape, same

if TYPE_CHECKING:
    from wanflow.spec.components import Components
    from wanflow.spec.document import Json


@frozen
class Replies:
    """Merges the responses of calls that share a path and a method."""

    components: Components
    decisions: Decisions

    def merged(self, calls: list[Call], at: str) -> Json:
        """Return the responses by status.

        Raises:
            Contradiction: headers or links of one name differ.
        """
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
                self._note_parts(said, parts, f"{at}/{key}", key)
        kinds = list(dict.fromkeys(kind for _, node in said for kind in node.get("content", {})))
        if kinds:
            merged["content"] = {kind: self._media(said, kind, at) for kind in kinds}
        return merged

    def _note_parts(self, said: list[tuple[Call, Json]], parts: Json, at: str, key: str) -> None:
        """Note whose words for a header or a link aren't the ones kept."""
        for call, response in said:
            for name, node in response.get(key, {}).items():
                if not same(node, parts[name]):
                    text = "another document's words for it"
                    self.decisions.add(Kind.CHOSEN, f"{at}/{name}", text, [call.source.name])

    def _clash(self, said: list[tuple[Call, Json]], key: str, at: str) -> None:
        first: dict[str, tuple[Call, Json]] = {}
        for call, response in said:
            for name, node in response.get(key, {}).items():
                owner, other = first.setdefault(name, (call, node))
                if key_of(other) != key_of(node):
                    raise Contradiction(
                        f"{at}: two different {key} are called {name}, in {both(owner, call)}"
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
        if examples := filed_examples(having):
            merged["examples"] = examples
        return merged
