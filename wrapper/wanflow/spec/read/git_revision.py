"""Read an OpenAPI document from a file or from a git revision."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wanflow.spec.errors import InvalidDocument, document_errors
from wanflow.spec.read.source import read_text, require_openapi, upgrade_3_0
from wanflow.spec.read.yaml import read_yaml

if TYPE_CHECKING:
    from wanflow.catalog.document import JsonObject
    from wanflow.spec.project import Checkout


@document_errors("the document")
def read_at(project: Checkout, name: str) -> JsonObject:
    """Read the document in a file, or the merged spec of a git revision.

    Raises:
        InvalidDocument: it is neither, or contains no OpenAPI document.
    """
    path = Path(name)
    if path.is_file():
        return read_document(path)
    return _parse(_read_committed(project, name), f"specs/openapi.yaml of {name}")


@document_errors("the document")
def read_document(path: Path) -> JsonObject:
    """Read the document in a file.

    Raises:
        InvalidDocument: it contains no OpenAPI document.
    """
    return _parse(read_text(path), path.name)


def read_working_document(project: Checkout) -> JsonObject:
    """Read the merged spec in the checkout."""
    return _parse(project.spec.read_text("utf-8"), project.relative(project.spec))


def _parse(text: str, name: str) -> JsonObject:
    data = _parse_json(text, name) if name.endswith(".json") else read_yaml(text, name).data
    require_openapi(data, name)
    return upgrade_3_0(data)


def _parse_json(text: str, name: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidDocument(f"{name} is not valid JSON: {error}") from error


def _read_committed(project: Checkout, revision: str) -> str:
    if revision.startswith("-"):
        raise InvalidDocument(f"{revision!r} is neither a file nor a git revision")
    target = f"{revision}:./{project.relative(project.spec)}"
    try:
        done = subprocess.run(  # noqa: S603 - the revision can't be an option
            ["git", "show", target],  # noqa: S607 - the user's git
            cwd=project.root,
            capture_output=True,
            check=False,
            timeout=60,
        )
    except OSError as error:
        raise InvalidDocument(f"{revision} is not a file, and git can't be run: {error}") from error
    if done.returncode != 0:
        raise InvalidDocument(
            f"{revision!r} is neither a file nor a git revision that contains specs/openapi.yaml"
        )
    return done.stdout.decode("utf-8")
