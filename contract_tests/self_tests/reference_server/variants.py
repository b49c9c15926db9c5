"""The second server at other choices that the documents leave: each is right, too."""

from __future__ import annotations

import time
from typing import Any

from self_tests.reference_server.server import DOCUMENT, Refused, Server


class Thin(Server):
    """Receipts have the four fields that every document has, answers no more than they need."""

    def submit(self, path: str, key: str, body: Any) -> dict[str, Any]:
        made = super().submit(path, key, body)
        return {name: made[name] for name in ("created", "id", "model", "status")}

    def look(self, key: str, task_id: str) -> dict[str, Any]:
        seen = super().look(key, task_id)
        kept = ("created", "id", "model", "status", "results")
        return {name: value for name, value in seen.items() if name in kept}


class Gradual(Server):
    """Tasks are at work for a while, with progress, and take a second."""

    def look(self, key: str, task_id: str) -> dict[str, Any]:
        # The age comes first: what is asked for afterwards may only be further on.
        age = time.monotonic() - self.tasks[task_id]["at"] if task_id in self.tasks else 0
        seen = super().look(key, task_id)
        if age >= 0.2:
            return seen
        told = {"status": "processing" if age >= 0.05 else "pending", "progress": int(age * 400)}
        return {**{name: one for name, one in seen.items() if "result" not in name}, **told}


class Immediate(Server):
    """A task is at work, or done, as soon as it is submitted."""

    def submit(self, path: str, key: str, body: Any) -> dict[str, Any]:
        made = super().submit(path, key, body)
        self.tasks[made["id"]]["at"] -= 10
        return {**made, "status": "processing", "progress": 3}


class Failing(Server):
    """Every tenth task fails, and then says little of itself."""

    def look(self, key: str, task_id: str) -> dict[str, Any]:
        seen = super().look(key, task_id)
        if seen["status"] != "completed" or not task_id.endswith("3"):
            return seen
        error = {"code": "service_error", "message": "Sorry", "type": "task_error"}
        kept = {name: seen[name] for name in ("id", "model", "object")}
        return {**kept, "status": "failed", "progress": 0, "error": error}


class OtherStore(Server):
    """Results lie in a store that isn't of the web."""

    def look(self, key: str, task_id: str) -> dict[str, Any]:
        seen = super().look(key, task_id)
        if "results" in seen:
            links = [f"gs://bucket/{task_id}/{i}" for i, _ in enumerate(seen["results"])]
            seen |= {"results": links, "result_data": [{"url": link} for link in links]}
        return seen


class Forbidding(Server):
    """Another account's task is 403, not 404."""

    def look(self, key: str, task_id: str) -> dict[str, Any]:
        if task_id in self.tasks and self.tasks[task_id]["key"] != key:
            raise Refused(403, "It isn't yours")
        return super().look(key, task_id)


class Unmetered(Server):
    """Nothing is said of money, and more of the queue."""

    def submit(self, path: str, key: str, body: Any) -> dict[str, Any]:
        made = super().submit(path, key, body)
        del made["usage"]
        return {**made, "progress": 0, "task_info": {"can_cancel": True, "queue_position": 3}}


class Pedantic(Server):
    """Fields that the documents don't know are refused, as are empty prompts."""

    def validate(self, reference: str, body: dict[str, Any]) -> None:
        super().validate(reference, body)
        known = DOCUMENT["components"]["schemas"][reference.rpartition("/")[2]]["properties"]
        for name in body.keys() - known.keys():
            raise Refused(400, f"There is no {name}", name)
        if not str(body.get("prompt", "a")).strip():
            raise Refused(400, "Say something", "prompt")


class Numbered(Server):
    """Error codes are numbers, and an unknown model is 404."""

    def submit(self, path: str, key: str, body: Any) -> dict[str, Any]:
        mapping = self.posts[path]["discriminator"]["mapping"]
        name = body.get("model") if isinstance(body, dict) else None
        if isinstance(name, str) and name not in mapping:
            raise Refused(404, "No such model", "model")
        return super().submit(path, key, body)


class Bounded(Server):
    """What is very large is 413, in the words of the sibling documents, before it is read."""

    def submit(self, path: str, key: str, body: Any) -> dict[str, Any]:
        if len(str(body)) > 100_000:
            raise Refused(413, "That is too much")
        return super().submit(path, key, body)


CHOICES = (
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
