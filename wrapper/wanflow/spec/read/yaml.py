"""Read YAML as version 1.2, and write YAML that loaders of 1.1 and 1.2 read equally.

YAML 1.1 (PyYAML, openapi-spec-validator, Schemathesis) and YAML 1.2 (ruamel.yaml, the generator)
read some plain scalars differently: in 1.1 an unquoted `16:9` is the number 969 and `no` is false,
in 1.2 both are strings. Such scalars are called ambiguous here: they are read as in YAML 1.2, their
lines are recorded, and they are never written.
"""

from __future__ import annotations

import importlib
import json
import math
import re
from typing import TYPE_CHECKING, Any, NoReturn

from attrs import field, frozen

from wanflow.catalog.document import escape_key, is_array, is_object
from wanflow.spec.errors import InvalidDocument

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

# PyYAML has no type hints: only here it is Any.
yaml: Any = importlib.import_module("yaml")
_resolver_1_1 = yaml.resolver.Resolver()
_constructor_1_1 = yaml.constructor.SafeConstructor()


def _float(text: str) -> float | str:
    """Parse a number; return the text if it is infinite as a double, which JSON doesn't have."""
    number = float(text)
    return number if math.isfinite(number) else text


def _integer(text: str) -> int | str:
    """Parse an integer; return the text if it is infinite as a double."""
    return int(text) if math.isfinite(float(text)) else text


# The core schema of YAML 1.2.2, section 10.3.2, without what JSON has no value for.
_CORE: tuple[tuple[re.Pattern[str], Callable[[str], Any]], ...] = (
    (re.compile(r"(?:~|null|Null|NULL)?"), lambda _: None),
    (re.compile(r"true|True|TRUE|false|False|FALSE"), lambda text: text.lower() == "true"),
    (re.compile(r"[-+]?[0-9]+"), _integer),
    (re.compile(r"0o[0-7]+"), lambda text: int(text[2:], 8)),
    (re.compile(r"0x[0-9a-fA-F]+"), lambda text: int(text[2:], 16)),
    (re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"), _float),
)


def resolve_1_2(text: str) -> Any:
    """Return the value of a plain scalar in YAML 1.2."""
    for pattern, convert in _CORE:
        if pattern.fullmatch(text):
            return convert(text)
    return text


def has_implicit_tag_1_1(node: Any) -> bool:
    """Return whether a node has the implicit tag of its text in YAML 1.1."""
    return bool(_tag_1_1(node.value) == node.tag)


def _tag_1_1(text: str) -> str:
    tag: str = _resolver_1_1.resolve(yaml.ScalarNode, text, (True, False))
    return tag


def resolve_1_1(text: str) -> Any:
    """Return the value of a plain scalar in YAML 1.1; `_Unreadable` if it has none."""
    if text in {"y", "Y", "n", "N"}:  # as in the YAML 1.1 specification, unlike PyYAML
        return text in {"y", "Y"}
    tag = _tag_1_1(text)
    if tag.endswith(":str"):
        return text
    try:
        return _constructor_1_1.construct_object(yaml.ScalarNode(tag, text), deep=True)
    except (yaml.YAMLError, ValueError):
        return _Unreadable


class _Unreadable:
    """A scalar that a YAML 1.1 loader can't read."""


_MAX_NODES = 200_000
_MAX_DEPTH = 100
_TOO_LARGE = "has more nodes or a deeper nesting than is allowed"
_START_EVENTS = (yaml.SequenceStartEvent, yaml.MappingStartEvent)
_END_EVENTS = (yaml.SequenceEndEvent, yaml.MappingEndEvent)
_SURROGATE = re.compile("[\ud800-\udfff]")
_NUMBER_LIKE = re.compile(r"[-+]?[0-9_]*\.?[0-9_]*")
"""What some loader takes for a number and can't parse (such as a single `.` or `-`)."""
_CONTAINERS = frozenset({"tag:yaml.org,2002:seq", "tag:yaml.org,2002:map"})
_PLAIN_TAGS = frozenset({"null", "bool", "int", "float", "str"})
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@frozen
class AmbiguousScalar:
    """A plain scalar that loaders read differently, and how to write it instead."""

    line: int
    pointer: str
    text: str
    remedy: str
    span: tuple[int, int] = field(repr=False)


@frozen
class YamlDocument:
    """A YAML text as JSON data, with the line (from 1) of each node by JSON pointer."""

    data: Any
    lines: dict[str, int] = field(repr=False)
    ambiguous: tuple[AmbiguousScalar, ...] = ()


def read_yaml(text: str, name: str) -> YamlDocument:
    """Parse one YAML document; error messages begin with `name`.

    Raises:
        InvalidDocument: the text isn't valid YAML, or has what JSON can't represent: tags, two
            documents, duplicate keys.
    """
    try:
        _require_bounded(text, name)
        node = yaml.compose(text, _Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        problem = ", ".join(part for part in (error.context, error.problem) if part)
        tab = "; indent with spaces, not tabs" if "\t" in _line(text, line) else ""
        raise InvalidDocument(f"{name}, line {line}: {' '.join(problem.split())}{tab}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InvalidDocument(f"{name}: not valid YAML ({' '.join(str(error).split())})") from error
    reader = _NodeReader(name)
    data = None if node is None else reader.value(node, "", 0)
    return YamlDocument(data, reader.lines, tuple(reader.ambiguous))


def _require_bounded(text: str, name: str) -> None:
    """Reject a text with too many nodes or too deep nesting, from its parser events.

    The loader is recursive, and very deep nesting would crash the process.
    """
    opened: list[tuple[str | None, int]] = []
    sizes: dict[str | None, int] = {}
    count = 0
    for event in yaml.parse(text, _Loader):
        if isinstance(event, _END_EVENTS):
            anchor, start = opened.pop()
            sizes[anchor] = count - start
        elif isinstance(event, yaml.AliasEvent):
            count += sizes.get(event.anchor, 1)
        elif isinstance(event, (*_START_EVENTS, yaml.ScalarEvent)):
            count += 1
            if isinstance(event, _START_EVENTS):
                opened.append((event.anchor, count))
        if len(opened) > _MAX_DEPTH or count > _MAX_NODES:
            raise InvalidDocument(f"{name}, line {event.start_mark.line + 1}: {_TOO_LARGE}")


def require_bounded(data: Any, name: str) -> None:
    """Reject data with too many nodes or too deep nesting.

    Raises:
        InvalidDocument: a limit is exceeded.
    """
    level: list[Any] = [data]
    count = 0
    for _ in range(_MAX_DEPTH + 1):
        count += len(level)
        if not level:
            return
        if count > _MAX_NODES:
            break
        level = [node for one in level for node in _children(one)]
    raise InvalidDocument(f"{name}: it {_TOO_LARGE}")


def _children(node: Any) -> Iterable[Any]:
    if is_object(node):
        return node.values()
    return node if is_array(node) else ()


def _line(text: str, number: int) -> str:
    return next(iter(text.split("\n")[number - 1 : number]), "")


class _NodeReader:
    """Converts the nodes of one document to JSON data."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.lines: dict[str, int] = {}
        self.ambiguous: list[AmbiguousScalar] = []
        self._nodes = 0

    def value(self, node: Any, at: str, depth: int) -> Any:
        self._nodes += 1
        if self._nodes > _MAX_NODES or depth > _MAX_DEPTH:
            self._refuse(node, _TOO_LARGE)
        self.lines[at] = node.start_mark.line + 1
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, at)
        if node.tag not in _CONTAINERS:
            self._refuse(node, f"has the tag {node.tag}, which JSON has no value for")
        if isinstance(node, yaml.SequenceNode):
            return [self.value(n, f"{at}/{i}", depth + 1) for i, n in enumerate(node.value)]
        return self._mapping(node, at, depth)

    def _mapping(self, node: Any, at: str, depth: int) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self._refuse(key_node, "is a key that is not a scalar")
            key = self._key(key_node, at)
            if key in data:
                self._refuse(key_node, f"the key {key!r} is a duplicate")
            data[key] = self.value(value_node, f"{at}/{escape_key(key)}", depth + 1)
        return data

    def _key(self, node: Any, at: str) -> str:
        if not node.style and node.value == "<<":
            self._refuse(node, "is a merge key, which YAML 1.2 doesn't have")
        text = str(node.value)
        if _SURROGATE.search(text):
            self._refuse(node, "holds half a character (a lone surrogate)")
        if not text and not node.style:
            self._refuse(node, "has an empty key")
        if not node.style and not (
            isinstance(resolve_1_2(text), str) and resolve_1_1(text) == text
        ):
            # A key is always a string in JSON, also `200` and `on`.
            self._note(node, f"{at}/{escape_key(text)}", text)
        return text

    def _scalar(self, node: Any, at: str) -> Any:
        if _SURROGATE.search(node.value):
            self._refuse(node, "holds half a character (a lone surrogate)")
        if node.style:
            return node.value
        if node.tag.rpartition(":")[2] not in _PLAIN_TAGS and not has_implicit_tag_1_1(node):
            self._refuse(node, f"has the tag {node.tag}, which JSON has no value for")
        value = resolve_1_2(node.value)
        if not json_equal(resolve_1_1(node.value), value):
            self._note(node, at, value)
        return value

    def _note(self, node: Any, at: str, value: Any) -> None:
        span = (node.start_mark.index, node.end_mark.index)
        line = node.start_mark.line + 1
        self.ambiguous.append(AmbiguousScalar(line, at, node.value, _quoted(value), span))

    def _refuse(self, node: Any, why: str) -> NoReturn:
        raise InvalidDocument(f"{self.name}, line {node.start_mark.line + 1}: {why}")


def write_yaml(data: Any) -> str:
    """Write JSON data as YAML that loaders of 1.1 and 1.2 read equally; keeps the order of keys."""
    text: str = yaml.dump(
        data, Dumper=_PlainDumper, sort_keys=False, allow_unicode=True, width=100, indent=2
    )
    return text


def quote_ambiguous(text: str, document: YamlDocument) -> str:
    """Quote every ambiguous scalar, and change nothing else in the text."""
    for scalar in sorted(document.ambiguous, key=lambda found: found.span, reverse=True):
        start, end = scalar.span
        text = text[:start] + scalar.remedy + text[end:]
    return text


def json_equal(one: Any, other: Any) -> bool:
    """Return whether two values are the same JSON, types included: 1 isn't true."""
    return json.dumps(one, default=repr) == json.dumps(other, default=repr)


class _PlainDumper(yaml.SafeDumper):  # type: ignore[misc]
    """Writes multi-line strings as blocks, and quotes strings that some loader would misread.

    Not in C: libyaml escapes emoji, and not every installation of PyYAML has it.
    """

    def ignore_aliases(self, _data: Any) -> bool:
        return True


_LINE_BREAK_1_1 = re.compile("[\x85\u2028\u2029]")
"""Line breaks of YAML 1.1 only, which PyYAML's dumper escapes within double quotes alone."""


def _represent_text(dumper: Any, text: str) -> Any:
    style = None
    if _LINE_BREAK_1_1.search(text):
        style = '"'
    elif "\n" in text:
        style = "|"
    elif _NUMBER_LIKE.fullmatch(text) or not (
        isinstance(resolve_1_2(text), str) and isinstance(resolve_1_1(text), str)
    ):
        style = "'"
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_PlainDumper.add_representer(str, _represent_text)


def _quoted(value: Any) -> str:
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    text = json.dumps(value)
    # In YAML 1.1, a number with an exponent needs a decimal point.
    return text.replace("e", ".0e") if isinstance(value, float) and "." not in text else text
