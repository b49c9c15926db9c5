"""Downloads to object storage: an unnamed local file first, then one request that stores it.

The storage accepts a request as a whole or not at all, so no broken stream and no killed process
leaves a part of an object. The body is the mapped file: it takes no memory of its own.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from hashlib import sha256
from typing import TYPE_CHECKING, Any, cast

from wanflow._core.file_formats import media_type
from wanflow._core.recorder import File
from wanflow._storage.download_buffer import DownloadBuffer
from wanflow._storage.object_client import REQUEST_TIMEOUT, StorageError, call, open_store
from wanflow.errors import StorageFailed

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from typing import BinaryIO

    from wanflow._paths import ObjectPath

_SHA256 = "sha256"
"""The metadata of an object that has its checksum; Azure allows no hyphen in a name."""
_CHECKED_NAME = ".wanflow-check"
# Bytes, and the seconds that the request of a larger object may take.
_LARGE, _LARGE_TIMEOUT = 16 * 1024 * 1024, 900.0
_MAX_REQUESTS = 16
_stores: dict[tuple[str, float], tuple[dict[str, str], Any]] = {}


class ObjectPart(DownloadBuffer):
    """The sink of one download to object storage; implements `wanflow._core.storage.Part`."""

    abandonable = True

    def __init__(
        self, folder: ObjectPath, stem: str, limit: int, names: tuple[str, ...] = ()
    ) -> None:
        """Begin a file, in memory as long as it is small."""
        super().__init__(limit)
        self._folder = folder
        self._names = names or (stem,)
        self._sha256 = ""

    @property
    def _place(self) -> str:
        return f"the temporary directory {tempfile.gettempdir()}"

    def _open(self) -> BinaryIO:
        # It has no name: a killed process leaves nothing behind.
        file: Any = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `close`
        self._file = file  # on Windows it is of another type, with the same methods
        return cast("BinaryIO", file)

    def _before_writing(self) -> None:
        pass

    def resume(self) -> None:
        """Begin anew, since earlier runs leave no part; open the storage.

        Raises:
            ConfigurationError: it can't be opened.
        """
        _store_of(self._folder)

    def commit(self, extension: str) -> ObjectPath:
        """Store the object under its final name, and return its URL.

        It gets the first of its names that no other object has. An object with the same content is
        the same object, and isn't sent again.

        Raises:
            StorageFailed: the storage can't be reached, or rejects it. No part of it is left.
            DownloadFailed: the disk is full.
        """
        with self._translate_errors():
            content = self._whole()
        self._sha256 = sha256(content).hexdigest()
        paths = [self._folder / (name + extension) for name in self._names]
        return next(path for path in paths if self._store(path, content, last=path is paths[-1]))

    def file_info(self, index: int, path: Path) -> File:
        """Return the size and checksum of the committed object for a record."""
        return File(index, path, self.size, self._sha256)

    def suspend(self) -> None:
        """Close the local file, which removes it."""
        self.close()

    def discard(self) -> None:
        """Close the local file, which removes it."""
        self.close()

    def _whole(self) -> bytes | mmap.mmap:
        if self._file is None or not self.size:
            return bytes(self._buffer)
        file = self._flush()
        file.flush()
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)

    def _store(self, path: ObjectPath, content: bytes | mmap.mmap, *, last: bool) -> bool:
        """Store the object unless it is there; False where another object has the name."""
        try:
            if not self._is_stored(path):
                _put(path, content, {_SHA256: self._sha256}, replace=last)
        except StorageError as error:
            if error.exists:
                return self._is_stored(path)
            raise _failed(path, "can't be stored", error) from None
        return True

    def _is_stored(self, path: ObjectPath) -> bool:
        """Whether the storage has an object of this name with the same size and checksum."""
        found = _head(path)
        return found is not None and (found.meta["size"], found.attributes.get(_SHA256)) == (
            self.size,
            self._sha256,
        )


def write_object(path: ObjectPath, content: bytes) -> None:
    """Store an object, in place of one of this name.

    Raises:
        StorageFailed: the storage can't be reached, or rejects it.
    """
    try:
        _put(path, content, {}, replace=True)
    except StorageError as error:
        raise _failed(path, "can't be stored", error) from None


def check_writable(folder: ObjectPath) -> None:
    """Store an empty object, and remove it where that is allowed.

    Raises:
        StorageFailed: it can't be stored.
    """
    import obstore  # noqa: PLC0415 - the extra

    path = folder / _CHECKED_NAME
    try:
        _put(path, b"", {}, replace=True)
    except StorageError as error:
        raise _failed(folder, "can't be written", error, "; nothing was sent") from None
    with suppress(StorageError):
        call(lambda: obstore.delete(_store_of(path), path.key))


def object_sizes(paths: Iterable[ObjectPath]) -> dict[Path, int]:
    """Return the sizes of those objects that there are.

    Raises:
        StorageFailed: the storage can't be reached, or rejects a request.
    """
    paths = list(paths)
    with ThreadPoolExecutor(_MAX_REQUESTS) as executor:
        sizes = dict(zip(paths, executor.map(_size, paths), strict=True))
    return {path: size for path, size in sizes.items() if size is not None}


def _size(path: ObjectPath) -> int | None:
    import obstore  # noqa: PLC0415 - the extra

    try:
        return call(lambda: obstore.head(_store_of(path), path.key))["size"]
    except StorageError as error:
        if error.missing:
            return None
        raise _failed(path, "can't be read", error) from None


def _head(path: ObjectPath) -> Any:
    """Return an object's size and metadata; None where there is none, or the storage rejects it.

    The response to such a request has no reason, so that of the next one is reported.

    Raises:
        StorageError: the storage can't be reached.
    """
    import obstore  # noqa: PLC0415 - the extra

    try:
        return call(lambda: obstore.get(_store_of(path), path.key, options={"head": True}))
    except StorageError as error:
        if error.missing or error.responded:
            return None
        raise


def _put(
    path: ObjectPath, content: bytes | mmap.mmap, metadata: dict[str, str], *, replace: bool
) -> None:
    import obstore  # noqa: PLC0415 - the extra

    timeout = REQUEST_TIMEOUT if len(content) <= _LARGE else _LARGE_TIMEOUT
    store = _store_of(path, timeout)
    attributes: Any = {"Content-Type": media_type(path.name), **metadata}
    call(
        lambda: obstore.put(
            store,
            path.key,
            content,
            attributes=attributes,
            mode="overwrite" if replace else "create",
            use_multipart=False,
        )
    )


def _store_of(path: ObjectPath, timeout: float = REQUEST_TIMEOUT) -> Any:
    """Return the storage of a bucket, opened again where the environment has changed."""
    environment = dict(os.environ)
    known = _stores.get((path.bucket, timeout))
    if known is not None and known[0] == environment:
        return known[1]
    store = open_store(path.bucket, timeout)
    _stores[path.bucket, timeout] = environment, store
    return store


def _failed(path: ObjectPath, what: str, error: StorageError, more: str = "") -> StorageFailed:
    return StorageFailed(f"{path} {what}: {error}{more}", url=str(path))
