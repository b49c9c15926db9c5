"""Encoded responses that differ only in a task's id and time, cached as templates."""

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
_MAX_TEMPLATES = 2000


@define
class ResponseTemplates:
    """Encoded responses with placeholders for id and time, at most `_MAX_TEMPLATES`."""

    _templates: dict[Hashable, bytes] = field(factory=dict["Hashable", bytes], repr=False)

    def render(self, key: Hashable, task: Task, build: Callable[[Task], JsonObject]) -> bytes:
        """Encode the response of `build`; tasks of the same key differ only in id and time."""
        template = self._templates.get(key)
        if template is None:
            if len(self._templates) >= _MAX_TEMPLATES:
                self._templates.clear()
            template = self._templates[key] = _make_template(task, build)
        return template % {b"id": task.id.encode(), b"created": int(task.created)}


def _make_template(task: Task, build: Callable[[Task], JsonObject]) -> bytes:
    ended = None if task.ended is None else task.ended - task.created + _CREATED
    blank = evolve(task, id=_ID, created=float(_CREATED), ended=ended)
    encoded = encode(build(blank)).replace(b"%", b"%%")
    placeholders = {_ID.encode(): b"%(id)b", str(_CREATED).encode(): b"%(created)d"}
    for value, placeholder in placeholders.items():
        encoded = encoded.replace(value, placeholder)
    return encoded
