"""Validate a request body against the schema of its model, and describe every violation."""

from __future__ import annotations

import json
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

import jsonschema_rs
from attrs import frozen

from wanflow.catalog.catalog import Catalog, Model, packaged_catalog
from wanflow.catalog.document import pointer
from wanflow.catalog.keywords import citation_of
from wanflow.catalog.patterns import validator_for
from wanflow.catalog.violation import Violation, name_of, pointer_to

if TYPE_CHECKING:
    from collections.abc import Mapping

_MAX_VALUE_LENGTH = 60


@frozen(slots=False)
class RequestValidator:
    """Validates requests with the schemas of a catalog; compiles each schema on first use."""

    catalog: Catalog

    @cached_property
    def _compiled(self) -> dict[str, jsonschema_rs.Validator]:
        return {}

    def violations(self, model: Model, body: Mapping[str, Any]) -> list[Violation]:
        """List the violations of the model's schema in a body; empty if it is valid."""
        validator = self._validator(model)
        try:
            errors = list(validator.iter_errors(body))
        except (ValueError, UnicodeError) as error:
            return [Violation("", "type", f"the request can't be written as JSON: {error}", body)]
        for cause in (one.__cause__ for one in errors):
            # What a keyword of ours raises becomes a violation, even Ctrl-C.
            if not isinstance(cause, Exception | None):
                raise cause
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
        parent = self._parent_schema(error)
        return Violation(
            pointer=pointer_to(path),
            rule=rule,
            message=f"{name_of(path)} {_describe_error(error, parent)}",
            value=error.instance,
            citation=citation_of(parent, rule),
        )

    def _parent_schema(self, error: jsonschema_rs.ValidationError) -> dict[str, Any]:
        """Return the schema with the violated constraint; empty for one in `patternProperties`."""
        try:
            found: dict[str, Any] = pointer(
                self.catalog.document, pointer_to(error.schema_path[:-1])
            )
        except LookupError:
            return {}
        return found


@cache
def packaged_validator() -> RequestValidator:
    """Return the validator for the installed spec."""
    return RequestValidator(packaged_catalog())


def _describe_error(error: jsonschema_rs.ValidationError, parent: Mapping[str, Any]) -> str:
    kinds = jsonschema_rs.ValidationErrorKind
    match error.kind:
        case _ if error.kind.name == "pattern" and "pattern" in parent:
            return f"must match {parent['pattern']} (got {_format_value(error.instance)})"
        case kinds.Required():
            return "is required"
        case kinds.Custom(message=message):
            return f"{message} (got {_format_value(error.instance)})"
        case (
            kinds.AdditionalProperties(unexpected=names)
            | kinds.UnevaluatedProperties(unexpected=names)
        ):
            return f"takes no {', '.join(names)}"
        case kind:
            return f"{_describe_constraint(kind)} (got {_format_actual(kind, error.instance)})"


def _describe_constraint(kind: jsonschema_rs.ValidationErrorKind) -> str:
    kinds = jsonschema_rs.ValidationErrorKind
    simple = _TEMPLATES.get(kind.name)
    if simple is not None:
        return simple.format(_format_value(kind.value))
    match kind:
        case kinds.Enum(options=options):
            return f"must be one of {', '.join(_format_allowed(option) for option in options)}"
        case kinds.Constant(expected_value=value):
            return f"must be {_format_allowed(value)}"
        case kinds.Type(types=types):
            return f"must be {' or '.join(_TYPE_NAMES.get(name, name) for name in types)}"
        case kinds.Format(format=name):
            return f"must be a valid {name}"
        case _:
            return f"violates the constraint {kind.name!r}"


def _format_actual(kind: jsonschema_rs.ValidationErrorKind, value: Any) -> str:
    if kind.name in {"maxLength", "minLength", "maxItems", "minItems"}:
        return str(len(value))
    return _format_value(value)


def _format_allowed(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _format_value(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _MAX_VALUE_LENGTH else text[: _MAX_VALUE_LENGTH - 1] + "…"


_TEMPLATES = {
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
_TYPE_NAMES = {
    "integer": "an integer",
    "number": "a number",
    "string": "a string",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}
