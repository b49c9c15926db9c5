"""What a download receives: checked, decoded and buffered, then written in large pieces.

A small file is in memory until it is complete, and only a `write` for which `blocks` returns True
touches the disk.
"""

from __future__ import annotations

import contextlib
import os
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from wanflow._core.content_coding import Decoder
from wanflow._core.download_rules import Content, ResponseKind, classify, validator
from wanflow._core.effects import TransportError
from wanflow._core.file_formats import BEGINNING
from wanflow.errors import DownloadFailed

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from typing import BinaryIO

    from wanflow._core.effects import Response

# Bytes that are buffered before they are written.
_BUFFER_SIZE = 64 * 1024


class DownloadBuffer(ABC):
    """The half of `wanflow._core.storage.Part` that doesn't know where the file is saved.

    `size` counts the bytes received, `total` those of the complete file if known,
    `response_kind` is the kind of the last response, `validator` its ETag or date.
    """

    def __init__(self, limit: int) -> None:
        """Begin a file, in memory as long as it is small."""
        self.validator: str | None = None
        self.total: int | None = None
        self.content_type = ""
        self.response_kind: ResponseKind | None = None
        self.response: Response | None = None
        self.url = ""
        self._limit = limit
        # The bytes on the disk, and those that follow them in memory.
        self._file: BinaryIO | None = None
        self._written = 0
        self._buffer = bytearray()
        self._beginning = b""
        self._decoder = Decoder(())

    @abstractmethod
    def _open(self) -> BinaryIO:
        """Open the file on the disk, as `_file`."""

    @property
    @abstractmethod
    def _place(self) -> str:
        """What can't be written where the disk fails."""

    @property
    def size(self) -> int:
        """Number of bytes received."""
        return self._written + len(self._buffer)

    @property
    def complete(self) -> bool:
        """Whether everything that the server announced was received."""
        return self._decoder.finished and (self.total is None or self.size == self.total)

    @property
    def beginning(self) -> bytes:
        """The first bytes, enough to detect a file format."""
        return self._beginning

    def blocks(self, size: int) -> bool:
        """Return whether writing `size` more bytes touches the disk, or takes time to decode."""
        return len(self._buffer) + size > _BUFFER_SIZE or self._encoded

    @property
    def _encoded(self) -> bool:
        return isinstance(self.response_kind, Content) and bool(self.response_kind.codings)

    def start(self, response: Response) -> bool:
        """Process a response's status and headers; True where its body belongs to this file.

        Raises:
            DownloadFailed: the file would be larger than the limit.
        """
        self.response = response
        self.response_kind = classify(self.url, response, self.size, self.validator)
        if not isinstance(self.response_kind, Content):
            return False
        self.total = self.response_kind.total
        self._check_limit(self.total or 0)
        self.content_type = response.headers.get("content-type", "")
        if self.response_kind.start == 0:
            self.start_over()
            self.validator = None if self.response_kind.codings else validator(response)
            self._decoder = Decoder(self.response_kind.codings)
        return True

    def write(self, chunk: bytes) -> None:
        """Append the next bytes.

        Raises:
            DownloadFailed: they can't be written, or exceed the limit.
            TransportError: they can't be decoded.
        """
        for piece in self._decoded(chunk):
            self._check_limit(self.size + len(piece))
            if len(self._beginning) < BEGINNING:
                self._beginning += piece[: BEGINNING - len(self._beginning)]
            self._buffer += piece
            if len(self._buffer) > _BUFFER_SIZE:
                with self._translate_errors():
                    self._flush()

    def start_over(self) -> None:
        """Discard the content and the validator; the disk is changed by the next write."""
        self._written = 0
        self._buffer.clear()
        self._beginning = b""
        self._decoder = Decoder(())
        self.validator = None

    def close(self) -> None:
        """Close the file if it is open."""
        if self._file is not None and not self._file.closed:
            with contextlib.suppress(OSError):
                self._file.close()

    def _flush(self) -> BinaryIO:
        """Append the buffer to the file on the disk."""
        file = self._open() if self._file is None or self._file.closed else self._file
        if file.seek(0, os.SEEK_END) != self._written:
            file.seek(self._written)
            file.truncate()
        self._before_writing()
        file.write(self._buffer)
        self._written += len(self._buffer)
        self._buffer.clear()
        return file

    @abstractmethod
    def _before_writing(self) -> None:
        """Do what must be done before the file on the disk has more bytes."""

    def _decoded(self, chunk: bytes) -> Iterator[bytes]:
        try:
            yield from self._decoder.decode(chunk)
        except ValueError as error:
            raise TransportError(str(error), maybe_sent=True) from error

    def _check_limit(self, size: int) -> None:
        if size > self._limit:
            raise DownloadFailed(
                f"the file is larger than the limit of {self._limit} bytes", url=self.url
            )

    @contextlib.contextmanager
    def _translate_errors(self) -> Generator[None]:
        try:
            yield
        except OSError as error:
            raise DownloadFailed(
                f"{self._place} can't be written: {error.strerror or error}"
            ) from error
