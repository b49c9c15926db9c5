"""Bytes in place of a file."""

from __future__ import annotations


class File:
    """A file with some content, for what reads a path."""

    def __init__(self, name: str, content: bytes) -> None:
        self.suffix = name[name.rindex(".") :]
        self._name, self._content = name, content

    def __str__(self) -> str:
        return self._name

    def read_bytes(self) -> bytes:
        return self._content

    def read_text(self, encoding: str) -> str:
        return self._content.decode(encoding)
