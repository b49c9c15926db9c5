"""Find a document by what a person names it: a file, or a revision of the repository."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wanflow.spec.errors import InvalidDocument
from wanflow.spec.read.source import require_openapi, upgrade_3_0
from wanflow.spec.read.yaml import read_yaml

if TYPE_CHECKING:
    from wanflow.catalog.document import JsonObject
    from wanflow.spec.project import Checkout


def read_at(project: Checkout, name: str) -> JsonObject:
    """Read the document that a file or a git revision holds.

    Raises:
        Refused: it is neither, or holds no OpenAPI document.
    """
    path = Path(name)
    if path.is_file():
        return document_in(path)
    return _parsed(_committed(project, name), f"specs/openapi.yaml of {name}")


def document_in(path: Path) -> JsonObject:
    """Read the document that a file holds.

    Raises:
        Refused: it holds no OpenAPI document.
    """
    try:
        text = path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidDocument(f"{path.name} is not UTF-8 (byte {error.start})") from error
    return _parsed(text, path.name)


def working_document(project: Checkout) -> JsonObject:
    """Read the document as it lies in the checkout."""
    return _parsed(project.spec.read_text("utf-8"), project.shown(project.spec))


def _parsed(text: str, name: str) -> JsonObject:
    data = _json(text, name) if name.endswith(".json") else read_yaml(text, name).data
    require_openapi(data, name)
    return upgrade_3_0(data)


def _json(text: str, name: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidDocument(f"{name} is no JSON: {error}") from error


def _committed(project: Checkout, revision: str) -> str:
    if revision.startswith("-"):
        raise InvalidDocument(f"{revision!r} is neither a file nor a revision")
    target = f"{revision}:./{project.shown(project.spec)}"
    try:
        done = subprocess.run(  # noqa: S603 - a revision that can't be an option
            ["git", "show", target],  # noqa: S607 - whichever git the person uses
            cwd=project.root,
            capture_output=True,
            check=False,
            timeout=60,
        )
    except OSError as error:
        raise InvalidDocument(f"{revision} is no file, and git can't be asked: {error}") from error
    if done.returncode != 0:
        raise InvalidDocument(
            f"{revision!r} is neither a file nor a revision that holds specs/openapi.yaml"
        )
    return done.stdout.decode("utf-8")
