"""Parse the JSON of a request body, and encode that of a response."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NoReturn, cast

from wanflow.mock.errors import HTTPError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wanflow.catalog.document import JsonObject

_JSON = re.compile(rb"application/json\s*(;.*)?", re.IGNORECASE | re.DOTALL)


def parse_json_body(headers: Mapping[bytes, bytes], body: bytes) -> JsonObject:
    """Return the JSON object in a request's body.

    Raises:
        HTTPError: 400, the content type, the encoding or the JSON is wrong.
    """
    kind = headers.get(b"content-type", b"")
    if kind != b"application/json" and not _JSON.fullmatch(kind):
        raise HTTPError(400, "the body must be sent with Content-Type: application/json")
    if headers.get(b"content-encoding", b"identity").lower() != b"identity":
        raise HTTPError(400, "the body must be sent without a Content-Encoding")
    parsed = _decode(body)
    if not isinstance(parsed, dict):
        raise HTTPError(400, "the body must be a JSON object")
    return cast("JsonObject", parsed)


def _decode(body: bytes) -> Any:
    try:
        return _DECODER.decode(body.decode())
    except UnicodeDecodeError as error:
        raise HTTPError(400, f"the body must be UTF-8; byte {error.start} is invalid") from error
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise HTTPError(400, f"the body must be valid JSON: {error.msg} at {place}") from error
    except (ValueError, RecursionError) as error:
        raise HTTPError(
            400, "the body must be plain JSON: a number is too large or the nesting too deep"
        ) from error


def _no_constant(name: str) -> NoReturn:
    raise json.JSONDecodeError(f"{name} is not a JSON value", "", 0)


_DECODER = json.JSONDecoder(parse_constant=_no_constant)


_ENCODER = json.JSONEncoder(separators=(",", ":"))


def encode(body: Mapping[str, Any]) -> bytes:
    """Encode JSON as plain ASCII."""
    return _ENCODER.encode(body).encode()
