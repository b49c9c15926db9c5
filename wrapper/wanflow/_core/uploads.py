"""Uploads of local files: what an uploader gets and returns, and the links that a client reuses."""

from __future__ import annotations

import math
from collections import OrderedDict
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias
from urllib.parse import urlsplit
from weakref import ref

from attrs import define, field, frozen

from wanflow._core.file_formats import BEGINNING, KINDS, detect_format
from wanflow._core.link_expiry import MIN_LIFETIME, expiry_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from wanflow._core.effects import WakeHandle

ASSUMED_LIFETIME = 3600.0
"""Seconds for which a link is taken to be valid whose expiry is unknown."""
_REUSE_MARGIN = 2 * MIN_LIFETIME
_MAX_LINKS = 4096
_REFERENCE = "sha256:"


@frozen
class FileUpload:
    """A file to upload: its content, and the SHA-256 of that in hex.

    `extension` (".png") and `content_type` are those of its first bytes; nothing of it says which
    path it was read from.
    """

    content: bytes = field(repr=False)
    sha256: str
    extension: str
    content_type: str

    @property
    def name(self) -> str:
        """The name that it should have where it is stored: equal files have equal names."""
        return f"{self.sha256}{self.extension}"

    @property
    def reference(self) -> str:
        """What stands for its link where a request is identified or recorded."""
        return f"{_REFERENCE}{self.sha256}"

    @classmethod
    def of(cls, content: bytes) -> FileUpload:
        """Return the upload of a content."""
        known = detect_format(content[:BEGINNING], KINDS)
        return cls(
            content,
            sha256(content).hexdigest(),
            known.extension if known else ".bin",
            known.types[0] if known and known.types else "application/octet-stream",
        )


@frozen
class UploadedLink:
    """The link of an uploaded file, and the Unix time at which it expires, None if unknown.

    A presigned link is a secret: it is all that is needed to read the file.
    """

    url: str = field(repr=False)
    expires_at: float | None = None

    @property
    def host(self) -> str:
        """The host of the link, for messages."""
        return urlsplit(self.url).hostname or ""


class Uploader(Protocol):
    """Stores files where the API's servers can fetch them."""

    def upload(self, file: FileUpload, /) -> str | UploadedLink:
        """Store a file and return its link. It may block; an async client calls it in a thread.

        Equal files have one `file.name`, and a client uploads each of them once while its link is
        valid for long enough. Whatever it raises ends the submission, of which nothing was sent.
        """
        ...


class AsyncUploader(Protocol):
    """Stores files where the API's servers can fetch them, for an AsyncClient."""

    async def upload(self, file: FileUpload, /) -> str | UploadedLink:
        """Store a file and return its link, as `Uploader.upload` does."""
        ...


@frozen(eq=False)
class _Running:
    """An upload: the waker of the flow that makes it, and those of the flows that wait for it."""

    owner: Callable[[], WakeHandle | None]
    waiting: list[WakeHandle] = field(factory=list["WakeHandle"])


@frozen
class _KnownLink:
    """A link that can be reused, and the Unix time until which it is taken to be valid."""

    link: UploadedLink
    valid_until: float


@define(eq=False)
class Uploads:
    """The uploader of a client, and the links that it has returned, by the content's digest.

    `load` makes the uploader that a text describes when the first file is uploaded. `pinned` has
    the links of submissions that may have been accepted, by idempotency key: the same submission
    is sent again with the same links, or not at all.
    """

    load: Callable[[], AnyUploader] = field(repr=False)
    pinned: OrderedDict[str, Mapping[str, UploadedLink]] = field(
        factory=OrderedDict[str, "Mapping[str, UploadedLink]"], repr=False
    )
    _uploader: AnyUploader | None = field(default=None, repr=False)
    _links: OrderedDict[str, _KnownLink] = field(factory=OrderedDict[str, "_KnownLink"], repr=False)
    _running: dict[str, _Running] = field(factory=dict[str, _Running], repr=False)

    def renew(self) -> None:
        """Forget the uploads of the parent process, whose threads a forked child doesn't have."""
        self._running = {}

    @property
    def uploader(self) -> AnyUploader:
        """The uploader.

        Raises:
            ConfigurationError: what it needs isn't installed or set.
        """
        if self._uploader is None:
            self._uploader = self.load()
        return self._uploader

    def begin(self, digest: str, now: float, waker: WakeHandle) -> UploadedLink | bool:
        """Return a link that can be reused; True if the caller has to upload the file.

        False means that another flow uploads it: `waker` is woken when that ends. A flow that was
        interrupted before it could call `end` is known by its waker, which is gone.
        """
        known = self._links.get(digest)
        if known is not None and known.valid_until - now >= _REUSE_MARGIN:
            return known.link
        running = self._running.get(digest)
        if running is None or running.owner() is None:
            self._running[digest] = _Running(ref(waker))
            return True
        running.waiting.append(waker)
        return False

    def end(self, digest: str, owner: WakeHandle, link: UploadedLink | None, now: float) -> None:
        """Store the link of an upload, None if it failed, and wake those who wait for it."""
        if link is not None:
            assumed = now + ASSUMED_LIFETIME if link.expires_at is None else link.expires_at
            _put(self._links, digest, _KnownLink(link, assumed), _MAX_LINKS)
        running = self._running.get(digest)
        if running is None or running.owner() is not owner:
            return
        del self._running[digest]
        for waker in running.waiting:
            waker.wake()

    def pin(self, key: str, links: Mapping[str, UploadedLink]) -> None:
        """Keep the links of a submission that is about to be sent."""
        _put(self.pinned, key, links, _MAX_LINKS)

    def unpin(self, key: str) -> None:
        """Forget the links of a submission whose outcome is known."""
        self.pinned.pop(key, None)


def returned_link(value: object) -> UploadedLink | None:
    """Return what an uploader returned as a link, with its expiry if that is known.

    None if it is no link.
    """
    if isinstance(value, str):
        return UploadedLink(value, expiry_of(value))
    if not isinstance(value, UploadedLink) or not isinstance(value.url, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        return None
    if value.expires_at is None:
        return returned_link(value.url)
    return value if _is_time(value.expires_at) else None


def _is_time(value: object) -> bool:
    """Return whether a value is a number that a time can be compared with."""
    if not isinstance(value, int | float):
        return False
    try:
        return not math.isnan(value)
    except OverflowError:
        return False


def resolve_references(node: Any, links: Mapping[str, UploadedLink]) -> Any:
    """Return a recorded request with the links that stood in place of its references."""
    match node:
        case str():
            return links[node].url if node in links else node
        case list():
            return [resolve_references(entry, links) for entry in node]  # pyright: ignore[reportUnknownVariableType]
        case dict():
            return {name: resolve_references(value, links) for name, value in node.items()}  # pyright: ignore[reportUnknownVariableType]
        case _:
            return node


def _put(known: OrderedDict[str, Any], name: str, value: object, limit: int) -> None:
    known[name] = value
    known.move_to_end(name)
    if len(known) > limit:
        known.popitem(last=False)


AnyUploader: TypeAlias = "Uploader | AsyncUploader | Callable[[Path], Any]"
if TYPE_CHECKING:
    UploaderOption: TypeAlias = AnyUploader | str | None
