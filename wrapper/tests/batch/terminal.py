"""A pseudo-terminal for a command: its output, and keys to press."""

from __future__ import annotations

import os
import re
import select
import subprocess
import time
from typing import TYPE_CHECKING, Self

import pytest

pty = pytest.importorskip("pty")

if TYPE_CHECKING:
    from pathlib import Path

_TIMEOUT = 60.0
_STYLE = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


class Terminal:
    """A command in its own terminal; `raw` is its output so far."""

    def __init__(self, words: list[str], folder: Path, environment: dict[str, str]) -> None:
        self._end, other_end = pty.openpty()
        self._process = subprocess.Popen(
            words,
            cwd=folder,
            env={**os.environ, **environment, "TERM": "xterm", "COLUMNS": "100", "LINES": "30"},
            stdin=other_end,
            stdout=other_end,
            stderr=other_end,
            start_new_session=True,
            preexec_fn=_set_controlling_terminal,  # noqa: PLW1509 - it calls the kernel alone
        )
        os.close(other_end)
        self.raw = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._end)

    @property
    def seen(self) -> str:
        """Return its output so far, without styles."""
        return _STYLE.sub("", self.raw)

    def until(self, text: str) -> None:
        """Read until the output contains a text."""
        deadline = time.monotonic() + _TIMEOUT
        while text not in self.seen:
            assert time.monotonic() < deadline, self.seen
            assert self._read(), self.seen

    def signal(self, number: int) -> None:
        """Send the command a signal."""
        self._process.send_signal(number)

    def press(self, keys: bytes) -> None:
        """Press keys."""
        os.write(self._end, keys)

    def end(self) -> int:
        """Read the rest of the output, and return the exit code."""
        while self._read():
            pass
        return self.exit_code()

    def exit_code(self) -> int:
        """Wait until the command ends, without reading."""
        return self._process.wait(_TIMEOUT)

    def _read(self) -> bool:
        try:
            assert select.select([self._end], [], [], _TIMEOUT)[0], self.seen
            content = os.read(self._end, 65536)
        except OSError:  # Linux raises this once the other end is closed
            content = b""
        self.raw += content.decode(errors="replace")
        return bool(content)


def _set_controlling_terminal() -> None:
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
