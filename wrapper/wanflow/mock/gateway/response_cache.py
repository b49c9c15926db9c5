"""Answers that differ only in a task's id and time, written once and filled in from then on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define, evolve, field

from wanflow.mock.json_body import encode

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from wanflow.catalog.document import JsonObject
    from wanflow.mock.gateway.tasks import Task

_ID = "task-unified-stencil"
_CREATED = 8_765_432_109_876
_MOST = 2000


@define
class ResponseTemplates:
    """Encoded answers with gaps, by what they depend on beside the gaps; `_MOST` are kept."""

    _templates: dict[Hashable, bytes] = field(factory=dict["Hashable", bytes], repr=False)

    def render(self, key: Hashable, task: Task, build: Callable[[Task], JsonObject]) -> bytes:
        """Encode what `build` says of a task; tasks of the same key differ in id and time alone."""
        stencil = self._templates.get(key)
        if stencil is None:
            if len(self._templates) >= _MOST:
                self._templates.clear()
            stencil = self._templates[key] = _make_template(task, build)
        return stencil % {b"id": task.id.encode(), b"created": int(task.created)}


def _make_template(task: Task, build: Callable[[Task], JsonObject]) -> bytes:
    ended = None if task.ended is None else task.ended - task.created + _CREATED
    blank = evolve(task, id=_ID, created=float(_CREATED), ended=ended)
    encoded = encode(build(blank)).replace(b"%", b"%%")
    gaps = {_ID.encode(): b"%(id)b", str(_CREATED).encode(): b"%(created)d"}
    for mark, gap in gaps.items():
        encoded = encoded.replace(mark, gap)
    return encoded
