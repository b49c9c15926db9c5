"""Files that clients upload to the mock, to name them in requests."""

from __future__ import annotations

import re
from collections import OrderedDict
from hashlib import sha256
from typing import TYPE_CHECKING

from attrs import define, field

from wanflow.mock.errors import HTTPError
from wanflow.mock.files.cache import File

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX = "/_mock/uploads/"
_NAME = re.compile(r"([0-9a-f]{64})\.[a-z0-9]{1,8}", re.ASCII)
_MIB = 1024 * 1024


@define
class InputFiles:
    """The latest uploaded files by name, at most `max_bytes` in all."""

    max_bytes: int = 256 * _MIB
    _files: OrderedDict[str, File] = field(factory=OrderedDict[str, File], repr=False)
    _total_bytes: int = 0

    def put(self, name: str, content: bytes, content_type: bytes) -> None:
        """Store a file, whose name begins with the SHA-256 of its content.

        Raises:
            HTTPError: 400, the name isn't that of the content.
        """
        digest = sha256(content).hexdigest()
        found = _NAME.fullmatch(name)
        if found is None or found[1] != digest:
            raise HTTPError(400, "a file must be named SHA256.EXTENSION, by its content")
        if name in self._files:
            self._files.move_to_end(name)
            return
        self._files[name] = File(content, content_type, b'"%b"' % digest.encode())
        self._total_bytes += len(content)
        while self._total_bytes > self.max_bytes and len(self._files) > 1:
            _, removed = self._files.popitem(last=False)
            self._total_bytes -= len(removed.content)

    def get(self, name: str) -> File | None:
        """Return the file of a name, None if there is none."""
        return self._files.get(name)

    def files(self) -> Mapping[str, File]:
        """Return all files by name, those that were uploaded last at the end."""
        return dict(self._files)
