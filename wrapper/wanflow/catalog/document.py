"""Find and load the merged spec of the installed package; resolve its references."""

from __future__ import annotations

import json
import os
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeGuard, cast

FILE_NAME = "openapi.json"
DEFAULT_SERVER = "x-wanflow-default-server"
"""Top-level key of a merged spec: the server that the user chose (specs/settings.yaml)."""
SERVER_MODELS = "x-wanflow-models"
"""On a server of an operation: the models that are available only at this server."""
PROJECT_VARIABLE = "WANFLOW_PROJECT"
"""Environment variable: the directory of the user's own project, whose spec and client are used."""

JsonObject = dict[str, Any]


def is_object(node: Any) -> TypeGuard[JsonObject]:
    """Return whether a JSON value is an object."""
    return isinstance(node, dict)


def is_array(node: Any) -> TypeGuard[list[Any]]:
    """Return whether a JSON value is an array."""
    return isinstance(node, list)


class SpecMissing(Exception):
    """The installed package has no spec, or the spec can't be read."""


def project_client() -> Path | None:
    """Return the generated package of the project in WANFLOW_PROJECT; None if it isn't set.

    Raises:
        SpecMissing: the directory has no generated package.
    """
    named = os.environ.get(PROJECT_VARIABLE)
    if not named:
        return None
    client = Path(named).expanduser().absolute() / "generated" / "wanflow_client"
    if not (client / FILE_NAME).is_file():
        raise SpecMissing(
            f"{PROJECT_VARIABLE} is {named!r}, and {client / FILE_NAME} is missing; "
            "use a directory made by `wanflow spec init`, and run `wanflow spec regenerate` in it"
        )
    return client


def packaged_path() -> Path:
    """Return the path of the merged spec in the generated package.

    The package is located without importing it.

    Raises:
        SpecMissing: the generated package isn't installed.
    """
    own = project_client()
    if own is not None:
        return own / FILE_NAME
    found = find_spec("wanflow_client")
    if found is None or not found.submodule_search_locations:
        raise SpecMissing("the package wanflow_client is missing; reinstall wanflow")
    return Path(found.submodule_search_locations[0]) / FILE_NAME


@cache
def load_packaged() -> JsonObject:
    """Load the merged spec of the user's project, or the installed one.

    Raises:
        SpecMissing: the file doesn't exist or isn't JSON.
    """
    path = packaged_path()
    try:
        return cast("JsonObject", json.loads(path.read_bytes()))
    except (OSError, ValueError) as error:
        raise SpecMissing(f"{path} can't be read ({error}); run `wanflow spec generate`") from error


def resolve_ref(document: JsonObject, node: JsonObject) -> JsonObject:
    """Resolve a local `$ref` (`#/…`), repeatedly if its target is a reference as well.

    Keys beside the reference (such as a description) override those of its target, as in
    OpenAPI 3.1.
    """
    while "$ref" in node:
        beside = {key: value for key, value in node.items() if key != "$ref"}
        node = {**pointer(document, node["$ref"].removeprefix("#")), **beside}
    return node


def escape_key(key: str) -> str:
    """Escape a key for use in a JSON pointer (RFC 6901)."""
    return key.replace("~", "~0").replace("/", "~1")


def pointer(document: JsonObject, path: str) -> Any:
    """Return the value at a JSON pointer (RFC 6901).

    Raises:
        KeyError: there is no such value.
    """
    node: Any = document
    for part in path.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        node = node[int(key) if isinstance(node, list) else key]
    return node
