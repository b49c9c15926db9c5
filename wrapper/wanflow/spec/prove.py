"""Prove that the merged requests take exactly what their sources take, and tell them apart."""

from __future__ import annotations

import json
from itertools import combinations
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from wanflow.spec.call import JSON_MEDIA, Call
from wanflow.spec.document import is_array, is_object
from wanflow.spec.failures import NotProved
from wanflow.spec.meaning import Meaning, any_of, meaning

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from wanflow.spec.document import Json

_SHOWN = 40


@frozen
class Submission:
    """One merged operation that takes models, beside the calls that it was made of."""

    document: Json = field(repr=False)
    path: str
    method: str
    calls: list[Call] = field(repr=False)

    @property
    def there(self) -> bool:
        """Whether the merged document has the operation."""
        return self.method in self.document["paths"].get(self.path, {})

    @property
    def schema(self) -> Json:
        """The merged request schema."""
        node: Json = self.document["paths"][self.path][self.method]
        schema: Json = node["requestBody"]["content"][JSON_MEDIA]["schema"]
        return schema

    @property
    def mapping(self) -> dict[str, str]:
        """Which variant each model has."""
        mapping: dict[str, str] = self.schema["discriminator"]["mapping"]
        return mapping


def prove_requests(document: Json, calls: Iterable[Call]) -> None:
    """Prove every submission of a merged document.

    Raises:
        NotProved: lists each law that doesn't hold, with a body that shows it.
    """
    submissions = _submissions(document, calls)
    failed = [line for submission in submissions for line in _broken(submission)]
    if failed:
        raise NotProved("\n".join(failed))


def _submissions(document: Json, calls: Iterable[Call]) -> list[Submission]:
    grouped: dict[tuple[str, str], list[Call]] = {}
    for call in calls:
        if call.models:
            grouped.setdefault((call.path, call.method), []).append(call)
    return [Submission(document, *key, group) for key, group in grouped.items()]


def _broken(submission: Submission) -> Iterator[str]:
    name = f"{submission.method.upper()} {submission.path}"
    if not submission.there:
        yield f"{name} is lost"
        return
    sources = {call.label: source_meaning(call) for call in submission.calls}
    merged = meaning(submission.document, submission.schema)
    yield from unequal(merged, any_of(sources.values()), f"{name}: merged", "the sources together")
    yield from _projections(submission, name)
    variants = {
        reference: meaning(submission.document, {"$ref": reference})
        for reference in submission.mapping.values()
    }
    for (one, first), (other, second) in combinations(variants.items(), 2):
        if not first.disjoint(second):
            body = show(first.shares(second))
            yield f"{name}: {one} and {other} aren't known to be disjoint; both take {body}"


def _projections(submission: Submission, name: str) -> Iterator[str]:
    for call in submission.calls:
        for model in call.models:
            reference = submission.mapping.get(model)
            if reference is None:
                yield f"{name}: the model {model} of {call.source.name} has no variant"
                continue
            variant = _of_model(meaning(submission.document, {"$ref": reference}), model)
            source = _of_model(source_meaning(call), model)
            yield from unequal(variant, source, f"{name}: the variant of {model}", call.source.name)


def source_meaning(call: Call) -> Meaning:
    """Say what a source's request takes of the models that it names."""
    assert call.request is not None
    own = meaning(call.source.document, call.request)
    models = {"required": ["model"], "properties": {"model": {"enum": list(call.models)}}}
    return Meaning({"allOf": [own.schema, {"type": "object", **models}]})


def _of_model(whole: Meaning, model: str) -> Meaning:
    only = {"required": ["model"], "properties": {"model": {"const": model}}}
    return Meaning({"allOf": [whole.schema, {"type": "object", **only}]})


def unequal(one: Meaning, other: Meaning, one_name: str, other_name: str) -> Iterator[str]:
    """Say how two sets differ, or aren't known not to; nothing where they are proved equal."""
    if not one.covers(other):
        yield f"{one_name} refuses what {other_name} takes: {show(one.lacks(other))}"
    if not other.covers(one):
        yield f"{one_name} takes what {other_name} refuses: {show(other.lacks(one))}"


def show(body: Any) -> str:
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
