"""Compare schemas as sets of values, and find example values."""

from __future__ import annotations

from collections import defaultdict
from functools import cached_property
from itertools import combinations, islice, product
from typing import TYPE_CHECKING, Any

import jsonschema_rs
from attrs import field, frozen

from wanflow.catalog.document import JsonObject, is_array, is_object, resolve_ref
from wanflow.catalog.patterns import with_engine_patterns
from wanflow.catalog.schema_walk import SCHEMA_MAP_KEYWORDS, iter_subschemas
from wanflow.spec.errors import ProofFailed
from wanflow.spec.schema.equality import canonical_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_MAX_SAMPLES = 400
_MAX_BRANCH_SAMPLES = 40
_MAX_DEPTH = 12
_BRANCHES = ("anyOf", "oneOf", "allOf")
_TYPES = ("string", "integer", "number", "boolean", "null", "array", "object")
_MAX_TEXT_LENGTH = 100_000
_BY_FORMAT = {
    "uri": ["https://example.com/a"],
    "date": ["2024-01-01"],
    "date-time": ["2024-01-01T00:00:00Z"],
    "email": ["a@example.com"],
    "uuid": ["123e4567-e89b-42d3-a456-426614174000"],
    "hostname": ["example.com"],
    "ipv4": ["192.0.2.1"],
}
_SAMPLE_TEXTS = ["a", "5", "1280x1280", "A-1", "a-1", "abc", "ABC", "0", "https://"]


def sample_values(schema: Any, hint: Any = None) -> list[Any]:
    """List values that may be valid for a schema, simple ones first; the caller validates them.

    `hint` is a schema whose values are included too, and whose examples are used by property name.
    """
    search = _SampleGenerator(_examples_in(hint))
    found = list(islice(search.values(schema, 0), _MAX_SAMPLES))
    return found if hint is None else [*found, *islice(search.values(hint, 0), _MAX_SAMPLES)]


def _examples_in(schema: Any) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = defaultdict(list)
    for at, inside in iter_subschemas(schema, ""):
        own = [inside["example"]] if "example" in inside else []
        found[at.rpartition("/")[2]] += [*own, *inside.get("examples", ())]
    return found


class _SampleGenerator:
    """Generates values; `examples` are example values by property name."""

    def __init__(self, examples: dict[str, list[Any]]) -> None:
        self._examples = examples

    def values(self, schema: Any, depth: int) -> Iterator[Any]:
        if depth > _MAX_DEPTH or schema is False:
            return
        if schema is True or schema == {}:
            yield from ("a", 1, True, None, [], {})
        elif "const" in schema:
            yield schema["const"]
        elif "enum" in schema:
            yield from schema["enum"]
        elif union_keyword := next((keyword for keyword in _BRANCHES if keyword in schema), None):
            for branch in schema[union_keyword]:
                joined = _with_branch(schema, branch, union_keyword)
                yield from islice(self.values(joined, depth + 1), _MAX_BRANCH_SAMPLES)
        else:
            for type_ in _types_of(schema):
                yield from self._of_kind(type_, schema, depth)

    def _of_kind(self, type_: str, schema: Any, depth: int) -> Iterator[Any]:
        match type_:
            case "string":
                yield from _strings(schema)
            case "integer" | "number":
                yield from _numbers(schema)
            case "boolean":
                yield from (True, False)
            case "null":
                yield None
            case "array":
                yield from self._arrays(schema, depth)
            case _:
                yield from self._objects(schema, depth)

    def _arrays(self, schema: Any, depth: int) -> Iterator[list[Any]]:
        items = list(islice(self.values(schema.get("items", True), depth + 1), 6)) or [None]
        low, high = schema.get("minItems", 0), schema.get("maxItems")
        lengths = {low, low + 1} if high is None else {low, min(high, low + 1), min(high, 100)}
        for length in sorted(lengths):
            for item in items:
                yield [item] * length
            yield [items[index % len(items)] for index in range(length)]

    def _objects(self, schema: Any, depth: int) -> Iterator[dict[str, Any]]:
        properties: dict[str, Any] = schema.get("properties", {})
        required = list(schema.get("required", ()))
        names = dict.fromkeys([*required, *properties])
        choices = {name: self._choices(name, properties.get(name, True), depth) for name in names}
        if any(not choices[name] for name in required):
            return
        plain = {name: choices[name][0] for name in required}
        yield plain
        yield {**plain, "unheard_of": 1}
        for name, values in choices.items():
            yield from ({**plain, name: value} for value in values)
        optional = [name for name in choices if name not in required and choices[name]]
        for one, other in combinations(optional, 2):
            for first, second in islice(product(choices[one], choices[other]), 16):
                yield {**plain, one: first, other: second}

    def _choices(self, name: str, schema: Any, depth: int) -> list[Any]:
        examples = [value for value in self._examples.get(name, ()) if _is_valid(schema, value)]
        return [*examples, *islice(self.values(schema, depth + 1), 12)]


def _is_valid(schema: Any, value: Any) -> bool:
    try:
        return jsonschema_rs.is_valid(schema, value, validate_formats=True)
    except ValueError:
        return False


def _with_branch(schema: Any, branch: Any, keyword: str) -> Any:
    """Merge a branch of a schema with the keywords beside it; the branch takes precedence."""
    if not is_object(branch):
        return branch
    rest = {key: value for key, value in schema.items() if key != keyword}
    joined = {**rest, **branch}
    if "properties" in rest and "properties" in branch:
        joined["properties"] = {**rest["properties"], **branch["properties"]}
    if "required" in rest and "required" in branch:
        joined["required"] = list(dict.fromkeys([*rest["required"], *branch["required"]]))
    return joined


def _types_of(schema: Any) -> list[str]:
    types = schema.get("type")
    if types is None:
        types = "object" if "properties" in schema or "required" in schema else list(_TYPES)
    return [types] if isinstance(types, str) else [str(type_) for type_ in types]


def _strings(schema: Any) -> Iterator[str]:
    """Yield strings that match format, pattern and length if any are found, then others."""
    low, high = schema.get("minLength", 0), schema.get("maxLength")
    lengths = sorted({low, low + 1, low + 2, 30 if high is None else min(high, _MAX_TEXT_LENGTH)})
    every_format = [text for texts in _BY_FORMAT.values() for text in texts]
    texts = [*_BY_FORMAT.get(schema.get("format", ""), ()), *_SAMPLE_TEXTS, *every_format]
    padded = [text + "a" * (length - len(text)) for length in lengths for text in ("", *texts)]
    every = list(dict.fromkeys([*texts, *padded]))
    good = [text for text in every if _is_valid(schema, text)]
    yield from (good[:6] + [text for text in every if text not in good][:6]) or [""]


def _numbers(schema: Any) -> Iterator[float]:
    step = schema.get("multipleOf", 1)
    low = schema.get("minimum", schema.get("exclusiveMinimum"))
    high = schema.get("maximum", schema.get("exclusiveMaximum"))
    for bound in (low, high):
        if bound is not None:
            yield from (bound, bound + step, bound - step)
    if low is None and high is None:
        yield from (0, step, -step, 2 * step, 7, 1000)
    if schema.get("type") == "number":
        yield from ((low or 0) + 0.5, (high or 0) - 0.5)


_CANONICAL = jsonschema_rs.canonical
Containment = _CANONICAL.Containment
CYCLE = "x-wanflow-cycle"
_DIALECT = "https://json-schema.org/draft/2020-12/schema"


@frozen(slots=False)
class ValueSet:
    """The set of values that a schema accepts; `schema` has no references."""

    schema: Any = field(repr=False)

    @cached_property
    def canonical(self) -> jsonschema_rs.CanonicalSchema:
        """The canonical form of jsonschema-rs.

        Raises:
            ProofFailed: the schema refers to itself, or isn't valid JSON Schema.
        """
        if self.is_recursive:
            raise ProofFailed("a schema refers to itself, and such schemas can't be compared")
        try:
            return jsonschema_rs.canonicalize(_with_dialect(self.schema), validate_formats=True)
        except (ValueError, _CANONICAL.CanonicalizationError) as error:
            raise ProofFailed(f"a schema isn't valid JSON Schema: {error}") from error

    @cached_property
    def validator(self) -> jsonschema_rs.Validator:
        """A validator for single values."""
        return jsonschema_rs.validator_for(_with_dialect(self.schema), validate_formats=True)

    @cached_property
    def is_recursive(self) -> bool:
        """Whether the schema refers to itself; then it can only be compared literally."""
        return f'"{CYCLE}"' in canonical_key(self.schema)

    def covers(self, other: ValueSet) -> bool:
        """Return whether it is proved that this set contains the other."""
        return self.containment(other) == Containment.YES

    def containment(self, other: ValueSet) -> Containment:
        """Return whether this set contains the other: yes, no, or unknown."""
        if canonical_key(self.schema) == canonical_key(other.schema):
            return Containment.YES
        try:
            return self.canonical.covers(other.canonical)
        except (ProofFailed, _CANONICAL.CanonicalizationError):
            return Containment.UNKNOWN

    def is_disjoint_from(self, other: ValueSet) -> bool:
        """Return whether it is proved that no value is in both sets."""
        if self.is_recursive or other.is_recursive:
            return False
        try:
            both = self.canonical.intersect(other.canonical)
        except _CANONICAL.CanonicalizationError:
            return False
        return both.satisfiability() == _CANONICAL.Satisfiability.NO

    def may_have_values(self) -> bool:
        """Return false if it is proved that the set is empty."""
        try:
            return self.canonical.satisfiability() != _CANONICAL.Satisfiability.NO
        except ProofFailed:
            return True

    def example_outside(self, other: ValueSet) -> Any:
        """Return a value of the other set that isn't in this one; None if none is found."""
        try:
            region = other.canonical.subtract(self.canonical).to_json_schema()
        except (ProofFailed, _CANONICAL.CanonicalizationError):
            region = other.schema
        found = sample_values(region, other.schema)
        return next(
            (value for value in found if other.accepts(value) and not self.accepts(value)), None
        )

    def common_example(self, other: ValueSet) -> Any:
        """Return a value that is in both sets; None if none is found."""
        try:
            region = self.canonical.intersect(other.canonical).to_json_schema()
        except (ProofFailed, _CANONICAL.CanonicalizationError):
            region = self.schema
        found = [*sample_values(region, self.schema), *sample_values(other.schema)]
        return next(
            (value for value in found if self.accepts(value) and other.accepts(value)), None
        )

    def accepts(self, value: Any) -> bool:
        """Return whether a value is in the set."""
        return self.validator.is_valid(value)


def union_of(meanings: Iterable[ValueSet]) -> ValueSet:
    """Return the union of sets, without duplicates."""
    distinct = {canonical_key(meaning.schema): meaning.schema for meaning in meanings}
    return ValueSet({"anyOf": list(distinct.values())})


def value_set_of(document: JsonObject, schema: JsonObject) -> ValueSet:
    """Return the set of values that a schema of a document accepts."""
    return ValueSet(with_engine_patterns(inline_references(document, schema, ())))


def inline_references(document: JsonObject, node: Any, within: tuple[str, ...]) -> Any:
    """Copy a schema with its references replaced by their targets.

    A circular reference becomes a marker with the number of references to go up, so that schemas
    that differ only in their names become equal.
    """
    if is_array(node):
        return [inline_references(document, item, within) for item in node]
    if not is_object(node):
        return node
    reference = node.get("$ref")
    if isinstance(reference, str):
        if reference in within:
            return {CYCLE: len(within) - within.index(reference)}
        return inline_references(document, resolve_ref(document, node), (*within, reference))
    return {
        key: _inline_in(document, key, value, within)
        for key, value in node.items()
        if key not in _DROPPED_KEYWORDS
    }


def _inline_in(document: JsonObject, key: str, value: Any, within: tuple[str, ...]) -> Any:
    if key in SCHEMA_MAP_KEYWORDS and is_object(value):
        # The keys are names of properties, not keywords.
        return {name: inline_references(document, rule, within) for name, rule in value.items()}
    return value if key in _DATA_KEYWORDS else inline_references(document, value, within)


_DATA_KEYWORDS = frozenset({"enum", "const", "default", "required", "example", "examples"})
# A discriminator accepts and rejects nothing: the `oneOf` beside it does.
_DROPPED_KEYWORDS = frozenset({"discriminator", "xml", "externalDocs"})


def _with_dialect(schema: Any) -> Any:
    return {"$schema": _DIALECT, **schema} if is_object(schema) else schema
