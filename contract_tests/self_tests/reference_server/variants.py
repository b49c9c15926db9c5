"""Variants of the reference server that the documents allow, too."""

from __future__ import annotations

import gzip
import json
import struct
import time
from itertools import count
from typing import Any, NoReturn

from jsonschema import Draft202012Validator

from self_tests.reference_server.server import DOCUMENT, Handler, Rejected, Server

CREDITS = 20


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
        for name, value in body.items():
            inner = known[name].get("properties")
            for part in value.keys() - inner.keys() if inner else ():
                raise Rejected(400, f"There is no {part}", f"{name}.{part}")
        if not str(body.get("prompt", "a")).strip():
            raise Rejected(400, "Say something", "prompt")


class WithoutOneModel(Server):
    """The accounts have no access to one model, which is said before anything else."""

    def submit(self, path: str, key: str, body: Any) -> dict[str, Any]:
        denied = max(
            name for one in self.posts.values() for name in one["discriminator"]["mapping"]
        )
        if isinstance(body, dict) and body.get("model") == denied:
            raise Rejected(403, "Access denied for this model", "model")
        return super().submit(path, key, body)


class Poor(Server):
    """Each account has a few credits, and then 402."""

    def usage(self, kind: str, body: dict[str, Any]) -> dict[str, Any]:
        used = super().usage(kind, body)
        spent = self.__dict__.setdefault("spent", {})
        key = self.current.headers["Authorization"]
        if spent.get(key, 0) + used["credits_reserved"] > CREDITS:
            raise Rejected(402, "Insufficient quota")
        spent[key] = spent.get(key, 0) + used["credits_reserved"]
        return used


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


class Replaying(Server):
    """A used idempotency key returns its first task, whatever the body is, and says nothing."""

    def submit(self, path: str, key: str, body: Any) -> dict[str, Any]:
        used = self.current.headers.get("Idempotency-Key")
        if used is None:
            return super().submit(path, key, body)
        first = self.__dict__.setdefault("first", {})
        if (key, used) not in first:
            first[key, used] = super().submit(path, key, body)
        made: dict[str, Any] = first[key, used]
        return made


class RefusingKeys(Server):
    """A used idempotency key is refused."""

    def submit(self, path: str, key: str, body: Any) -> dict[str, Any]:
        used = self.current.headers.get("Idempotency-Key")
        seen = self.__dict__.setdefault("seen", set())
        if used is not None and (key, used) in seen:
            raise Rejected(409, "This key was used")
        made = super().submit(path, key, body)
        seen.add((key, used))
        return made


class Forgetful(Server):
    """Receipts have every field, status responses only what the documents call for."""

    def submit(self, path: str, key: str, body: Any) -> dict[str, Any]:
        made = super().submit(path, key, body)
        kind = made["object"].partition(".")[0]
        return {**made, "type": kind, "progress": 0, "task_info": {"can_cancel": True}}

    def poll(self, key: str, task_id: str) -> dict[str, Any]:
        seen = super().poll(key, task_id)
        return {name: seen[name] for name in ("id", "status", "results") if name in seen}


class ShortReceipts(Server):
    """A submission answers with what the documents name: the id to ask about."""

    def submit(self, path: str, key: str, body: Any) -> dict[str, Any]:
        return {"id": super().submit(path, key, body)["id"]}


class DatedModels(Server):
    """A task names the version of the model that runs."""

    def submit(self, path: str, key: str, body: Any) -> dict[str, Any]:
        made = super().submit(path, key, body)
        self.tasks[made["id"]]["task"]["model"] = f"{made['model']}-2026-11-01"
        return {**made, "model": f"{made['model']}-2026-11-01"}


class LastFault(Pedantic):
    """Of several faults, the error names an unknown field first, or else the last one."""

    def validate(self, reference: str, body: dict[str, Any]) -> None:
        known = DOCUMENT["components"]["schemas"][reference.rpartition("/")[2]]
        for name in body.keys() - known["properties"].keys():
            raise Rejected(400, f"There is no {name}", name)
        for name in reversed(known["required"]):
            if name not in body:
                raise Rejected(400, f"{name} is missing", name)
        super().validate(reference, body)


class InnerNames(Server):
    """The error about a part of a parameter names the part alone."""

    def validate(self, reference: str, body: dict[str, Any]) -> None:
        schema = {"$ref": reference, "components": DOCUMENT["components"]}
        for error in Draft202012Validator(schema).iter_errors(body):
            names = [one for one in error.absolute_path if isinstance(one, str)]
            if len(names) > 1:
                raise Rejected(400, error.message, names[-1])
        super().validate(reference, body)


class OtherIds(Server):
    """Ids have capitals, dots and tildes, and `created` is three seconds late."""

    def submit(self, path: str, key: str, body: Any) -> dict[str, Any]:
        made = super().submit(path, key, body)
        task = self.tasks.pop(made["id"])
        task["task"]["id"] = made["id"] = f"task-unified-Q~{next(self.numbers):06}.Z_"
        task["task"]["created"] += 3
        self.tasks[made["id"]] = task
        return made


class WholeCredits(Server):
    """Prices are whole credits, and each account has its own rule."""

    def usage(self, kind: str, body: dict[str, Any]) -> dict[str, Any]:
        used = super().usage(kind, body)
        own = self.current.headers["Authorization"].endswith("1")
        rule = "per_call" if own else used["billing_rule"]
        return {**used, "credits_reserved": -(-used["credits_reserved"] // 1), "billing_rule": rule}


class Accounted(Server):
    """A completed task says how many whole credits it used, and what is left."""

    def poll(self, key: str, task_id: str) -> dict[str, Any]:
        seen = super().poll(key, task_id)
        if seen["status"] == "completed":
            kind, asked = seen["object"].partition(".")[0], self.tasks[task_id]["asked"]
            used = -(-self.usage(kind, asked)["credits_reserved"] // 1)
            seen["usage"] = {"credits_used": used, "left": 5}
        return seen


class Unpriced(Server):
    """Everything is free."""

    def usage(self, kind: str, body: dict[str, Any]) -> dict[str, Any]:
        return {"credits_reserved": 0, "user_group": "vip", "balance": -3}


class SignedLinks(Server):
    """Links have a signature that differs at each poll; images are GIFs."""

    def poll(self, key: str, task_id: str) -> dict[str, Any]:
        seen = super().poll(key, task_id)
        if "results" in seen:
            sign = next(self.numbers)
            seen["results"] = [f"{link}?sign={sign}&until=9%2B9" for link in seen["results"]]
            del seen["result_data"]
        return seen

    def file(self, path: str) -> tuple[str, bytes]:
        kind, content = super().file(path)
        return ("binary/octet-stream", b"GIF89a\x01\x00") if "image" in kind else (kind, content)


class Chatty(Server):
    """Each object has more fields than documented."""

    def submit(self, path: str, key: str, body: Any) -> dict[str, Any]:
        return {"trace": [1.5, None], **super().submit(path, key, body), "links": {"self": "/"}}

    def poll(self, key: str, task_id: str) -> dict[str, Any]:
        seen = super().poll(key, task_id)
        return {"trace": [], **dict(sorted(seen.items(), reverse=True)), "queue": None}

    def handler(self) -> type[Handler]:
        return ChattyHandler


class ChattyHandler(Handler):
    """More fields in errors, more headers, and pages where nothing is documented."""

    def reply(self, status: int, kind: str, content: bytes) -> None:
        if status == 404 and not self.path.startswith(self.server.base):
            status, kind, content = 200, "text/html", b"<h1>Welcome</h1>"
        if b'{"error"' in content:
            more = {"status": status, "id": f"request-{next(self.server.numbers)}"}
            content = json.dumps({**json.loads(content), **more}).encode()
        super().reply(status, kind, content)

    def do_OPTIONS(self) -> None:  # noqa: N802
        """Answer any OPTIONS."""
        self.send_response(204)
        self.send_header("Allow", "GET, POST, OPTIONS")
        self.end_headers()


class Chunked(Server):
    """Bodies are compressed if the client accepts that, and come in chunks."""

    def handler(self) -> type[Handler]:
        return ChunkedHandler


class ChunkedHandler(Handler):
    """HTTP/1.1 with chunks."""

    def reply(self, status: int, kind: str, content: bytes) -> None:
        if self.request_version != "HTTP/1.1" or self.command == "HEAD":
            return super().reply(status, kind, content)
        self.send_response(status)
        self.send_header("content-type", kind)
        accepted = self.headers.get("Accept-Encoding", "")
        if "gzip" in accepted and "gzip;q=0" not in accepted:
            content = gzip.compress(content)
            self.send_header("content-encoding", "gzip")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for piece in (content[:5], content[5:]):
            if piece:
                self.wfile.write(b"%X\r\n%b\r\n" % (len(piece), piece))
        self.wfile.write(b"0\r\n\r\n")
        return None


class Hinting(Server):
    """Informational responses come before each response, as in RFC 8297."""

    def handler(self) -> type[Handler]:
        return HintingHandler


class HintingHandler(Handler):
    """HTTP/1.1 with Early Hints."""

    def reply(self, status: int, kind: str, content: bytes) -> None:
        if self.request_version == "HTTP/1.1":
            for _ in range(2):
                self.send_response_only(103, "Early Hints")
                self.send_header("Link", "</style.css>; rel=preload")
                self.end_headers()
        super().reply(status, kind, content)


class Closing(Server):
    """The connection is closed after each response, as in HTTP/1.0."""

    def handler(self) -> type[Handler]:
        return ClosingHandler


class ClosingHandler(Handler):
    """HTTP/1.1 without persistent connections."""

    def end_headers(self) -> None:
        self.send_header("Connection", "close")
        super().end_headers()


class Tiring(Server):
    """A connection is closed after its second response, which says so."""

    def handler(self) -> type[Handler]:
        return TiringHandler


class TiringHandler(Handler):
    """HTTP/1.1 with two requests on each connection."""

    answered = 0

    def end_headers(self) -> None:
        self.answered += 1
        if self.answered == 2:
            self.send_header("Connection", "close")
        super().end_headers()


class Fetching(Server):
    """It fetches files before it takes a request, and can reach none but one of its own."""

    def validate(self, reference: str, body: dict[str, Any]) -> None:
        super().validate(reference, body)
        for name, value in body.items():
            for url in value if isinstance(value, list) else [value]:
                if name in {"image_urls", "audio_url"} and not url.startswith(self.origin):
                    raise Rejected(400, "The file can't be fetched", name)


class Interrupted(Server):
    """Each fortieth request of the API gets 503, and does nothing."""

    answered = count(1)

    def handler(self) -> type[Handler]:
        return InterruptedHandler


class InterruptedHandler(Handler):
    """Not available now and then."""

    server: Interrupted

    def answer(self, work: Any) -> None:
        super().answer(self.interrupt if next(self.server.answered) % 40 == 0 else work)

    def interrupt(self) -> NoReturn:
        raise Rejected(503, "Come back in a moment")


class Stamped(Server):
    """Each download of a video has another number in it, and types have capitals."""

    def file(self, path: str) -> tuple[str, bytes]:
        kind, content = super().file(path)
        stamp = struct.pack(">I4sQ", 16, b"free", next(self.numbers))
        return kind.title(), content + stamp if kind == "video/mp4" else content


class OneProtocol(Server):
    """Its HTTP server refuses each other protocol, before the API sees the request."""

    def handler(self) -> type[Handler]:
        return OneProtocolHandler


class OneProtocolHandler(Handler):
    """It knows neither HTTP/2 nor WebSocket."""

    def parse_request(self) -> bool:
        if super().parse_request() and "Upgrade" not in self.headers:
            return True
        self.close_connection = True
        if "Upgrade" in self.headers:
            self.reply(400, "text/plain", b"Invalid HTTP request received.")
        return False


class Redirecting(Server):
    """Links lead to another path, with 302."""

    def handler(self) -> type[Handler]:
        return RedirectingHandler


class RedirectingHandler(Handler):
    """Redirects from links."""

    def do_GET(self) -> None:  # noqa: N802
        if self.path.startswith("/files/") and "?" not in self.path:
            self.send_response(302)
            self.send_header("Location", f"{self.path}?moved=1")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        super().do_GET()


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
    WithoutOneModel,
    Poor,
    Numbered,
    Replaying,
    RefusingKeys,
    Forgetful,
    LastFault,
    InnerNames,
    OtherIds,
    WholeCredits,
    Accounted,
    Unpriced,
    SignedLinks,
    Chatty,
    Chunked,
    Hinting,
    ShortReceipts,
    DatedModels,
    Closing,
    OneProtocol,
    Tiring,
    Interrupted,
    Fetching,
    Stamped,
    Redirecting,
)
