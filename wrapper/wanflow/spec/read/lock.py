"""`specs/sources.lock`: the digest of each source and where it came from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

from wanflow.spec.errors import Finding
from wanflow.spec.read.yaml import read_yaml, write_yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from wanflow.catalog.document import JsonObject
    from wanflow.spec.read.source import Source

_HEADER = "# Digest and origin of each document in sources/; written by `wanflow spec import`.\n"
_FILE = "specs/sources.lock"


@frozen
class Entry:
    """What is known of one source; of one from a URL, also what the server said of its version."""

    sha256: str
    origin: str
    etag: str = ""
    modified: str = ""

    @classmethod
    def read(cls, data: JsonObject) -> Entry:
        """Read what `written` wrote."""
        etag, modified = data.get("etag", ""), data.get("last-modified", "")
        return cls(data["sha256"], data["origin"], etag, modified)

    def written(self) -> JsonObject:
        """Write it as data, without what isn't known."""
        known = {"etag": self.etag, "last-modified": self.modified}
        said = {key: value for key, value in known.items() if value}
        return {"sha256": self.sha256, "origin": self.origin, **said}


def read_lock(path: Path) -> dict[str, Entry]:
    """Read the lock; an absent one is empty."""
    if not path.is_file():
        return {}
    data: JsonObject = read_yaml(path.read_text("utf-8"), path.name).data or {}
    return {name: Entry.read(entry) for name, entry in data.items()}


def write_lock(entries: dict[str, Entry]) -> str:
    """Write the lock's text, sorted by name."""
    data = {name: entry.written() for name, entry in sorted(entries.items())}
    return _HEADER + write_yaml(data)


def lock_findings(sources: Iterable[Source], entries: dict[str, Entry]) -> Iterator[Finding]:
    """Find sources that aren't as they were received."""
    remedy = "if it is meant, `wanflow spec import` it again"
    left = dict(entries)
    for source in sources:
        entry = left.pop(source.name, None)
        if entry is None:
            yield Finding(_FILE, "", f"{source.name} was never imported", remedy, id="WF507")
        elif entry.sha256 != source.sha256:
            yield Finding(
                _FILE, f"/{source.name}", f"{source.name} was changed since", remedy, id="WF507"
            )
    for name in left:
        yield Finding(_FILE, f"/{name}", f"{name} is in no file", "remove its entry", id="WF507")
