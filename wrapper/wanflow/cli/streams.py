"""The output streams of the program: no character and no closed pipe makes a command fail."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import contextmanager
from io import BufferedWriter, FileIO, TextIOWrapper
from typing import TYPE_CHECKING, Any, TextIO, cast

if TYPE_CHECKING:
    from collections.abc import Generator


_NO_READER = {"nt": (errno.EPIPE, errno.EINVAL)}
"""What Windows says of a pipe whose reader is gone; other systems say EPIPE."""


class Pipe(FileIO):
    """A file that discards what it gets once its reader is gone.

    `head` closes its pipe, and a terminal its other end, of which systems say EIO; of a file, EIO
    is an error of the disk.
    """

    reader_is_gone = False

    def __init__(self, descriptor: int) -> None:
        """Write to an open descriptor, which stays open."""
        super().__init__(descriptor, "w", closefd=False)
        terminal = (errno.EIO,) if self.isatty() else ()
        self._no_reader = (*_NO_READER.get(os.name, (errno.EPIPE,)), *terminal)

    def write(self, data: Any, /) -> int:
        """Write data, or discard it."""
        try:
            return super().write(data)
        except OSError as error:
            if error.errno not in self._no_reader:
                raise
            self.reader_is_gone = True
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, self.fileno())
            os.close(null)
            return memoryview(data).nbytes


@contextmanager
def tolerant_streams() -> Generator[None]:
    """Escape what a stream can't encode, and discard what nobody reads any more.

    So a command goes on when its output is piped into `head`: a task that was paid for is still
    waited for, and the exit code is that of the command.
    """
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = _tolerant(sys.stdout, "backslashreplace"), _tolerant(sys.stderr)
    ours = sys.stdout, sys.stderr
    try:
        yield
    finally:
        for stream in ours:
            stream.flush()
        sys.stdout, sys.stderr = before


def reader_is_gone() -> bool:
    """Return whether stdout was a pipe that its reader has closed."""
    raw = _raw(sys.stdout)
    return isinstance(raw, Pipe) and raw.reader_is_gone


def _raw(stream: TextIO) -> object:
    """Return the file below a stream; with PYTHONUNBUFFERED there is no buffer between them."""
    buffer = getattr(stream, "buffer", None)
    return getattr(buffer, "raw", buffer)


def _tolerant(stream: TextIO, errors: str | None = None) -> TextIO:
    raw, text = _raw(stream), cast("Any", stream)
    if type(raw) is not FileIO:
        if hasattr(stream, "reconfigure"):
            text.reconfigure(errors=errors)
        return stream
    stream.flush()
    pipe = Pipe(raw.fileno())
    return TextIOWrapper(
        pipe if raw is text.buffer else cast("Any", BufferedWriter(pipe)),
        stream.encoding,
        errors or stream.errors,
        line_buffering=text.line_buffering,
        write_through=text.write_through,
    )
