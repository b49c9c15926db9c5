"""The type of paths that users pass."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from os import PathLike

StrPath: TypeAlias = "str | PathLike[str]"
