"""The merged document as the package carries it: found, read once, and its references followed."""

from __future__ import annotations

import json
import os
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeGuard, cast

FILE_NAME = "openapi.json"
DEFAULT_SERVER = "x-wanflow-default-server"
"""At the top of a merged document: the server that a person chose (specs/settings.yaml)."""
SERVER_MODELS = "x-wanflow-models"
"""On a server of an operation: the models that are offered there, and not at the others."""
PROJECT_VARIABLE = "WANFLOW_PROJECT"
"""Names a folder of the user's own documents, whose spec and client are used in a process."""

JsonObject = dict[str, Any]


def is_object(node: Any) -> TypeGuard[JsonObject]:
    """Tell whether a node of JSON data is an object."""
    return isinstance(node, dict)


def is_array(node: Any) -> TypeGuard[list[Any]]:
    """Tell whether a node of JSON data is an array."""
    return isinstance(node, list)


class SpecMissing(Exception):
    """The installed package carries no spec, or one that can't be read."""


def project_client() -> Path | None:
    """Return the generated package of the user's own documents; None where none are chosen.

    Raises:
        SpecMissing: the environment names a folder that holds none.
    """
    named = os.environ.get(PROJECT_VARIABLE)
    if not named:
        return None
    client = Path(named).expanduser().absolute() / "generated" / "wanflow_client"
    if not (client / FILE_NAME).is_file():
        raise SpecMissing(
            f"{PROJECT_VARIABLE} is {named!r}, and {client / FILE_NAME} is missing; "
            f"name a folder that `wanflow spec init` made, after `wanflow spec regenerate` in it"
        )
    return client


def packaged_path() -> Path:
    """Return where the generated package keeps the merged document.

    The package is located, never imported: whoever reads the spec needs none of the client's code.

    Raises:
        SpecMissing: the generated package is not installed beside this one.
    """
    own = project_client()
    if own is not None:
        return own / FILE_NAME
    found = find_spec("wanflow_client")
    if found is None or not found.submodule_search_locations:
        raise SpecMissing("the package wanflow_client is missing; install wanflow again")
    return Path(found.submodule_search_locations[0]) / FILE_NAME


@cache
def load_packaged() -> JsonObject:
    """Read the merged document of the user's project, or of this installation.

    Raises:
        SpecMissing: the file is absent or isn't JSON.
    """
    path = packaged_path()
    try:
        return cast("JsonObject", json.loads(path.read_bytes()))
    except (OSError, ValueError) as error:
        raise SpecMissing(f"{path} can't be read ({error}); run `wanflow spec generate`") from error


def resolve_ref(document: JsonObject, node: JsonObject) -> JsonObject:
    """Follow a local `$ref` (`#/…`) until a node without one is reached.

    Keys beside the reference (a description, say) win over its target's, as in OpenAPI 3.1.
    """
    while "$ref" in node:
        beside = {key: value for key, value in node.items() if key != "$ref"}
        node = {**pointer(document, node["$ref"].removeprefix("#")), **beside}
    return node


def escape(key: str) -> str:
    """Write a key as a part of a JSON pointer (RFC 6901)."""
    return key.replace("~", "~0").replace("/", "~1")


def pointer(document: JsonObject, path: str) -> Any:
    """Return the node at a JSON pointer (RFC 6901).

    Raises:
        KeyError: nothing is there.
    """
    node: Any = document
    for part in path.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        node = node[int(key) if isinstance(node, list) else key]
    return node
