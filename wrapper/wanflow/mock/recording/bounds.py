"""What a recorded body and a recorded media type may be."""

from __future__ import annotations

import re
from typing import Any

from wanflow.catalog.document import is_array, is_object

MOST_DEPTH = 100
"""How deep arrays and objects may be in each other; a deeper body counts as none of JSON."""
OTHER_TYPE = "application/octet-stream"
_KIND = re.compile(
    r"((?:application|binary)/octet-stream|application/json|text/(?:html|plain)|image/(?:png|jpeg|webp|gif|bmp)|audio/(?:x-)?wav|"
    r"audio/(?:mpeg|mp4|ogg)|video/(?:mp4|webm|quicktime))(; ?charset=utf-8)?",
    re.IGNORECASE,
)


def media_type(kind: str) -> str:
    """Return a known media type as it is, and any other as application/octet-stream."""
    return kind.lower() if _KIND.fullmatch(kind) else OTHER_TYPE


def is_shallow(value: Any, most: int = MOST_DEPTH) -> bool:
    """Return whether arrays and objects are at most so deep in each other."""
    level = [value]
    for _ in range(most + 1):
        nested = [one for one in level if is_object(one) or is_array(one)]
        if not nested:
            return True
        parts = (one.values() if is_object(one) else one for one in nested)
        level = [one for inner in parts for one in inner]
    return False
