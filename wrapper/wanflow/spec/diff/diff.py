"""Compare two specs: the contract by proof, and every other node by its position."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import evolve, frozen

from wanflow.catalog.document import DEFAULT_SERVER, JsonObject, escape_key, is_object
from wanflow.spec.diff import parts
from wanflow.spec.diff.change import Change, Diff, sorted_changes
from wanflow.spec.diff.document_changes import document_changes
from wanflow.spec.diff.dropped_rules import dropped_in_request
from wanflow.spec.diff.schema_changes import (
    keyword_changes,
    lenient_value_set,
    request_changes,
    response_changes,
)
from wanflow.spec.errors import document_errors
from wanflow.spec.generate.names import public_classes
from wanflow.spec.read.yaml import json_equal
from wanflow.spec.schema.value_set import ValueSet

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from wanflow.catalog.document import JsonObject


def with_new_properties(old: Any, new: Any) -> Any:
    """Return the older schema with the rules that only the newer one has for a property.

    An open object lets any property through, so by the letter every new parameter refuses what
    passed before: a value of another type under a name that nobody knew. A caller that followed
    the older document never sent that name.
    """
    if not is_object(old) or not is_object(new):
        return old
    whole: JsonObject = dict(old)
    if "items" in old and "items" in new:
        whole["items"] = with_new_properties(old["items"], new["items"])
    before, after = _properties(old), _properties(new)
    if after and old.get("additionalProperties", True) is True:
        common = {name: with_new_properties(rule, after.get(name)) for name, rule in before.items()}
        whole["properties"] = {**after, **common}
    return whole


def new_properties(old: Any, new: Any, at: str = "") -> Iterator[str]:
    """Yield the pointers of the properties that only the newer schema has."""
    if not is_object(old) or not is_object(new):
        return
    if "items" in old and "items" in new:
        yield from new_properties(old["items"], new["items"], f"{at}/items")
    before, after = _properties(old), _properties(new)
    for name, rule in after.items():
        place = f"{at}/{escape_key(name)}"
        if name not in before:
            yield place
        else:
            yield from new_properties(before[name], rule, place)


def _properties(schema: JsonObject) -> JsonObject:
    properties: JsonObject = schema.get("properties", {})
    return properties


@document_errors("a document")
def compare(old: JsonObject, new: JsonObject) -> Diff:
    """Return every change between two specs, each exactly once."""
    met = _contract_changes(old, new)
    said = frozenset(pointer for change in met for pointer in change.says)
    rest = [one for one in document_changes(old, new) if one.place.removeprefix("#") not in said]
    return sorted_changes([*met, *rest])


def _contract_changes(old: JsonObject, new: JsonObject) -> list[Change]:
    """Return changes of the contract: operations, models, classes, requests and responses."""
    try:
        before, after = parts.operations_of(old), parts.operations_of(new)
        changes = [*_default_server(old, new), *_class_names(old, new)]
    except _MALFORMED:
        return [Change("WF120", "paths", _NOT_OPENAPI)]
    changes += _named("an operation", ("WF101", "WF301"), before, after, _paths)
    for name in sorted(before.keys() & after.keys()):
        try:
            changes += OperationPair(name, old, new, before[name], after[name]).changes()
        except _MALFORMED:
            changes.append(Change("WF120", name, _NOT_OPENAPI))
    return changes


_MALFORMED = (AttributeError, LookupError, TypeError, ValueError, RecursionError)
"""The errors that a malformed node causes."""
_NOT_OPENAPI = "a part of it isn't valid OpenAPI, so that what changed can't be proved"


@frozen
class OperationPair:
    """One operation in two documents."""

    name: str
    old: JsonObject
    new: JsonObject
    before: JsonObject
    after: JsonObject

    def changes(self) -> Iterator[Change]:
        """Yield the changes of this operation."""
        if self.before.get("operationId") != self.after.get("operationId"):
            what = f"its operationId is {self.after.get('operationId')} now"
            whole = f"{what}, not {self.before.get('operationId')}"
            yield self._change("WF104", whole, "operationId")
        yield from self._security()
        yield from self._servers()
        yield from self._parameters()
        yield from self._requests()
        yield from self._answers()

    def _change(self, kind: str, what: str, *below: str) -> Change:
        """Return a change of the operation that covers all changes of some nodes below it."""
        says = frozenset(
            f"{node['x-at']}/{one}" for node in (self.before, self.after) for one in below
        )
        return Change(kind, self.name, what, says=says)

    def _security(self) -> Iterator[Change]:
        before = parts.security_of(self.old, self.before)
        after = parts.security_of(self.new, self.after)
        if json_equal(before, after):
            return
        wider = bool(after) and all(
            any(json_equal(one, other) for other in after) for one in before
        )
        kind = "WF305" if (wider and before) or not after else "WF105"
        yield self._change(kind, "other security is asked for", "security")

    def _servers(self) -> Iterator[Change]:
        before = parts.servers_of(self.old, self.before)
        after = parts.servers_of(self.new, self.after)
        for url in before:
            if url not in after:
                yield self._server("WF106", f"the server {url} is gone", url)
        for url in after:
            if url not in before:
                yield self._server("WF304", f"there is another server, {url}", url)

    def _server(self, kind: str, what: str, url: str) -> Change:
        says = {f"/servers/{escape_key(url)}", f"{self.after['x-at']}/servers/{escape_key(url)}"}
        return Change(kind, self.name, what, says=frozenset(says))

    def _parameters(self) -> Iterator[Change]:
        before = parts.parameters_of(self.old, self.before)
        after = parts.parameters_of(self.new, self.after)
        for name in before.keys() - after.keys():
            yield self._parameter("WF108", name, f"the {name} is gone")
        for name in after.keys() - before.keys():
            needed = bool(after[name].get("required"))
            what = f"there is a new {name}{' that is required' * needed}"
            yield self._parameter("WF109" if needed else "WF306", name, what)
        for name in before.keys() & after.keys():
            one, other = before[name], after[name]
            if other.get("required") and not one.get("required"):
                yield self._parameter("WF110", name, f"the {name} is required now", "/required")
            schemas = (one.get("schema", {}), other.get("schema", {}))
            yield from self._taken(f"{self.name}, {name}", schemas)

    def _parameter(self, kind: str, name: str, what: str, below: str = "") -> Change:
        at = self.after["x-at"]
        places = (at, at.rpartition("/")[0])
        says = {f"{place}/parameters/{escape_key(name)}{below}" for place in places}
        return Change(kind, self.name, what, says=frozenset(says))

    def _taken(self, place: str, schemas: tuple[JsonObject, JsonObject]) -> Iterator[Change]:
        before, after = (
            lenient_value_set(self.old, schemas[0]),
            lenient_value_set(self.new, schemas[1]),
        )
        yield from request_changes(place, before, after)
        yield from keyword_changes(place, before.schema, after.schema, "")

    def _requests(self) -> Iterator[Change]:
        before, after = (
            parts.bodies_of(self.old, self.before),
            parts.bodies_of(self.new, self.after),
        )
        if parts.needs_body(self.new, self.after) and not parts.needs_body(self.old, self.before):
            yield self._change("WF111", "a body is required now", "requestBody/required")
        for kind in before.keys() - after.keys():
            content = f"requestBody/content/{escape_key(kind)}"
            yield self._change("WF112", f"a body of {kind} isn't taken any more", content)
        for kind in after.keys() - before.keys():
            content = f"requestBody/content/{escape_key(kind)}"
            yield self._change("WF309", f"a body of {kind} is taken", content)
        for kind in before.keys() & after.keys():
            at = f"{self.after['x-at']}/requestBody/content/{escape_key(kind)}/schema"
            yield from self._variants(before[kind], after[kind], at)

    def _variants(self, one: JsonObject, other: JsonObject, at: str) -> Iterator[Change]:
        before, after = parts.models_of(self.old, one), parts.models_of(self.new, other)
        if not before or not after:
            yield from self._request(self.name, one, other, at)
            return
        union = parts.pointer_of(other, at)
        listed = [*before.items(), *after.items()]
        variants = {name: variant["$ref"] for name, variant in listed}

        def says(model: str) -> set[str]:
            variant = f"{union}/oneOf/{escape_key(variants[model])}"
            return {f"{union}/discriminator/mapping/{escape_key(model)}", variant}

        yield from _named("a model", ("WF102", "WF302"), before, after, says)
        for model in before.keys() & after.keys():
            yield from self._request(f"{self.name} {model}", before[model], after[model], at)

    def _request(self, place: str, one: JsonObject, other: JsonObject, at: str) -> Iterator[Change]:
        before, after = lenient_value_set(self.old, one), lenient_value_set(self.new, other)
        home = parts.pointer_of(other, at)
        for name in new_properties(before.schema, after.schema):
            says = frozenset({home + _in_schema(name)})
            yield Change("WF310", place, f"a new parameter, {name}", says=says)
        for name in new_properties(after.schema, before.schema):
            says = frozenset({parts.pointer_of(one, at) + _in_schema(name)})
            yield Change("WF113", place, f"a parameter that is gone, {name}", says=says)
        yield from dropped_in_request(place, before.schema, after.schema)
        yield from request_changes(
            place, ValueSet(with_new_properties(before.schema, after.schema)), after
        )
        yield from keyword_changes(place, before.schema, after.schema, home)

    def _answers(self) -> Iterator[Change]:
        before = parts.responses_of(self.old, self.before)
        after = parts.responses_of(self.new, self.after)
        for status in before.keys() - after.keys():
            kind = "WF117" if status.startswith("2") else "WF314"
            what = f"the status {status} isn't documented any more"
            yield self._change(kind, what, f"responses/{status}")
        for status in after.keys() - before.keys():
            what = f"the status {status} is documented"
            yield self._change("WF313", what, f"responses/{status}")
        for status in before.keys() & after.keys():
            yield from self._answer(status, before[status], after[status])

    def _answer(self, status: str, before: JsonObject, after: JsonObject) -> Iterator[Change]:
        for kind in before.keys() - after.keys():
            yield self._media("WF118", status, kind, f"{kind} isn't answered any more")
        for kind in after.keys() - before.keys():
            yield self._media("WF315", status, kind, f"{kind} may be answered")
        for kind in before.keys() & after.keys():
            one, other = (
                lenient_value_set(self.old, before[kind]),
                lenient_value_set(self.new, after[kind]),
            )
            yield from response_changes(f"{self.name} {status}", one, other)

    def _media(self, number: str, status: str, kind: str, what: str) -> Change:
        change = self._change(number, what, f"responses/{status}/content/{escape_key(kind)}")
        return evolve(change, place=f"{self.name} {status}")


def _in_schema(name: str) -> str:
    """Convert a dotted property name to a pointer in the schema."""
    return "".join(
        f"/{part}" if part == "items" else f"/properties/{part}" for part in name.split("/")[1:]
    )


def _named(
    what: str,
    kinds: tuple[str, str],
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    says: Any,
) -> Iterator[Change]:
    for name in before.keys() - after.keys():
        yield Change(kinds[0], name, f"{what} that is gone", says=frozenset(says(name)))
    for name in after.keys() - before.keys():
        yield Change(kinds[1], name, f"{what} that is new", says=frozenset(says(name)))


def _paths(name: str) -> set[str]:
    method, _, path = name.partition(" ")
    at = f"/paths/{escape_key(path)}"
    return {at, f"{at}/{method.lower()}"}


def _class(name: str) -> set[str]:
    return {f"/components/schemas/{escape_key(name)}"}


def _class_names(old: JsonObject, new: JsonObject) -> Iterator[Change]:
    before, after = parts.classes_of(old), parts.classes_of(new)
    yield from _named("a generated class", ("WF103", "WF303"), before, after, _class)
    classes, kept = public_classes(old), public_classes(new)
    for name, owner in classes.items():
        if name not in kept and owner != name and owner in kept:
            yield Change("WF103", name, "a generated class that is gone")


def _default_server(old: JsonObject, new: JsonObject) -> Iterator[Change]:
    urls = [parts.servers_of(document, {})[:1] for document in (old, new)]
    if urls[0] != urls[1]:
        before, after = [url[0] if url else "none" for url in urls]
        what = f"the default server is {after}, not {before}: the key would go there"
        yield Change("WF107", "servers", what, says=frozenset({"/servers", f"/{DEFAULT_SERVER}"}))
