"""A response to a submission that is cut off or can't be decoded still names its task."""

from __future__ import annotations

import gzip
import json
import zlib
from typing import Any

import pytest

from tests.transport.misbehaving_server import (
    ID,
    OK,
    MisbehavingServer,
    drips,
    http,
    resets,
    responds,
)
from tests.transport.test_guarantees import KEY, body
from wanflow import errors
from wanflow.ledger import JobState, Ledger

# httpx leaves generators to the garbage collector when a body is cut off; trio warns of that.
pytestmark = pytest.mark.filterwarnings("ignore:Async generator 'http:ResourceWarning")

TASK = json.dumps({"id": ID, "status": "pending"}).encode()
GZIP = gzip.compress(TASK)
ENCODED = "Content-Encoding: gzip"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n"

NAMING: dict[str, bytes] = {
    "cut off after the id": http(200, TASK[:-3], length=500),
    "without its last chunk": CHUNKED % len(TASK) + TASK + b"\r\n",
    "cut off in a chunk": CHUNKED % 500 + TASK[:-3],
    "gzip that was cut off": http(200, GZIP[:-9], ENCODED, length=500),
    "gzip without its end": http(200, GZIP[:-8], ENCODED),
    "gzip with a wrong checksum": http(200, GZIP[:-8] + bytes(8), ENCODED),
    "gzip with noise in it": http(200, GZIP[:-12] + b"\xff" * 12, ENCODED),
    "a body that isn't gzip": http(200, TASK, ENCODED),
    "deflate": http(200, zlib.compress(TASK), "Content-Encoding: deflate"),
    "an encoding that wasn't requested": http(200, TASK, "Content-Encoding: br"),
    "a value that isn't an encoding": http(200, TASK, "Content-Encoding: utf-8"),
    "larger than anything": http(200, TASK[:-1] + b', "x": "' + b"y" * 17_000_000 + b'"}'),
    "a gzip bomb": http(200, gzip.compress(TASK[:-1] + b" " * 17_000_000 + b"}"), ENCODED),
}


@pytest.mark.parametrize("raw", NAMING.values(), ids=NAMING.keys())
def test_a_truncated_response_with_the_id_is_accepted(
    raw: bytes, runner: Any, tmp_path: Any
) -> None:
    """However it ends, the request is sent once, and the id is in the ledger."""
    with (
        MisbehavingServer(post=[responds(raw, keep=False)]) as server,
        Ledger(tmp_path / "l.db") as ledger,
    ):
        client = runner.client(api_key=KEY, base_url=server.url, timeout=5, ledger=ledger)
        assert runner.do(client.submit, body()).id == ID
        assert server.count("POST") == 1
        assert [(job.state, job.task_id) for job in ledger.jobs()] == [(JobState.ACCEPTED, ID)]


def test_a_response_that_stops_after_the_id_is_accepted(runner: Any) -> None:
    """It is accepted when the timeout of the request is over."""
    with MisbehavingServer() as server:
        server._acts["POST"].append(drips(http(200, TASK[:-3], length=500), server.done, 0.001))
        client = runner.client(api_key=KEY, base_url=server.url, timeout=2)
        assert runner.do(client.submit, body()).id == ID
        assert server.count("POST") == 1


def test_a_truncated_rejection_with_an_id_is_uncertain(runner: Any) -> None:
    """The error has the task's id, as for a complete response."""
    raw = http(503, TASK[:-3], length=500)
    with MisbehavingServer(post=[responds(raw, keep=False)]) as server:
        client = runner.client(api_key=KEY, base_url=server.url, timeout=5)
        with pytest.raises(errors.SubmitUncertain) as caught:
            runner.do(client.submit, body())
        assert server.count("POST") == 1
    assert caught.value.task_id == ID
    assert caught.value.status == 503


def test_the_error_has_the_part_that_arrived(runner: Any) -> None:
    """It has the status and the text, shortened and without the key; it is uncertain."""
    text = f"<html>{KEY} please wait".encode() + b"." * 30_000
    with MisbehavingServer(post=[responds(http(200, text, length=50_000), keep=False)]) as server:
        client = runner.client(api_key=KEY, base_url=server.url, timeout=5)
        with pytest.raises(errors.SubmitUncertain, match="no whole response came") as caught:
            runner.do(client.submit, body())
        assert server.count("POST") == 1
    error = caught.value
    assert error.status == 200
    assert error.task_id is None
    assert "please wait" in error.body
    assert len(error.body) <= 16 * 1024
    assert KEY not in error.body
    assert len(repr(vars(error.__cause__))) < 1000, "nothing has the whole text"


@pytest.mark.parametrize("end", [9, 17, 25, len(OK) - len(OK.partition(b"\r\n\r\n")[2]) - 2])
def test_a_response_that_ends_within_its_head_is_described_in_words(end: int, runner: Any) -> None:
    """The error doesn't show what the HTTP library had parsed."""
    with MisbehavingServer(post=[responds(OK[:end], keep=False)]) as server:
        client = runner.client(api_key=KEY, base_url=server.url, timeout=5)
        with pytest.raises(errors.SubmitUncertain) as caught:
            runner.do(client.submit, body())
    assert not set("<>{}") & set(f"{caught.value} {caught.value.__cause__}")


@pytest.mark.parametrize("part", [b"", TASK[: TASK.index(ID.encode()) + len(ID) - 4]])
def test_a_truncated_id_is_not_used(part: bytes, runner: Any) -> None:
    """A part of an id could name another task."""
    with MisbehavingServer(post=[resets(http(200, part, length=500))]) as server:
        client = runner.client(api_key=KEY, base_url=server.url)
        with pytest.raises(errors.SubmitUncertain) as caught:
            runner.do(client.submit, body())
    assert caught.value.task_id is None


@pytest.mark.parametrize("part", [OK[:-30], OK[:-1]])
def test_a_truncated_poll_is_repeated(part: bytes, runner: Any) -> None:
    """Only a submission accepts an incomplete response."""
    with MisbehavingServer(get=[responds(part, keep=False), responds(OK)]) as server:
        client = runner.client(api_key=KEY, base_url=server.url, timeout=5)
        runner.do(client.task(ID).wait, 30)
        assert server.count("GET") == 2
