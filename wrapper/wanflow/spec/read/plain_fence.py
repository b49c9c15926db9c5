"""Recognize OpenAPI documents in fences without a declaration, and in whole files."""

from __future__ import annotations

import json
import re
from typing import Any

from wanflow.catalog.document import is_object
from wanflow.spec.errors import InvalidDocument
from wanflow.spec.read.yaml import read_yaml, require_bounded

_BEGINNING = re.compile(r"(?:\s+|#[^\n]*\n|---[^\n]*\n)*(?P<json>\{)?")
_KEY = re.compile(r"^[\"']?openapi[\"']?[ \t]*:", re.MULTILINE)
_JSON_KEY = re.compile(r"\"openapi\"\s*:")
_METHODS = ("post", "put", "patch", "get", "delete")


def detect_format(text: str) -> str | None:
    """Return `yaml` or `json` for a text that seems to be an OpenAPI document; None otherwise."""
    begins = _BEGINNING.match(text)
    if begins is not None and begins["json"]:
        return "json" if _JSON_KEY.search(text) else None
    return "yaml" if _KEY.search(text) else None


def first_operation(text: str, kind: str) -> tuple[str, str]:
    """Return the method and path of an operation of a document, preferably a submission.

    Both are empty if the document can't be read or has no operation.
    """
    data = _parse(text, kind)
    paths: Any = data.get("paths") if is_object(data) else None
    operations = [
        (method, path)
        for path, item in (paths.items() if is_object(paths) else ())
        for method in (item if is_object(item) else ())
        if method in _METHODS
    ]
    return min(operations, key=lambda one: _METHODS.index(one[0]), default=("", ""))


def _parse(text: str, kind: str) -> Any:
    try:
        if kind == "yaml":
            return read_yaml(text, "").data
        data = json.loads(text)
        require_bounded(data, "")
    except (InvalidDocument, ValueError, RecursionError):
        return None
    return data
