"""Create a project for the user's own documents: sources, overlays, settings and CI."""

from __future__ import annotations

import hashlib
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wanflow.catalog.catalog import Catalog
from wanflow.catalog.document import JsonObject, load_packaged
from wanflow.spec.errors import InvalidDocument
from wanflow.spec.project import Checkout, write_file
from wanflow.spec.read.lock import LockEntry, write_lock
from wanflow.spec.read.settings import is_url
from wanflow.spec.read.yaml import write_yaml
from wanflow.spec.schema.operations import referenced_names

if TYPE_CHECKING:
    from collections.abc import Iterator

_TEMPLATES = Path(__file__).parent / "templates"
_SETTINGS = """\
# What people chose for this set of documents; no import changes it.
# Requests, and the key with them, go to this server; a server that only a document names is never
# used. Without it, `base_url=` or WANFLOW_BASE_URL must say where.
"""
TASK_QUERY = "task-management"
"""The document of the task query, which documents of submissions rarely contain."""


def create_project(folder: Path, server: str | None) -> list[str]:
    """Create the files of a new project; return their names. Nothing is overwritten.

    Raises:
        Refused: there is a project already, or the server is no URL.
    """
    if server is not None and not is_url(server):
        raise InvalidDocument(f"--server must be a URL such as https://host/path, not {server!r}")
    project = Checkout(folder.absolute())
    texts = dict(_texts(project, server))
    there = sorted(project.relative(path) for path in texts if path.exists())
    if there or (project.root / "specs").exists():
        raise InvalidDocument(
            f"{folder} has {', '.join(there) or 'specs/'} already; nothing was written"
        )
    for path, text in texts.items():
        write_file(path, text)
    return sorted(project.relative(path) for path in texts)


def _texts(project: Checkout, server: str | None) -> Iterator[tuple[Path, str]]:
    query = write_yaml(task_query_document(load_packaged()))
    digest = hashlib.sha256(query.encode()).hexdigest()
    chosen = f"default-server: {server}\n" if server else "# default-server: https://host/path\n"
    yield project.sources / f"{TASK_QUERY}.yaml", query
    origin = f"made by wanflow {version('wanflow')}, not received"
    yield project.lock, write_lock({TASK_QUERY: LockEntry(digest, origin)})
    yield project.overlays / ".gitkeep", ""
    yield project.root / "specs" / "settings.yaml", _SETTINGS + chosen
    for name in ("config.yaml", "ruff.toml"):
        yield project.generated / name, (_TEMPLATES / name).read_text("utf-8")
    workflow = (_TEMPLATES / "specs.yml").read_text("utf-8")
    path = project.root / ".github" / "workflows" / "specs.yml"
    yield path, workflow.replace("@VERSION@", version("wanflow"))


def task_query_document(document: JsonObject) -> JsonObject:
    """Return the task query of a merged spec, with all that it refers to and without servers."""
    query = Catalog(document).status_operation
    node = {key: value for key, value in query.node.items() if key != "servers"}
    used = {name for option in node.get("security", ()) for name in option}
    components = document["components"]
    schemes = components.get("securitySchemes", {})
    return {
        "openapi": document["openapi"],
        "info": {"title": "Task query", "version": "1.0.0"},
        "paths": {query.path: {query.method: node}},
        "components": {
            "schemas": _reached(components["schemas"], node),
            "securitySchemes": {name: schemes[name] for name in sorted(used) if name in schemes},
        },
    }


def _reached(schemas: JsonObject, node: Any) -> JsonObject:
    found: set[str] = set()
    waiting = referenced_names(node)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting |= referenced_names(schemas[name])
    return {name: schemas[name] for name in sorted(found)}
