"""The paths that users pass: directories, and URLs of object storage in their place."""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Self, TypeAlias
from urllib.parse import quote

if TYPE_CHECKING:
    from os import PathLike

WINDOWS_DEVICES = frozenset(
    {"aux", "clock$", "con", "conin$", "conout$", "nul", "prn"}
    | {f"{port}{number}" for port in ("com", "lpt") for number in "0123456789¹²³"}
)
"""In lower case; a name is one of them up to its first dot."""
StrPath: TypeAlias = "str | PathLike[str]"

OBJECT_FORMS = "s3://BUCKET/PREFIX, gs://BUCKET/PREFIX, az://CONTAINER/PREFIX"
OBJECT_URL = re.compile(
    r"(?:s3|gs|az)://[A-Za-z0-9][A-Za-z0-9._-]{1,254}(?:/[^?#\s\x00-\x1f\x7f]*)?"
)
# `Path` makes one slash of two.
_WITH_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://|(?:s3|gs|az):/")

if TYPE_CHECKING:
    _LocalPath = Path
else:
    # In Python 3.11 `Path` itself can't be subclassed.
    _LocalPath = type(Path())


def real_path(path: Path, *, strict: bool = False) -> Path:
    """Return a path without symbolic links; with `strict`, it must exist.

    `Path.resolve` raises RuntimeError for links that lead to each other, up to Python 3.12.

    Raises:
        OSError: with `strict`, it doesn't exist or can't be reached.
        ValueError: no file can have this path.
    """
    return Path(os.path.realpath(path, strict=strict))


class ObjectPath(_LocalPath):
    """The URL of an object, or of the prefix of objects, where a file or directory is expected.

    `str` returns the URL; names, suffixes, parents and `/` are those of a path. The file system has
    nothing there.
    """

    def __str__(self) -> str:
        return "/".join(self.parts).replace(":/", "://", 1)

    def __fspath__(self) -> str:
        """Return the URL; since Python 3.15 the paths of `Path` don't come from `str`."""
        return str(self)

    @property
    def bucket(self) -> str:
        """The URL of the bucket or container."""
        return f"{self.parts[0]}//{self.parts[1]}"

    @property
    def key(self) -> str:
        """The name of the object, or the prefix, in its bucket."""
        return "/".join(self.parts[2:])

    def absolute(self) -> Self:
        """Return the URL itself: it depends on no working directory."""
        return self

    def resolve(self, strict: bool = False) -> Self:  # noqa: ARG002 - as in Path
        """Return the URL itself: there are no symbolic links."""
        return self

    def is_absolute(self) -> bool:
        """Return True: a URL depends on no working directory."""
        return True

    def as_uri(self) -> str:
        """Return the URL, with percent signs where URLs need them."""
        return quote(str(self), safe=":/")


def output_path(value: StrPath) -> Path:
    """Return a directory for files, or an ObjectPath for `s3://`, `gs://` and `az://`.

    Raises:
        ValueError: it is a URL, and not one of these with a bucket.
    """
    if isinstance(value, ObjectPath):
        return value
    text = os.fspath(value)
    found = _WITH_SCHEME.match(text)
    if found is None:
        return value if isinstance(value, Path) else Path(text)
    url = text if found[1] else text.replace(":/", "://", 1)
    if not OBJECT_URL.fullmatch(url) or ".." in PurePath(url).parts:
        # Not shown: it may be a URL with credentials.
        raise ValueError(
            f"the output directory must be a directory, or {OBJECT_FORMS} without spaces, ? and #"
        )
    return ObjectPath(url)
