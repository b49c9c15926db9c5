"""A page on another port uses the mock by `fetch`, if its origin is allowed."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.any_model import model_name
from tests.mock.test_mounts import stripping_proxy
from tests.plain_http import PLAIN
from wanflow.catalog.catalog import packaged_catalog
from wanflow.mock import MockServer

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.processes

MODEL = packaged_catalog().models[model_name("image")]
PAGE = b"<!doctype html><html data-ready=yes><title>Shop</title><link rel=icon href='data:,'>"
RUN = """(async () => {
  const headers = {authorization: "Bearer k", "content-type": "application/json"};
  headers["idempotency-key"] = "0123456789abcdef";
  const post = {method: "POST", headers, body: JSON.stringify(BODY)};
  try {
    const made = await (await fetch(BASE + PATH, post)).json();
    const replayed = (await fetch(BASE + PATH, post)).headers.get("idempotency-replayed");
    let task = made;
    for (let i = 0; i < 5 && task.status !== "completed"; i++)
      task = await (await fetch(`${BASE}/v1/tasks/${made.id}`, {headers})).json();
    const file = await (await fetch(task.results[0])).blob();
    const unknown = await fetch(`${BASE}/v1/x`, {headers, credentials: "include"});
    return [task.status, replayed, file.type, unknown.status];
  } catch (error) { return String(error); }
})()"""


@contextmanager
def page() -> Iterator[str]:
    """Serve an empty page on a port of its own; yield its origin."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(PAGE)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def used_by(tab: Any, origin: str, server: MockServer) -> Any:
    tab.open(origin)
    values = {"BASE": server.base_url, "PATH": MODEL.path, "BODY": MODEL.example}
    constants = "".join(f"const {name} = {json.dumps(one)};" for name, one in values.items())
    found = tab(RUN.replace("{", "{" + constants, 1))
    tab.leave()
    return found


class TestCors:
    """A page that isn't the mock's own submits, polls and downloads."""

    @pytest.mark.processes
    def test_an_allowed_page_does_all_of_it(self, tab) -> None:
        """Requests with a key and JSON, which are preflighted, and headers of the response."""
        with page() as origin, MockServer(polls=2, cors=[origin]) as server:
            assert used_by(tab, origin, server) == ["completed", "true", "image/png", 404]
            assert "preflight" in {entry.operation for entry in server.journal}

    def test_another_page_can_do_none_of_it(self, tab) -> None:
        """Without the option, or with another origin, the browser lets nothing through."""
        for allowed in ([], ["http://127.0.0.1:1"]):
            with page() as origin, MockServer(polls=2, cors=allowed) as server:
                assert "Failed to fetch" in used_by(tab, origin, server)
                assert len(server.gateway.tasks) == 0
        tab.problems.clear()  # the browser logs what it has blocked


class TestPrefix:
    """The mock's own page behind a proxy that removes a prefix."""

    def test_the_page_works_below_any_prefix(self, tab) -> None:
        """Scripts, lists, previews and the reference use addresses relative to the page."""
        tab.problems.clear()
        with (
            MockServer(polls=0) as server,
            stripping_proxy(server.port, "/a/dev", keeps_host=True) as front,
        ):
            tab.open(f"http://127.0.0.1:{front}/a/dev/_mock/")
            base = tab("document.getElementById('base-url').innerText")
            assert base == f"http://127.0.0.1:{front}/a/dev{server.gateway.api.base}"
            entry = f"[data-operation={MODEL.operation_id}]"
            tab.click(f"{entry} summary")
            tab.choose(f"{entry} select", MODEL.name)
            tab.click(f"{entry} form > button")
            tab.until(f"document.querySelector('{entry} > pre').innerText.startsWith('200')")
            tab.until("document.querySelector('#task-rows img') !== null")
            tab("document.querySelector('#task-rows img').scrollIntoView()")
            assert tab.until("document.querySelector('#task-rows img').naturalWidth") > 100
            link = tab("document.querySelector('#task-rows a').href")
            assert link.startswith(f"http://127.0.0.1:{front}/a/dev/media/")
            assert tab.problems == []
            tab.leave()

    def test_the_page_says_what_it_leaves_out(self, tab) -> None:
        """Lists name how many there are and how many were removed; a rule can have an end."""
        with MockServer(journal_entries=120) as server:
            with httpx.Client(base_url=server.url, **PLAIN) as http:
                for _ in range(130):
                    http.get("/nothing")
            tab.open(f"{server.url}/_mock/")
            tab.until(
                "document.getElementById('journal-count').innerText"
                ".includes('100 of 120 are shown; 10 older ones were removed')"
            )
            tab.choose("#fault-for", "60")
            tab.choose("#fault-name", "reset")
            tab.click("#fault-form button")
            tab.until("document.getElementById('fault-rules').innerText.includes('reset,for=60')")
            (rule,) = server.faults
            assert str(rule.faults) == "reset,for=60"
            tab.leave()
        tab.problems.clear()
