"""Content codings of a body: which ones are none, and how gzip and deflate are undone, bounded."""

from __future__ import annotations

import zlib
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

_MAX_PIECE = 64 * 1024
"""Bytes that one step of decoding gives at most, whatever it was given."""
_GZIP = b"\x1f\x8b"
_GZIPPED, _ZLIB, _RAW = 31, 15, -15
# An encoder may chain codings, and nobody chains many.
_MAX_CODINGS = 3

_CODINGS = {"gzip": "gzip", "x-gzip": "gzip", "deflate": "deflate"}
# Codings that change the bytes and that nothing here undoes. Every other word changes nothing:
# `aws-chunked`, `utf-8`, `binary` and `none` have been seen on files that were sent as they are.
_UNSUPPORTED = frozenset(
    {"br", "zstd", "compress", "x-compress", "dcb", "dcz", "exi", "pack200-gzip"}
)


def codings_of(header: str) -> tuple[str, ...]:
    """Return the codings that a `Content-Encoding` names, in the order in which they were applied.

    Raises:
        ValueError: one of them can't be undone.
    """
    names = [name.strip().lower() for name in header.split(",")]
    unsupported = next((name for name in names if name in _UNSUPPORTED), None)
    if unsupported is not None:
        raise ValueError(
            f"it is encoded as {unsupported}, and only gzip and deflate can be decoded"
        )
    codings = tuple(_CODINGS[name] for name in names if name in _CODINGS)
    if len(codings) > _MAX_CODINGS:
        raise ValueError(f"it is encoded {len(codings)} times, and {_MAX_CODINGS} is the most")
    return codings


def decode_body(content: bytes, header: str, max_bytes: int) -> bytes:
    """Decode a body by its `Content-Encoding`; one that nothing here undoes is left as it is.

    Raises:
        ValueError: it isn't encoded as it says it is, or has more than `most` bytes.
    """
    codings = _supported_codings(header) if header else ()
    if not codings and len(content) <= max_bytes:
        return content
    pieces, size = list[bytes](), 0
    for piece in Decoder(codings).decode(content):
        size += len(piece)
        if size > max_bytes:
            raise ValueError(f"it is larger than {max_bytes} bytes")
        pieces.append(piece)
    return b"".join(pieces)


def decode_prefix(content: bytes, header: str) -> bytes:
    """Decode the beginning of a body that broke off or is broken, as far as it goes."""
    if not _supported_codings(header):
        return content
    pieces, decoder = list[bytes](), Decoder(_supported_codings(header))
    with suppress(ValueError):
        # Byte by byte: a step that fails gives nothing of what came before.
        for number in range(min(len(content), _MAX_PIECE)):
            pieces += decoder.decode(content[number : number + 1])
    return b"".join(pieces)


def _supported_codings(header: str) -> tuple[str, ...]:
    try:
        return codings_of(header)
    except ValueError:
        return ()


class _Inflate(Protocol):
    """What zlib makes for the undoing of one stream."""

    @property
    def eof(self) -> bool: ...
    @property
    def unconsumed_tail(self) -> bytes: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


class Decoder:
    """Undoes codings as the bytes come, in pieces of a bounded size."""

    def __init__(self, codings: tuple[str, ...]) -> None:
        self._steps: list[_CodingDecoder] = [_CodingDecoder(coding) for coding in reversed(codings)]

    def decode(self, chunk: bytes) -> Iterator[bytes]:
        """Give what the next bytes are, piece by piece.

        Raises:
            ValueError: they aren't encoded as they were said to be.
        """
        return _decode_through(self._steps, chunk)

    @property
    def finished(self) -> bool:
        """Whether each coding came to its end."""
        return all(step.ended for step in self._steps)


class _CodingDecoder:
    """Undoes one coding. What is labelled as gzip and isn't is taken as it is."""

    def __init__(self, coding: str) -> None:
        self._coding = coding
        self._inflate: _Inflate | None = None
        self._not_encoded = False
        self._begin = b""

    @property
    def ended(self) -> bool:
        return not self._begin if self._inflate is None else self._inflate.eof

    def decode(self, chunk: bytes) -> Iterator[bytes]:
        if self._inflate is None and not self._not_encoded:
            chunk = self._begin + chunk
            if len(chunk) < len(_GZIP):
                self._begin = chunk
                return
            self._begin = b""
            self._choose(chunk)
        if self._not_encoded:
            yield chunk
            return
        yield from self._decompress(chunk)

    def _choose(self, beginning: bytes) -> None:
        """Choose by the first two bytes: `deflate` means zlib to some servers, raw to others."""
        if self._coding == "gzip":
            self._not_encoded = not beginning.startswith(_GZIP)
            self._inflate = None if self._not_encoded else zlib.decompressobj(_GZIPPED)
            return
        whole = int.from_bytes(beginning[:2], "big")
        zlib_head = beginning[0] & 0x0F == 8 and whole % 31 == 0  # noqa: PLR2004 - RFC 1950
        self._inflate = zlib.decompressobj(_ZLIB if zlib_head else _RAW)

    def _decompress(self, chunk: bytes) -> Iterator[bytes]:
        piece = b""
        # What is decoded may be more than one step gives, though all that is encoded was taken.
        while self._inflate is not None and (chunk or len(piece) == _MAX_PIECE):
            if self._inflate.eof:
                # gzip may have several members; what follows the last one is padding.
                if not (self._coding == "gzip" and chunk.startswith(_GZIP)):
                    return
                self._inflate = zlib.decompressobj(_GZIPPED)
            try:
                piece = self._inflate.decompress(chunk, _MAX_PIECE)
            except zlib.error as error:
                raise ValueError(f"it isn't the {self._coding} that it says it is") from error
            chunk = self._inflate.unconsumed_tail or self._inflate.unused_data
            if piece:
                yield piece


def _decode_through(steps: list[_CodingDecoder], chunk: bytes) -> Iterator[bytes]:
    if not steps:
        yield chunk
        return
    for piece in steps[0].decode(chunk):
        yield from _decode_through(steps[1:], piece)
