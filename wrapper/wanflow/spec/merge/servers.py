"""Which servers a merged document names: the chosen one at its top, the others where they belong.

The default is what a person chose (specs/settings.yaml), however many documents name another.
Where nobody chose, the top has the servers that all documents agree on, or none.
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
    from wanflow.spec.read.source import Source
    from wanflow.spec.schema.operations import SourceOperation


@frozen
class Servers:
    """The servers at the top of a merged document; operations elsewhere keep their own."""

    top: list[JsonObject]
    decisions: DecisionLog

    @classmethod
    def of(cls, sources: list[Source], default: str | None, decisions: DecisionLog) -> Servers:
        """Take the default server and those that stand beside it in most documents that name it."""
        named = [(s.name, s.document["servers"]) for s in sources if s.document.get("servers")]
        lists = [tuple(map(url_of, servers)) for _, servers in named]
        if default is None:
            having = lists if len({frozenset(urls) for urls in lists}) == 1 else []
        else:
            having = [urls for urls in lists if default in urls]
        if not having:
            return cls([{"url": default}] if default else [], decisions)
        urls = max(having, key=Counter(having).__getitem__)
        first = default or urls[0]
        ordered = [first, *(url for url in urls if url != first)]
        return cls([_described(url, named, decisions) for url in ordered], decisions)

    def own(self, calls: list[SourceOperation], at: str) -> list[JsonObject]:
        """Return the servers that an operation keeps; none where it has those of the top.

        Where the models of one operation are on different servers, each server lists its models.
        """
        top = frozenset(map(url_of, self.top))
        sets = [frozenset(map(url_of, call.node["servers"])) for call in calls]
        if all(urls == top for urls in sets):
            return []
        servers = {url_of(server): server for call in calls for server in call.node["servers"]}
        ordered = sorted(servers, key=lambda url: url not in top)
        who = [call.source.name for call in calls]
        text = f"{len(servers)} servers of its own"
        self.decisions.add(DecisionKind.WIDENED, f"{at}/servers", text, who)
        if len(set(sets)) == 1 or not all(call.models for call in calls):
            return [servers[url] for url in ordered]
        return [{**servers[url], SERVER_MODELS: models_at(url, calls)} for url in ordered]


def models_at(url: str, calls: list[SourceOperation]) -> list[str]:
    """List the models that their documents offer at a server."""
    return sorted(
        model for call in calls if url in map(url_of, call.node["servers"]) for model in call.models
    )


def url_of(server: JsonObject) -> str:
    """Return a server's URL without the slash at its end, which says nothing."""
    return str(server["url"]).rstrip("/")


def _described(
    url: str, named: list[tuple[str, list[JsonObject]]], decisions: DecisionLog
) -> JsonObject:
    said = [(name, one) for name, servers in named for one in servers if url_of(one) == url]
    texts = [(name, server["description"]) for name, server in said if "description" in server]
    server = {**said[0][1], "url": url}
    if texts:
        server["description"] = SchemaUnion(decisions).text(texts, "/servers/0/description")
    return server
