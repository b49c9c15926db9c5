"""Faults of the reference server that its headers, its lengths or the ends of its tasks show."""

from __future__ import annotations

import gzip
from typing import Any

from self_tests.reference_server.server import Handler, Rejected, Server


class WithHeaders(Server):
    """Each response has more headers, or one in place of another."""

    more: tuple[tuple[str, str], ...] = ()
    replaced: tuple[str, ...] = ()
    refuses = 0

    def handler(self) -> type[Handler]:
        """Return a class that sends the headers."""
        more, replaced = self.more, self.replaced

        class Changed(Handler):
            def send_header(self, keyword: str, value: str) -> None:
                """Send a header, unless another one replaces it."""
                if keyword.lower() not in replaced:
                    super().send_header(keyword, value)

            def end_headers(self) -> None:
                """Send the other headers, too."""
                for name, value in more:
                    super().send_header(name, value)
                super().end_headers()

        return Changed

    def submit(self, path: str, key: str, body: Any) -> dict[str, Any]:
        """Refuse a submission, if the server refuses all of them."""
        if self.refuses:
            raise Rejected(self.refuses, "Please retry after 5 seconds")
        return super().submit(path, key, body)


class WrongAllow(WithHeaders):
    """A 405 lists the method that it refuses."""

    more = (("Allow", "GET, PUT"),)


class OldDate(WithHeaders):
    """The clock is a year behind."""

    more, replaced = (("Date", "Mon, 01 Jan 2024 00:00:00 GMT"),), ("date",)


class Shared(WithHeaders):
    """Any cache may keep a task."""

    more = (("Cache-Control", "public, max-age=30"),)


class Kept(WithHeaders):
    """A cache may keep the status of a running task for an hour."""

    more = (("Cache-Control", "private, max-age=3600"),)


class KeptRefusals(WithHeaders):
    """A cache may keep a 429 for an hour."""

    more, refuses = (("Cache-Control", "max-age=3600"), ("Retry-After", "5")), 429


class LateRetry(WithHeaders):
    """A client is asked to come again in ten years."""

    more, refuses = (("Retry-After", "315360000"),), 429


class PaddedLength(Server):
    """The length of a body has a leading zero, which isn't the length as a number is written."""

    def handler(self) -> type[Handler]:
        """Return a class that sends the length so."""

        class Padded(Handler):
            def send_header(self, keyword: str, value: str) -> None:
                """Send a header."""
                length = keyword.lower() == "content-length"
                super().send_header(keyword, f"0{value}" if length else value)

        return Padded


class AlwaysCompressed(Server):
    """Responses are compressed, whatever the client accepts."""

    def handler(self) -> type[Handler]:
        """Return a class that compresses."""

        class Compressed(Handler):
            def reply(self, status: int, kind: str, content: bytes) -> None:
                """Send a response."""
                super().reply(status, kind, gzip.compress(content))

            def end_headers(self) -> None:
                """Say that it is compressed."""
                super().send_header("Content-Encoding", "gzip")
                super().end_headers()

        return Compressed


class ErrorInSuccess(Server):
    """A submission that is refused has the status of a success."""

    def handler(self) -> type[Handler]:
        """Return a class that sends no status of an error."""

        class Successful(Handler):
            def reply(self, status: int, kind: str, content: bytes) -> None:
                """Send a response."""
                super().reply(200, kind, content)

        return Successful


class UnknownCode(Server):
    """Each task fails, with a code that no document has."""

    def poll(self, key: str, task_id: str) -> dict[str, Any]:
        """Return a failed task."""
        error = {"code": "bad_luck", "message": "It failed", "type": "task_error"}
        seen = super().poll(key, task_id)
        if seen["status"] != "completed":
            return seen
        kept = {name: seen[name] for name in ("created", "id", "model", "object")}
        return {**kept, "status": "failed", "progress": 40, "error": error}


class Endless(Server):
    """No task ends."""

    def poll(self, key: str, task_id: str) -> dict[str, Any]:
        """Return a task that isn't done."""
        seen = super().poll(key, task_id)
        return {name: seen[name] for name in ("created", "id", "model", "object")} | {
            "status": "pending",
            "progress": 0,
        }
