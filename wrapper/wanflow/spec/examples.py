"""Whether every example and default of a document is valid for the schema that it stands by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jsonschema_rs

from wanflow.spec.document import is_object
from wanflow.spec.finding import Finding
from wanflow.spec.keywords import KEYWORDS
from wanflow.spec.meaning import expand
from wanflow.spec.places import operations_of
from wanflow.spec.schema_tree import schemas_in
from wanflow.spec.yaml_text import escape

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wanflow.spec.document import Json

_SHOWN = ("example", "default")


def example_findings(document: Json, file: str) -> Iterator[Finding]:
    """Find every example that its own schema refuses."""
    for at, schema in schemas_in(document):
        yield from _beside_schema(document, schema, at, file)
    for path, method, node in operations_of(document):
        at = f"/paths/{escape(path)}/{method}"
        for index, parameter in enumerate(node.get("parameters", ())):
            yield from _in_media(document, parameter, f"{at}/parameters/{index}", file)
        body = node.get("requestBody", {}).get("content", {})
        yield from _in_contents(document, body, f"{at}/requestBody", file)
        for status, answer in node["responses"].items():
            contents = answer.get("content", {})
            yield from _in_contents(document, contents, f"{at}/responses/{status}", file)


def _beside_schema(document: Json, schema: Json, at: str, file: str) -> Iterator[Finding]:
    shown = [(key, schema[key]) for key in _SHOWN if key in schema]
    listed: Any = schema.get("examples", ())
    shown += [(f"examples/{index}", value) for index, value in enumerate(listed)]
    for key, value in shown:
        yield from _refused(_validator(document, schema), value, f"{at}/{key}", file)


def _in_contents(document: Json, contents: Json, at: str, file: str) -> Iterator[Finding]:
    for kind, media in contents.items():
        yield from _in_media(document, media, f"{at}/content/{escape(kind)}", file)


def _in_media(document: Json, media: Json, at: str, file: str) -> Iterator[Finding]:
    if "schema" not in media:
        return
    if "example" in media:
        validator = _validator(document, _chosen(media["schema"], media["example"]))
        yield from _refused(validator, media["example"], f"{at}/example", file)
    for name, example in media.get("examples", {}).items():
        if "value" in example:
            validator = _validator(document, _chosen(media["schema"], example["value"]))
            place = f"{at}/examples/{escape(name)}/value"
            yield from _refused(validator, example["value"], place, file)


def _chosen(schema: Json, value: Any) -> Json:
    """Pick the branch that a discriminator leads to, for its complaint names the real fault."""
    discriminator = schema.get("discriminator", {})
    word = value.get(discriminator.get("propertyName")) if is_object(value) else None
    reference = discriminator.get("mapping", {}).get(word)
    return {"$ref": reference} if reference else schema


def _validator(document: Json, schema: Json) -> jsonschema_rs.Validator | None:
    """Compile a schema; None for one that isn't valid itself, which other findings tell."""
    whole = expand(document, schema, ())
    try:
        return jsonschema_rs.validator_for(whole, validate_formats=True, keywords=KEYWORDS)
    except ValueError:
        return None


def _refused(
    validator: jsonschema_rs.Validator | None, value: Any, at: str, file: str
) -> Iterator[Finding]:
    error = next(iter(validator.iter_errors(value)), None) if validator else None
    if error is not None:
        inside = "".join(f"/{escape(str(part))}" for part in error.instance_path)
        problem = f"the example breaks its own schema: {error.message}"
        remedy = "mend it with an action in specs/overlays"
        if at.endswith("/default"):
            problem = problem.replace("example", "default", 1)
        yield Finding(file, at + inside, problem, remedy)
