"""What identifies a request: the same request of an agent has the same idempotency key."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Mapping


def canonical(value: Any) -> Any:
    """Return a JSON value with sorted names and whole numbers as integers."""
    match value:
        case dict():
            fields = cast("dict[str, Any]", value)
            return {name: canonical(fields[name]) for name in sorted(fields)}
        case list():
            return [canonical(entry) for entry in value]  # pyright: ignore[reportUnknownVariableType]
        case float() if value.is_integer():
            return int(value)
        case _:
            return value


def request_key(server: str, body: Mapping[str, Any], variation: str) -> str:
    """Return the idempotency key of a request; another `variation` has another one.

    `body` has references to the contents of local files in place of their links.
    """
    content = json.dumps([server, canonical(dict(body)), variation], sort_keys=True)
    return f"mcp-{sha256(content.encode()).hexdigest()[:48]}"
