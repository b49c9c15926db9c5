"""Variants of the reference server that the documents allow, too."""

from __future__ import annotations

import time
from typing import Any

from self_tests.reference_server.server import DOCUMENT, Rejected, Server


class Thin(Server):
    """Receipts have only the four fields of every document, and status responses only a few."""

    def submit(self, path: str, key: str, body: Any) -> dict[str, Any]:
        made = super().submit(path, key, body)
        return {name: made[name] for name in ("created", "id", "model", "status")}

    def poll(self, key: str, task_id: str) -> dict[str, Any]:
        seen = super().poll(key, task_id)
        kept = ("created", "id", "model", "status", "results")
        return {name: value for name, value in seen.items() if name in kept}


class Gradual(Server):
    """Tasks are processing for a while, with progress."""

    def poll(self, key: str, task_id: str) -> dict[str, Any]:
        # Read the age first: the status read afterwards can only be further on.
        age = time.monotonic() - self.tasks[task_id]["at"] if task_id in self.tasks else 0
        seen = super().poll(key, task_id)
        if age >= 0.2:
            return seen
        running = {"status": "processing" if age >= 0.05 else "pending", "progress": int(age * 400)}
        return {**{name: one for name, one in seen.items() if "result" not in name}, **running}


class Immediate(Server):
    """A task is processing when it is submitted, and completed at the first poll."""

    def submit(self, path: str, key: str, body: Any) -> dict[str, Any]:
        made = super().submit(path, key, body)
        self.tasks[made["id"]]["at"] -= 10
        return {**made, "status": "processing", "progress": 3}


class Failing(Server):
    """Every tenth task fails, with few fields."""

    def poll(self, key: str, task_id: str) -> dict[str, Any]:
        seen = super().poll(key, task_id)
        if seen["status"] != "completed" or not task_id.endswith("3"):
            return seen
        error = {"code": "service_error", "message": "Sorry", "type": "task_error"}
        kept = {name: seen[name] for name in ("id", "model", "object")}
        return {**kept, "status": "failed", "progress": 0, "error": error}


class OtherStore(Server):
    """Result URLs are not http or https."""

    def poll(self, key: str, task_id: str) -> dict[str, Any]:
        seen = super().poll(key, task_id)
        if "results" in seen:
            links = [f"gs://bucket/{task_id}/{i}" for i, _ in enumerate(seen["results"])]
            seen |= {"results": links, "result_data": [{"url": link} for link in links]}
        return seen


class Forbidding(Server):
    """Another account's task is 403, not 404."""

    def poll(self, key: str, task_id: str) -> dict[str, Any]:
        if task_id in self.tasks and self.tasks[task_id]["key"] != key:
            raise Rejected(403, "It isn't yours")
        return super().poll(key, task_id)


class Unmetered(Server):
    """Receipts have no usage, but information about the queue."""

    def submit(self, path: str, key: str, body: Any) -> dict[str, Any]:
        made = super().submit(path, key, body)
        del made["usage"]
        return {**made, "progress": 0, "task_info": {"can_cancel": True, "queue_position": 3}}


class Pedantic(Server):
    """Undocumented fields and empty prompts are rejected."""

    def validate(self, reference: str, body: dict[str, Any]) -> None:
        super().validate(reference, body)
        known = DOCUMENT["components"]["schemas"][reference.rpartition("/")[2]]["properties"]
        for name in body.keys() - known.keys():
            raise Rejected(400, f"There is no {name}", name)
        if not str(body.get("prompt", "a")).strip():
            raise Rejected(400, "Say something", "prompt")


class Numbered(Server):
    """Error codes are numbers, and an unknown model is 404."""

    def submit(self, path: str, key: str, body: Any) -> dict[str, Any]:
        mapping = self.posts[path]["discriminator"]["mapping"]
        name = body.get("model") if isinstance(body, dict) else None
        if isinstance(name, str) and name not in mapping:
            raise Rejected(404, "No such model", "model")
        return super().submit(path, key, body)


class Bounded(Server):
    """Very large bodies are answered with 413, as in the sibling documents."""

    def submit(self, path: str, key: str, body: Any) -> dict[str, Any]:
        if len(str(body)) > 100_000:
            raise Rejected(413, "That is too much")
        return super().submit(path, key, body)


VARIANTS = (
    Bounded,
    Thin,
    Gradual,
    Immediate,
    Failing,
    OtherStore,
    Forbidding,
    Unmetered,
    Pedantic,
    Numbered,
)
