"""A plain scalar, as YAML 1.2 reads it and as the loaders of YAML 1.1 do."""

from __future__ import annotations

import importlib
import math
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

# PyYAML has no types of its own: this is the one place where it is Any.
yaml: Any = importlib.import_module("yaml")
_resolver_1_1 = yaml.resolver.Resolver()
_constructor_1_1 = yaml.constructor.SafeConstructor()


def _float(text: str) -> float | str:
    """Read a number; one that no double holds stays a text, for JSON has no infinity."""
    number = float(text)
    return number if math.isfinite(number) else text


def _integer(text: str) -> int | str:
    """Read a whole number; one that no double holds stays a text too."""
    return int(text) if math.isfinite(float(text)) else text


# The core schema of YAML 1.2.2, section 10.3.2, as far as JSON has a value for it.
_CORE: tuple[tuple[re.Pattern[str], Callable[[str], Any]], ...] = (
    (re.compile(r"(?:~|null|Null|NULL)?"), lambda _: None),
    (re.compile(r"true|True|TRUE|false|False|FALSE"), lambda text: text.lower() == "true"),
    (re.compile(r"[-+]?[0-9]+"), _integer),
    (re.compile(r"0o[0-7]+"), lambda text: int(text[2:], 8)),
    (re.compile(r"0x[0-9a-fA-F]+"), lambda text: int(text[2:], 16)),
    (re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"), _float),
)


def core(text: str) -> Any:
    """Return what YAML 1.2 reads a plain scalar as."""
    for pattern, convert in _CORE:
        if pattern.fullmatch(text):
            return convert(text)
    return text


def resolved_1_1(node: Any) -> bool:
    """Tell whether a node has the tag that YAML 1.1 gives its text unasked."""
    return bool(_tag_1_1(node.value) == node.tag)


def _tag_1_1(text: str) -> str:
    tag: str = _resolver_1_1.resolve(yaml.ScalarNode, text, (True, False))
    return tag


def value_1_1(text: str) -> Any:
    """Return what YAML 1.1 reads a plain scalar as; a class of its own where it can't."""
    if text in {"y", "Y", "n", "N"}:  # YAML 1.1 proper says so; PyYAML alone doesn't follow it
        return text in {"y", "Y"}
    tag = _tag_1_1(text)
    if tag.endswith(":str"):
        return text
    try:
        return _constructor_1_1.construct_object(yaml.ScalarNode(tag, text), deep=True)
    except (yaml.YAMLError, ValueError):
        return _Unreadable


class _Unreadable:
    """Stands for what a YAML 1.1 loader fails on."""
