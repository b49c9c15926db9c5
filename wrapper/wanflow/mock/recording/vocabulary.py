"""The texts that a spec publishes: its names, its enumerated values, and its examples."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from attrs import define, field

from wanflow.catalog.document import is_array, is_object, resolve_ref
from wanflow.catalog.keywords import PIXEL_SIZE
from wanflow.mock.gateway.failures import FAILURE_MESSAGES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wanflow.catalog.document import JsonObject

# What later revisions of the spec have as `code`, in place of the status.
_CODES = (
    "invalid_task_id",
    "unauthorized",
    "permission_denied",
    "task_not_found",
    "rate_limit_exceeded",
    "request_too_large",
    "internal_error",
)
_SAMPLES = ("example", "default", "value", "examples")
_DIGITS = re.compile(r"[0-9]{1,5}", re.ASCII)
_SIZE = re.compile(r"[1-9][0-9]{0,5}x[1-9][0-9]{0,5}", re.ASCII)


def _sets() -> defaultdict[str, set[str]]:
    return defaultdict(set)


@define
class Vocabulary:
    """What may be written of a request or a response, because the spec has it already.

    `names` are the properties of all schemas, `choices` the enumerated values of a property,
    `samples` its texts in examples, with each number as 0, and `sizes` the properties whose text
    is a size in pixels.
    """

    names: set[str] = field(factory=set[str])
    choices: defaultdict[str, set[str]] = field(factory=_sets)
    samples: defaultdict[str, set[str]] = field(factory=_sets)
    sizes: set[str] = field(factory=set[str])

    def is_choice(self, name: str, text: str) -> bool:
        """Return whether a text is an enumerated value of a property, or a size in pixels."""
        return text in self.choices.get(name, ()) or (
            name in self.sizes and _SIZE.fullmatch(text) is not None
        )

    def is_sample(self, name: str, text: str) -> bool:
        """Return whether the spec has a text as an example of a property, but for its numbers."""
        return _without_numbers(text) in self.samples.get(name, ())


def vocabulary_of(document: JsonObject) -> Vocabulary:
    """Collect what a merged spec publishes."""
    found = Vocabulary()
    for node in _nodes(document):
        properties = node.get("properties")
        if is_object(properties):
            for name, rule in properties.items():
                found.names.add(name)
                _add_rule(found, name, resolve_ref(document, rule))
        for word in _SAMPLES:
            _add_sample(found, "", node.get(word))
    found.samples["code"].update(FAILURE_MESSAGES, _CODES)
    found.samples["message"].update(map(_without_numbers, FAILURE_MESSAGES.values()))
    found.samples["param"] |= found.names
    return found


def _nodes(node: Any) -> Iterator[JsonObject]:
    if is_object(node):
        yield node
    inner = node.values() if is_object(node) else node if is_array(node) else ()
    for one in inner:
        yield from _nodes(one)


def _add_rule(found: Vocabulary, name: str, rule: Any) -> None:
    if not is_object(rule):
        return
    values = [*rule.get("enum", ()), rule.get("const")]
    found.choices[name].update(one for one in values if isinstance(one, str))
    if PIXEL_SIZE in rule:
        found.sizes.add(name)
    for word in ("example", "default", "examples"):
        _add_sample(found, name, rule.get(word))
    for inner in (rule.get("items"), *(one for word in _MIXES for one in rule.get(word, ()))):
        _add_rule(found, name, inner)


_MIXES = ("allOf", "anyOf", "oneOf")


def _add_sample(found: Vocabulary, name: str, value: Any) -> None:
    if isinstance(value, str) and name:
        found.samples[name].add(_without_numbers(value))
    elif is_object(value):
        for inner, one in value.items():
            _add_sample(found, inner, one)
    elif is_array(value):
        for one in value:
            _add_sample(found, name, one)


def _without_numbers(text: str) -> str:
    """Replace short numbers by 0; a long one may be a secret, and stays."""
    return _DIGITS.sub("0", text)
