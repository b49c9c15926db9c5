"""Prepare a proved spec for publication, for other OpenAPI tools.

Which requests and responses are valid doesn't change. Request unions become named components, the
license gets an identifier, error examples get unique names, each request example gets a response
example of the same name, and citations become lists.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from wanflow.catalog.document import JsonObject, is_array, is_object
from wanflow.catalog.keywords import CITES
from wanflow.catalog.patterns import validator_for
from wanflow.catalog.schema_walk import iter_schemas
from wanflow.spec.schema.operations import JSON_MEDIA, SCHEMAS
from wanflow.spec.schema.value_set import inline_references

if TYPE_CHECKING:
    from collections.abc import Iterator

_VERB = re.compile(r"^[a-z]+(?=[A-Z0-9])")
_LICENCES = frozenset(
    {
        *("0BSD", "AGPL-3.0-only", "AGPL-3.0-or-later", "Apache-2.0", "BSD-2-Clause"),
        *("BSD-3-Clause", "CC-BY-4.0", "CC-BY-SA-4.0", "CC0-1.0", "GPL-2.0-only", "GPL-3.0-only"),
        *("GPL-3.0-or-later", "ISC", "LGPL-3.0-only", "MIT", "MIT-0", "MPL-2.0", "Unlicense"),
    }
)
_ALIASES = {"apache 2.0": "Apache-2.0", "apache license 2.0": "Apache-2.0", "mit license": "MIT"}


def finish(document: JsonObject) -> JsonObject:
    """Return a spec as it is published."""
    made: JsonObject = _copy(document)
    _set_license_identifier(made["info"])
    _list_citations(made)
    for _, node, media in _operations_with_json_body(made):
        _rename_error_examples(node, media)
        _add_response_examples(made, node, media)
    return _name_unions(made)


def inline_unions(document: JsonObject) -> JsonObject:
    """Return a spec with request unions moved back from components into their operations."""
    made: JsonObject = _copy(document)
    schemas: JsonObject = made["components"]["schemas"]
    for _, _, media in _operations_with_json_body(made):
        reference = media["schema"].get("$ref", "")
        name = reference.removeprefix(SCHEMAS)
        if "discriminator" in schemas.get(name, {}):
            media["schema"] = schemas.pop(name)
    return made


def _copy(node: Any) -> Any:
    if is_array(node):
        return [_copy(item) for item in node]
    return {key: _copy(value) for key, value in node.items()} if is_object(node) else node


def _operations_with_json_body(
    document: JsonObject,
) -> Iterator[tuple[str, JsonObject, JsonObject]]:
    """Yield the id, the object and the body's media type of each operation with a JSON body."""
    for item in document["paths"].values():
        for node in item.values():
            body = node.get("requestBody") if is_object(node) else None
            media = body.get("content", {}).get(JSON_MEDIA) if is_object(body) else None
            if is_object(media) and is_object(media.get("schema")):
                yield str(node.get("operationId", "")), node, media


def _set_license_identifier(info: JsonObject) -> None:
    licence = info.get("license")
    if is_object(licence) and not {"identifier", "url"} & licence.keys():
        licence["identifier"] = license_identifier(str(licence.get("name", "")))


def license_identifier(name: str) -> str:
    """Return the SPDX identifier of a license name; a `LicenseRef-` if SPDX has none."""
    known = {one.lower(): one for one in _LICENCES} | _ALIASES
    found = known.get(name.strip().lower())
    return found or f"LicenseRef-{re.sub(r'[^A-Za-z0-9.]+', '-', name).strip('-') or 'unnamed'}"


def _list_citations(document: JsonObject) -> None:
    for _, schema in iter_schemas(document):
        said: Any = schema.get(CITES)
        if is_object(said):
            schema[CITES] = [
                {"keyword": keyword, "sentence": sentence} for keyword, sentence in said.items()
            ]


def _rename_error_examples(node: JsonObject, media: JsonObject) -> None:
    """Rename error examples that have the name of a request example: tools would match them."""
    requests = media.get("examples", {})
    for status, response in node["responses"].items():
        if status.startswith("2"):
            continue
        for content in response.get("content", {}).values():
            shown = content.get("examples")
            if is_object(shown) and requests.keys() & shown.keys():
                content["examples"] = {
                    f"{name}-{status}" if name in requests else name: example
                    for name, example in shown.items()
                }


def _add_response_examples(document: JsonObject, node: JsonObject, media: JsonObject) -> None:
    """Add a 200 example for each request example, from the values that the schema shows."""
    content = node["responses"].get("200", {}).get("content", {}).get(JSON_MEDIA)
    if not is_object(content) or not is_object(content.get("schema")) or "example" in content:
        return
    rule = inline_references(document, content["schema"], ())
    shown: JsonObject = dict(content.get("examples", {}))
    for name, example in media.get("examples", {}).items():
        value = _response_example(rule, example.get("value"))
        if name not in shown and value is not None:
            shown[name] = {"value": value}
    if shown:
        content["examples"] = shown


def _response_example(rule: JsonObject, request: Any) -> JsonObject | None:
    properties: JsonObject = rule.get("properties", {}) if is_object(rule) else {}
    named: Any = request.get("model") if is_object(request) else None
    shown = {**properties, "model": {"const": named}} if "model" in properties else properties
    values = {name: value for name in shown if (value := _example_value(shown[name])) is not None}
    return values if values and validator_for(rule).is_valid(values) else None


def _example_value(rule: Any) -> Any:
    """Return the example value of a schema; None if it shows none or several."""
    if not is_object(rule):
        return None
    for key in ("example", "const", "default"):
        if key in rule:
            return rule[key]
    for key in ("examples", "enum"):
        if is_array(listed := rule.get(key)) and len(listed) == 1:
            return listed[0]
    inside: JsonObject = rule.get("properties", {})
    return {
        name: found for name in inside if (found := _example_value(inside[name])) is not None
    } or None


def _name_unions(document: JsonObject) -> JsonObject:
    schemas: JsonObject = document["components"]["schemas"]
    for operation, _, media in _operations_with_json_body(document):
        if "discriminator" in media["schema"]:
            name = union_name(operation, schemas)
            schemas[name] = media["schema"]
            media["schema"] = {"$ref": SCHEMAS + name}
    components = {**document["components"], "schemas": dict(sorted(schemas.items()))}
    return {**document, "components": components}


def union_name(operation: str, taken: JsonObject) -> str:
    """Return the name of a request union: `VideoGenerationRequest` for `createVideoGeneration`."""
    stem = _VERB.sub("", operation) or operation
    name = f"{stem[:1].upper()}{stem[1:]}Request"
    while name in taken:
        name = f"Any{name}"
    return name
