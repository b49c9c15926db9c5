"""Prove that the merged requests accept exactly what their sources accept.

The proof consists of statements about single variants, so its cost is linear in the number of
models: a variant accepts what its source accepts for its models; no other source has these models;
and the merged request consists of the variants only. It follows that variants are disjoint, and
that together they accept what the sources accept.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from wanflow.catalog.document import is_array, is_object
from wanflow.spec.errors import ProofFailed, Undecided
from wanflow.spec.schema.equality import ANNOTATIONS, canonical_key
from wanflow.spec.schema.operations import JSON_MEDIA, SourceOperation
from wanflow.spec.schema.value_set import Containment, ValueSet, value_set_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from wanflow.catalog.document import JsonObject

_MAX_LENGTH = 40
_UNION_KEYWORDS = frozenset({"oneOf", "anyOf", "discriminator"})


class UndecidedLine(str):
    """A message about a statement that is neither proved nor refuted."""

    __slots__ = ()


@frozen
class MergedSubmission:
    """One merged submission and the source operations that it was merged from."""

    document: JsonObject = field(repr=False)
    path: str
    method: str
    operations: list[SourceOperation] = field(repr=False)

    @property
    def exists(self) -> bool:
        """Whether the merged spec has the operation."""
        return self.method in self.document["paths"].get(self.path, {})

    @property
    def schema(self) -> JsonObject:
        """The merged request schema."""
        node: JsonObject = self.document["paths"][self.path][self.method]
        schema: JsonObject = node["requestBody"]["content"][JSON_MEDIA]["schema"]
        return schema

    @property
    def mapping(self) -> dict[str, str]:
        """The reference to the variant of each model."""
        mapping: dict[str, str] = self.schema.get("discriminator", {}).get("mapping", {})
        return mapping

    def variant(self, reference: str) -> ValueSet:
        """Return the values that a variant accepts."""
        return value_set_of(self.document, {"$ref": reference})


def prove_requests(document: JsonObject, operations: Iterable[SourceOperation]) -> None:
    """Prove every submission of a merged spec.

    Raises:
        ProofFailed: lists each failed statement, with a body as a counterexample.
    """
    submissions = _submissions(document, operations)
    require_proved(line for submission in submissions for line in _failures(submission))


def require_proved(lines: Iterable[str]) -> None:
    """Raise an error if there are failed statements.

    Raises:
        ProofFailed: lists them, refuted ones first; Undecided if none is refuted.
    """
    failed = sorted(lines, key=lambda line: isinstance(line, UndecidedLine))
    if failed:
        kind = Undecided if isinstance(failed[0], UndecidedLine) else ProofFailed
        raise kind("\n".join(failed))


def _submissions(
    document: JsonObject, operations: Iterable[SourceOperation]
) -> list[MergedSubmission]:
    grouped: dict[tuple[str, str], list[SourceOperation]] = {}
    for operation in operations:
        if operation.models:
            grouped.setdefault((operation.path, operation.method), []).append(operation)
    return [MergedSubmission(document, *key, group) for key, group in grouped.items()]


def _failures(submission: MergedSubmission) -> Iterator[str]:
    name = f"{submission.method.upper()} {submission.path}"
    if not submission.exists:
        yield f"{name} is lost"
        return
    yield from _model_failures(submission, name)
    for operation in submission.operations:
        yield from _variant_failures(submission, operation, name)
    yield from _union_failures(submission, name)


def _model_failures(submission: MergedSubmission, name: str) -> Iterator[str]:
    """Yield the models that are in several sources or in none."""
    named = [model for operation in submission.operations for model in operation.models]
    for model in sorted({model for model in named if named.count(model) > 1}):
        yield f"{name}: the model {model} is in several sources"
    for model in sorted(submission.mapping.keys() - set(named)):
        yield f"{name}: the model {model} is in no source"


def _variant_failures(
    submission: MergedSubmission, operation: SourceOperation, name: str
) -> Iterator[str]:
    """Yield how the variant of a source's models differs from the source."""
    references = {model: submission.mapping.get(model) for model in operation.models}
    for model, reference in references.items():
        if reference is None:
            yield f"{name}: the model {model} of {operation.source.name} has no variant"
    for reference in sorted({one for one in references.values() if one}):
        models = [model for model, one in references.items() if one == reference]
        variant, source = (
            with_model_enum(submission.variant(reference)),
            source_value_set(operation, models),
        )
        label = f"{name}: the variant of {', '.join(models)} ({reference})"
        yield from explain_difference(variant, source, label, operation.source.name)


def _union_failures(submission: MergedSubmission, name: str) -> Iterator[str]:
    """Yield how the merged request differs from exactly the variants, each once."""
    schema = submission.schema
    for key in sorted(schema.keys() - _UNION_KEYWORDS - ANNOTATIONS):
        yield f"{name}: `{key}` is beside the variants"
    remaining = {one: submission.variant(one) for one in set(submission.mapping.values())}
    for keyword in ("oneOf", "anyOf"):
        for index, member in enumerate(schema.get(keyword, ())):
            found = _matching_variant(member, value_set_of(submission.document, member), remaining)
            if found is None:
                yield f"{name}: {keyword}/{index} is not the variant of a model, or is a duplicate"
            else:
                del remaining[found]
    for reference in sorted(remaining):
        yield f"{name}: {reference} is missing in the merged request"


def _matching_variant(
    member: JsonObject, whole: ValueSet, variants: dict[str, ValueSet]
) -> str | None:
    """Return the variant that a member of the union is: by reference, equality or proof."""
    if member.get("$ref") in variants and len(member) == 1:
        return str(member["$ref"])
    key = canonical_key(whole.schema)
    equal = (ref for ref, other in variants.items() if canonical_key(other.schema) == key)
    proved = (
        ref for ref, other in variants.items() if not list(explain_difference(whole, other, "", ""))
    )
    return next(equal, None) or next(proved, None)


def source_value_set(operation: SourceOperation, models: Iterable[str] | None = None) -> ValueSet:
    """Return what a source accepts for models, by default for all of its own."""
    assert operation.request is not None
    own = value_set_of(operation.source.document, operation.request)
    wanted = list(operation.models if models is None else models)
    if _has_model_property(own.schema):
        return ValueSet(_with_models(own.schema, wanted))
    only = {"required": ["model"], "properties": {"model": {"enum": wanted}}}
    return ValueSet({"allOf": [own.schema, {"type": "object", **only}]})


def with_model_enum(variant: ValueSet) -> ValueSet:
    """Normalize the rule for `model` of a variant, so that it can equal its source's."""
    schema = variant.schema
    if not _has_model_property(schema) or "model" not in schema.get("required", ()):
        return variant
    rule = schema["properties"]["model"]
    listed = [rule["const"]] if "const" in rule else rule.get("enum")
    return variant if listed is None else ValueSet(_with_models(schema, listed))


def _has_model_property(schema: Any) -> bool:
    """Return whether a schema is an object with a rule for `model`."""
    return (
        is_object(schema)
        and schema.get("type") == "object"
        and is_object(schema.get("properties"))
        and is_object(schema["properties"].get("model"))
    )


def _with_models(schema: JsonObject, models: list[Any]) -> JsonObject:
    """Bind an object schema to models: `model` becomes an enum of those that it accepts."""
    rule = ValueSet(schema["properties"]["model"])
    accepted = [model for model in models if rule.accepts(model)]
    required = list(dict.fromkeys([*schema.get("required", ()), "model"]))
    properties = {**schema["properties"], "model": {"enum": accepted}}
    return {**schema, "required": required, "properties": properties}


def explain_difference(
    one: ValueSet, other: ValueSet, one_name: str, other_name: str
) -> Iterator[str]:
    """Yield how two sets differ, or that it is unknown; nothing if they are proved equal."""
    yield from _explain_excess(other, one, f"{one_name} rejects what {other_name} accepts")
    yield from _explain_excess(one, other, f"{one_name} accepts what {other_name} rejects")


def _explain_excess(one: ValueSet, other: ValueSet, claim: str) -> Iterator[str]:
    """Yield what the first set has beyond the other; nothing if that is proved empty."""
    contained = other.containment(one)
    if contained == Containment.YES:
        return
    body = other.example_outside(one)
    if body is not None or contained == Containment.NO:
        yield f"{claim}: {format_body(body)}"
    else:
        yield UndecidedLine(f"it could not be decided whether {claim}")


def format_body(body: Any) -> str:
    """Format a body for messages; long strings and lists are truncated."""
    if body is None:
        return "(no example found)"
    return json.dumps(_truncate(body), ensure_ascii=False)


def _truncate(value: Any) -> Any:
    if isinstance(value, str) and len(value) > _MAX_LENGTH:
        return f"{value[:_MAX_LENGTH]}… ({len(value)} characters)"
    if is_array(value):
        rest = [f"… ({len(value)} entries)"] if len(value) > _MAX_LENGTH else []
        return [_truncate(item) for item in value[:_MAX_LENGTH]] + rest
    return {key: _truncate(item) for key, item in value.items()} if is_object(value) else value
