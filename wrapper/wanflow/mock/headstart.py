"""Begin a coroutine at once, and make a task only of what is left of it."""

from __future__ import annotations

import types
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine, Generator

T = TypeVar("T")


@types.coroutine
def rest_of(begun: Coroutine[Any, Any, T], wanted: Any) -> Generator[Any, Any, T]:
    """Go on with a coroutine that was begun by `send(None)` and wants to wait for something."""
    while True:
        try:
            got = yield wanted
        except BaseException as error:
            resume = partial(begun.throw, error)
        else:
            resume = partial(begun.send, got)
        try:
            wanted = resume()
        except StopIteration as end:
            result: T = end.value
            return result
