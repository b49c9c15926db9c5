"""A second, independent, correct server of the API, to test the suite with.

It shares no code with the mock, has no control routes, and reads the spec itself. Where the
documents leave a choice, it differs from the mock: 400 for an unknown model, strings as error
codes, no `processing`, undocumented extra fields, short receipts, no idempotency.
"""

from __future__ import annotations

import ipaddress
import json
import re
import socket
import struct
import threading
import time
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from io import BytesIO
from itertools import count
from typing import Any
from urllib.parse import unquote, urlsplit

from jsonschema import Draft202012Validator
from PIL import Image

DOCUMENT: dict[str, Any] = json.loads(files("wanflow_client").joinpath("openapi.json").read_text())
ERRORS = {
    400: ("invalid_request", "invalid_request_error"),
    401: ("unauthorized", "authentication_error"),
    402: ("quota_exceeded", "insufficient_quota_error"),
    403: ("permission_denied", "permission_error"),
    404: ("task_not_found", "not_found_error"),
    413: ("request_too_large", "request_too_large_error"),
    503: ("service_unavailable", "service_unavailable_error"),
}
URL = re.compile(r"[a-z][a-z0-9+.-]*:\S+$", re.IGNORECASE)
TASK_SECONDS = 0.03


def union(operation: dict[str, Any]) -> dict[str, Any]:
    """The union of an operation's requests, which the document keeps under a name."""
    reference = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    found: dict[str, Any] = DOCUMENT["components"]["schemas"][reference.rpartition("/")[2]]
    return found


class Rejected(Exception):
    """An error response: status, message, parameter."""


class Server(ThreadingHTTPServer):
    """The server, in its own thread, as a context manager. `keys` are the accepted API keys."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, *keys: str) -> None:
        super().__init__(("127.0.0.1", 0), self.handler())
        self.current = threading.local()
        self.keys, self.tasks = set(keys), dict[str, dict[str, Any]]()
        self.numbers = count(1)
        self.origin = f"http://127.0.0.1:{self.server_address[1]}"
        self.base = urlsplit(DOCUMENT["servers"][0]["url"]).path
        self.posts = {
            self.base + path: union(item["post"])
            for path, item in DOCUMENT["paths"].items()
            if "post" in item
        }

    def handler(self) -> type[Handler]:
        """Return the class that handles HTTP."""
        return Handler

    def __enter__(self) -> Server:
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()

    def account(self, header: str | None) -> str:
        """Return the key of a request."""
        scheme, _, key = (header or "").partition(" ")
        if scheme.lower() != "bearer" or key.strip() not in self.keys:
            raise Rejected(401, "Who are you?")
        return key.strip()

    def submit(self, path: str, key: str, body: Any) -> dict[str, Any]:
        """Make a task."""
        if not isinstance(body, dict):
            raise Rejected(400, "Send an object")
        mapping = self.posts[path]["discriminator"]["mapping"]
        name = body.get("model")
        if not isinstance(name, str) or name not in mapping:
            raise Rejected(400, "No such model", "model")
        self.validate(mapping[name], body)
        number = next(self.numbers)
        kind = "image" if "image" in path else "video"
        created, made = int(time.time()), f"{zlib.crc32(str(number).encode()):08x}{number}"
        task = {"created": created, "id": f"task-unified-{created}-{made}", "model": name}
        task["object"] = f"{kind}.generation.task"
        self.tasks[task["id"]] = {"task": task, "key": key, "asked": body, "at": time.monotonic()}
        return {**task, "status": "pending", "usage": self.usage(kind, body), "queue": "short"}

    def validate(self, reference: str, body: dict[str, Any]) -> None:
        """Reject a body that violates its schema, or a constraint beyond JSON Schema."""
        schema = {"$ref": reference, "components": DOCUMENT["components"]}
        for error in Draft202012Validator(schema).iter_errors(body):
            raise Rejected(400, error.message, str(next(iter(error.absolute_path), "")) or None)
        rules = DOCUMENT["components"]["schemas"][reference.rpartition("/")[2]]["properties"]
        for field, value in body.items():
            self.measure(field, value, rules.get(field, {}))

    def measure(self, field: str, value: Any, rule: dict[str, Any]) -> None:
        """Reject an invalid size or URL."""
        if "x-wanflow-pixel-size" in rule and not fits(value, rule["x-wanflow-pixel-size"]):
            raise Rejected(400, "The size is out of bounds", field)
        if "x-wanflow-public-url" in rule and not is_public(value):
            raise Rejected(400, "The address is not public", field)
        addressed = "uri" in (rule.get("format"), rule.get("items", {}).get("format"))
        some = value if isinstance(value, list) else [value]
        if addressed and not all(map(URL.match, some)):
            raise Rejected(400, "That is no URL", field)

    def usage(self, kind: str, body: dict[str, Any]) -> dict[str, Any]:
        """Return what a request costs."""
        scale = {"480p": 1, "720p": 2, "1080p": 4}.get(body.get("quality", "720p"), 2)
        units = body.get("duration", 5) * scale if kind == "video" else body.get("n", 1)
        rule = "per_second" if kind == "video" else "per_call"
        return {"credits_reserved": units * 0.3, "billing_rule": rule}

    def poll(self, key: str, task_id: str) -> dict[str, Any]:
        """Return a task's status."""
        if not task_id.startswith("task-unified-"):
            raise Rejected(400, "That is no task id", "task_id")
        known = self.tasks.get(task_id)
        if known is None or known["key"] != key:
            raise Rejected(404, "Unknown or expired")
        if time.monotonic() - known["at"] < TASK_SECONDS:
            return {**known["task"], "status": "pending", "progress": 0}
        ending = "mp4" if known["task"]["object"].startswith("video") else "png"
        number = int(known["asked"].get("n", 1)) if ending == "png" else 1
        links = [f"{self.origin}/files/{task_id}/{i}.{ending}" for i in range(number)]
        more = {"duration": TASK_SECONDS, "result_data": [{"url": link} for link in links]}
        return {**known["task"], "status": "completed", "progress": 100, "results": links, **more}

    def file(self, path: str) -> tuple[str, bytes]:
        """Return a result's type and bytes."""
        _, _, task_id, name = path.split("/")
        if name.endswith("mp4"):
            return "video/mp4", struct.pack(">I4s4sI4s", 20, b"ftyp", b"isom", 512, b"isom")
        size = str(self.tasks[task_id]["asked"].get("size", "8x8"))
        return "image/png", png(*(int(side) for side in size.split("x")))


class Handler(BaseHTTPRequestHandler):
    """HTTP/1.1 around the server."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # headers and body in one packet
    server: Server

    def do_GET(self) -> None:
        """Handle a request of any method."""
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.path = self.path.partition("?")[0]
        tasks = f"{self.server.base}/v1/tasks/"
        if self.command == "GET" and self.path.startswith("/files/"):
            self.reply(200, *self.server.file(self.path))
        elif self.command == "GET" and self.path.startswith(tasks):
            self.answer(
                lambda: self.server.poll(self.key(), unquote(self.path.removeprefix(tasks)))
            )
        else:
            self.answer(lambda: self.submit(content))

    do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_HEAD = do_TRACE = do_GET  # noqa: N815

    def submit(self, content: bytes) -> dict[str, Any]:
        """Submit what was posted."""
        if self.path not in self.server.posts:
            raise Rejected(404, "Nothing is here")
        if self.command != "POST":
            raise Rejected(405, "Post it")
        key = self.key()
        try:
            body = json.loads(content)
        except (ValueError, RecursionError):
            raise Rejected(400, "Send JSON") from None
        if self.headers.get_content_type() != "application/json":
            raise Rejected(415, "Send JSON")
        self.server.current.headers = self.headers
        return self.server.submit(self.path, key, body)

    def key(self) -> str:
        """Return the key of this request."""
        return self.server.account(self.headers.get("Authorization"))

    def answer(self, work: Any) -> None:
        """Send what a function returns, or the error that it raises."""
        try:
            status, body = 200, work()
        except Rejected as refused:
            status, message, *param = refused.args
            code, kind = ERRORS.get(status, (str(status), "request_error"))
            code = "invalid_task_id" if param == ["task_id"] else code
            error = {"code": code, "message": message, "type": kind}
            body = {"error": {**error, "param": param[0]} if param and param[0] else error}
        self.reply(status, "application/json; charset=utf-8", json.dumps(body).encode())

    def reply(self, status: int, kind: str, content: bytes) -> None:
        """Send a response."""
        self.send_response(status)
        self.send_header("CONTENT-TYPE", kind)
        self.send_header("CONTENT-LENGTH", str(len(content)))
        self.end_headers()
        self.wfile.write(b"" if self.command == "HEAD" else content)

    def log_message(self, *_: Any) -> None:
        """Stay silent."""


def fits(size: str, rule: dict[str, float]) -> bool:
    """Return whether a size is allowed."""
    width, height = (int(side) for side in size.split("x"))
    pixels = rule["minimumPixels"] <= width * height <= rule["maximumPixels"]
    return pixels and rule["minimumRatio"] <= width / height <= rule["maximumRatio"]


def is_public(url: str) -> bool:
    """Return whether a URL leads to the public internet."""
    host = urlsplit(url).hostname or "localhost"
    try:
        host = socket.inet_ntoa(socket.inet_aton(host)) if ":" not in host else host
        return ipaddress.ip_address(host.removeprefix("::ffff:")).is_global
    except (OSError, ValueError):
        return host != "localhost"


def png(width: int, height: int) -> bytes:
    """Return a black image."""
    content = BytesIO()
    Image.new("1", (width, height)).save(content, "PNG")
    return content.getvalue()
