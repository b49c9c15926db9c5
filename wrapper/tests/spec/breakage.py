"""Damage a valid document: truncated, changed, mistyped, or with exhausting YAML."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from wanflow.spec.read.yaml import write_yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

Json = dict[str, Any]

OTHER_VALUES = (
    *(
        None,
        True,
        0,
        -1,
        7,
        1.5,
        10**40,
        -(10**40),
        "",
        "many",
        "\x00",
        "\ud800",
        "é\u2028",
        "16:9",
    ),
    *([], [None], ["a", 1], [[]], {}, {"a": 1}, {"": {}}, {"$ref": 5}, {"type": "objekt"}),
    *({"$ref": "#/components/schemas/Nowhere"}, {"$ref": "other.yaml#/a"}, {"$ref": "#/paths"}),
    *({"type": "array"}, {"enum": []}, {"not": {}}, {"oneOf": [{}]}, {"allOf": []}, False),
)
KEYS = ("", "requird", "model", "$ref", "x-new", "200", "properties", "\x00", "a/b~c", "get", "on")
RAW = (b"\x00", b"\xff", b"\t", b"\xef\xbb\xbf", b"\r", b"&a *a ", b"<<: *a\n", b"\xe2\x80\xa8")
LINES = ("---", "...", "%YAML 1.1", "\tx: 1", "x: &a [*a]", "? [a]", "- b", "openapi: 3.1.0", "'")


def node_paths(node: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of each node of JSON data."""
    children = node.items() if isinstance(node, dict) else enumerate(node)
    for key, value in children:
        yield (*at, key)
        if isinstance(value, dict | list):
            yield from node_paths(value, (*at, key))


def parent_of(data: Any, at: tuple[Any, ...]) -> Any:
    for key in at[:-1]:
        data = data[key]
    return data


@st.composite
def with_broken_nodes(draw: st.DrawFn, _text: str, data: Json) -> tuple[str, bytes]:
    """A document with one or two nodes removed, renamed, moved, or of another type."""
    bad = json.loads(json.dumps(data))
    for _ in range(draw(st.integers(1, 2))):
        break_node(draw, bad, draw(st.sampled_from(list(node_paths(bad)))))
    plain = json.dumps(bad)
    if "\\ud800" in plain or draw(st.booleans()):
        return draw(st.sampled_from(("nova.json", "nova.yaml"))), plain.encode()
    return "nova.yaml", write_yaml(bad).encode()


def break_node(draw: st.DrawFn, bad: Json, at: tuple[Any, ...]) -> None:
    inside = parent_of(bad, at)
    change = draw(st.sampled_from(("drop", "other", "rename", "moved", "deep", "loop")))
    value, key = inside.pop(at[-1]), at[-1]
    if change == "moved":
        inside = parent_of(bad, draw(st.sampled_from(list(node_paths(bad)))))
    elif change == "other":
        value = draw(st.sampled_from(OTHER_VALUES))
    elif change == "rename":
        key = draw(st.sampled_from(KEYS))
    elif change == "deep":
        for _ in range(draw(st.sampled_from((5, 60, 150)))):
            value = draw(st.sampled_from(({"items": value}, [value])))
    elif change == "loop":
        value = {"$ref": "#" + "".join(f"/{one}".replace("~", "~0") for one in at)}
    if change != "drop":
        inside.append(value) if isinstance(inside, list) else inside.update({key: value})


KEYWORDS = (
    *("type", "properties", "required", "items", "enum", "minimum", "maxLength", "pattern"),
    *("format", "example", "examples", "default", "allOf", "not", "additionalProperties"),
    *("patternProperties", "multipleOf", "$ref", "$defs", "$id", "if", "discriminator", "schema"),
    *("content", "responses", "requestBody", "parameters", "security", "servers", "links"),
)
WRONG = (
    *("[", "(?<x>a)\\k<x>", "(a+)+$", "\\p{Foo}", "#", "http://[", "string", 1e308, 10**400),
    *(["string", "string"], [None], {"propertyName": 3}, {"format": "regex"}, {"enum": {}}),
    *({"minimum": "1"}, {"pattern": "["}, {"required": "a"}, {"properties": []}, {"value": None}),
    *({"allOf": [{"$ref": "#"}]}, {"mapping": {"a": "b"}}),
)


@st.composite
def with_wrong_keywords(draw: st.DrawFn, _text: str, data: Json) -> tuple[str, bytes]:
    """A document in which one or two keywords have values that they may not have."""
    bad = json.loads(json.dumps(data))
    for _ in range(draw(st.integers(1, 2))):
        inside = parent_of(bad, draw(st.sampled_from(list(node_paths(bad)))))
        if isinstance(inside, dict):
            values = st.sampled_from((*WRONG, *OTHER_VALUES))
            inside[draw(st.sampled_from(KEYWORDS))] = draw(values)
    return "nova.json", json.dumps(bad).encode()


@st.composite
def with_broken_text(draw: st.DrawFn, text: str, _data: Json) -> tuple[str, bytes]:
    """A document whose text is truncated, or has unexpected bytes or lines."""
    raw = text.encode()
    at = draw(st.integers(0, len(raw)))
    lines = text.splitlines()
    number = draw(st.integers(0, len(lines) - 1))
    match draw(st.sampled_from(("cut", "bytes", "line", "twice", "ref", "huge", "bomb"))):
        case "cut":
            return "nova.yaml", raw[:at]
        case "bytes":
            return "nova.yaml", raw[:at] + draw(st.sampled_from(RAW)) + raw[at:]
        case "line":
            lines.insert(number, draw(st.sampled_from(LINES)))
        case "twice":
            lines.insert(number, lines[number])
        case "ref":
            word = draw(st.sampled_from(("schemas/", "#/", "components", "Error")))
            return "nova.yaml", text.replace(
                f"{word}", f"{word}x", draw(st.integers(1, 9))
            ).encode()
        case "huge":
            return "nova.yaml", raw.replace(b"10", b"1" * draw(st.sampled_from((30, 400, 5000))))
        case "bomb":
            whole = [
                f"x-{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9 if n else 'x')}]" for n in range(9)
            ]
            lines += whole
    return "nova.yaml", "\n".join(lines).encode()
