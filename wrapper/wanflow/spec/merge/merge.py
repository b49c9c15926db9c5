"""Merge source specs into one; operations with the same path and method become one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import field, frozen

from wanflow.catalog.document import DEFAULT_SERVER
from wanflow.spec.merge.components import ComponentMerger
from wanflow.spec.merge.decisions import Decision, DecisionKind, DecisionLog
from wanflow.spec.merge.naming import unique_name
from wanflow.spec.merge.operation import OperationMerger
from wanflow.spec.merge.request import bind_to_models, rename_requests, require_unique_models
from wanflow.spec.merge.responses import group_responses, hoist_inline_schemas
from wanflow.spec.merge.security import merge_schemes, record_renamed_schemes, unify_scheme_names
from wanflow.spec.merge.servers import Servers
from wanflow.spec.merge.union import SchemaUnion
from wanflow.spec.read.yaml import json_equal
from wanflow.spec.schema.operations import SourceOperation, reachable, source_operations

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wanflow.catalog.document import JsonObject
    from wanflow.spec.read.source import SourceSpec

TITLE = "Asynchronous image and video generation"
DESCRIPTION = "Merged from several source specs by `wanflow spec build`; see merge-report.md."
VERSION = "3.1.0"


@frozen
class MergeResult:
    """A merged spec, the decisions of the merge, and the operations that it was made of.

    `schema_names` maps (source, name) to the name of the schema in the merged spec.
    """

    document: JsonObject = field(repr=False)
    decisions: list[Decision] = field(repr=False)
    operations: list[SourceOperation] = field(repr=False)
    schema_names: dict[tuple[str, str], str] = field(repr=False)


def merge(sources: Iterable[SourceSpec], default_server: str | None = None) -> MergeResult:
    """Merge source specs into one; their order doesn't matter.

    `default_server` is the URL from the settings, without a trailing slash.

    Raises:
        Conflict: two source specs contradict each other; names both locations.
        InvalidDocument: a source spec can't be read completely.
    """
    received = sorted(sources, key=lambda source: source.name)
    ordered = [hoist_inline_schemas(source) for source in unify_scheme_names(received)]
    calls = [call for source in ordered for call in source_operations(source)]
    require_unique_models(calls)
    decisions = DecisionLog()
    record_renamed_schemes(received, ordered, decisions)
    components = ComponentMerger(ordered, decisions, _request_schemas(calls))
    requests = rename_requests(calls, components)
    group_responses(calls, components)
    components.merge({pair for call in calls for pair in reachable(call.source, call.node)})
    for name, call in requests.items():
        schema = bind_to_models(call, decisions, f"/components/schemas/{name}")
        components.add(name, components.rename_references(call.source, schema))
    servers = Servers.choose(ordered, default_server, decisions)
    document: JsonObject = {
        "openapi": VERSION,
        "info": _info(ordered, decisions),
        **({DEFAULT_SERVER: default_server} if default_server else {}),
        **({"servers": servers.top} if servers.top else {}),
        "tags": _tags(calls, decisions),
        "paths": _paths(calls, OperationMerger(components, decisions, servers)),
        "components": {
            "schemas": dict(sorted(components.schemas.items())),
            "securitySchemes": merge_schemes(ordered, decisions),
        },
    }
    return MergeResult(document, decisions.sorted(), calls, components.names)


def _request_schemas(calls: list[SourceOperation]) -> frozenset[tuple[str, str]]:
    return frozenset(
        pair for call in calls if call.request for pair in reachable(call.source, call.request)
    )


def _paths(calls: list[SourceOperation], operations: OperationMerger) -> JsonObject:
    grouped: dict[str, dict[str, list[SourceOperation]]] = {}
    for call in calls:
        grouped.setdefault(call.path, {}).setdefault(call.method, []).append(call)
    paths: JsonObject = {
        path: {method: operations.merge(group) for method, group in sorted(methods.items())}
        for path, methods in sorted(grouped.items())
    }
    taken: set[str] = set()
    for node in (node for item in paths.values() for node in item.values()):
        # Two paths may give the same name: /v1/videos and /v2/videos.
        node["operationId"] = unique_name(node["operationId"], taken)
        taken.add(node["operationId"])
    return paths


def _info(sources: list[SourceSpec], decisions: DecisionLog) -> JsonObject:
    infos = [(source.name, source.document["info"]) for source in sources]
    versions = sorted({str(info["version"]) for _, info in infos}, key=_version_key)
    merged: JsonObject = {"title": TITLE, "description": DESCRIPTION, "version": versions[-1]}
    if len(versions) > 1:
        older = [name for name, info in infos if str(info["version"]) != versions[-1]]
        decisions.add(DecisionKind.CHOSEN, "/info/version", f"{versions[-1]}, the highest", older)
    licences = [(name, info["license"]) for name, info in infos if "license" in info]
    if licences and all(json_equal(licence, licences[0][1]) for _, licence in licences):
        merged["license"] = licences[0][1]
    elif licences:
        who = [name for name, _ in licences]
        decisions.add(
            DecisionKind.CHOSEN, "/info/license", "none, since the source specs differ", who
        )
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
        {"name": name, "description": SchemaUnion(decisions).choose_text(texts, f"/tags/{name}")}
        if texts
        else {"name": name}
        for name, texts in sorted(described.items())
    ]
