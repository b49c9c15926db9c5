"""A wrong base URL is a configuration error that says what may have been meant."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from tests.cli.helpers import IMAGE
from tests.transport.misbehaving_server import ID, MisbehavingServer, http, responds, task
from wanflow._core.base_urls import likely_base_urls
from wanflow.catalog.catalog import packaged_catalog
from wanflow.ledger import JobState, Ledger

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.helpers import CommandResult
    from wanflow.mock import MockServer

    Command = Callable[..., CommandResult]

CATALOG = packaged_catalog()
ROOT = urlsplit(CATALOG.server_url).path
TASK = "task-unified-1-aaaaaaaa"
SUBMIT = next(m.path for m in CATALOG.models.values() if m.name == IMAGE)
READ = CATALOG.status_operation.path.replace("{task_id}", TASK)
KEY = "a-key-that-nobody-should-see"
ELSEWHERE = ["", "/api", "/v1", f"{ROOT}{ROOT}", f"{ROOT}{SUBMIT}", f"{ROOT}x", ROOT.upper()]
COMMANDS = {
    ("submit", IMAGE, "--prompt", "x"): f"POST {{}}{SUBMIT}",
    ("run", IMAGE, "--prompt", "x"): f"POST {{}}{SUBMIT}",
    ("status", TASK): f"GET {{}}{READ}",
    ("wait", TASK): f"GET {{}}{READ}",
    ("download", TASK, "-o", "out"): f"GET {{}}{READ}",
}


@pytest.mark.parametrize("path", ELSEWHERE)
@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
def test_a_wrong_path_names_the_request_and_the_base_url_that_was_meant(
    wanflow: Command, server: MockServer, words: tuple[str, ...], path: str
) -> None:
    """The path that is suggested is that of the spec's server."""
    given = {"WANFLOW_BASE_URL": server.url + path, "WANFLOW_API_KEY": KEY}
    done = wanflow(*words, given=given)
    assert done.code == 3, done.err
    assert COMMANDS[words].format(server.url + path) in done.err
    assert f"did you mean {server.url}{ROOT}" in done.err
    assert KEY not in done.out + done.err
    assert len(done.err.splitlines()) == 1
    (event,) = wanflow(*words, "--json", given=given).events
    assert (event["kind"], event["status"]) == ("configuration", 404)


@pytest.mark.parametrize("tail", ["/", "//", " "])
def test_a_slash_at_the_end_has_no_effect(wanflow: Command, server: MockServer, tail: str) -> None:
    """Neither has a blank."""
    given = {"WANFLOW_BASE_URL": server.base_url + tail, "WANFLOW_API_KEY": "mock-key"}
    assert wanflow("submit", IMAGE, "--prompt", "x", given=given).code == 0


def test_a_batch_stops_at_a_wrong_base_url(wanflow: Command, server: MockServer) -> None:
    """No line is sent in vain after the first: the jobs are not sent, and none failed."""
    lines = "\n".join(json.dumps({"model": IMAGE, "prompt": str(n)}) for n in range(40))
    given = {"WANFLOW_BASE_URL": server.url, "WANFLOW_API_KEY": KEY}
    done = wanflow("batch", "-", "-o", "out", "--json", given=given, stdin=lines)
    assert done.code == 15
    assert done.events[-1]["counts"]["not_sent"] == 40
    assert f"did you mean {server.base_url}" in done.err


def test_a_job_is_not_lost_by_a_path_that_is_not_there(wanflow: Command, tmp_path: Path) -> None:
    """A server that doesn't have the path knows nothing of the task, which may still be running."""
    page = responds(http(404, b"<!doctype html><title>Not Found</title>"))
    old = {"created": 1}  # a 404 for a younger task is tolerated
    with MisbehavingServer(post=[task("pending", **old)], get=[page]) as gone:
        ledger = str(tmp_path / "l.db")
        given = {"WANFLOW_BASE_URL": gone.url + ROOT, "WANFLOW_API_KEY": KEY}
        given["WANFLOW_LEDGER"] = ledger
        assert wanflow("submit", IMAGE, "--prompt", "x", given=given).code == 0
        assert wanflow("status", ID, given=given).code == 3
    with Ledger(ledger) as book:
        assert [job.state for job in book.jobs()] == [JobState.ACCEPTED]


@pytest.mark.parametrize("status", [404, 405])
def test_a_page_instead_of_the_api_is_a_configuration_error(wanflow: Command, status: int) -> None:
    """Its title is in the message, and its markup isn't."""
    page = http(status, b"<html><head><title>Welcome</title></head><body>x</body></html>")
    with MisbehavingServer(get=[responds(page)]) as web:
        given = {"WANFLOW_BASE_URL": web.url + ROOT, "WANFLOW_API_KEY": KEY}
        done = wanflow("status", TASK, given=given)
    assert done.code == 3
    assert "a page of HTML ('Welcome')" in done.err
    assert "<" not in done.err


def test_a_page_with_status_200_says_to_check_the_base_url(wanflow: Command) -> None:
    """It is an unreadable response, which may pass."""
    page = http(200, b"<!DOCTYPE html><html><title>Sign in</title></html>")
    with MisbehavingServer(get=[responds(page)]) as web:
        given = {"WANFLOW_BASE_URL": web.url + ROOT, "WANFLOW_API_KEY": KEY}
        done = wanflow("status", TASK, given=given)
    assert done.code == 13
    assert "it is a page of HTML ('Sign in'), so check the base URL" in done.err
    assert f"(GET {given['WANFLOW_BASE_URL']}{READ})" in done.err


def test_a_redirect_names_its_target(wanflow: Command) -> None:
    """As from http to https; what may be secret in it isn't shown."""
    moved = http(301, b"", "location: https://api.example/apiv1/x?token=s3cret")
    with MisbehavingServer(get=[responds(moved)]) as web:
        given = {"WANFLOW_BASE_URL": web.url + ROOT, "WANFLOW_API_KEY": KEY}
        done = wanflow("status", TASK, given=given)
    assert "it redirects to https://api.example/apiv1/x, so check the base URL" in done.err
    assert "s3cret" not in done.err


def test_an_unreachable_server_is_named(wanflow: Command) -> None:
    """The message has the method and the URL."""
    given = {"WANFLOW_BASE_URL": "http://127.0.0.1:9/apiv1", "WANFLOW_API_KEY": KEY}
    for words, request in COMMANDS.items():
        done = wanflow(*words, given=given)
        assert done.code == 9
        assert request.format("http://127.0.0.1:9/apiv1") in done.err


SERVERS = ("https://api.example/apiv1",)


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("https://api.example", ["https://api.example/apiv1"]),
        ("http://API.example/apiv1", ["https://api.example/apiv1"]),
        ("http://h:1", ["http://h:1/apiv1"]),
        ("http://h:1/apiv1/apiv1", ["http://h:1/apiv1"]),
        ("http://h:1/wan/apiv1/v1/tasks", ["http://h:1/wan/apiv1"]),
        ("http://h:1/wan", ["http://h:1/apiv1", "http://h:1/wan/apiv1"]),
        ("http://h:1/apiv12", ["http://h:1/apiv1", "http://h:1/apiv12/apiv1"]),
        ("http://h:1/apiv1", []),
    ],
)
def test_what_may_have_been_meant(given: str, meant: list[str]) -> None:
    """The spec's own URL on its host, elsewhere its path."""
    assert likely_base_urls(given, SERVERS) == meant


# What nginx, Go, Apache and Jetty answer where they want TLS, and a server that redirects.
WITHOUT_TLS = {
    "nginx": http(
        400,
        b"<html><title>400 The plain HTTP request was sent to HTTPS port</title></html>",
    ),
    "go": http(400, b"Client sent an HTTP request to an HTTPS server.\n"),
    "apache": http(
        400,
        b"<!DOCTYPE HTML><title>400 Bad Request</title><p>Reason: You're speaking plain HTTP to an "
        b"SSL-enabled server port.<br /> Instead use the HTTPS scheme to access this URL, please.",
    ),
    "upgrade": http(426, b"This service requires use of TLS"),
    "redirect": http(301, b"", "Location: https://127.0.0.1/apiv1/x"),
}


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
@pytest.mark.parametrize("kind", WITHOUT_TLS)
def test_http_where_a_server_wants_tls_says_to_try_https(
    wanflow: Command, kind: str, words: tuple[str, ...]
) -> None:
    """It is a wrong base URL, in no command an invalid request or a lost submission."""
    answer = responds(WITHOUT_TLS[kind])
    with MisbehavingServer(post=[answer], get=[answer]) as server:
        given = {"WANFLOW_BASE_URL": server.url + ROOT, "WANFLOW_API_KEY": KEY}
        done = wanflow(*words, given=given)
    uncertain = kind == "redirect" and words[0] in {"submit", "run"}
    # A redirect doesn't prove that a submission was not accepted.
    assert done.code == (10 if uncertain else 3), done.err
    secure = given["WANFLOW_BASE_URL"].replace("http://", "https://")
    assert f"this server wants TLS: try the base URL {secure}" in done.err
    _, *advice = done.err.splitlines()
    assert [line.split()[:3] for line in advice] == [["wanflow", "ledger", "list"]] * uncertain


@pytest.mark.parametrize(
    "answer",
    [
        http(400, b'{"error": {"message": "image_urls: use https", "param": "image_urls"}}'),
        http(400, b"the request is malformed"),
        http(301, b"", "Location: https://elsewhere.example/x"),
    ],
)
def test_other_answers_say_nothing_of_tls(wanflow: Command, answer: bytes) -> None:
    """An error of the API that names https, a text that doesn't, and a redirect elsewhere."""
    with MisbehavingServer(get=[responds(answer)]) as server:
        given = {"WANFLOW_BASE_URL": server.url + ROOT, "WANFLOW_API_KEY": KEY}
        done = wanflow("status", TASK, given=given)
    assert done.code in {2, 13}
    assert "wants TLS" not in done.err
