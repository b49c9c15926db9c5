"""Names that the merge makes: of schemas from models, of operations from their paths."""

from __future__ import annotations

import re
from itertools import chain, count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_WORD = re.compile(r"[0-9A-Za-z]+")
_VERBS = {"post": "create", "get": "get", "put": "replace", "patch": "update", "delete": "delete"}


def pascal(text: str) -> str:
    """Write words as one: `nova-1.0 text-to-video` becomes `Nova10TextToVideo`."""
    return "".join(word[0].upper() + word[1:] for word in _WORD.findall(text))


def request_name(models: list[str], source: str) -> str:
    """Name a request's schema after its only model, or after its document where it has several.

    Always from these, never from what the publisher called it, so that a later document that
    calls its own request the same doesn't rename this one.
    """
    name = pascal(models[0] if len(models) == 1 else source)
    return f"{name if name[:1].isalpha() else f'Model{name}'}Request"


def unused(name: str, taken: Iterable[str]) -> str:
    """Return a name, with a number where another that is taken would come to the same in code."""
    folds = {folded(one) for one in taken}
    names = chain([name], (f"{name}{number}" for number in count(2)))
    return next(one for one in names if folded(one) not in folds)


def folded(name: str) -> str:
    """Return what is left of a name in every way to write it: letters and digits, in one case."""
    return re.sub(r"[\W_]", "", name).lower()


def operation_id(method: str, path: str) -> str:
    """Name an operation after its path: POST /v1/videos/generations is `createVideoGeneration`."""
    parts = [part for part in path.split("/") if part and not re.fullmatch(r"v\d+", part)]
    words = [_singular(part) for part in parts if not part.startswith("{")]
    return _VERBS.get(method, method) + "".join(pascal(word) for word in words)


def _singular(word: str) -> str:
    if word.endswith("ies"):
        return word[:-3] + "y"
    return word[:-1] if word.endswith("s") and not word.endswith("ss") else word
