"""Compare two documents as a program meets them: bodies by proof, everything else by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import frozen

from wanflow.spec.catalog import METHODS
from wanflow.spec.change import Change, Difference, Level, sorted_changes
from wanflow.spec.document import Json, resolve
from wanflow.spec.growth import grown, news
from wanflow.spec.keywords import KEYWORDS
from wanflow.spec.meaning import Meaning, meaning
from wanflow.spec.prove import show
from wanflow.spec.schema_tree import schemas_under
from wanflow.spec.yaml_text import same

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def compare(old: Json, new: Json) -> Difference:
    """List what a program that knows the old document would notice of the new one."""
    before, after = _operations(old), _operations(new)
    changes = [*_named("an operation", before, after), *_class_names(old, new)]
    for name in before.keys() & after.keys():
        changes += Pair(name, old, new, before[name], after[name]).changes()
    return sorted_changes(changes)


@frozen
class Pair:
    """One operation in two documents."""

    name: str
    old: Json
    new: Json
    before: Json
    after: Json

    def changes(self) -> Iterator[Change]:
        """List the changes of this operation."""
        if self.before.get("operationId") != self.after.get("operationId"):
            what = f"its operationId is {self.after.get('operationId')} now"
            yield Change(Level.BREAKING, self.name, f"{what}, not {self.before.get('operationId')}")
        yield from self._security()
        yield from self._servers()
        yield from self._parameters()
        yield from self._requests()
        yield from self._answers()

    def _security(self) -> Iterator[Change]:
        before, after = _security(self.old, self.before), _security(self.new, self.after)
        if same(before, after):
            return
        wider = bool(after) and all(any(same(one, other) for other in after) for one in before)
        level = Level.ADDITIVE if (wider and before) or not after else Level.BREAKING
        yield Change(level, self.name, "other security is asked for")

    def _servers(self) -> Iterator[Change]:
        before, after = _servers(self.old, self.before), _servers(self.new, self.after)
        for url in before:
            if url not in after:
                yield Change(Level.BREAKING, self.name, f"the server {url} is gone")
        for url in after:
            if url not in before:
                yield Change(Level.ADDITIVE, self.name, f"there is another server, {url}")

    def _parameters(self) -> Iterator[Change]:
        before, after = _parameters(self.old, self.before), _parameters(self.new, self.after)
        for name in before.keys() - after.keys():
            yield Change(Level.BREAKING, self.name, f"the {name} is gone")
        for name in after.keys() - before.keys():
            needed = bool(after[name].get("required"))
            level = Level.BREAKING if needed else Level.ADDITIVE
            yield Change(level, self.name, f"there is a new {name}{' that is required' * needed}")
        for name in before.keys() & after.keys():
            one, other = before[name], after[name]
            if other.get("required") and not one.get("required"):
                yield Change(Level.BREAKING, self.name, f"the {name} is required now")
            place = f"{self.name}, {name}"
            schemas = (one.get("schema", {}), other.get("schema", {}))
            yield from _taken(place, meaning(self.old, schemas[0]), meaning(self.new, schemas[1]))

    def _requests(self) -> Iterator[Change]:
        before, after = _bodies(self.old, self.before), _bodies(self.new, self.after)
        if _needs_body(self.new, self.after) and not _needs_body(self.old, self.before):
            yield Change(Level.BREAKING, self.name, "a body is required now")
        for kind in before.keys() - after.keys():
            yield Change(Level.BREAKING, self.name, f"a body of {kind} isn't taken any more")
        for kind in after.keys() - before.keys():
            yield Change(Level.ADDITIVE, self.name, f"a body of {kind} is taken")
        for kind in before.keys() & after.keys():
            yield from self._variants(before[kind], after[kind])

    def _variants(self, one: Json, other: Json) -> Iterator[Change]:
        before, after = _by_model(one), _by_model(other)
        if not before or not after:
            yield from self._request(self.name, one, other)
            return
        yield from _named("a model", before, after)
        for model in before.keys() & after.keys():
            yield from self._request(f"{self.name} {model}", before[model], after[model])

    def _request(self, place: str, one: Json, other: Json) -> Iterator[Change]:
        before, after = meaning(self.old, one), meaning(self.new, other)
        for name in news(before.schema, after.schema):
            yield Change(Level.ADDITIVE, place, f"a new parameter, {name}")
        for name in news(after.schema, before.schema):
            yield Change(Level.BREAKING, place, f"a parameter that is gone, {name}")
        yield from _taken(place, Meaning(grown(before.schema, after.schema)), after)
        yield from _beyond_schema(place, before.schema, after.schema)

    def _answers(self) -> Iterator[Change]:
        before, after = _answers(self.old, self.before), _answers(self.new, self.after)
        for status in before.keys() - after.keys():
            level = Level.BREAKING if status.startswith("2") else Level.ADDITIVE
            yield Change(level, self.name, f"the status {status} isn't documented any more")
        for status in after.keys() - before.keys():
            yield Change(Level.ADDITIVE, self.name, f"the status {status} is documented")
        for status in before.keys() & after.keys():
            place = f"{self.name} {status}"
            kinds = (before[status], after[status])
            for kind in kinds[0].keys() - kinds[1].keys():
                yield Change(Level.BREAKING, place, f"{kind} isn't answered any more")
            for kind in kinds[1].keys() - kinds[0].keys():
                yield Change(Level.ADDITIVE, place, f"{kind} may be answered")
            for kind in kinds[0].keys() & kinds[1].keys():
                one = meaning(self.old, kinds[0][kind])
                yield from _answered(place, one, meaning(self.new, kinds[1][kind]))


def _taken(place: str, before: Meaning, after: Meaning) -> Iterator[Change]:
    """Compare what is taken: less is breaking, more is additive."""
    yield from _lost(Level.BREAKING, place, after, before, "a body that used to pass is refused")
    yield from _lost(Level.ADDITIVE, place, before, after, "a body passes that used to be refused")


def _answered(place: str, before: Meaning, after: Meaning) -> Iterator[Change]:
    """Compare what is answered: more is breaking for who reads it, less is additive."""
    what = "an answer may come that couldn't before"
    yield from _lost(Level.BREAKING, place, before, after, what)
    yield from _lost(Level.ADDITIVE, place, after, before, "an answer doesn't come any more")


def _lost(level: Level, place: str, one: Meaning, other: Meaning, what: str) -> Iterator[Change]:
    """Say what the first lacks of the second, with a body, or that nobody knows it does."""
    if not one.covers(other):
        body = one.lacks(other)
        yield Change(level, place, what if body is not None else _UNKNOWN, body)


_UNKNOWN = "it isn't known to mean what it meant"


def _beyond_schema(place: str, before: Any, after: Any) -> Iterator[Change]:
    """Compare what no proof sees: defaults, which are sent, and the rules of our own keywords."""
    old, new = dict(schemas_under(before, "")), dict(schemas_under(after, ""))
    for at in old.keys() & new.keys():
        for key in ("default", *KEYWORDS):
            one, other = old[at].get(key), new[at].get(key)
            if same(one, other):
                continue
            loose = other is None or (one is None and key == "default")
            what = f"{at or '/'}: {key} is {_or_nothing(other)}, not {_or_nothing(one)}"
            yield Change(Level.ADDITIVE if loose else Level.BREAKING, place, what)


def _or_nothing(value: Any) -> str:
    return "nothing" if value is None else show(value)


def _named(what: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Change]:
    for name in before.keys() - after.keys():
        yield Change(Level.BREAKING, name, f"{what} that is gone")
    for name in after.keys() - before.keys():
        yield Change(Level.ADDITIVE, name, f"{what} that is new")


def _class_names(old: Json, new: Json) -> Iterator[Change]:
    names = [set(document.get("components", {}).get("schemas", {})) for document in (old, new)]
    for name in names[0] - names[1]:
        yield Change(Level.BREAKING, name, "a generated class that is gone")
    for name in names[1] - names[0]:
        yield Change(Level.ADDITIVE, name, "a generated class that is new")


def _operations(document: Json) -> dict[str, Json]:
    return {
        f"{method.upper()} {path}": {**node, "parameters": _both(item, node)}
        for path, item in document["paths"].items()
        for method, node in item.items()
        if method in METHODS
    }


def _both(item: Json, node: Json) -> list[Json]:
    return [*item.get("parameters", ()), *node.get("parameters", ())]


def _security(document: Json, node: Json) -> list[Any]:
    """Return the alternatives that are asked for, each scheme with what it is."""
    schemes = document.get("components", {}).get("securitySchemes", {})
    asked: list[Json] = (node if "security" in node else document).get("security") or []
    return [
        {name: [scopes, _bare_scheme(schemes.get(name, {}))] for name, scopes in option.items()}
        for option in asked
    ]


def _bare_scheme(scheme: Json) -> Json:
    return {key: value for key, value in sorted(scheme.items()) if key != "description"}


def _servers(document: Json, node: Json) -> list[str]:
    servers: list[Json] = (node if "servers" in node else document).get("servers") or []
    return [server["url"] for server in servers]


def _parameters(document: Json, node: Json) -> dict[str, Json]:
    followed = [resolve(document, parameter) for parameter in node["parameters"]]
    return {f"{parameter['in']} parameter {parameter['name']}": parameter for parameter in followed}


def _bodies(document: Json, node: Json) -> dict[str, Json]:
    body = resolve(document, node.get("requestBody", {}))
    return {kind: media.get("schema", {}) for kind, media in body.get("content", {}).items()}


def _needs_body(document: Json, node: Json) -> bool:
    return bool(resolve(document, node.get("requestBody", {})).get("required"))


def _by_model(schema: Json) -> dict[str, Json]:
    mapping: dict[str, str] = schema.get("discriminator", {}).get("mapping", {})
    return {model: {"$ref": reference} for model, reference in mapping.items()}


def _answers(document: Json, node: Json) -> dict[str, dict[str, Json]]:
    return {
        status: {
            kind: media.get("schema", {})
            for kind, media in resolve(document, answer).get("content", {}).items()
        }
        for status, answer in node.get("responses", {}).items()
    }
