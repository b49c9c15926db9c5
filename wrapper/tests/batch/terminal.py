"""A terminal that a command runs on, with what it shows and keys to press."""

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

_PATIENCE = 60.0
_STYLE = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


class Terminal:
    """A command on a terminal of its own; `raw` is all that it has written so far."""

    def __init__(self, words: list[str], folder: Path, environment: dict[str, str]) -> None:
        self._end, theirs = pty.openpty()
        self._process = subprocess.Popen(
            words,
            cwd=folder,
            env={**os.environ, **environment, "TERM": "xterm", "COLUMNS": "100", "LINES": "30"},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=_be_a_terminals_own,  # noqa: PLW1509 - it calls the kernel alone
        )
        os.close(theirs)
        self.raw = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._end)

    @property
    def seen(self) -> str:
        """All that it has written so far, without the styles."""
        return _STYLE.sub("", self.raw)

    def until(self, text: str) -> None:
        """Read until some text has been written."""
        deadline = time.monotonic() + _PATIENCE
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
        """Read all that is left, and return the exit code."""
        while self._read():
            pass
        return self.exit_code()

    def exit_code(self) -> int:
        """Wait for the end, and read nothing more."""
        return self._process.wait(_PATIENCE)

    def _read(self) -> bool:
        try:
            assert select.select([self._end], [], [], _PATIENCE)[0], self.seen
            content = os.read(self._end, 65536)
        except OSError:  # what Linux says once the other end is closed
            content = b""
        self.raw += content.decode(errors="replace")
        return bool(content)


def _be_a_terminals_own() -> None:
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
