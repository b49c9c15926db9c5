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
    operations = [operation for source in ordered for operation in source_operations(source)]
    require_unique_models(operations)
    decisions = DecisionLog()
    record_renamed_schemes(received, ordered, decisions)
    components = ComponentMerger(ordered, decisions, _request_schemas(operations))
    requests = rename_requests(operations, components)
    group_responses(operations, components)
    components.merge(
        {pair for operation in operations for pair in reachable(operation.source, operation.node)}
    )
    for name, operation in requests.items():
        schema = bind_to_models(operation, decisions, f"/components/schemas/{name}")
        components.add(name, components.rename_references(operation.source, schema))
    servers = Servers.choose(ordered, default_server, decisions)
    document: JsonObject = {
        "openapi": VERSION,
        "info": _info(ordered, decisions),
        **({DEFAULT_SERVER: default_server} if default_server else {}),
        **({"servers": servers.top} if servers.top else {}),
        "tags": _tags(operations, decisions),
        "paths": _paths(operations, OperationMerger(components, decisions, servers)),
        "components": {
            "schemas": dict(sorted(components.schemas.items())),
            "securitySchemes": merge_schemes(ordered, decisions),
        },
    }
    return MergeResult(document, decisions.sorted(), operations, components.names)


def _request_schemas(operations: list[SourceOperation]) -> frozenset[tuple[str, str]]:
    return frozenset(
        pair
        for operation in operations
        if operation.request
        for pair in reachable(operation.source, operation.request)
    )


def _paths(operations: list[SourceOperation], merger: OperationMerger) -> JsonObject:
    grouped: dict[str, dict[str, list[SourceOperation]]] = {}
    for operation in operations:
        grouped.setdefault(operation.path, {}).setdefault(operation.method, []).append(operation)
    paths: JsonObject = {
        path: {method: merger.merge(group) for method, group in sorted(methods.items())}
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
    licenses = [(name, info["license"]) for name, info in infos if "license" in info]
    if licenses and all(json_equal(license_, licenses[0][1]) for _, license_ in licenses):
        merged["license"] = licenses[0][1]
    elif licenses:
        source_names = [name for name, _ in licenses]
        decisions.add(
            DecisionKind.CHOSEN,
            "/info/license",
            "none, since the source specs differ",
            source_names,
        )
    return merged


def _version_key(version: str) -> list[tuple[int, str]]:
    return [(int(part) if part.isdigit() else -1, part) for part in version.split(".")]


def _tags(operations: list[SourceOperation], decisions: DecisionLog) -> list[JsonObject]:
    described: dict[str, list[tuple[str, str]]] = {}
    for operation in operations:
        for name in operation.node.get("tags", ()):
            described.setdefault(name, [])
        for tag in operation.source.document.get("tags", ()):
            texts = described.setdefault(tag["name"], [])
            if "description" in tag and (operation.source.name, tag["description"]) not in texts:
                texts.append((operation.source.name, tag["description"]))
    return [
        {"name": name, "description": SchemaUnion(decisions).choose_text(texts, f"/tags/{name}")}
        if texts
        else {"name": name}
        for name, texts in sorted(described.items())
    ]
