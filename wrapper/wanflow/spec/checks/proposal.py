"""Propose an overlay action for a sentence that reads like a rule."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from wanflow.catalog.document import is_array
from wanflow.catalog.keywords import CITES
from wanflow.catalog.violation import pointer_to
from wanflow.spec.overlay.citations import WHEN
from wanflow.spec.overlay.evidence import enumerated_values
from wanflow.spec.overlay.overlay import select
from wanflow.spec.read.yaml import write_yaml
from wanflow.spec.schema.value_set import value_set_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wanflow.catalog.document import JsonObject

_NUMBER = r"`?(-?\d+(?:\.\d+)?)`?"
_RANGE = re.compile(rf"[\[(]?{_NUMBER}\s*(?:,|~|\u2013|-|to|and)\s*{_NUMBER}[\])]?")
_SAYS_RANGE = re.compile(r"\b(range|between|from)\b|\[\s*-?\d", re.IGNORECASE)
_UNIT = r"(?:\s*(?!to\b|through\b|and\b)[A-Za-z]+)?"
_SPANS = tuple(
    re.compile(rf"(?<![\w.:-]){form}(?![\w:-]|\.\w)", re.IGNORECASE)
    for form in (
        rf"{_NUMBER}{_UNIT}\s*(?:~|\u2013|-|to\b|through\b)\s*{_NUMBER}{_UNIT}",
        rf"between\s+{_NUMBER}{_UNIT}\s+and\s+{_NUMBER}{_UNIT}",
    )
)
"""Two numbers that are the ends of a range, also after words that announce a list."""
_WHOLE = re.compile(r"(?<![\w.])\d+(?!\.?\w)")
_MOST = re.compile(
    r"(?:exceed|limited to|up to|at most|(?:no|not) (?:more|longer|greater) than"
    rf"|max(?:imum)?\b[^\d`]{{0,30}})\s*{_NUMBER}(?P<unit>\s*\w*)",
    re.IGNORECASE,
)
_LEAST = re.compile(
    rf"(?:at least|(?:no|not) (?:less|fewer|shorter) than)\s*{_NUMBER}(?P<unit>\s*\w*)",
    re.IGNORECASE,
)
_STEP = re.compile(rf"multiple of\s*{_NUMBER}", re.IGNORECASE)
_CHOICE = re.compile(
    r"\b(only supports?|one of"
    r"|(supported|available|allowed|accepted|valid|possible) (\w+ )?\w+s(:| are\b))",
    re.IGNORECASE,
)
_GLOSS = re.compile(r",?\s+(representing|which|where|meaning|corresponding)\b|\(", re.IGNORECASE)
_PLAIN = re.compile(r"[\w `,;:~%-]+", re.ASCII)
"""What of a sentence a search takes as it stands."""
_FEWEST = 12
_BOUNDS = {
    "integer": ("minimum", "maximum"),
    "number": ("minimum", "maximum"),
    "string": ("minLength", "maxLength"),
    "array": ("minItems", "maxItems"),
}
_UNITS = {
    "string": re.compile(r"\s*char|\s*letters?\b", re.IGNORECASE),
    "array": re.compile(
        r"\s*(images?|files?|items?|urls?|links?|videos?|elements?|entries)?$", re.IGNORECASE
    ),
}


def propose_action(document: JsonObject, at: str, schema: JsonObject, sentence: str) -> str:
    """Return the action that a person may paste, as YAML; "" where no rule is recognised.

    `at` is the pointer of the merged document's schema that carries the sentence.
    """
    found = (_fitting(document, schema, rule) for rule in _rules(schema, sentence))
    update = next((one for one in found if one), None)
    if update is None:
        return ""
    action = {
        "target": _by_words(document, at, sentence) or _target(document, at),
        "description": "The document says it in prose only.",
        WHEN: {"type": schema["type"]},
        "update": {**update, CITES: {key: sentence for key in update if key != "example"}},
    }
    return write_yaml([action])


def _rules(schema: JsonObject, sentence: str) -> Iterator[JsonObject]:
    """Yield the rules that a sentence may mean, the most likely first."""
    kind = schema.get("type")
    if kind not in _BOUNDS:
        return
    low, high = _BOUNDS[kind]
    if values := _values(kind, sentence):
        yield {"enum": values}
    span = _range(sentence)
    if span and kind in {"integer", "number"}:
        yield {low: _number(span[1]), high: _number(span[2])}
    if step := _STEP.search(sentence):
        yield {"multipleOf": _number(step[1])}
    bounds = {}
    for key, found in ((low, _LEAST.search(sentence)), (high, _MOST.search(sentence))):
        if found and (kind not in _UNITS or _UNITS[kind].match(found["unit"])):
            bounds[key] = _number(found[1])
    yield bounds
    if kind == "string" and re.search(r"\bonly https\b", sentence, re.IGNORECASE):
        yield {"pattern": "^https://"}


def _values(kind: str, sentence: str) -> list[Any]:
    listed = enumerated_values(sentence.split(" - "))
    if not listed and _CHOICE.search(sentence):
        if _chosen_range(sentence):
            return []
        head = _head(sentence)
        listed = re.findall(r"`([^`]+)`", head) or _WHOLE.findall(head)
    if kind == "string":
        return list(dict.fromkeys(listed))
    numbers = kind in {"integer", "number"} and all(re.fullmatch(r"-?\d+", v) for v in listed)
    return list(dict.fromkeys(map(int, listed))) if numbers else []


def _range(sentence: str) -> re.Match[str] | None:
    """Return the range of a sentence, unless other values are allowed beside it."""
    chosen = _chosen_range(sentence)
    if chosen is None:
        return _RANGE.search(sentence) if _SAYS_RANGE.search(sentence) else None
    return None if _WHOLE.search(_head(sentence).replace(chosen[0], " ")) else chosen


def _chosen_range(sentence: str) -> re.Match[str] | None:
    """Return the range of a sentence that sounds like a list: "only supports values 1 to 4"."""
    if not _CHOICE.search(sentence):
        return None
    head = _head(sentence)
    return next((found for form in _SPANS if (found := form.search(head))), None)


def _head(sentence: str) -> str:
    return _GLOSS.split(sentence)[0]


def _number(text: str) -> int | float:
    return float(text) if "." in text else int(text)


def _fitting(document: JsonObject, schema: JsonObject, rule: JsonObject) -> JsonObject | None:
    """Return a rule that fits, with another example if the documented one violates it."""
    if _fits(document, schema, rule):
        return rule
    rest = {key: value for key, value in schema.items() if key != "example"}
    fits = "enum" in rule and _fits(document, rest, rule)
    return {**rule, "example": rule["enum"][0]} if fits else None


def _fits(document: JsonObject, schema: JsonObject, rule: JsonObject) -> bool:
    """Return whether a rule restricts a schema, and the schema's own values satisfy it."""
    if not rule or rule.keys() & schema.keys():
        return False
    whole = value_set_of(document, {**schema, **rule})
    shown = [schema[key] for key in ("example", "default") if key in schema]
    listed: Any = schema.get("examples", ())
    return whole.may_have_values() and all(whole.accepts(value) for value in (*shown, *listed))


def _by_words(document: JsonObject, at: str, sentence: str) -> str:
    """Write a JSONPath that picks a parameter by words of its description, where one does.

    So one action serves every document that says the same.
    """
    piece = max(_PLAIN.findall(sentence), key=len, default="").strip()
    if len(piece) < _FEWEST:
        return ""
    path = f"$.components.schemas[*].properties[?search(@.description, '{piece}')]"
    picked = (pointer_to(parts) for parts in select(document, path, ""))
    return path if at in picked else ""


def _target(document: JsonObject, at: str) -> str:
    """Convert a JSON pointer to a JSONPath."""
    path, node = "$", document
    for part in at.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        if is_array(node):
            path, node = f"{path}[{key}]", node[int(key)]
        else:
            quoted = key.replace("\\", "\\\\").replace("'", "\\'")
            path, node = f"{path}['{quoted}']", node[key]
    return path
