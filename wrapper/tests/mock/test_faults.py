"""Each fault, tested with a socket client."""

from __future__ import annotations

import json
import socket
import time
from random import Random
from typing import Any, NamedTuple

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.plain_http import PLAIN
from tests.waiting import TIME_LIMIT
from wanflow.catalog.catalog import packaged_catalog
from wanflow.mock import Mock, MockServer, VirtualClock
from wanflow.mock.faults.rules import FILES, FaultRules
from wanflow.mock.gateway.fault import FAULT_KINDS, parse_faults

CATALOG = packaged_catalog()
MODEL = next(model for model in CATALOG.models.values() if model.kind == "image")
QUERY = CATALOG.status_operation.operation_id


class Received(NamedTuple):
    """What a client received: the bytes, how the connection ended, and after how long."""

    raw: bytes
    end: str
    seconds: float

    @property
    def status(self) -> int:
        return int(self.raw[9:12])

    @property
    def headers(self) -> dict[bytes, bytes]:
        lines = self.raw.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]
        return {
            name.lower(): value.strip() for name, _, value in (x.partition(b":") for x in lines)
        }

    @property
    def body(self) -> bytes:
        return self.raw.partition(b"\r\n\r\n")[2]

    @property
    def content_length(self) -> int:
        return int(self.headers[b"content-length"])


class SocketClient:
    """Sends each request on its own socket, and returns what it received."""

    def __init__(self, server: MockServer, key: str) -> None:
        self.server, self.key = server, key

    def __call__(
        self,
        method: str,
        path: str,
        body: Any = None,
        timeout: float = TIME_LIMIT,
        silence: float = TIME_LIMIT,
        **headers: str,
    ) -> Received:
        """Send a request; `silence` is how long the rest of a response is waited for."""
        content = b"" if body is None else json.dumps(body).encode()
        lines = [f"{method} {path} HTTP/1.1", "Host: mock", f"Authorization: Bearer {self.key}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        lines += ["Content-Type: application/json", f"Content-Length: {len(content)}", "", ""]
        began, raw = time.monotonic(), b""
        with socket.create_connection(
            (self.server.host, self.server.port), timeout=timeout
        ) as connection:
            connection.sendall("\r\n".join(lines).encode() + content)
            try:
                while not _is_complete(raw):
                    if raw.partition(b"\r\n\r\n")[2]:
                        connection.settimeout(silence)
                    piece = connection.recv(65536)
                    if not piece:
                        return Received(raw, "closed", time.monotonic() - began)
                    raw += piece
            except ConnectionResetError:
                return Received(raw, "reset", time.monotonic() - began)
            except TimeoutError:
                return Received(raw, "timeout", time.monotonic() - began)
        return Received(raw, "complete", time.monotonic() - began)

    def post(self, prompt: str = "a cat", **options: Any) -> Received:
        path = self.server.gateway.api.base + MODEL.path
        return self("POST", path, {**MODEL.example, "prompt": prompt}, **options)

    def get(self, task: str, **headers: str) -> Received:
        return self("GET", f"{self.server.gateway.api.base}/v1/tasks/{task}", **headers)

    def task(self, prompt: str = "a cat") -> str:
        found: str = json.loads(self.post(prompt).body)["id"]
        return found

    def tasks(self) -> int:
        account = self.server.accounts.for_key(self.key)
        return sum(task.account is account for task in self.server.gateway.tasks)


def _is_complete(raw: bytes) -> bool:
    head, found, body = raw.partition(b"\r\n\r\n")
    if not found or b"content-length" not in head:
        return False
    return len(body) >= int(head.partition(b"content-length:")[2].split(b"\r\n")[0])


@pytest.fixture
def call(mock: MockServer, api_key: str) -> SocketClient:
    return SocketClient(mock, api_key)


@pytest.fixture
def rules(mock: MockServer, api_key: str):
    """The session's rules, cleared afterwards; tests use accounts of their own."""
    yield mock.faults
    mock.faults.clear()


class TestInsteadOfResponse:
    """Faults instead of a response: the request has no effect."""

    def test_reset(self, call) -> None:
        """The connection is reset before any byte, and nothing was submitted."""
        seen = call.post(X_Mock_Fault="reset")
        assert (seen.raw, seen.end) == (b"", "reset")
        assert call.tasks() == 0

    def test_empty(self, call) -> None:
        """The connection is closed in order, without a byte."""
        seen = call.post(X_Mock_Fault="empty")
        assert (seen.raw, seen.end) == (b"", "closed")
        assert call.tasks() == 0

    def test_stall(self, call) -> None:
        """There is no response, and the connection stays open."""
        seen = call.post(X_Mock_Fault="stall", timeout=0.4)
        assert (seen.raw, seen.end) == (b"", "timeout")
        assert call.tasks() == 0

    @pytest.mark.parametrize("status", [201, 204, 302, 404, 418, 429, 500, 502, 504, 520, 599])
    def test_status(self, call, status) -> None:
        """The response has any given status, documented or not."""
        seen = call.post(X_Mock_Fault=f"status={status}")
        assert seen.status == status
        assert call.tasks() == 0

    def test_html(self, call) -> None:
        """The response is an HTML page with 200."""
        seen = call.post(X_Mock_Fault="html")
        assert seen.status == 200
        assert seen.headers[b"content-type"].startswith(b"text/html")
        assert seen.body.startswith(b"<!doctype html>")

    def test_task_not_found(self, call) -> None:
        """A task that exists is not found."""
        task = call.task()
        assert call.get(task, X_Mock_Fault="task-not-found").status == 404
        assert call.get(task).status == 200


class TestDelay:
    """Faults that delay a response."""

    def test_latency(self, call) -> None:
        """The response is as usual, but later by this number of seconds."""
        seen = call.post(X_Mock_Fault="latency=0.3")
        assert (seen.status, seen.end) == (200, "complete")
        assert seen.seconds > 0.25  # clocks are inexact

    def test_jitter(self) -> None:
        """The delay is random, up to the limit, and the same for the same seed."""
        faults = parse_faults("jitter=2")
        pauses = [
            [rules.delay(faults) for _ in range(50)] for rules in (FaultRules(), FaultRules())
        ]
        assert pauses[0] == pauses[1]
        assert len(set(pauses[0])) == 50
        assert all(0 <= pause <= 2 for pause in pauses[0])

    def test_jitter_leaves_the_response_unchanged(self, call) -> None:
        """After the jitter, the response is as usual."""
        assert call.post(X_Mock_Fault="jitter=0.01").status == 200

    @pytest.mark.parametrize("seed", [0, 7])
    @pytest.mark.parametrize(
        ("fault", "quantiles"),
        [
            ("uniform=0.2,1.2", {0.05: 0.25, 0.5: 0.7, 0.95: 1.15}),
            ("normal=0.5,0.8", {0.05: 0.2, 0.5: 0.5, 0.95: 0.8}),
            ("lognormal=0.2,1.5", {0.05: 0.2 * 0.2 / 1.5, 0.5: 0.2, 0.95: 1.5}),
            ("lognormal=3,3", {0.05: 3, 0.5: 3, 0.95: 3}),
        ],
    )
    def test_uniform_normal_lognormal_have_their_quantiles(self, fault, quantiles, seed) -> None:
        """Of 4,000 delays, each quantile is as its name says; the same seed gives the same."""
        faults = parse_faults(fault)
        drawn = [
            [faults.delay(random) for _ in range(4000)] for random in (Random(seed), Random(seed))
        ]
        assert drawn[0] == drawn[1]
        ordered = sorted(drawn[0])
        for share, expected in quantiles.items():
            assert ordered[int(share * 4000)] == pytest.approx(expected, rel=0.12)

    @settings(max_examples=examples(200))
    @given(
        kind=st.sampled_from(["uniform", "normal", "lognormal"]),
        low=st.integers(0, 9999),
        more=st.integers(0, 9999),
        seed=st.integers(0, 99),
    )
    def test_uniform_normal_lognormal_delays_are_never_negative(
        self, kind, low, more, seed
    ) -> None:
        """Any numbers in order give finite delays of at least 0, and survive a round trip."""
        text = f"{kind}={low / 1000:.3f},{(low + more) / 1000:.3f}"
        if kind == "lognormal" and not low:
            with pytest.raises(ValueError, match="more than 0"):
                parse_faults(text)
            return
        faults = parse_faults(f"{text},reset")
        assert str(faults) == f"{text},reset"
        assert 0 <= faults.delay(Random(seed)) < float("inf")

    @pytest.mark.parametrize("text", ["uniform=2,1", "normal=1,0.5", "lognormal=0.2,0.1"])
    def test_uniform_normal_lognormal_numbers_are_in_order(self, text) -> None:
        """The second number is at least the first."""
        with pytest.raises(ValueError, match="at least the first"):
            parse_faults(text)

    def test_normal_delays_of_a_server_follow_its_seed(self) -> None:
        """The rules' generator begins with the seed of the mock."""
        faults = parse_faults("normal=1,2")
        drawn = [Mock("http://x", seed=seed).faults.delay(faults) for seed in (1, 1, 2)]
        assert drawn[0] == drawn[1] != drawn[2]

    def test_lognormal_of_a_server_delays_every_response(self) -> None:
        """The option, the property and the admin API delay all responses but those of `/_mock`."""
        with (
            MockServer(latency="lognormal=0.1,0.1") as server,
            httpx.Client(base_url=server.url, **PLAIN) as http,
        ):
            assert http.get("/nothing").elapsed.total_seconds() > 0.09
            assert http.get("/_mock/latency").json() == {"latency": "lognormal=0.1,0.1"}
            changed = http.patch("/_mock/latency", json={"latency": "uniform=0.2,0.2"})
            assert (changed.status_code, server.latency) == (200, "uniform=0.2,0.2")
            assert http.get("/nothing").elapsed.total_seconds() > 0.18
            assert http.get("/_mock/about").json()["latency"] == "uniform=0.2,0.2"
            for wrong in ("status=503", "latency=1,for=3", 5, ""):
                assert http.patch("/_mock/latency", json={"latency": wrong}).status_code == 400
            assert http.patch("/_mock/latency", json={}).status_code == 400
            assert http.patch("/_mock/latency", json={"latency": None}).json() == {"latency": None}
            assert server.latency is None
            server.latency = "latency=0.1,jitter=0"
            assert http.get("/nothing").elapsed.total_seconds() > 0.09
            assert [entry.faults for entry in server.journal] == ["", "", ""]

    def test_for_ends_a_rule_by_itself(self) -> None:
        """A rule applies until its seconds of the mock's clock have passed, and then is gone."""
        clock = VirtualClock()
        rules = FaultRules(clock=clock)
        short, long = rules.add("status=503,for=60"), rules.add("reset,for=60.5")
        clock.advance(59.999)
        assert str(rules.pick("x", None)) == "status=503,for=60"
        clock.advance(0.001)
        assert str(rules.pick("x", None)) == "reset,for=60.5"
        assert list(rules) == [long]
        assert not rules.remove(short.id)
        clock.advance(1)
        assert rules.pick("x", None).all == ()
        assert list(rules) == []

    def test_for_is_a_part_of_a_rule_in_json(self) -> None:
        """The admin API takes it as a field or in the text, and shows when the rule ends."""
        with (
            MockServer(clock=VirtualClock()) as server,
            httpx.Client(base_url=server.url, **PLAIN) as http,
        ):
            for rule in ({"fault": "status=503", "for": 30}, {"fault": "for=30,status=503"}):
                made = http.post("/_mock/faults", json=rule).json()
                assert made["ends"] == server.clock.now() + 30
            server.clock.advance(30)
            assert http.get("/_mock/faults").json() == {"faults": []}
            for wrong in (
                {"fault": "for=3"},
                {"fault": "reset", "for": -1},
                {"fault": "reset,for=1", "for": 1},
                {"fault": "reset", "for": "x"},
            ):
                assert http.post("/_mock/faults", json=wrong).status_code == 400

    def test_for_ends_the_faults_of_a_task(self) -> None:
        """Its time begins with the submission; a restart of the mock doesn't begin it again."""
        directives = "[mock:status-fault=status=503,for=60][mock:download-fault=status=502,for=90]"
        with (
            MockServer(clock=VirtualClock(), polls=0) as server,
            httpx.Client(
                base_url=server.base_url, headers={"Authorization": "Bearer k"}, **PLAIN
            ) as http,
        ):
            body = {**MODEL.example, "prompt": directives}
            name = http.post(MODEL.path, json=body).json()["id"]
            file = f"{server.url}/media/{name}/0.png"
            seen = []
            for _ in range(4):
                seen.append((http.get(f"/v1/tasks/{name}").status_code, http.get(file).status_code))
                server.clock.advance(30)
        assert seen == [(503, 502), (503, 502), (200, 502), (200, 200)]

    def test_for_is_rejected_for_a_single_request(self, call) -> None:
        """A request has no time in which its fault could end."""
        assert call.post(X_Mock_Fault="status=503,for=3").status == 400
        assert call.post("[mock:fault=status=503,for=3]").status == 400

    def test_latency_comes_before_another_fault(self, call) -> None:
        """Faults are combined by commas."""
        seen = call.post(X_Mock_Fault="latency=0.2,reset")
        assert seen.end == "reset"
        assert seen.seconds > 0.18


class TestResponse:
    """Faults in the response; the connection is intact."""

    def test_truncated(self, call) -> None:
        """The JSON is cut off, and Content-Length is that of the rest."""
        seen = call.post(X_Mock_Fault="truncated")
        assert (seen.status, seen.end, seen.content_length) == (200, "complete", len(seen.body))
        with pytest.raises(json.JSONDecodeError):
            json.loads(seen.body)

    def test_garbled(self, call) -> None:
        """The body has the type JSON, and isn't."""
        seen = call.post(X_Mock_Fault="garbled")
        assert seen.headers[b"content-type"] == b"application/json"
        with pytest.raises(json.JSONDecodeError):
            json.loads(seen.body)

    def test_unknown_status(self, call) -> None:
        """The status is one that the spec doesn't have."""
        task = call.task()
        body = json.loads(call.get(task, X_Mock_Fault="unknown-status").body)
        assert body["status"] not in {"pending", "processing", "completed", "failed"}

    @pytest.mark.parametrize("field", ["id", "status", "task_info", "task_info.can_cancel"])
    def test_missing(self, call, field) -> None:
        """One field is missing; all others are there."""
        body = json.loads(call.post(X_Mock_Fault=f"missing={field}").body)
        first, _, second = field.partition(".")
        assert (second not in body[first]) if second else (first not in body)
        assert "model" in body

    def test_null(self, call) -> None:
        """A field has the value null."""
        body = json.loads(call.post(X_Mock_Fault="null=id").body)
        assert body["id"] is None

    def test_regress(self, call) -> None:
        """A completed task is reported as processing, a processing one as pending."""
        task = call.task()
        call.get(task)
        before = json.loads(call.get(task).body)
        back = json.loads(call.get(task, X_Mock_Fault="regress").body)
        assert (before["status"], back["status"]) == ("completed", "processing")
        assert back["progress"] < before["progress"]
        assert "results" not in back
        assert json.loads(call.get(task).body)["status"] == "completed"


class TestTransmission:
    """Faults while a response is sent: the request has had its effect."""

    def test_lost_response(self, call) -> None:
        """The task was submitted, but the client gets no response."""
        seen = call.post(X_Mock_Fault="lost-response")
        assert (seen.raw, seen.end) == (b"", "reset")
        assert call.tasks() == 1

    def test_reset_after_headers(self, call) -> None:
        """The headers arrive, the body doesn't."""
        seen = call.post(X_Mock_Fault="reset-after-headers")
        assert (seen.status, seen.body, seen.end) == (200, b"", "reset")
        assert seen.content_length > 0

    def test_reset_in_body(self, call) -> None:
        """Half of the body arrives, then a reset."""
        seen = call.post(X_Mock_Fault="reset-in-body")
        assert (seen.status, seen.end) == (200, "reset")
        assert 0 < len(seen.body) < seen.content_length

    def test_stall_in_body(self, call) -> None:
        """Half of the body arrives, then nothing."""
        seen = call.post(X_Mock_Fault="stall-in-body", silence=0.4)
        assert (seen.status, seen.end) == (200, "timeout")
        assert 0 < len(seen.body) < seen.content_length

    def test_wrong_length_too_long(self, call) -> None:
        """Content-Length is larger than the body."""
        seen = call.post(X_Mock_Fault="wrong-length=10")
        assert (seen.end, seen.content_length) == ("closed", len(seen.body) + 10)

    def test_wrong_length_too_short(self, call) -> None:
        """Content-Length is smaller than the body."""
        seen = call.post(X_Mock_Fault="wrong-length=-10")
        assert seen.content_length == len(seen.body) - 10

    def test_drip(self, call) -> None:
        """The whole body arrives in 20 parts with a pause after each."""
        seen = call.post(X_Mock_Fault="drip=0.02")
        assert (seen.end, len(seen.body)) == ("complete", seen.content_length)
        assert seen.seconds >= 0.02 * 15
        json.loads(seen.body)


def test_every_fault_has_a_test() -> None:
    """Every fault has a test with its name."""
    shown = {
        name.removeprefix("test_").replace("_", "-")
        for group in (TestInsteadOfResponse, TestDelay, TestResponse, TestTransmission)
        for name in vars(group)
    }
    missing = [name for name in FAULT_KINDS if not any(test.startswith(name) for test in shown)]
    assert FAULT_KINDS
    assert not missing


def test_a_directive_has_the_effect_of_the_header(call) -> None:
    """Where headers can't be set, a prompt directive causes the fault."""
    assert call.post("a cat [mock:fault=reset]").end == "reset"
    assert call.post("[mock:fault=latency=0.01,status=520] a cat").status == 520


def test_a_directive_can_affect_polls_and_downloads(call) -> None:
    """A prompt directive can cause faults of the task's polls or files."""
    task = call.task("a cat [mock:status-fault=status=503]")
    assert call.get(task).status == 503
    task = call.task("a cat [mock:download-fault=reset-in-body] [mock:progression=immediately]")
    seen = call("GET", f"/media/{task}/0.png")
    assert (seen.status, seen.end) == (200, "reset")
    assert seen.headers[b"content-type"] == b"image/png"


class TestRules:
    """Fault rules of the admin API."""

    def add(self, mock, key, **rule) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        response = httpx.post(f"{mock.url}/_mock/faults", json=rule, headers=headers, **PLAIN)
        assert response.status_code == 201, response.text
        return dict(response.json())

    def test_of_an_account(self, mock, rules, call, api_key) -> None:
        """A rule added with a key applies to that key's requests only."""
        self.add(mock, api_key, fault="status=502")
        assert call.post().status == 502
        assert SocketClient(mock, api_key + "-other").post().status == 200

    def test_of_an_operation(self, mock, rules, call, api_key) -> None:
        """A rule may apply to one operation."""
        self.add(mock, api_key, fault="status=502", operation=QUERY)
        task = call.task()
        assert call.get(task).status == 502

    def test_of_the_files(self, mock, rules, call, api_key) -> None:
        """A rule may apply to files."""
        self.add(mock, api_key, fault="status=503", operation=FILES)
        task = call.task("[mock:progression=immediately]")
        assert call("GET", f"/media/{task}/0.png").status == 503

    def test_of_the_nth_call(self, mock, rules, call, api_key) -> None:
        """A rule applies from the nth call on, `count` times."""
        self.add(mock, api_key, fault="status=500", operation=QUERY, nth=2, count=2)
        task = call.task()
        assert [call.get(task).status for _ in range(5)] == [200, 500, 500, 200, 200]

    def test_with_a_probability(self, rules) -> None:
        """A rule with a probability applies about that often, and never with 0."""
        random_rules = FaultRules()
        random_rules.add("reset", probability=0.3)
        applied = sum(bool(random_rules.pick("x", None).all) for _ in range(1000))
        assert 220 < applied < 380
        never = FaultRules()
        never.add("reset", probability=0)
        assert not any(never.pick("x", None).all for _ in range(100))

    def test_rules_are_listed_and_removed(self, mock, rules, call, api_key) -> None:
        """Rules can be listed, and removed one by one or all together."""
        url = f"{mock.url}/_mock/faults"
        headers = {"Authorization": f"Bearer {api_key}"}
        first = self.add(mock, api_key, fault="status=500")
        second = self.add(mock, api_key, fault="status=502")
        call.post()
        listed = httpx.get(url, headers=headers, **PLAIN).json()["faults"]
        assert [(one["id"], one["hits"]) for one in listed] == [
            (first["id"], 1),
            (second["id"], 0),
        ]
        assert httpx.delete(f"{url}/{first['id']}", **PLAIN).status_code == 200
        assert call.post().status == 502
        assert httpx.delete(f"{url}/{first['id']}", **PLAIN).status_code == 404
        assert httpx.delete(url, headers=headers, **PLAIN).json() == {"faults": []}
        assert call.post().status == 200

    @pytest.mark.parametrize(
        "rule",
        [
            {},
            {"fault": 3},
            {"fault": "nonsense"},
            {"fault": "status=99"},
            {"fault": "status=600"},
            {"fault": "reset=1"},
            {"fault": "reset", "operation": "nothing"},
            {"fault": "reset", "operation": 3},
            {"fault": "reset", "nth": 0},
            {"fault": "reset", "nth": "2"},
            {"fault": "reset", "count": 0},
            {"fault": "reset", "count": 1.5},
            {"fault": "reset", "probability": 2},
            {"fault": "reset", "probability": "x"},
            {"fault": "reset", "more": 1},
            {"fault": "latency=99999"},
        ],
        ids=range(16),
    )
    def test_an_invalid_rule_is_a_400(self, mock, rules, rule) -> None:
        """It is rejected with a reason, and not added."""
        response = httpx.post(f"{mock.url}/_mock/faults", json=rule, **PLAIN)
        assert response.status_code == 400
        assert response.json()["error"]["message"]
        assert not list(rules)


@pytest.mark.parametrize(
    "text", ["", "resett", "latency", "latency=x", "missing=", "drip=-1", "a" * 999]
)
def test_an_unknown_fault_is_an_error(call, text) -> None:
    """A misspelt fault is a 400, never ignored."""
    with pytest.raises(ValueError, match="fault"):
        parse_faults(text)
    if text:
        assert call.post(X_Mock_Fault=text).status == 400


def test_the_server_survives_all_faults(mock, call) -> None:
    """After these faults, the next request gets its response."""
    for name in ("reset", "empty", "reset-in-body", "wrong-length=5", "lost-response"):
        call.post(X_Mock_Fault=name)
    assert call.post().status == 200
