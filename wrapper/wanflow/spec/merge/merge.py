"""Make one document of many: the same path and method is one operation, and nothing is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import field, frozen

from wanflow.catalog.document import DEFAULT_SERVER
from wanflow.spec.merge.components import ComponentMerger
from wanflow.spec.merge.decisions import Decision, DecisionKind, DecisionLog
from wanflow.spec.merge.naming import unused
from wanflow.spec.merge.operation import Operations
from wanflow.spec.merge.request import bind_to_models, one_document_a_model, rename_requests
from wanflow.spec.merge.responses import group_responses, hoist_inline_schemas
from wanflow.spec.merge.security import renamed_schemes, security_schemes, with_shared_schemes
from wanflow.spec.merge.servers import Servers
from wanflow.spec.merge.union import SchemaUnion
from wanflow.spec.read.yaml import same
from wanflow.spec.schema.operations import SourceOperation, reachable, source_operations

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wanflow.catalog.document import JsonObject
    from wanflow.spec.read.source import Source

TITLE = "Asynchronous image and video generation"
DESCRIPTION = (
    "One document made of several by `wanflow spec build`; see merge-report.md for what it decided."
)
VERSION = "3.1.0"


@frozen
class MergeResult:
    """A merged document, what was decided on the way, and the operations that it was made of.

    `names` says what each document's named schema became, by (document, name).
    """

    document: JsonObject = field(repr=False)
    decisions: list[Decision] = field(repr=False)
    calls: list[SourceOperation] = field(repr=False)
    names: dict[tuple[str, str], str] = field(repr=False)


def merge(sources: Iterable[Source], default_server: str | None = None) -> MergeResult:
    """Merge documents into one, the same whatever order they come in.

    `default_server` is the URL that a person chose, without a slash at its end.

    Raises:
        Contradiction: two of them can't both be true; names both, and where.
        Refused: one of them can't be read as a whole.
    """
    received = sorted(sources, key=lambda source: source.name)
    ordered = [hoist_inline_schemas(source) for source in with_shared_schemes(received)]
    calls = [call for source in ordered for call in source_operations(source)]
    one_document_a_model(calls)
    decisions = DecisionLog()
    renamed_schemes(received, ordered, decisions)
    components = ComponentMerger(ordered, decisions, _reached_by_requests(calls))
    requests = rename_requests(calls, components)
    group_responses(calls, components)
    components.merge({pair for call in calls for pair in reachable(call.source, call.node)})
    for name, call in requests.items():
        schema = bind_to_models(call, decisions, f"/components/schemas/{name}")
        components.put(name, components.rewritten(call.source, schema))
    servers = Servers.of(ordered, default_server, decisions)
    document: JsonObject = {
        "openapi": VERSION,
        "info": _info(ordered, decisions),
        **({DEFAULT_SERVER: default_server} if default_server else {}),
        **({"servers": servers.top} if servers.top else {}),
        "tags": _tags(calls, decisions),
        "paths": _paths(calls, Operations(components, decisions, servers)),
        "components": {
            "schemas": dict(sorted(components.schemas.items())),
            "securitySchemes": security_schemes(ordered, decisions),
        },
    }
    return MergeResult(document, decisions.listed(), calls, components.names)


def _reached_by_requests(calls: list[SourceOperation]) -> frozenset[tuple[str, str]]:
    return frozenset(
        pair for call in calls if call.request for pair in reachable(call.source, call.request)
    )


def _paths(calls: list[SourceOperation], operations: Operations) -> JsonObject:
    grouped: dict[str, dict[str, list[SourceOperation]]] = {}
    for call in calls:
        grouped.setdefault(call.path, {}).setdefault(call.method, []).append(call)
    paths: JsonObject = {
        path: {method: operations.merged(group) for method, group in sorted(methods.items())}
        for path, methods in sorted(grouped.items())
    }
    taken: set[str] = set()
    for node in (node for item in paths.values() for node in item.values()):
        # Two paths may come to one name: /v1/videos and /v2/videos.
        node["operationId"] = unused(node["operationId"], taken)
        taken.add(node["operationId"])
    return paths


def _info(sources: list[Source], decisions: DecisionLog) -> JsonObject:
    infos = [(source.name, source.document["info"]) for source in sources]
    versions = sorted({str(info["version"]) for _, info in infos}, key=_version_key)
    merged: JsonObject = {"title": TITLE, "description": DESCRIPTION, "version": versions[-1]}
    if len(versions) > 1:
        older = [name for name, info in infos if str(info["version"]) != versions[-1]]
        decisions.add(DecisionKind.CHOSEN, "/info/version", f"{versions[-1]}, the highest", older)
    licences = [(name, info["license"]) for name, info in infos if "license" in info]
    if licences and all(same(licence, licences[0][1]) for _, licence in licences):
        merged["license"] = licences[0][1]
    elif licences:
        who = [name for name, _ in licences]
        decisions.add(DecisionKind.CHOSEN, "/info/license", "none, for the documents differ", who)
    return merged


def _version_key(version: str) -> list[tuple[int, str]]:
    return [(int(part) if part.isdigit() else -1, part) for part in version.split(".")]


def _tags(calls: list[SourceOperation], decisions: DecisionLog) -> list[JsonObject]:
    described: dict[str, list[tuple[str, str]]] = {}
    for call in calls:
        for name in call.node.get("tags", ()):
            described.setdefault(name, [])
        for tag in call.source.document.get("tags", ()):
            texts = described.setdefault(tag["name"], [])
            if "description" in tag and (call.source.name, tag["description"]) not in texts:
                texts.append((call.source.name, tag["description"]))
    return [
        {"name": name, "description": SchemaUnion(decisions).text(texts, f"/tags/{name}")}
        if texts
        else {"name": name}
        for name, texts in sorted(described.items())
    ]
