"""Check a request body against the schema of its model, and say every rule that it breaks."""

from __future__ import annotations

import json
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

import jsonschema_rs
from attrs import frozen

from wanflow.catalog.catalog import Catalog, Model, packaged_catalog
from wanflow.catalog.document import pointer
from wanflow.catalog.keywords import sentence_of
from wanflow.catalog.patterns import validator_for
from wanflow.catalog.violation import Violation, name_of, pointer_to

if TYPE_CHECKING:
    from collections.abc import Mapping

_SHOWN = 60


@frozen(slots=False)
class RequestValidator:
    """The request schemas of a catalog, each compiled when first asked for."""

    catalog: Catalog

    @cached_property
    def _compiled(self) -> dict[str, jsonschema_rs.Validator]:
        return {}

    def violations(self, model: Model, body: Mapping[str, Any]) -> list[Violation]:
        """List what a body breaks of its model's schema; empty when it is valid."""
        validator = self._validator(model)
        try:
            errors = list(validator.iter_errors(body))
        except (ValueError, UnicodeError) as error:
            return [Violation("", "type", f"the request can't be written as JSON: {error}", body)]
        return [self._violation(error) for error in errors]

    def _validator(self, model: Model) -> jsonschema_rs.Validator:
        found = self._compiled.get(model.schema_name)
        if found is None:
            found = self._compiled[model.schema_name] = validator_for(self._schema(model))
        return found

    def _schema(self, model: Model) -> dict[str, Any]:
        return {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$ref": f"#/components/schemas/{model.schema_name}",
            "components": self.catalog.document["components"],
        }

    def _violation(self, error: jsonschema_rs.ValidationError) -> Violation:
        rule = error.kind.name
        path = list(error.instance_path)
        if isinstance(error.kind, jsonschema_rs.ValidationErrorKind.Required):
            path.append(error.kind.property)
        parent = self._parent(error)
        return Violation(
            pointer=pointer_to(path),
            rule=rule,
            message=f"{name_of(path)} {_complaint(error, parent)}",
            value=error.instance,
            citation=sentence_of(parent, rule),
        )

    def _parent(self, error: jsonschema_rs.ValidationError) -> dict[str, Any]:
        """Return the schema that holds the broken rule; empty for one under a pattern's name."""
        try:
            found: dict[str, Any] = pointer(
                self.catalog.document, pointer_to(error.schema_path[:-1])
            )
        except LookupError:
            return {}
        return found


@cache
def packaged_validator() -> RequestValidator:
    """Return the rules of the document that this installation carries."""
    return RequestValidator(packaged_catalog())


def _complaint(error: jsonschema_rs.ValidationError, parent: Mapping[str, Any]) -> str:
    kinds = jsonschema_rs.ValidationErrorKind
    match error.kind:
        case _ if error.kind.name == "pattern" and "pattern" in parent:
            return f"must match {parent['pattern']} (got {_shown(error.instance)})"
        case kinds.Required():
            return "is required"
        case kinds.Custom(message=message):
            return f"{message} (got {_shown(error.instance)})"
        case (
            kinds.AdditionalProperties(unexpected=names)
            | kinds.UnevaluatedProperties(unexpected=names)
        ):
            return f"takes no {', '.join(names)}"
        case kind:
            return f"{_bound(kind)} (got {_measured(kind, error.instance)})"


def _bound(kind: jsonschema_rs.ValidationErrorKind) -> str:
    kinds = jsonschema_rs.ValidationErrorKind
    simple = _SIMPLE.get(kind.name)
    if simple is not None:
        return simple.format(_shown(kind.value))
    match kind:
        case kinds.Enum(options=options):
            return f"must be one of {', '.join(_bare(option) for option in options)}"
        case kinds.Constant(expected_value=value):
            return f"must be {_bare(value)}"
        case kinds.Type(types=types):
            return f"must be {' or '.join(_ARTICLE.get(name, name) for name in types)}"
        case kinds.Format(format=name):
            return f"must be a valid {name}"
        case _:
            return f"breaks the rule {kind.name!r}"


def _measured(kind: jsonschema_rs.ValidationErrorKind, value: Any) -> str:
    if kind.name in {"maxLength", "minLength", "maxItems", "minItems"}:
        return str(len(value))
    return _shown(value)


def _bare(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


_SIMPLE = {
    "minimum": "must be at least {}",
    "maximum": "must be at most {}",
    "exclusiveMinimum": "must be more than {}",
    "exclusiveMaximum": "must be less than {}",
    "multipleOf": "must be a multiple of {}",
    "minLength": "must have at least {} characters",
    "maxLength": "must have at most {} characters",
    "minItems": "must have at least {} entries",
    "maxItems": "must have at most {} entries",
    "uniqueItems": "must have no entry twice",
    "pattern": "must match {}",
}
_ARTICLE = {
    "integer": "an integer",
    "number": "a number",
    "string": "a string",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}
