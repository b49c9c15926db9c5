"""Prove that the merged requests take exactly what their sources take, and tell them apart."""

from __future__ import annotations

import json
from itertools import combinations
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from wanflow.spec.call import JSON_MEDIA, Call
from wanflow.spec.failures import NotProved
from wanflow.spec.meaning import Meaning, any_of, meaning

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from wanflow.spec.document import Json

_SHOWN = 300


@frozen
class Submission:
    """One merged operation that takes models, beside the calls that it was made of."""

    document: Json = field(repr=False)
    path: str
    method: str
    calls: list[Call] = field(repr=False)

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
    failed = [line for submission in _submissions(document, calls) for line in _broken(submission)]
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
            body = _show(first.shares(second))
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
        yield f"{one_name} refuses what {other_name} takes: {_show(one.lacks(other))}"
    if not other.covers(one):
        yield f"{one_name} takes what {other_name} refuses: {_show(other.lacks(one))}"


def prove_tighter(before: Json, after: Json, place: str) -> None:
    """Prove that every request that is taken after a change was taken before it.

    Raises:
        NotProved: names the request's schema and shows a body that only the changed one takes.
    """
    for name, schema in requests_of(after):
        earlier = dict(requests_of(before)).get(name)
        if earlier is None:
            raise NotProved(f"{place}: it adds the request {name}")
        old, new = meaning(before, earlier), meaning(after, schema)
        if not old.covers(new):
            body = _show(old.lacks(new))
            raise NotProved(f"{place}: it loosens {name}, which now takes {body}")


def requests_of(document: Json) -> list[tuple[str, Json]]:
    """List the request schemas of a document by name: each model's, or the operation's own."""
    found: dict[str, Json] = {}
    for path, item in document["paths"].items():
        for method, node in item.items():
            if "requestBody" not in node:
                continue
            schema = node["requestBody"]["content"][JSON_MEDIA]["schema"]
            mapping = schema.get("discriminator", {}).get("mapping", {})
            own = {f"{method.upper()} {path}": schema}
            found |= {model: {"$ref": reference} for model, reference in mapping.items()} or own
    return sorted(found.items())


def _show(body: Any) -> str:
    if body is None:
        return "(no body was found that shows it)"
    text = json.dumps(body, ensure_ascii=False)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
