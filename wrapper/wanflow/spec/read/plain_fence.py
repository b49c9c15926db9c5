"""Documents that nothing announces: a fence without page, method and path, or a whole text."""

from __future__ import annotations

import json
import re
from typing import Any

from wanflow.catalog.document import is_object
from wanflow.spec.errors import InvalidDocument
from wanflow.spec.read.yaml import read_yaml, require_bounded

_BEGINS = re.compile(r"(?:\s+|#[^\n]*\n|---[^\n]*\n)*(?P<json>\{)?")
_KEY = re.compile(r"^[\"']?openapi[\"']?[ \t]*:", re.MULTILINE)
_JSON_KEY = re.compile(r"\"openapi\"\s*:")
_METHODS = ("post", "put", "patch", "get", "delete")


def kind_of(text: str) -> str | None:
    """Return `yaml` or `json` where a text seems to be a whole document; None elsewhere."""
    begins = _BEGINS.match(text)
    if begins is not None and begins["json"]:
        return "json" if _JSON_KEY.search(text) else None
    return "yaml" if _KEY.search(text) else None


def operation_in(text: str, kind: str) -> tuple[str, str]:
    """Return the method and the path of a document's operation, one that sends something first.

    Both are empty where the document can't be read, or has none.
    """
    data = _read(text, kind)
    paths: Any = data.get("paths") if is_object(data) else None
    operations = [
        (method, path)
        for path, item in (paths.items() if is_object(paths) else ())
        for method in (item if is_object(item) else ())
        if method in _METHODS
    ]
    return min(operations, key=lambda one: _METHODS.index(one[0]), default=("", ""))


def _read(text: str, kind: str) -> Any:
    try:
        if kind == "yaml":
            return read_yaml(text, "").data
        data = json.loads(text)
        require_bounded(data, "")
    except (InvalidDocument, ValueError, RecursionError):
        return None
    return data
