"""Whatever an uploader does, or breaks it off: nothing is sent, and its file can be sent later."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
import pytest

from tests.uploads.conftest import image
from tests.uploads.test_file_parameters import PARAMETERS, request_of
from wanflow import AsyncClient, Client, ConfigurationError, InvalidRequest
from wanflow.uploads import UploadedLink

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from wanflow.mock import MockServer
    from wanflow.uploads import FileUpload

MODEL, NAME = next(one for one in PARAMETERS if one[1] == "image_urls")
LINK = "https://files.example/cat.png"
SECRET = "S3CRET"
JUNK: list[Any] = [
    *(None, 7, "", "cat.png", "ftp://files.example/cat.png", "data:image/png;base64,AA"),
    *(f"{LINK}?sig={SECRET}".encode(), {"url": f"{LINK}?{SECRET}"}, [f"{LINK}?{SECRET}"]),
    *(f"{LINK}\n", f" {LINK}", f"{LINK}\r\nX: y", f"{LINK}?a b", f"{LINK}\ud800"),
    *(UploadedLink(junk) for junk in (None, 7, b"https://files.example", f"{LINK}\n")),  # type: ignore[arg-type]
    *(UploadedLink(LINK, junk) for junk in ("tomorrow", float("nan"), -1, 0, 10**400, -(10**400))),  # type: ignore[arg-type]
]


class Returns:
    """An uploader that returns one value."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def upload(self, file: FileUpload) -> Any:
        return self.value() if callable(self.value) else self.value


def body(content: Any) -> dict[str, Any]:
    return {**request_of(MODEL, NAME, LINK, None), NAME: [content]}


def content(tmp_path: Path) -> bytes:
    return image(tmp_path / "cat.png").read_bytes()


def submits_in_time(client: Client, request: dict[str, Any]) -> bool:
    """Return whether a submission ends, and isn't kept waiting for ever."""
    thread = threading.Thread(target=lambda: client.submit(request), daemon=True)
    thread.start()
    thread.join(60)
    return not thread.is_alive()


@pytest.mark.parametrize("value", JUNK, ids=repr)
def test_what_is_no_link_is_one_error_that_does_not_show_it(
    value: Any, runner: Any, mock: MockServer, api_key: str, tmp_path: Path
) -> None:
    """Nothing is sent, and the file isn't taken to be in upload."""
    uploader = Returns(value)
    client = runner.client(api_key=api_key, base_url=mock.base_url, uploader=uploader)
    request = body(content(tmp_path))
    with pytest.raises(InvalidRequest) as caught:
        runner.do(client.submit, request)
    assert SECRET not in str(caught.value)
    assert mock.accounts.for_key(api_key).submitted == 0
    uploader.value = LINK
    runner.do(client.submit, request)


def test_a_file_that_a_function_read_after_it_changed_is_not_sent(
    runner: Any, mock: MockServer, api_key: str, tmp_path: Path
) -> None:
    """What was uploaded isn't what was checked."""
    path = image(tmp_path / "cat.png")

    def upload(given: Path) -> str:
        given.write_bytes(given.read_bytes() + b"changed")
        return LINK

    client = runner.client(api_key=api_key, base_url=mock.base_url, uploader=upload)
    with pytest.raises(InvalidRequest, match="has changed while it was uploaded"):
        runner.do(client.submit, body(path))
    assert mock.accounts.for_key(api_key).submitted == 0


@pytest.mark.processes
@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")
def test_a_forked_child_does_not_wait_for_an_upload_of_its_parent(
    mock: MockServer, api_key: str, tmp_path: Path
) -> None:
    """The thread that uploads isn't there."""
    begun, ended = threading.Event(), threading.Event()

    def slow() -> str:
        begun.set()
        ended.wait(60)
        return LINK

    request = body(content(tmp_path))
    with Client(api_key, mock.base_url, uploader=Returns(slow)) as client:
        thread = threading.Thread(target=lambda: client.submit(request), daemon=True)
        thread.start()
        assert begun.wait(60)
        child = os.fork()
        if not child:
            signal.alarm(10)
            ended.set()
            client.submit(request)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        ended.set()
        thread.join(60)


def interrupt_at(number: int, call: Callable[[], object]) -> bool:
    """Interrupt a call at a line of the code for uploads, and return whether it has so many."""
    lines = 0

    def trace(frame: Any, event: str, _: Any) -> Any:
        nonlocal lines
        if not frame.f_code.co_filename.endswith(("flows/upload.py", "core/uploads.py")):
            return None
        lines += event == "line"
        if lines == number and event == "line":
            raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(before)
    return lines >= number


def test_an_interrupt_at_any_line_leaves_the_file_free(
    mock: MockServer, api_key: str, tmp_path: Path
) -> None:
    """The next submission with the file doesn't wait for the one that was interrupted."""
    request, number = body(content(tmp_path)), 1
    while True:
        with Client(api_key, mock.base_url, uploader=Returns(LINK)) as client:
            reached = interrupt_at(number, lambda: client.submit(request))
            assert submits_in_time(client, request), f"line {number}"
        if not reached:
            break
        number += 1
    assert number > 50


class Hangs:
    """An uploader whose first call returns when it is released, after ten seconds at the latest."""

    def __init__(self) -> None:
        self.begun, self.released, self.ended = (threading.Event() for _ in range(3))

    def upload(self, _: object) -> str:
        if not self.begun.is_set():
            self.begun.set()
            self.released.wait(60)
            self.ended.set()
        return LINK


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("form", ["object", "function of a path"])
def test_a_cancellation_does_not_wait_for_an_uploader_that_hangs(
    backend: str, form: str, mock: MockServer, api_key: str, tmp_path: Path
) -> None:
    """Its thread is abandoned, nothing is sent, and the file can be sent again immediately."""
    uploader = Hangs()
    given = uploader if form == "object" else uploader.upload
    request = body(str(image(tmp_path)))

    async def run() -> None:
        async with (
            AsyncClient(api_key, mock.base_url, uploader=given) as client,
            anyio.create_task_group() as group,
        ):
            with anyio.CancelScope() as scope:

                async def cancel() -> None:
                    await anyio.to_thread.run_sync(uploader.begun.wait)
                    scope.cancel()

                group.start_soon(cancel)
                await client.submit(request)
            assert scope.cancelled_caught
            assert not uploader.ended.is_set()
            assert mock.accounts.for_key(api_key).submitted == 0
            await client.submit(request)
            assert not uploader.ended.is_set()

    try:
        anyio.run(run, backend=backend)
    finally:
        uploader.released.set()
    assert mock.accounts.for_key(api_key).submitted == 1


@pytest.mark.processes
def test_a_process_ends_although_an_uploader_hangs(
    mock: MockServer, api_key: str, tmp_path: Path
) -> None:
    """The interpreter doesn't wait for the abandoned thread."""
    code = f"""
import anyio, anyio.to_thread, threading
from wanflow import AsyncClient

begun = threading.Event()

def upload(path):
    print("begun", flush=True)
    begun.set()
    threading.Event().wait()

async def main():
    async with AsyncClient({api_key!r}, {mock.base_url!r}, uploader=upload) as client:
        async with anyio.create_task_group() as group:
            group.start_soon(client.submit, {body(str(image(tmp_path)))!r})
            await anyio.to_thread.run_sync(begun.wait)
            group.cancel_scope.cancel()
anyio.run(main)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (0, "begun\n")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("form", ["function", "method"])
def test_what_a_plain_function_returns_may_be_awaited(
    form: str, runner: Any, mock: MockServer, api_key: str, tmp_path: Path
) -> None:
    """By an AsyncClient; a Client says that it needs one."""

    async def link() -> str:
        return LINK

    given = (lambda _: link()) if form == "function" else Returns(link)
    client = runner.client(api_key=api_key, base_url=mock.base_url, uploader=given)
    request = body(str(image(tmp_path)))
    if runner.name == "sync":
        with pytest.raises(ConfigurationError, match="needs an AsyncClient"):
            runner.do(client.submit, request)
    else:
        runner.do(client.submit, request)
