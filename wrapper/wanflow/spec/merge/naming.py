"""Derive names: of schemas from models, of operations from paths."""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import chain, count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_WORDS = re.compile(r"[0-9A-Za-z]+")
_VERBS = {"post": "create", "get": "get", "put": "replace", "patch": "update", "delete": "delete"}


def to_pascal_case(text: str) -> str:
    """Convert words to PascalCase: `nova-1.0 text-to-video` becomes `Nova10TextToVideo`."""
    return "".join(word[0].upper() + word[1:] for word in _WORDS.findall(text))


def request_name(models: list[str], source: str) -> str:
    """Name a request schema after its only model, or after its source spec if it has several.

    The name in the source spec isn't used: a new source spec with the same name would rename it.
    """
    name = to_pascal_case(models[0] if len(models) == 1 else source)
    return f"{name if name[:1].isalpha() else f'Model{name}'}Request"


def unique_name(name: str, taken: Iterable[str]) -> str:
    """Return a name, with a number appended if it would equal a taken one in generated code."""
    folds = {fold_name(one) for one in taken}
    names = chain([name], (f"{name}{number}" for number in count(2)))
    return next(one for one in names if fold_name(one) not in folds)


@lru_cache(maxsize=2**14)  # `unique_name` folds every taken name again
def fold_name(name: str) -> str:
    """Reduce a name to its letters and digits, in lower case."""
    return re.sub(r"[\W_]", "", name).lower()


def operation_id(method: str, path: str) -> str:
    """Name an operation after its path: POST /v1/videos/generations is `createVideoGeneration`."""
    parts = [part for part in path.split("/") if part and not re.fullmatch(r"v\d+", part)]
    words = [_singular(part) for part in parts if not part.startswith("{")]
    return _VERBS.get(method, method) + "".join(to_pascal_case(word) for word in words)


def _singular(word: str) -> str:
    if word.endswith("ies"):
        return word[:-3] + "y"
    return word[:-1] if word.endswith("s") and not word.endswith("ss") else word
