"""`specs/sources.lock`: the digest and origin of each source spec."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

from wanflow.spec.errors import Finding
from wanflow.spec.read.yaml import read_yaml, write_yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from wanflow.catalog.document import JsonObject
    from wanflow.spec.read.source import SourceSpec

_HEADER = "# Digest and origin of each source spec in sources/; written by `wanflow spec import`.\n"
_FILE = "specs/sources.lock"


@frozen
class LockEntry:
    """The digest and origin of one source spec; for a URL also its ETag and Last-Modified."""

    sha256: str
    origin: str
    etag: str = ""
    last_modified: str = ""

    @classmethod
    def from_dict(cls, data: JsonObject) -> LockEntry:
        """Create an entry from JSON data."""
        etag, modified = data.get("etag", ""), data.get("last-modified", "")
        return cls(data["sha256"], data["origin"], etag, modified)

    def to_dict(self) -> JsonObject:
        """Return the entry as JSON data, without empty fields."""
        known = {"etag": self.etag, "last-modified": self.last_modified}
        fields = {key: value for key, value in known.items() if value}
        return {"sha256": self.sha256, "origin": self.origin, **fields}


def read_lock(path: Path) -> dict[str, LockEntry]:
    """Read the lock file; a missing one is empty."""
    if not path.is_file():
        return {}
    data: JsonObject = read_yaml(path.read_text("utf-8"), path.name).data or {}
    return {name: LockEntry.from_dict(entry) for name, entry in data.items()}


def write_lock(entries: dict[str, LockEntry]) -> str:
    """Return the text of the lock file, sorted by name."""
    data = {name: entry.to_dict() for name, entry in sorted(entries.items())}
    return _HEADER + write_yaml(data)


def lock_findings(
    sources: Iterable[SourceSpec], entries: dict[str, LockEntry]
) -> Iterator[Finding]:
    """Yield a finding for each source spec that differs from the lock file."""
    remedy = "if that is intended, import it again with `wanflow spec import`"
    remaining = dict(entries)
    for source in sources:
        entry = remaining.pop(source.name, None)
        if entry is None:
            yield Finding(_FILE, "", f"{source.name} was never imported", remedy, id="WF507")
        elif entry.sha256 != source.sha256:
            yield Finding(
                _FILE,
                f"/{source.name}",
                f"{source.name} was changed since its import",
                remedy,
                id="WF507",
            )
    for name in remaining:
        yield Finding(_FILE, f"/{name}", f"{name} has no file", "remove its entry", id="WF507")
