"""A real browser: Chromium, controlled through its debugging pipe without a library."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest

from wanflow.mock import MockServer, VirtualClock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TIMEOUT = 60
PROGRAMS = ("chromium", "chromium-browser", "google-chrome")


class Browser:
    """One tab that opens pages, evaluates expressions, presses keys and clicks."""

    def __init__(self, program: str, profile: Path) -> None:
        to_read, self._out = os.pipe()
        self._in, to_write = os.pipe()
        command = (
            f'exec "$0" --headless --no-sandbox --disable-gpu --disable-dev-shm-usage '
            f'--disable-background-networking --disable-component-update --disable-sync '
            f'--no-first-run --window-size=1200,900 --remote-debugging-pipe '
            f'"--user-data-dir={profile}" about:blank 3<&{to_read} 4>&{to_write}'
        )  # fmt: skip
        self._process = subprocess.Popen(
            ["bash", "-c", command, program],
            pass_fds=(to_read, to_write),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_read)
        os.close(to_write)
        self._buffer, self._number, self.problems = b"", 0, list[str]()
        self._ready = select.poll()  # `select.select` takes no descriptor above 1023
        self._ready.register(self._in, select.POLLIN)
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        attached = self._call("Target.attachToTarget", targetId=target, flatten=True)
        self._session: str | None = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self._call(f"{domain}.enable")

    _session = None

    def open(self, url: str) -> None:
        """Open a page and wait until it is ready."""
        self._call("Page.navigate", url=url)
        self.until("document.documentElement.dataset.ready === 'yes'")

    def leave(self) -> None:
        """Open an empty page, and stop loading the last one."""
        self._call("Page.navigate", url="about:blank")
        self.until("location.href === 'about:blank'")

    def __call__(self, expression: str) -> Any:
        """Evaluate JavaScript in the page."""
        found = self._call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def until(self, expression: str) -> Any:
        """Wait until an expression is true."""
        end = time.monotonic() + TIMEOUT
        while time.monotonic() < end:
            if found := self(
                f"(() => {{ try {{ return {expression} }} catch {{ return false }} }})()"
            ):
                return found
            self("new Promise((done) => setTimeout(done, 20))")
        raise AssertionError(f"never true: {expression}; {self('document.body.innerText')}")

    def click(self, selector: str) -> None:
        """Click the middle of an element."""
        found = json.dumps(selector)
        self.until(f"document.querySelector({found}) !== null")
        place = self(
            f"(() => {{ const e = document.querySelector({found});"
            " e.scrollIntoView({block: 'center'}); const r = e.getBoundingClientRect();"
            " return [r.x + r.width / 2, r.y + r.height / 2] })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self._call(
                "Input.dispatchMouseEvent",
                type=kind,
                x=place[0],
                y=place[1],
                button="left",
                clickCount=1,
            )

    def press(self, key: str, text: str = "", code: int = 0) -> None:
        """Press a key of the keyboard."""
        parts = {"key": key, "code": key, "windowsVirtualKeyCode": code}
        self._call("Input.dispatchKeyEvent", type="keyDown", text=text, **parts)
        self._call("Input.dispatchKeyEvent", type="keyUp", **parts)

    def choose(self, selector: str, value: str) -> None:
        """Choose an option, or fill a field."""
        self(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)});"
            f" e.value = {json.dumps(value)};"
            " e.dispatchEvent(new Event('change', {bubbles: true})) })()"
        )

    def prefer(self, scheme: str) -> None:
        """Emulate a preference for a light or dark page."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self._call("Emulation.setEmulatedMedia", features=features)

    def resize(self, width: int, height: int) -> None:
        """Change the size of the window."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self._call("Emulation.setDeviceMetricsOverride", **size)

    def screenshot(self) -> bytes:
        """Return a screenshot as PNG."""
        return base64.b64decode(self._call("Page.captureScreenshot")["data"])

    def close(self) -> None:
        """End the browser."""
        self._process.terminate()
        self._process.wait(TIMEOUT)
        os.close(self._in)
        os.close(self._out)

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            response = self._read()
            if response.get("id") == self._number:
                assert "error" not in response, response
                return dict(response["result"])
            self._record(response)

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            assert self._ready.poll(TIMEOUT * 1000), "the browser doesn't respond"
            piece = os.read(self._in, 1 << 16)
            assert piece, "the browser has ended"
            self._buffer += piece
        raw, _, self._buffer = self._buffer.partition(b"\0")
        return dict(json.loads(raw))

    def _record(self, event: dict[str, Any]) -> None:
        """Record errors of the page: exceptions and console errors."""
        parameters = event.get("params", {})
        if event.get("method") == "Runtime.exceptionThrown":
            self.problems.append(json.dumps(parameters["exceptionDetails"]))
        if event.get("method") == "Log.entryAdded" and parameters["entry"]["level"] == "error":
            self.problems.append(f"{parameters['entry']['text']} {parameters['entry'].get('url')}")


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        pytest.skip("the page is tested in Chromium, which isn't here (apt install chromium)")
    browser = Browser(program, tmp_path_factory.mktemp("chromium"))
    yield browser
    browser.close()


@pytest.fixture
def server() -> Iterator[MockServer]:
    with MockServer(clock=VirtualClock(), progression="seconds=100") as server:
        yield server


@pytest.fixture
def browser(tab: Browser, server: MockServer) -> Iterator[Browser]:
    """A tab with the server's page; after the test, the page must have had no errors."""
    tab.problems.clear()
    tab.open(f"{server.url}/_mock/")
    yield tab
    tab.leave()  # before its server ends, which the page would report as an error
    # A preview requested as its URL expires gets a 410, which the browser logs itself.
    assert [one for one in tab.problems if "410 (Gone)" not in one] == []
