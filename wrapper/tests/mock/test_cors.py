"""CORS: pages of other origins may use the mock if, and only if, the user names their origin."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.any_model import model_name
from tests.examples import examples
from tests.plain_http import PLAIN
from wanflow.catalog.catalog import packaged_catalog
from wanflow.mock import MockServer
from wanflow.mock.http.cors import Cors, parse_origin
from wanflow.mock.http.request import Request

if TYPE_CHECKING:
    from collections.abc import Iterator

CATALOG = packaged_catalog()
MODEL = CATALOG.models[model_name("image")]
ORIGIN = "http://localhost:5173"
OTHERS = [
    "http://localhost:5174", "https://localhost:5173", "http://localhost", "null", "*",
    "http://localhost:5173.evil.example", "http://localhost:51730", "HTTP://LOCALHOST:5173",
    "http://localhost:5173/", "http://evil.example", "", "http://localhost:5173, http://a.test",
]  # fmt: skip
ASKED = {
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization,content-type,idempotency-key",
}
PATHS = [
    "/apiv1" + MODEL.path, "/apiv1/v1/tasks/task-unified-1-a", "/media/x/0.png",
    "/apiv1/v1/videos/generations/x",
]  # fmt: skip


@pytest.fixture(scope="module")
def server() -> Iterator[MockServer]:
    with MockServer(polls=0, cors=[ORIGIN, "https://app.test:443"]) as server:
        yield server


@pytest.fixture(scope="module")
def http(server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, **PLAIN) as http:
        yield http


def cors_headers(response: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in response.headers.items() if "access-control" in name}


class TestPreflight:
    """OPTIONS with the headers of a preflight request."""

    @pytest.mark.parametrize("path", [*PATHS, "/_mock/clock/advance"])
    @pytest.mark.parametrize("origin", [ORIGIN, "https://app.test"])
    def test_an_allowed_origin_may_send_what_it_asks_for(self, http, path, origin) -> None:
        """The answer has the origin, the headers of the key and the JSON, and needs no key."""
        response = http.options(path, headers={"Origin": origin, **ASKED})
        assert (response.status_code, response.content) == (204, b"")
        allowed = cors_headers(response)
        assert allowed["access-control-allow-origin"] == origin
        assert allowed["access-control-allow-credentials"] == "true"
        assert allowed["access-control-allow-headers"] == ASKED["Access-Control-Request-Headers"]
        assert "POST" in allowed["access-control-allow-methods"].split(", ")
        assert response.headers["vary"] == "Origin"

    @pytest.mark.parametrize("origin", OTHERS)
    def test_another_origin_gets_the_answer_of_a_mock_without_cors(self, http, origin) -> None:
        """It is a 405 as documented, without a header that allows anything."""
        response = http.options(PATHS[0], headers={"Origin": origin, **ASKED})
        assert (response.status_code, response.headers["allow"]) == (405, "POST")
        assert cors_headers(response) == {}

    def test_options_without_a_preflight_is_a_405(self, http) -> None:
        """A plain OPTIONS of an allowed origin is no preflight."""
        response = http.options(PATHS[0], headers={"Origin": ORIGIN})
        assert response.status_code == 405
        assert response.headers["access-control-allow-origin"] == ORIGIN

    def test_without_the_option_nothing_is_allowed(self, mock) -> None:
        """OPTIONS is a 405, and no response has a header of CORS, nor Vary."""
        with httpx.Client(base_url=mock.url, **PLAIN) as http:
            response = http.options(PATHS[0], headers={"Origin": ORIGIN, **ASKED})
            assert response.status_code == 405
            for seen in (response, http.get(PATHS[1], headers={"Origin": ORIGIN})):
                assert cors_headers(seen) == {}
                assert "vary" not in seen.headers

    @pytest.mark.parametrize("wanted", ["a\x7fb", "a b", "x: y", "é", ",", "*/*"])
    def test_headers_that_are_no_names_are_not_repeated(self, http, wanted) -> None:
        """Only a list of header names is repeated."""
        asked = {**ASKED, "Access-Control-Request-Headers": wanted.encode("latin-1")}
        response = http.options(PATHS[0], headers={"Origin": ORIGIN, **asked})
        assert "access-control-allow-headers" not in response.headers

    def test_it_is_in_the_journal_without_a_fault_and_a_rate(self) -> None:
        """It uses up neither a fault nor a request of the account's rate."""
        with MockServer(cors=[ORIGIN], rate="1/60") as server:
            rule = server.faults.add("status=503")
            headers = {"Origin": ORIGIN, **ASKED}
            for _ in range(3):
                httpx.options(server.base_url + MODEL.path, headers=headers, **PLAIN)
            assert rule.calls == 0
            assert [(one.operation, one.status) for one in server.journal] == [
                ("preflight", 204)
            ] * 3


class TestResponse:
    """The response to the request itself."""

    @pytest.mark.parametrize("path", [*PATHS, "/_mock/journal"])
    def test_a_page_reads_every_response_and_its_headers(self, http, path) -> None:
        """Errors are readable, too, with Retry-After and what else scripts need."""
        response = http.get(path, headers={"Origin": ORIGIN})
        assert response.headers["access-control-allow-origin"] == ORIGIN
        exposed = response.headers["access-control-expose-headers"].split(", ")
        assert {"retry-after", "idempotency-replayed", "content-range", "etag"} <= set(exposed)

    @pytest.mark.parametrize("fault", ["status=503", "html", "truncated", "task-not-found"])
    def test_injected_faults_are_readable(self, server, http, fault) -> None:
        """A page sees a fault as another client does."""
        headers = {"Origin": ORIGIN, "Authorization": "Bearer k", "X-Mock-Fault": fault}
        response = http.post(
            server.base_url + MODEL.path, json=dict(MODEL.example), headers=headers
        )
        assert response.headers["access-control-allow-origin"] == ORIGIN

    @pytest.mark.parametrize("origin", [None, *OTHERS])
    def test_a_cache_keeps_responses_of_origins_apart(self, http, origin) -> None:
        """Without an allowed origin nothing is allowed, but Vary is there for caches."""
        headers = {} if origin is None else {"Origin": origin}
        response = http.get(PATHS[2], headers=headers)
        assert cors_headers(response) == {}
        assert response.headers["vary"] == "Origin"

    def test_a_star_allows_any_page_without_cookies_and_without_the_controls(self) -> None:
        """`*` covers the API and files; nobody's page may advance the clock or read prompts."""
        with (
            MockServer(cors=["*"]) as server,
            httpx.Client(base_url=server.url, **PLAIN) as http,
        ):
            for origin in ("null", "http://evil.example"):
                headers = {"Origin": origin}
                for seen in (
                    http.get(PATHS[1], headers=headers),
                    http.options(PATHS[0], headers={**headers, **ASKED}),
                ):
                    assert seen.headers["access-control-allow-origin"] == "*"
                    assert "access-control-allow-credentials" not in seen.headers
                for seen in (
                    http.get("/_mock/tasks", headers=headers),
                    http.options("/_mock/clock/advance", headers={**headers, **ASKED}),
                ):
                    assert cors_headers(seen) == {}


class TestOrigin:
    """The form of an origin."""

    @pytest.mark.parametrize(
        ("text", "origin"),
        [
            ("http://a.test:5173", "http://a.test:5173"), ("HTTPS://App.Test", "https://app.test"),
            ("http://a.test:80", "http://a.test"), ("https://a.test:443", "https://a.test"),
            ("https://a.test:80", "https://a.test:80"), ("http://[::1]:80", "http://[::1]"),
            ("*", "*"),
            ("http://a.test/", None), ("a.test", None), ("null", None), ("ftp://a.test", None),
            ("http://", None), ("http://*.a.test", None), ("http://u@a.test", None),
        ],
    )  # fmt: skip
    def test_it_is_written_as_browsers_send_it(self, text, origin) -> None:
        """Case and default port don't matter; anything else than an origin is rejected."""
        assert parse_origin(text) == origin

    @settings(max_examples=examples(300))
    @given(origin=st.one_of(
        st.binary(max_size=30),
        st.builds(lambda *parts: "".join(parts).encode(),
                  st.sampled_from(["http://", "https://", "", "null"]),
                  st.sampled_from(["a.test", "A.test", "a.test.evil", "evil-a.test", "b"]),
                  st.sampled_from(["", ":80", ":5173", "/", "\0", " "])),
    ), method=st.sampled_from(["GET", "OPTIONS"]))  # fmt: skip
    def test_only_an_origin_that_was_named_is_ever_allowed(self, origin, method) -> None:
        """Of any bytes, those that are equal to a named origin, and no others."""
        named = {"http://a.test", "http://a.test:5173"}
        headers = {b"origin": origin, b"access-control-request-method": b"POST"}
        cors, request = Cors(frozenset(named)), Request(method, "/", headers)
        response = cors.preflight(request)
        allowed = dict(response.headers if response else ()).get(b"access-control-allow-origin")
        assert allowed in {None, origin}
        is_named = origin in {one.encode() for one in named}
        assert (allowed is not None) is (is_named and method == "OPTIONS")
