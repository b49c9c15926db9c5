"""The keywords that a schema may use: those that all tools support, and this project's own."""

from __future__ import annotations

from difflib import get_close_matches
from functools import cache
from typing import TYPE_CHECKING, Any

import jsonschema_rs

from wanflow.catalog.document import escape_key
from wanflow.catalog.keywords import (
    AUDIO_FILE,
    CITES,
    EFFECTIVE_WHEN,
    EXAMPLES,
    IMAGE_FILE,
    PIXEL_SIZE,
    PUBLIC_URL,
)
from wanflow.catalog.patterns import is_unsupported
from wanflow.catalog.schema_walk import (
    SCHEMA_KEYWORDS,
    SCHEMA_LIST_KEYWORDS,
    SCHEMA_MAP_KEYWORDS,
    iter_schemas,
)
from wanflow.spec.errors import Finding

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from wanflow.catalog.document import JsonObject

# JSON Schema 2020-12 and OpenAPI 3.1, without what the tools don't support: anchors, dynamic
# references and schemas with their own `$id`.
KNOWN = frozenset(
    {
        *SCHEMA_KEYWORDS,
        *SCHEMA_LIST_KEYWORDS,
        *SCHEMA_MAP_KEYWORDS,
        *("$ref", "$comment", "type", "enum", "const", "required", "dependentRequired"),
        *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
        *("minLength", "maxLength", "pattern", "format", "contentEncoding", "contentMediaType"),
        *("minItems", "maxItems", "uniqueItems", "minContains", "maxContains"),
        *("minProperties", "maxProperties", "default", "title", "description", "example"),
        *("examples", "deprecated", "readOnly", "writeOnly", "discriminator", "externalDocs"),
        "xml",
    }
)

_SHOWN = 60
_NUMBER = {"type": "number", "minimum": 0}
_TEXT = {"type": "string", "minLength": 1}
_CITED = ("keyword", "sentence")
_WORDS = {"type": "array", "minItems": 1, "items": {"type": "string"}}


def _closed(properties: JsonObject) -> JsonObject:
    return {
        "type": "object",
        "required": list(properties),
        "properties": properties,
        "additionalProperties": False,
    }


# The schema of the value of each own keyword.
EXTENSIONS: dict[str, Any] = {
    PIXEL_SIZE: _closed(
        dict.fromkeys(("minimumPixels", "maximumPixels", "minimumRatio", "maximumRatio"), _NUMBER)
    ),
    PUBLIC_URL: {"const": True},
    IMAGE_FILE: _closed(
        {
            "maximumBytes": _NUMBER,
            "formats": _WORDS,
            "alpha": {"type": "boolean"},
            "minimumSide": _NUMBER,
            "maximumSide": _NUMBER,
        }
    ),
    AUDIO_FILE: _closed(
        {
            "formats": _WORDS,
            "minimumSeconds": _NUMBER,
            "maximumSeconds": _NUMBER,
            "maximumBytes": _NUMBER,
        }
    ),
    EFFECTIVE_WHEN: {"type": "object", "minProperties": 1},
    EXAMPLES: {"type": "object", "additionalProperties": {"type": "number"}},
    CITES: {"type": "array", "minItems": 1, "items": _closed(dict.fromkeys(_CITED, _TEXT))},
}


def keyword_findings(document: JsonObject, file: str) -> Iterator[Finding]:
    """Yield a finding for each unknown keyword, and each invalid value of an own keyword."""
    for at, schema in iter_schemas(document):
        for key, value in schema.items():
            place = f"{at}/{escape_key(key)}"
            if key in EXTENSIONS:
                if not _value_rule(key).is_valid(value):
                    remedy = "its form is in wanflow/spec/checks/keywords.py"
                    yield Finding(file, place, f"{key} has another form", remedy)
            elif key.startswith("x-wanflow-"):
                yield Finding(file, place, f"{key} is no keyword of ours", _near(key, EXTENSIONS))
            elif key == "pattern" and isinstance(value, str) and is_unsupported(value):
                problem = f"{value[:_SHOWN]!r} is no pattern of ECMA-262 that can be judged"
                yield Finding(file, place, problem, "write it simpler, or leave it out")
            elif key not in KNOWN and not key.startswith("x-"):
                yield Finding(file, place, f"{key} is no keyword of JSON Schema", _near(key, KNOWN))


def _near(key: str, known: Iterable[str]) -> str:
    close = get_close_matches(key, list(known), 1)
    return f"write {close[0]}" if close else "remove it, or write it as x-…"


@cache
def _value_rule(key: str) -> jsonschema_rs.Validator:
    return jsonschema_rs.validator_for(EXTENSIONS[key])
