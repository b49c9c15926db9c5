"""Prove that the merged requests take exactly what their sources take, and tell them apart.

The whole follows from laws of which each is about one variant, so that the proof grows with the
number of models: a variant takes what its source takes of the models that it names, which no other
source names; and the merged request is the variants and nothing else. So two variants share no
body, and together they take what the sources take.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from wanflow.catalog.document import is_array, is_object
from wanflow.spec.errors import ProofFailed, Undecided
from wanflow.spec.schema.equality import ANNOTATIONS, canonical_key
from wanflow.spec.schema.operations import JSON_MEDIA, SourceOperation
from wanflow.spec.schema.value_set import Containment, ValueSet, meaning

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from wanflow.catalog.document import JsonObject

_SHOWN = 40
_UNION = frozenset({"oneOf", "anyOf", "discriminator"})


class Open(str):
    """A line on what is neither proved nor refuted."""

    __slots__ = ()


@frozen
class Submission:
    """One merged operation that takes models, beside the calls that it was made of."""

    document: JsonObject = field(repr=False)
    path: str
    method: str
    calls: list[SourceOperation] = field(repr=False)

    @property
    def there(self) -> bool:
        """Whether the merged document has the operation."""
        return self.method in self.document["paths"].get(self.path, {})

    @property
    def schema(self) -> JsonObject:
        """The merged request schema."""
        node: JsonObject = self.document["paths"][self.path][self.method]
        schema: JsonObject = node["requestBody"]["content"][JSON_MEDIA]["schema"]
        return schema

    @property
    def mapping(self) -> dict[str, str]:
        """Which variant each model has."""
        mapping: dict[str, str] = self.schema.get("discriminator", {}).get("mapping", {})
        return mapping

    def variant(self, reference: str) -> ValueSet:
        """Say what a variant takes."""
        return meaning(self.document, {"$ref": reference})


def prove_requests(document: JsonObject, calls: Iterable[SourceOperation]) -> None:
    """Prove every submission of a merged document.

    Raises:
        NotProved: lists each law that doesn't hold, with a body that shows it.
    """
    submissions = _submissions(document, calls)
    require_proved(line for submission in submissions for line in _broken(submission))


def require_proved(lines: Iterable[str]) -> None:
    """Go on only when there is no law that doesn't hold.

    Raises:
        NotProved: lists those that don't, the refuted ones first; Undecided where none is refuted.
    """
    failed = sorted(lines, key=lambda line: isinstance(line, Open))
    if failed:
        kind = Undecided if isinstance(failed[0], Open) else ProofFailed
        raise kind("\n".join(failed))


def _submissions(document: JsonObject, calls: Iterable[SourceOperation]) -> list[Submission]:
    grouped: dict[tuple[str, str], list[SourceOperation]] = {}
    for call in calls:
        if call.models:
            grouped.setdefault((call.path, call.method), []).append(call)
    return [Submission(document, *key, group) for key, group in grouped.items()]


def _broken(submission: Submission) -> Iterator[str]:
    name = f"{submission.method.upper()} {submission.path}"
    if not submission.there:
        yield f"{name} is lost"
        return
    yield from _models(submission, name)
    for call in submission.calls:
        yield from _variant(submission, call, name)
    yield from _union(submission, name)


def _models(submission: Submission, name: str) -> Iterator[str]:
    """Say which model isn't of one source alone."""
    named = [model for call in submission.calls for model in call.models]
    for model in sorted({model for model in named if named.count(model) > 1}):
        yield f"{name}: the model {model} is of several sources"
    for model in sorted(submission.mapping.keys() - set(named)):
        yield f"{name}: the model {model} is of no source"


def _variant(submission: Submission, call: SourceOperation, name: str) -> Iterator[str]:
    """Say how the variant of a source's models differs from the source."""
    references = {model: submission.mapping.get(model) for model in call.models}
    for model, reference in references.items():
        if reference is None:
            yield f"{name}: the model {model} of {call.source.name} has no variant"
    for reference in sorted({one for one in references.values() if one}):
        theirs = [model for model, one in references.items() if one == reference]
        variant, source = closed(submission.variant(reference)), source_meaning(call, theirs)
        whose = f"{name}: the variant of {', '.join(theirs)} ({reference})"
        yield from explain_difference(variant, source, whose, call.source.name)


def _union(submission: Submission, name: str) -> Iterator[str]:
    """Say how the merged request isn't the variants, each once, and nothing beside them."""
    schema = submission.schema
    for key in sorted(schema.keys() - _UNION - ANNOTATIONS):
        yield f"{name}: `{key}` stands beside the variants"
    left = {one: submission.variant(one) for one in set(submission.mapping.values())}
    for word in ("oneOf", "anyOf"):
        for index, member in enumerate(schema.get(word, ())):
            found = _alike(member, meaning(submission.document, member), left)
            if found is None:
                yield f"{name}: {word}/{index} is no variant of a model, or one that is there twice"
            else:
                del left[found]
    for reference in sorted(left):
        yield f"{name}: {reference} is no part of the merged request"


def _alike(member: JsonObject, whole: ValueSet, variants: dict[str, ValueSet]) -> str | None:
    """Find the variant that a member of the union is: by its name, its words or a proof."""
    if member.get("$ref") in variants and len(member) == 1:
        return str(member["$ref"])
    words = canonical_key(whole.schema)
    by_words = (ref for ref, other in variants.items() if canonical_key(other.schema) == words)
    by_proof = (
        ref for ref, other in variants.items() if not list(explain_difference(whole, other, "", ""))
    )
    return next(by_words, None) or next(by_proof, None)


def source_meaning(call: SourceOperation, models: Iterable[str] | None = None) -> ValueSet:
    """Say what a source's request takes of models, by default of all that it names."""
    assert call.request is not None
    own = meaning(call.source.document, call.request)
    wanted = list(call.models if models is None else models)
    if _is_plain(own.schema):
        return ValueSet(_closed(own.schema, wanted))
    only = {"required": ["model"], "properties": {"model": {"enum": wanted}}}
    return ValueSet({"allOf": [own.schema, {"type": "object", **only}]})


def closed(variant: ValueSet) -> ValueSet:
    """Write a variant that requires one of some models as a source's meaning is written."""
    schema = variant.schema
    if not _is_plain(schema) or "model" not in schema.get("required", ()):
        return variant
    rule = schema["properties"]["model"]
    listed = [rule["const"]] if "const" in rule else rule.get("enum")
    return variant if listed is None else ValueSet(_closed(schema, listed))


def _is_plain(schema: Any) -> bool:
    """Tell whether what a schema says of `model` is its rule for that property, and no more."""
    return (
        is_object(schema)
        and schema.get("type") == "object"
        and is_object(schema.get("properties"))
        and is_object(schema["properties"].get("model"))
    )


def _closed(schema: JsonObject, models: list[Any]) -> JsonObject:
    """Bind an object's schema to models: its rule for `model` becomes those that it takes."""
    rule = ValueSet(schema["properties"]["model"])
    taken = [model for model in models if rule.admits(model)]
    required = list(dict.fromkeys([*schema.get("required", ()), "model"]))
    properties = {**schema["properties"], "model": {"enum": taken}}
    return {**schema, "required": required, "properties": properties}


def explain_difference(
    one: ValueSet, other: ValueSet, one_name: str, other_name: str
) -> Iterator[str]:
    """Say how two sets differ, or that it isn't decided; nothing where they are proved equal."""
    yield from _beyond(other, one, f"{one_name} refuses what {other_name} takes")
    yield from _beyond(one, other, f"{one_name} takes what {other_name} refuses")


def _beyond(one: ValueSet, other: ValueSet, claim: str) -> Iterator[str]:
    """Show what of the first set isn't in the other; nothing where it is proved to hold none."""
    contained = other.containment(one)
    if contained == Containment.YES:
        return
    body = other.lacks(one)
    if body is not None or contained == Containment.NO:
        yield f"{claim}: {format_body(body)}"
    else:
        yield Open(f"it could not be decided whether {claim}")


def format_body(body: Any) -> str:
    """Write a body for a person, long texts and lists cut with their length."""
    if body is None:
        return "(no body was found that shows it)"
    return json.dumps(_cut(body), ensure_ascii=False)


def _cut(value: Any) -> Any:
    if isinstance(value, str) and len(value) > _SHOWN:
        return f"{value[:_SHOWN]}… ({len(value)} characters)"
    if is_array(value):
        rest = [f"… ({len(value)} entries)"] if len(value) > _SHOWN else []
        return [_cut(item) for item in value[:_SHOWN]] + rest
    return {key: _cut(item) for key, item in value.items()} if is_object(value) else value
