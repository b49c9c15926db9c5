"""Text of an API can neither control the terminal nor forge a line of output."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.helpers import VIDEO

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.cli.helpers import CommandResult

NASTY = "\x1b]0;owned\x07 \x9b31m \u202e \nwanflow: all is well"
TASK = {"id": "task-unified-1-a", "status": f"pending{NASTY}", "model": NASTY}
FAILED = {**TASK, "status": "failed", "error": {"code": NASTY, "message": NASTY}}
COMPLETED = {**TASK, "status": "completed", "results": [f"http://h.example/{NASTY}"]}
REJECTED = {"error": {"code": NASTY, "message": NASTY, "type": NASTY, "param": NASTY}}


class FakeApi(ThreadingHTTPServer):
    """Sends chosen responses to submissions and polls."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.submission: tuple[int, Any] = (200, TASK)
        self.poll: tuple[int, Any] = (200, COMPLETED)

    @property
    def given(self) -> dict[str, str]:
        """The environment variables for this API."""
        url = f"http://127.0.0.1:{self.server_address[1]}"
        return {"WANFLOW_BASE_URL": url, "WANFLOW_API_KEY": "a-key-of-some-length"}


class Handler(BaseHTTPRequestHandler):
    server: FakeApi

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.respond(*self.server.submission)

    def do_GET(self) -> None:
        self.respond(*self.server.poll)

    def respond(self, status: int, body: Any) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def api() -> Iterator[FakeApi]:
    with FakeApi() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def harmless(text: str) -> bool:
    """Return whether a text has no control character but line ends, and no forged line."""
    printable = all(letter.isprintable() or letter == "\n" for letter in text)
    return printable and not any(
        line.startswith("wanflow: all is well") for line in text.splitlines()
    )


COMMANDS = [
    ("run", VIDEO, "--prompt", "x", "--timeout", "3"),
    ("status", TASK["id"]),
    ("wait", TASK["id"]),
]


@pytest.mark.parametrize("words", COMMANDS)
@pytest.mark.parametrize(
    "poll", [(200, COMPLETED), (200, FAILED), (404, REJECTED), (400, REJECTED)]
)
def test_no_response_controls_the_terminal(
    wanflow: Callable[..., CommandResult],
    api: FakeApi,
    words: tuple[str, ...],
    poll: tuple[int, Any],
) -> None:
    """With any response about a task, both streams have only plain lines."""
    api.poll = poll
    done = wanflow(*words, given=api.given)
    assert done.out or done.err
    assert harmless(done.out + done.err), (done.out, done.err)


def test_an_unknown_status_does_not_control_the_terminal(
    wanflow: Callable[..., CommandResult], api: FakeApi
) -> None:
    """An unknown status is shown without control characters."""
    api.poll = (200, TASK)
    done = wanflow("status", TASK["id"], given=api.given)
    assert done.code == 0
    assert "pending" in done.out
    assert harmless(done.out)


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 413, 418, 500])
def test_an_error_response_does_not_control_the_terminal(
    wanflow: Callable[..., CommandResult], api: FakeApi, status: int
) -> None:
    """A rejected submission is one line, with its exit code."""
    api.submission = (status, REJECTED)
    done = wanflow("submit", VIDEO, "--prompt", "x", given=api.given)
    assert done.code in {2, 4, 5, 10, 12, 13}
    _, *commands = done.err.splitlines()  # an uncertain submission is followed by our command
    assert [one for one in commands if not one.startswith("  wanflow ledger list ")] == []
    assert harmless(done.err)


@pytest.mark.parametrize(
    ("status", "code"),
    [(400, 2), (401, 4), (402, 5), (403, 4), (404, 12), (413, 2), (418, 13), (500, 13)],
)
def test_each_status_has_its_code(
    wanflow: Callable[..., CommandResult], api: FakeApi, status: int, code: int
) -> None:
    """An error response to a poll gives the exit code of its status, in JSON as well."""
    api.poll = (status, REJECTED)
    done = wanflow("status", TASK["id"], "--json", given=api.given)
    assert done.code == code
    (event,) = done.events
    assert (event["status"], event["exit_code"], event["type"]) == (status, code, NASTY)
