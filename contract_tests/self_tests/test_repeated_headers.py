"""What repeats a request has those of its headers that its failure may depend on."""

from __future__ import annotations

import gzip
import shutil
import subprocess
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING

import pytest

from wanflow_contract.checks.check import REGISTRY, CheckFailed
from wanflow_contract.findings.finding import make_finding
from wanflow_contract.plan.budget import SpendBudget
from wanflow_contract.support.http_client import RateLimitedClient
from wanflow_contract.triage.emitted_requests import requests_of
from wanflow_contract.triage.replay import Replay

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wanflow_contract.support.exchange import Exchange

TASK = "/v1/tasks/task-unified-1756817821-4x3rx6ny"
USUAL = {"Accept": "*/*", "Accept-Encoding": "gzip, deflate", "User-Agent": "a-browser"}


class Choosy(BaseHTTPRequestHandler):
    """Marks each response with the headers of its request; encodes it for who accepts gzip."""

    def do_GET(self) -> None:
        """Respond with 404."""
        accepted = self.headers["Accept-Encoding"] or ""
        content = b'{"error": {"code": 404}}'
        self.send_response(404)
        self.send_header("X-Accept", self.headers["Accept"] or "")
        self.send_header("X-Coding", accepted)
        if "gzip" in accepted and self.headers["X-Gzip"]:
            content = gzip.compress(content)
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Write nothing."""


@pytest.fixture(scope="module")
def origin() -> Iterator[str]:
    """The URL of a server whose responses name the headers of their requests."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Choosy)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def exchange_with(origin: str, headers: dict[str, str]) -> Exchange:
    """Return an exchange whose request had these headers."""
    client = RateLimitedClient(origin)
    made = client.send("GET", TASK, {**USUAL, **headers})
    client.close()
    return made


CASES = {
    "another format": ({"Accept": "text/html, application/json"}, "x-accept"),
    "a rare coding": ({"Accept-Encoding": "compress"}, "x-coding"),
    "a coded response": ({"X-Gzip": "yes", "Accept-Encoding": "gzip"}, "content-encoding"),
    "a coding that is not installed": ({"X-Gzip": "1", "Accept-Encoding": "gzip, br"}, "x-coding"),
}


@pytest.mark.parametrize(("headers", "marked"), CASES.values(), ids=CASES)
def test_a_replay_and_an_emitted_test_have_the_headers_that_matter(origin, headers, marked) -> None:
    """They get the response that the finding has."""
    before = exchange_with(origin, headers)
    finding = make_finding("test", CheckFailed(REGISTRY["json"], "it is 5", (before,), ""))
    replay = Replay(finding, origin, {}, SpendBudget(0))
    last = replay.run()
    wanted = before.header(marked)
    assert wanted
    assert last.header(marked) == wanted.removesuffix(", br")
    assert last.content == before.content, "what can't be decoded isn't asked for"
    (emitted,) = requests_of(finding)
    assert headers.items() <= {name.title(): value for name, value in emitted["headers"]}.items()


@pytest.mark.processes
@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize(("headers", "marked"), CASES.values(), ids=CASES)
def test_the_curl_command_of_a_finding_gets_the_same_response(origin, headers, marked) -> None:
    """And shows its body as text."""
    before = exchange_with(origin, headers)
    command = ["bash", "-c", before.curl()]
    done = subprocess.run(command, capture_output=True, check=True, timeout=60)
    assert f"{marked}: {before.header(marked)}".lower() in done.stdout.decode().lower()
    assert done.stdout.endswith(before.content)


def test_headers_of_the_client_alone_are_not_repeated(origin) -> None:
    """What an ordinary client accepts is no part of a failure."""
    assert exchange_with(origin, {}).curl() == f"curl -sS -i -X GET {origin}{TASK}"
