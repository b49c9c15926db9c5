"""The server: how it starts, fails to start, and stops."""

from __future__ import annotations

import asyncio
import copy
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import wave
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from tests.plain_http import PLAIN
from wanflow.catalog.document import load_packaged, resolve_ref
from wanflow.cli.mock import mock as command
from wanflow.mock import MockServer, MockUnavailable, PortInUse, UnsupportedSpec


def test_it_starts_and_stops_with_its_context() -> None:
    """Requests succeed within the context and fail after it; no thread is left."""
    before = threading.active_count()
    with MockServer() as server:
        assert httpx.get(f"{server.url}/_mock/health", **PLAIN).status_code == 200
        address = (server.host, server.port)
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(address, timeout=60)
    assert threading.active_count() == before


def test_it_can_be_entered_again() -> None:
    """A stopped server can be started again."""
    server = MockServer()
    for _ in range(2):
        with server:
            assert httpx.get(f"{server.url}/_mock/health", **PLAIN).status_code == 200


def test_it_runs_beside_a_running_event_loop() -> None:
    """A client in a running event loop can use it."""

    async def main() -> int:
        with MockServer() as server:
            async with httpx.AsyncClient(**PLAIN) as http:
                return (await http.get(f"{server.url}/_mock/health")).status_code

    assert asyncio.run(main()) == 200


def test_an_open_connection_does_not_delay_the_stop() -> None:
    """Idle connections and incomplete requests are closed."""
    with MockServer() as server:
        idle = socket.create_connection((server.host, server.port), timeout=60)
        half = socket.create_connection((server.host, server.port), timeout=60)
        half.sendall(
            b"POST /apiv1/v1/videos/generations HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n"
        )
    assert idle.recv(1) == b""
    idle.close()
    half.close()


def test_a_stopped_server_has_no_url() -> None:
    """The URL of a server that isn't running is an error that says so."""
    with pytest.raises(MockUnavailable, match="isn't running"):
        _ = MockServer().base_url


def test_a_port_in_use_is_an_error() -> None:
    """Two servers can't share a port; the message names it."""
    with (
        MockServer() as server,
        pytest.raises(PortInUse, match=f"{server.port}: .*; choose another port"),
    ):
        MockServer(port=server.port).__enter__()


def test_polls_and_seconds_exclude_each_other() -> None:
    """A task has one progression."""
    with pytest.raises(ValueError, match="give only one of"):
        MockServer(polls=1, seconds=1)


def spec_with(path: tuple[str, ...], value: Any) -> dict[str, Any]:
    document = copy.deepcopy(load_packaged())
    node: Any = document
    for part in path[:-1]:
        node = node[part]
    node[path[-1]] = value
    return document


SCHEMAS = ("components", "schemas")
NUMBERS = {"type": "array", "items": {"type": "integer"}}
CANCEL = {"operationId": "cancel", "responses": {}}


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        ((*SCHEMAS, "Usage", "required"), ["wonder"], "createImageGeneration.*wonder"),
        ((*SCHEMAS, "ErrorResponse", "maxProperties"), 0, "the mock's 400 of create"),
        ((*SCHEMAS, "TaskDetailResponse", "properties", "results"), NUMBERS, "getTaskDetail"),
        (("paths", "/v1/tasks/{task_id}", "delete"), CANCEL, "cancel is neither"),
        (("paths", "/v1/tasks/{task_id}"), {}, "can't be read"),
        (("components", "securitySchemes", "bearerAuth"), {"type": "apiKey"}, "supports bearer"),
        ((*SCHEMAS, "Usage"), {"$ref": "#/components/schemas/Nothing"}, "Nothing"),
    ],
    ids=range(7),
)  # fmt: skip
def test_an_unsupported_spec_is_rejected(path, value, reason) -> None:
    """The server doesn't start, and the error gives the reason."""
    with pytest.raises(UnsupportedSpec, match=reason):
        MockServer(document=spec_with(path, value))


def test_a_new_model_in_the_spec_is_served() -> None:
    """A new model in the spec needs no new code."""
    document = copy.deepcopy(load_packaged())
    operation = document["paths"]["/v1/videos/generations"]["post"]
    media = operation["requestBody"]["content"]["application/json"]
    rule = {
        "type": "object",
        "required": ["model"],
        "properties": {
            "model": {"type": "string", "const": "another-one"},
            "sound_track": {"type": "array", "items": {"type": "integer"}, "minItems": 2},
        },
    }
    document["components"]["schemas"]["Another"] = rule
    reference = "#/components/schemas/Another"
    union = resolve_ref(document, media["schema"])
    union["oneOf"].append({"$ref": reference})
    union["discriminator"]["mapping"]["another-one"] = reference
    with MockServer(document=document) as server:
        url = f"{server.base_url}/v1/videos/generations"
        headers = {"Authorization": "Bearer k"}
        with httpx.Client(headers=headers, **PLAIN) as http:
            rejected = http.post(url, json={"model": "another-one", "sound_track": [1]})
            assert rejected.json()["error"]["param"] == "sound_track"
            taken = http.post(url, json={"model": "another-one"}).json()
            http.get(f"{server.base_url}/v1/tasks/{taken['id']}")
            done = http.get(f"{server.base_url}/v1/tasks/{taken['id']}").json()
            assert done["results"][0].endswith(".mp4")


def with_a_model_of(kind: str) -> dict[str, Any]:
    """Return a spec with one more model, of another kind."""
    document = copy.deepcopy(load_packaged())
    path = document["paths"]["/v1/videos/generations"]["post"]
    operation = {**copy.deepcopy(path), "operationId": f"create_{kind}"}
    rule = {
        "type": "object",
        "required": ["model", "prompt"],
        "properties": {
            "model": {"type": "string", "const": f"a-{kind}-model"},
            "prompt": {"type": "string"},
            "duration": {"type": "integer", "minimum": 1, "maximum": 30, "default": 3},
        },
    }
    receipt = {
        "type": "object",
        "required": ["id", "object", "status"],
        "properties": {
            "id": {"type": "string"},
            "status": {"type": "string"},
            "object": {"type": "string", "enum": [f"{kind}.generation.task"]},
        },
    }
    reference = f"#/components/schemas/Of{kind}"
    document["components"]["schemas"][f"Of{kind}"] = rule
    media = operation["requestBody"]["content"]["application/json"]
    media["schema"] = {
        "oneOf": [{"$ref": reference}],
        "discriminator": {"propertyName": "model", "mapping": {f"a-{kind}-model": reference}},
    }
    media.pop("examples", None)
    response = operation["responses"]["200"]["content"]["application/json"]
    response["schema"] = receipt
    document["paths"][f"/v1/{kind}/generations"] = {"post": operation}
    objects = document["components"]["schemas"]["TaskDetailResponse"]["properties"]["object"]
    objects["enum"] = sorted({*objects["enum"], f"{kind}.generation.task"})
    return document


def result_of(server: MockServer, kind: str, **more: Any) -> httpx.Response:
    """Return the result file of a task of another kind."""
    with httpx.Client(headers={"Authorization": "Bearer k"}, **PLAIN) as http:
        body = {"model": f"a-{kind}-model", "prompt": "a düne", **more}
        taken = http.post(f"{server.base_url}/v1/{kind}/generations", json=body).json()
        detail = http.get(f"{server.base_url}/v1/tasks/{taken['id']}").json()
        assert detail["type"] == kind
        assert detail["object"] == f"{kind}.generation.task"
        return http.get(detail["results"][0])


def test_an_audio_model_is_served() -> None:
    """Its result is a playable sound file of the requested duration."""
    with MockServer(document=with_a_model_of("audio"), polls=0) as server:
        for asked, seconds in (({}, 3), ({"duration": 7}, 7)):
            file = result_of(server, "audio", **asked)
            assert file.headers["content-type"] == "audio/wav"
            with wave.open(BytesIO(file.content)) as sound:
                assert sound.getnframes() / sound.getframerate() == seconds
                assert any(sound.readframes(sound.getnframes()))


def test_a_text_model_is_served() -> None:
    """Its result is a text with model, task and prompt."""
    with MockServer(document=with_a_model_of("text"), polls=0) as server:
        file = result_of(server, "text")
    assert file.headers["content-type"] == "text/plain; charset=utf-8"
    assert "a-text-model" in file.text
    assert "a düne" in file.text


def test_a_model_of_another_kind_is_rejected() -> None:
    """An unsupported kind is an error at the start."""
    document = with_a_model_of("smell")
    with pytest.raises(UnsupportedSpec, match="a-smell-model makes smell; the mock makes image"):
        MockServer(document=document)


def test_a_receipt_with_fewer_statuses_is_served() -> None:
    """The statuses that the spec allows in a receipt apply to receipts, not to polls."""
    document = with_a_model_of("audio")
    operation = document["paths"]["/v1/audio/generations"]["post"]
    receipt = operation["responses"]["200"]["content"]["application/json"]["schema"]
    receipt["properties"]["status"]["enum"] = ["pending"]
    with (
        MockServer(document=document, polls=0) as server,
        httpx.Client(headers={"Authorization": "Bearer k"}, **PLAIN) as http,
    ):
        body = {"model": "a-audio-model", "prompt": "a"}
        taken = http.post(f"{server.base_url}/v1/audio/generations", json=body).json()
        assert taken["status"] == "pending"
        detail = http.get(f"{server.base_url}/v1/tasks/{taken['id']}").json()
        assert detail["status"] == "completed"


@pytest.mark.parametrize(
    ("content", "kind", "shown", "reworded"),
    [
        ({"text/plain": {"example": "nope"}}, "text/plain", "nope", "prompt is required"),
        (
            {"text/plain": {}},
            "text/plain",
            "The mock responds with status 400",
            "prompt is required",
        ),
        (
            {"text/html": {"examples": {"a": {"value": "<p>nope"}}}},
            "text/html",
            "<p>nope",
            "<p>nope",
        ),
        (
            {"application/problem+json": {"example": {"title": "nope"}}},
            "application/problem+json",
            '{"title": "nope"}',
            '{"title": "nope"}',
        ),
    ],
)
def test_an_error_that_is_not_json_is_sent_as_documented(content, kind, shown, reworded) -> None:
    """It has the documented media type, and the spec's example if no other text is allowed."""
    document = with_a_model_of("audio")
    operation = document["paths"]["/v1/audio/generations"]["post"]
    operation["responses"]["400"] = {"description": "bad", "content": content}
    with MockServer(document=document) as server:
        url = f"{server.base_url}/v1/audio/generations"
        with httpx.Client(headers={"Authorization": "Bearer k"}, **PLAIN) as http:
            wrong = http.post(url, json={"model": "a-audio-model"})
            wanted = {"prefer": "code=400"}
            body = {"model": "a-audio-model", "prompt": "a"}
            asked = http.post(url, json=body, headers=wanted)
    assert (asked.status_code, asked.headers["content-type"], asked.text) == (400, kind, shown)
    assert (wrong.status_code, wrong.headers["content-type"]) == (400, kind)
    assert reworded in wrong.text


def test_an_error_of_another_schema_is_as_in_the_spec() -> None:
    """The mock's own message would violate the schema, so the example is sent, or empty fields."""
    document = with_a_model_of("audio")
    operation = document["paths"]["/v1/audio/generations"]["post"]
    detail = {
        "type": "object",
        "properties": {"detail": {"type": "string"}},
        "required": ["detail"],
        "additionalProperties": False,
    }
    for status, more in (("400", {"example": {"detail": "nope"}}), ("422", {})):
        media = {"application/json": {"schema": detail, **more}}
        operation["responses"][status] = {"description": "bad", "content": media}
    with MockServer(document=document) as server:
        url = f"{server.base_url}/v1/audio/generations"
        with httpx.Client(headers={"Authorization": "Bearer k"}, **PLAIN) as http:
            assert http.post(url, json={"model": "a-audio-model"}).json() == {"detail": "nope"}
            body = {"model": "a-audio-model", "prompt": "a"}
            other = http.post(url, json=body, headers={"prefer": "code=422"})
            assert (other.status_code, other.json()) == (422, {"detail": ""})


class TestCommand:
    """`python -m wanflow mock`, the same as `wanflow mock`."""

    @pytest.mark.processes
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_a_signal_stops_it_cleanly(self, number) -> None:
        """It prints its URL, serves, and exits with 0 and nothing on stderr."""
        process = subprocess.Popen(
            [sys.executable, "-u", "-m", "wanflow", "mock", "--port", "0"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        assert process.stdout is not None
        try:
            lines = [process.stdout.readline() for _ in range(5)]
            url = re.search(r"http://127\.0\.0\.1:[0-9]+", lines[0])
            assert url is not None
            assert "loopback only" in "".join(lines)
            assert "API key" in "".join(lines)
            assert f"page:      {url[0]}/_mock/\n" in "".join(lines)
            assert httpx.get(f"{url[0]}/_mock/health", **PLAIN).status_code == 200
            process.send_signal(number)
            _, errors = process.communicate(timeout=60)
        finally:
            process.kill()
            process.communicate()
        assert (process.returncode, errors) == (0, "")

    @pytest.mark.processes
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_signals_at_any_time_stop_it_cleanly(self, number) -> None:
        """Signals may come directly after the start and during a stalled response."""
        process = subprocess.Popen(
            [sys.executable, "-u", "-m", "wanflow", "mock", "--port", "0"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        try:
            port = re.search(r":([0-9]+)/", process.stdout.readline())
            assert port is not None
            with socket.create_connection(("127.0.0.1", int(port[1])), timeout=60) as line:
                line.sendall(b"GET /apiv1/v1/tasks/task-unified-1-x HTTP/1.1\r\nHost: x\r\n")
                line.sendall(b"Authorization: Bearer k\r\nX-Mock-Fault: stall\r\n\r\n")
                for _ in range(3):
                    process.send_signal(number)
                    time.sleep(0.05)
                _, errors = process.communicate(timeout=60)
        finally:
            process.kill()
            process.communicate()
        assert (process.returncode, errors) == (0, "")

    @pytest.mark.processes
    def test_dangerous_options_are_named_at_the_start(self) -> None:
        """Allowed loopback callbacks are named."""
        process = subprocess.Popen(
            [sys.executable, "-u", "-m", "wanflow", "mock", "--port", "0", "--loopback-callbacks"],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(6)]
        process.terminate()
        process.communicate(timeout=60)
        assert "LOOPBACK IS ALLOWED" in "".join(lines)

    def test_a_port_in_use_is_one_sentence(self) -> None:
        """The command prints the error and exits with an error code."""
        with MockServer() as server:
            port = str(server.port)
            result = CliRunner().invoke(command, ["--port", port])
        assert result.exit_code == 1
        assert result.output.count("\n") == 1
        assert port in result.output

    def test_two_progressions_are_rejected(self) -> None:
        """--polls and --seconds exclude each other."""
        result = CliRunner().invoke(command, ["--polls", "1", "--seconds", "1"])
        assert result.exit_code == 2


def test_no_key_is_shown() -> None:
    """No repr of the server's parts contains a key."""
    server = MockServer(api_key="very-secret-key")
    with server:
        headers = {"Authorization": "Bearer very-secret-key"}
        body = {"model": 3}
        httpx.post(f"{server.base_url}/v1/videos/generations", json=body, headers=headers, **PLAIN)
    for part in (server, server.app, server.gateway, server.app.accounts):
        assert "very-secret-key" not in repr(part)


def test_its_code_names_no_model() -> None:
    """The mock's code names no model; models are only in the spec."""
    import wanflow.mock

    files = list(Path(wanflow.mock.__path__[0]).rglob("*.py"))
    assert files
    for file in files:
        text = file.read_text()
        for name in load_packaged()["components"]["schemas"]:
            assert not re.search(rf"\b{name}\b", text) or not name.endswith("Request"), file
        assert "wan2" not in text.lower(), file
