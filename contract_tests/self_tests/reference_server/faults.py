"""Faults of the reference server that a developer could introduce by mistake."""

from __future__ import annotations

import json
from typing import Any
from unicodedata import normalize

from self_tests.reference_server.server import Rejected, Server


class KeysNotChecked(Server):
    """Keys are not checked."""

    def account(self, header: str | None) -> str:
        return header or ""


class AnyAccountSees(Server):
    """Any account sees any task."""

    def poll(self, key: str, task_id: str) -> dict[str, Any]:
        known = self.tasks.get(task_id)
        return super().poll(known["key"] if known else key, task_id)


class NotValidated(Server):
    """Requests are not validated."""

    def validate(self, reference: str, body: dict[str, Any]) -> None:
        """Let everything pass."""


class TooStrict(Server):
    """A limit in characters is counted in bytes."""

    def validate(self, reference: str, body: dict[str, Any]) -> None:
        super().validate(reference, body)
        if len(str(body.get("prompt", "")).encode()) > 2000:
            raise Rejected(400, "The prompt is too long", "prompt")


class OneTask(Server):
    """Two submissions within a second are one task."""

    def submit(self, path: str, key: str, body: Any) -> dict[str, Any]:
        made = super().submit(path, key, body)
        made["id"] = f"task-unified-{made['created']}-onlyone"
        return made


class Backwards(Server):
    """A completed task is pending again every other time."""

    def poll(self, key: str, task_id: str) -> dict[str, Any]:
        seen = super().poll(key, task_id)
        if seen["status"] == "completed" and next(self.numbers) % 2:
            return {**seen, "status": "pending", "progress": 0, "results": []}
        return seen


class OneResult(Server):
    """There is one result, however many were asked for."""

    def poll(self, key: str, task_id: str) -> dict[str, Any]:
        seen = super().poll(key, task_id)
        return {**seen, "results": seen["results"][:1]} if "results" in seen else seen


class DeadLinks(Server):
    """Result URLs serve an HTML page."""

    def file(self, path: str) -> tuple[str, bytes]:
        return "text/html", b"<h1>Sorry</h1>"


class FreeSeconds(Server):
    """Ten seconds cost as much as five."""

    def usage(self, kind: str, body: dict[str, Any]) -> dict[str, Any]:
        return super().usage(kind, {**body, "duration": 5})


class TextNumbers(Server):
    """Numbers are written as texts."""

    def poll(self, key: str, task_id: str) -> dict[str, Any]:
        seen = super().poll(key, task_id)
        return {**seen, "created": json.dumps(seen["created"])}


class PlainTypes(Server):
    """A media type with a parameter is refused."""

    def submit(self, path: str, key: str, body: Any) -> dict[str, Any]:
        if ";" in self.current.headers["Content-Type"]:
            raise Rejected(415, "Send application/json, and no more")
        return super().submit(path, key, body)


class LowestByDefault(Server):
    """A ratio is compared with those of the lowest quality, if the request names none."""

    def validate(self, reference: str, body: dict[str, Any]) -> None:
        if "quality" not in body and body.get("aspect_ratio") in ("4:3", "3:4"):
            raise Rejected(400, "480p has no such ratio", "aspect_ratio")
        super().validate(reference, body)


class Composing(Server):
    """A text is measured after its letters are composed."""

    def validate(self, reference: str, body: dict[str, Any]) -> None:
        text = body.get("prompt")
        composed = normalize("NFC", text) if isinstance(text, str) else text
        super().validate(reference, {**body, "prompt": composed} if "prompt" in body else body)


class AnyModelAnywhere(Server):
    """Each operation takes the models of all."""

    def submit(self, path: str, key: str, body: Any) -> dict[str, Any]:
        name = body.get("model") if isinstance(body, dict) else None
        for own, union in self.posts.items():
            path = own if name in list(union["discriminator"]["mapping"]) else path
        return super().submit(path, key, body)


class Filtering(Server):
    """A prompt that a filter takes for an attack is refused."""

    def validate(self, reference: str, body: dict[str, Any]) -> None:
        super().validate(reference, body)
        if "<script" in body.get("prompt", ""):
            raise Rejected(400, "That may be an attack", "prompt")


FAULTS = (
    KeysNotChecked,
    AnyAccountSees,
    NotValidated,
    TooStrict,
    OneTask,
    Backwards,
    OneResult,
    DeadLinks,
    FreeSeconds,
    TextNumbers,
    PlainTypes,
    LowestByDefault,
    Composing,
    AnyModelAnywhere,
    Filtering,
)
