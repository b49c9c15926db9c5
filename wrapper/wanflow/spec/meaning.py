"""What a schema admits, as a set that can be compared: jsonschema-rs's canonical form.

Only a YES proves anything; whatever isn't known counts as a no.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import jsonschema_rs
from attrs import field, frozen

from wanflow.spec.document import Json, is_array, is_object, resolve
from wanflow.spec.failures import NotProved
from wanflow.spec.likeness import key_of
from wanflow.spec.patterns import spoken
from wanflow.spec.schema_tree import MAPS
from wanflow.spec.witness import witness

if TYPE_CHECKING:
    from collections.abc import Iterable

_CANONICAL = jsonschema_rs.canonical
Containment = _CANONICAL.Containment
CYCLE = "x-wanflow-cycle"
_DIALECT = "https://json-schema.org/draft/2020-12/schema"


@frozen(slots=False)
class Meaning:
    """The set of values that a schema admits; `schema` has no references."""

    schema: Any = field(repr=False)

    @cached_property
    def canonical(self) -> jsonschema_rs.CanonicalSchema:
        """The set in jsonschema-rs's terms.

        Raises:
            NotProved: the schema refers to itself, or isn't valid JSON Schema.
        """
        if self.recursive:
            raise NotProved("a schema refers to itself, and what such ones admit can't be compared")
        try:
            return jsonschema_rs.canonicalize(_dialect(self.schema), validate_formats=True)
        except (ValueError, _CANONICAL.CanonicalizationError) as error:
            raise NotProved(f"a schema isn't valid JSON Schema: {error}") from error

    @cached_property
    def validator(self) -> jsonschema_rs.Validator:
        """A validator that says whether one value is in the set."""
        return jsonschema_rs.validator_for(_dialect(self.schema), validate_formats=True)

    @cached_property
    def recursive(self) -> bool:
        """Whether the schema refers to itself: then it is only known to be equal to its like."""
        return f'"{CYCLE}"' in key_of(self.schema)

    def covers(self, other: Meaning) -> bool:
        """Tell whether it is proved that every value of the other is in this one too."""
        return self.containment(other) == Containment.YES

    def containment(self, other: Meaning) -> Containment:
        """Tell whether every value of the other is in this one: yes, no, or not decided."""
        if key_of(self.schema) == key_of(other.schema):
            return Containment.YES
        try:
            return self.canonical.covers(other.canonical)
        except (NotProved, _CANONICAL.CanonicalizationError):
            return Containment.UNKNOWN

    def disjoint(self, other: Meaning) -> bool:
        """Tell whether it is proved that no value is in both."""
        if self.recursive or other.recursive:
            return False
        try:
            both = self.canonical.intersect(other.canonical)
        except _CANONICAL.CanonicalizationError:
            return False
        return both.satisfiability() == _CANONICAL.Satisfiability.NO

    def possible(self) -> bool:
        """Tell whether it isn't proved that nothing is in the set."""
        try:
            return self.canonical.satisfiability() != _CANONICAL.Satisfiability.NO
        except NotProved:
            return True

    def lacks(self, other: Meaning) -> Any:
        """Find a value of the other that isn't in this one; None where none is found."""
        try:
            region = other.canonical.subtract(self.canonical).to_json_schema()
        except (NotProved, _CANONICAL.CanonicalizationError):
            region = other.schema
        found = witness(region, other.schema)
        return next(
            (value for value in found if other.admits(value) and not self.admits(value)), None
        )

    def shares(self, other: Meaning) -> Any:
        """Find a value that is in both; None where none is found."""
        try:
            region = self.canonical.intersect(other.canonical).to_json_schema()
        except (NotProved, _CANONICAL.CanonicalizationError):
            region = self.schema
        found = [*witness(region, self.schema), *witness(other.schema)]
        return next((value for value in found if self.admits(value) and other.admits(value)), None)

    def admits(self, value: Any) -> bool:
        """Tell whether one value is in the set."""
        return self.validator.is_valid(value)


def any_of(meanings: Iterable[Meaning]) -> Meaning:
    """Unite sets, each but once."""
    distinct = {key_of(meaning.schema): meaning.schema for meaning in meanings}
    return Meaning({"anyOf": list(distinct.values())})


def meaning(document: Json, schema: Json) -> Meaning:
    """Take a schema of a document for what it admits, references replaced by what they name."""
    return Meaning(spoken(expand(document, schema, ())))


def expand(document: Json, node: Any, within: tuple[str, ...]) -> Any:
    """Copy a schema with its references replaced.

    Where it refers to itself, a mark stands that says how many references up, so that two that
    are the same but for their names come out the same.
    """
    if is_array(node):
        return [expand(document, item, within) for item in node]
    if not is_object(node):
        return node
    reference = node.get("$ref")
    if isinstance(reference, str):
        if reference in within:
            return {CYCLE: len(within) - within.index(reference)}
        return expand(document, resolve(document, node), (*within, reference))
    return {
        key: _inside(document, key, value, within)
        for key, value in node.items()
        if key not in _DROPPED
    }


def _inside(document: Json, key: str, value: Any, within: tuple[str, ...]) -> Any:
    if key in MAPS and is_object(value):
        # What stands there are names, whatever they are called.
        return {name: expand(document, rule, within) for name, rule in value.items()}
    return value if key in _DATA else expand(document, value, within)


_DATA = frozenset({"enum", "const", "default", "required", "example", "examples"})
# A discriminator is a hint: the `oneOf` beside it decides.
_DROPPED = frozenset({"discriminator", "xml", "externalDocs"})


def _dialect(schema: Any) -> Any:
    return {"$schema": _DIALECT, **schema} if is_object(schema) else schema
