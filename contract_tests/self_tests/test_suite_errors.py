"""A broken server causes findings, and a fault of the suite an exit code of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from self_tests.reference_server.server import Handler, Rejected, Server
from wanflow_contract import conftest
from wanflow_contract.checks.boundaries import cheapest
from wanflow_contract.checks.documented_responses import packaged_contract
from wanflow_contract.plan.budget import BudgetExceeded
from wanflow_contract.support.pace import RateLimited

if TYPE_CHECKING:
    from socketserver import BaseServer

pytestmark = pytest.mark.processes

ROOT = Path(__file__).resolve().parents[2]
KEY = "the-key-of-a-broken-server"
MODEL = min(packaged_contract().catalog.models.values(), key=lambda one: one.name)
TESTS = (
    "unknown_id_is_400 or body_that_is_not_an_object or in_pieces or broken_head or moves_forward"
    " or serves_a_file or produces_files or reused_key"
)


def suite(
    base_url: str, folder: Path, *options: str, path: str = "", tests: str = ""
) -> tuple[int, dict]:
    """Run some tests, or those of one file; return the exit code and the report."""
    aimed = ["--base-url", base_url, "--spend-limit", "100000", "--contract-report", str(folder)]
    command = [sys.executable, "-m", "pytest", f"contract_tests/wanflow_contract/{tests}", "-q"]
    keys = {"WANFLOW_CONTRACT_API_KEY": KEY, "PYTHONPATH": path}
    done = subprocess.run(
        [*command, "-p", "no:cacheprovider", "-m", "fast", "--no-replay", *aimed, *options],
        cwd=ROOT,
        env={**os.environ, **keys},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (folder / "report.json").exists(), done.stdout + done.stderr
    return done.returncode, json.loads((folder / "report.json").read_text())


class BrokenHandler(Handler):
    """Answers the first request, which asks for the controls of a mock, and breaks the others."""

    def do_GET(self) -> None:  # noqa: N802
        if self.path.startswith("/_mock"):
            super().do_GET()
            return
        self.close_connection = True
        self.breaks()

    do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = do_OPTIONS = do_TRACE = do_GET  # noqa: N815

    def breaks(self) -> None:
        """Drop the connection."""


class Garbage(BrokenHandler):
    """Sends what isn't HTTP."""

    def breaks(self) -> None:
        self.wfile.write(b"\x00\xffHTP/7 ok\r\n\r\n\r\n")


class Endless(BrokenHandler):
    """Sends a body without an end."""

    def breaks(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
        for _ in range(10_000):
            self.wfile.write(b" " * 65536)


class Half(BrokenHandler):
    """Sends half of the announced body."""

    def breaks(self) -> None:
        self.wfile.write(b'HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{"id": ')


class OddHeaders(BrokenHandler):
    """Sends headers that aren't text, and a body of another type."""

    def breaks(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 \xff\r\nX-\xc3: \xff\r\nContent-Length: 2\r\n\r\n\xff\xfe")


class Dying(Handler):
    """Stops to answer after some requests."""

    requests = count(1)

    def parse_request(self) -> bool:
        if next(self.requests) < 12:
            return super().parse_request()
        threading.Thread(target=_stop, args=(self.server,)).start()
        self.close_connection = True
        return False


def _stop(server: BaseServer) -> None:
    server.shutdown()
    server.server_close()


@pytest.mark.slow
@pytest.mark.parametrize("handler", [BrokenHandler, Garbage, Endless, Half, OddHeaders, Dying])
def test_a_broken_server_is_a_finding_and_no_error_of_the_suite(tmp_path, handler) -> None:
    """Whatever a server sends, or doesn't, each failed test names a check."""

    class Broken(Server):
        def handler(self) -> type[Handler]:
            return handler

    with Broken(KEY) as server:
        code, report = suite(server.origin + server.base, tmp_path, "-k", TESTS)
    assert code == 1
    assert report["findings"]
    assert report["errors"] == []


def test_what_a_client_does_not_raise_is_a_finding(tmp_path) -> None:
    """A server that has a task for every id fails the tests of the client's exceptions."""

    class Knowing(Server):
        def poll(self, key: str, task_id: str) -> dict[str, Any]:
            known = self.submit(self.base + MODEL.path, key, cheapest(MODEL))
            return {**known, "id": task_id, "progress": 0}

    with Knowing(KEY) as server:
        code, report = suite(
            *(server.origin + server.base, tmp_path),
            *("-k", "rejection_by_the_server_is_raised and sync"),
            tests="test_client_end_to_end.py",
        )
    assert code == 1
    assert {one["check"] for one in report["findings"]} == {"client"}
    assert report["errors"] == []


def test_a_client_that_fails_with_each_model_is_one_finding(tmp_path) -> None:
    """Its repetitions are skipped, and none is an error of the suite."""

    class Refusing(Server):
        def validate(self, reference: str, body: dict[str, Any]) -> None:
            raise Rejected(400, "Not today")

    with Refusing(KEY) as server:
        code, report = suite(
            *(server.origin + server.base, tmp_path, "-k", "produces_files"),
            tests="test_client_end_to_end.py",
        )
    assert code == 1
    assert [one["check"] for one in report["findings"]] == ["client"]
    assert {one["outcome"] for one in report["tests"]} == {"failed", "skipped"}
    assert report["errors"] == []


def test_a_fixture_that_is_not_paid_for_skips_its_tests(tmp_path) -> None:
    """With too few credits, the tests of callbacks are named as not sent, and none is an error."""
    with Server(KEY) as server:
        code, report = suite(
            *(server.origin + server.base, tmp_path, "--spend-limit", "0.1"),
            *("--callback-url", "https://callbacks.example", "-k", "a_delivery_is_retried"),
            tests="test_callbacks.py",
        )
    assert code != 3
    assert report["errors"] == []
    assert report["tests"]
    for one in report["tests"]:
        assert one["outcome"] == "skipped"
        assert one["reason"].startswith("not sent: ")


@pytest.mark.parametrize("reason", [BudgetExceeded("3 credits"), RateLimited("429")])
@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize(
    "phase",
    [conftest.pytest_runtest_setup, conftest.pytest_runtest_call, conftest.pytest_runtest_teardown],
)
def test_what_is_not_sent_is_skipped_in_each_phase(phase, grouped, reason, request) -> None:
    """A request that isn't paid for or is rate-limited is no error, wherever it is sent."""
    named = {"item": request.node} if phase is conftest.pytest_runtest_call else {}
    running = phase(**named)
    next(running)
    with pytest.raises(pytest.skip.Exception, match=f"not sent: {reason}"):
        running.throw(ExceptionGroup("", [reason, reason]) if grouped else reason)


LARGE = """
from hypothesis import given, strategies as st
from wanflow_contract.checks.definitions.responses import SCHEMA

@given(st.just("x" * 3_000_000))
def test_it(text):
    SCHEMA.require(False, "the body is a list")
"""


def test_a_failure_with_a_large_example_names_its_check(tmp_path) -> None:
    """Where warnings are errors, Hypothesis' warning of a long text doesn't hide the failure."""
    (tmp_path / "test_large.py").write_text(LARGE)
    (tmp_path / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
    options = ["-q", "-p", "wanflow_contract.plugin", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "test_large.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "[schema]" in done.stdout
    assert "overly large repr" not in done.stdout[-2000:]


def test_a_fault_of_the_suite_is_no_finding(tmp_path) -> None:
    """A fault inside a check ends with 3, and the report names no deviation."""
    planted = "from wanflow_contract.checks import run_state\nrun_state.check_response = None\n"
    (tmp_path / "planted.py").write_text(planted)
    with Server(KEY) as server:
        code, report = suite(
            *(server.origin + server.base, tmp_path / "report", "-p", "planted"),
            *("-k", "unknown_id_is_400"),
            path=str(tmp_path),
            tests="test_http.py",
        )
    assert code == 3
    assert report["findings"] == []
    assert "TypeError" in report["errors"][0]["text"]
