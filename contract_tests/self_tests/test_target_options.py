"""What server is opened: also one that can't be read, no other one as a mock, no wrong URL."""

from __future__ import annotations

import re
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from self_tests.holdout_faults.proxied_mock import ProxiedMock
from self_tests.holdout_faults.proxy import ProxyVariant
from self_tests.holdout_faults.responses import FAULTS
from wanflow.mock import MockServer
from wanflow_contract import test_errors
from wanflow_contract.checks.check import CheckFailed
from wanflow_contract.support.server_url import split_url
from wanflow_contract.support.target_options import TargetOptions

NOT_GZIP = next(one for one in FAULTS if one.name == "not-gzip")


def test_an_unreadable_response_fails_a_check() -> None:
    """A mock whose responses are labelled gzip, and are not, is opened, and fails a check."""
    with (
        ProxiedMock(ProxyVariant(), NOT_GZIP).opened() as server,
        TargetOptions(server.base_url, api_key="a-key-of-the-suite").target() as target,
    ):
        assert target.has_mock_controls
        with pytest.raises(CheckFailed) as failed:
            target.get_task("task-unified-1-none")
    assert failed.value.check.name == "responds"


@pytest.mark.parametrize("key", ["k", "test", "mock-key"])
def test_a_short_key_causes_no_findings(key: str) -> None:
    """A mock takes any key, and an error's words may contain a short one by chance."""
    with (
        MockServer(polls=2) as mock,
        TargetOptions(mock.base_url, api_key=key).target() as target,
    ):
        for operation, status in test_errors.ERRORS:
            for kind in test_errors.CLIENT_KINDS:
                test_errors.test_each_documented_error_of_a_server_has_its_exception(
                    target, operation, status, kind
                )


class AnythingIsHealthy(BaseHTTPRequestHandler):
    """A gateway that answers any path as a mock answers its health check."""

    content = b'{"status": "ok", "tasks": 0}'

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        with suppress(OSError):
            self.write()

    def write(self) -> None:
        self.wfile.write(self.content)

    def log_message(self, *_: Any) -> None:
        """Stay silent."""


class Deep(AnythingIsHealthy):
    """Its JSON is too deep to be read."""

    content = b"[" * 100_000


class Endless(AnythingIsHealthy):
    """Its body has no end."""

    def write(self) -> None:
        while True:
            self.wfile.write(b"[1," * 10_000)


@pytest.mark.parametrize("handler", [AnythingIsHealthy, Deep, Endless])
def test_a_server_that_answers_any_path_is_not_taken_for_a_mock(handler) -> None:
    """A mock is tested without a spend limit; a gateway that charges must not be."""
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            url = f"http://127.0.0.1:{server.server_address[1]}"
            with TargetOptions(url, api_key="a-key-of-the-suite").target() as target:
                assert not target.has_mock_controls
                assert target.budget.limit == 0
        finally:
            server.shutdown()
            thread.join()


BAD = [
    ("http://", "must begin with http:// or https:// and a host"),
    ("ftp://a.example", "must begin with http"),
    ("a.example", "must begin with http"),
    ("http://[::1", "Invalid IPv6 URL"),
    ("http://a.example:99999", "Port out of range"),
    ("http://a.example:abc", "'abc'"),
    ("http://a .example", "without spaces"),
    ("http://a.example/\x1b[31m", "without spaces"),
    ("http://a.example?x=1", "no query and no fragment"),
    ("http://a.example/#z", "no query and no fragment"),
    ("https://user:a-password@a.example", "no user or password"),
    ("ftp://user:a-password@a.example", "no user or password"),
]


@pytest.mark.parametrize(("url", "said"), BAD, ids=[ascii(one[0]) for one in BAD])
def test_a_url_that_cannot_be_right_is_wrong_usage(url, said) -> None:
    """The message says what is allowed, shows nothing unprintable, and no password."""
    with pytest.raises(ValueError, match=re.escape(said)) as refused:
        split_url(url)
    assert str(refused.value).isprintable()
    assert "a-password" not in str(refused.value)


@pytest.mark.parametrize(
    "url", ["https://a.example/apiv1", " http://127.0.0.1:80 ", "http://[::1]:8/"]
)
def test_a_url_is_taken_without_spaces_around_it(url) -> None:
    """Its path is kept."""
    assert split_url(url).geturl() == url.strip()
