"""What an API says is other people's text: it steers no terminal, and forges no line."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.helpers import VIDEO

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.cli.helpers import Ended

NASTY = "\x1b]0;owned\x07 \x9b31m \u202e \nwanflow: all is well"
TASK = {"id": "task-unified-1-a", "status": f"pending{NASTY}", "model": NASTY}
FAILED = {**TASK, "status": "failed", "error": {"code": NASTY, "message": NASTY}}
COMPLETED = {**TASK, "status": "completed", "results": [f"http://h.example/{NASTY}"]}
REFUSED = {"error": {"code": NASTY, "message": NASTY, "type": NASTY, "param": NASTY}}


class Api(ThreadingHTTPServer):
    """Answers a submission and every look at the task as it is told to."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.submission: tuple[int, Any] = (200, TASK)
        self.look: tuple[int, Any] = (200, COMPLETED)

    @property
    def given(self) -> dict[str, str]:
        """What a user of it has exported."""
        url = f"http://127.0.0.1:{self.server_address[1]}"
        return {"WANFLOW_BASE_URL": url, "WANFLOW_API_KEY": "a-key-of-some-length"}


class Answers(BaseHTTPRequestHandler):
    server: Api

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.answer(*self.server.submission)

    def do_GET(self) -> None:
        self.answer(*self.server.look)

    def answer(self, status: int, body: Any) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def api() -> Iterator[Api]:
    with Api() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def harmless(text: str) -> bool:
    """Tell whether a text holds no control character but line ends, and no forged line."""
    calm = all(letter.isprintable() or letter == "\n" for letter in text)
    return calm and not any(line.startswith("wanflow: all is well") for line in text.splitlines())


COMMANDS = [
    ("run", VIDEO, "--prompt", "x", "--timeout", "3"),
    ("status", TASK["id"]),
    ("wait", TASK["id"]),
]


@pytest.mark.parametrize("words", COMMANDS)
@pytest.mark.parametrize("look", [(200, COMPLETED), (200, FAILED), (404, REFUSED), (400, REFUSED)])
def test_no_answer_steers_the_terminal(
    wanflow: Callable[..., Ended], api: Api, words: tuple[str, ...], look: tuple[int, Any]
) -> None:
    """Whatever comes of a task, both streams hold plain lines, each of ours."""
    api.look = look
    done = wanflow(*words, given=api.given)
    assert done.out or done.err
    assert harmless(done.out + done.err), (done.out, done.err)


def test_nor_does_a_status_that_nobody_knows(wanflow: Callable[..., Ended], api: Api) -> None:
    """A word that is no status of the documents is shown, and harmless."""
    api.look = (200, TASK)
    done = wanflow("status", TASK["id"], given=api.given)
    assert done.code == 0
    assert "pending" in done.out
    assert harmless(done.out)


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 413, 418, 500])
def test_nor_does_a_refusal(wanflow: Callable[..., Ended], api: Api, status: int) -> None:
    """A refused submission is one line, with its code."""
    api.submission = (status, REFUSED)
    done = wanflow("submit", VIDEO, "--prompt", "x", given=api.given)
    assert done.code in {2, 4, 5, 10, 12, 13}
    assert len(done.err.splitlines()) == 1
    assert harmless(done.err)


@pytest.mark.parametrize(
    ("status", "code"),
    [(400, 2), (401, 4), (402, 5), (403, 4), (404, 12), (413, 2), (418, 13), (500, 13)],
)
def test_each_status_has_its_code(
    wanflow: Callable[..., Ended], api: Api, status: int, code: int
) -> None:
    """A look that is refused ends with the code of its status, in JSON as well."""
    api.look = (status, REFUSED)
    done = wanflow("status", TASK["id"], "--json", given=api.given)
    assert done.code == code
    (event,) = done.events
    assert (event["status"], event["exit_code"], event["type"]) == (status, code, NASTY)
