"""Choose the servers of the merged spec: the default at its top, others on their operations.

The default server is the one in specs/settings.yaml, however many source specs name another one.
If there is none, the top has the servers that all source specs agree on, or none.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from attrs import frozen

from wanflow.catalog.document import SERVER_MODELS
from wanflow.spec.merge.decisions import DecisionKind, DecisionLog
from wanflow.spec.merge.union import SchemaUnion

if TYPE_CHECKING:
    from wanflow.catalog.document import JsonObject
    from wanflow.spec.read.source import SourceSpec
    from wanflow.spec.schema.operations import SourceOperation


@frozen
class Servers:
    """The top-level servers of a merged spec; operations with other servers keep their own."""

    top: list[JsonObject]
    decisions: DecisionLog

    @classmethod
    def choose(
        cls, sources: list[SourceSpec], default: str | None, decisions: DecisionLog
    ) -> Servers:
        """Choose the default server and those most often named together with it."""
        named = [(s.name, s.document["servers"]) for s in sources if s.document.get("servers")]
        lists = [tuple(map(server_url, servers)) for _, servers in named]
        if default is None:
            matching = lists if len({frozenset(urls) for urls in lists}) == 1 else []
        else:
            matching = [urls for urls in lists if default in urls]
        if not matching:
            return cls([{"url": default}] if default else [], decisions)
        urls = max(matching, key=Counter(matching).__getitem__)
        first = default or urls[0]
        ordered = [first, *(url for url in urls if url != first)]
        return cls([_with_description(url, named, decisions) for url in ordered], decisions)

    def operation_servers(self, operations: list[SourceOperation], at: str) -> list[JsonObject]:
        """Return the servers of an operation; empty if they are the top-level ones.

        If the models of an operation are on different servers, each server lists its models.
        """
        top = frozenset(map(server_url, self.top))
        sets = [frozenset(map(server_url, operation.node["servers"])) for operation in operations]
        if all(urls == top for urls in sets):
            return []
        servers = {
            server_url(server): server
            for operation in operations
            for server in operation.node["servers"]
        }
        ordered = sorted(servers, key=lambda url: url not in top)
        source_names = [operation.source.name for operation in operations]
        text = f"{len(servers)} servers of its own"
        self.decisions.add(DecisionKind.WIDENED, f"{at}/servers", text, source_names)
        if len(set(sets)) == 1 or not all(operation.models for operation in operations):
            return [servers[url] for url in ordered]
        return [{**servers[url], SERVER_MODELS: models_at(url, operations)} for url in ordered]


def models_at(url: str, operations: list[SourceOperation]) -> list[str]:
    """List the models that are available at a server."""
    return sorted(
        model
        for operation in operations
        if url in map(server_url, operation.node["servers"])
        for model in operation.models
    )


def server_url(server: JsonObject) -> str:
    """Return a server's URL without a trailing slash."""
    return str(server["url"]).rstrip("/")


def _with_description(
    url: str, named: list[tuple[str, list[JsonObject]]], decisions: DecisionLog
) -> JsonObject:
    servers_at_url = [
        (name, one) for name, servers in named for one in servers if server_url(one) == url
    ]
    texts = [
        (name, server["description"]) for name, server in servers_at_url if "description" in server
    ]
    server = {**servers_at_url[0][1], "url": url}
    if texts:
        server["description"] = SchemaUnion(decisions).choose_text(texts, "/servers/0/description")
    return server
