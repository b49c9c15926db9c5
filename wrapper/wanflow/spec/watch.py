"""Fetch all sources that came from a URL again, and import what changed or is new."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

from attrs import define, evolve, field

from wanflow.spec.errors import NotFetched, SpecError, one_line
from wanflow.spec.intake.fetch import Fetcher, PageGone, PageVersion, is_url
from wanflow.spec.intake.importer import import_loaded
from wanflow.spec.intake.published import links_of, load_fetched
from wanflow.spec.project import write_file
from wanflow.spec.read.lock import LockEntry, read_lock, write_lock
from wanflow.spec.regenerate import RegenerateResult, regenerate
from wanflow.spec.schema.operations import source_operations

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wanflow.spec.intake.importer import Imported
    from wanflow.spec.intake.loader import LoadedDocument
    from wanflow.spec.project import Checkout

_MOST_LINKS = 500


class Outcome(IntEnum):
    """The outcome of `wanflow spec watch`; the numbers are its exit codes."""

    NOTHING_NEW = 0
    CHANGED = 1
    FAILED = NotFetched.exit_code


@define
class WatchResult:
    """What was fetched, what was imported, and what failed."""

    fetched: int = 0
    imported: list[Imported] = field(factory=list["Imported"])
    failed: list[str] = field(factory=list[str])
    notes: list[str] = field(factory=list[str])
    regenerated: RegenerateResult | None = None

    @property
    def outcome(self) -> Outcome:
        """Whether something failed, or else whether something changed."""
        if self.failed:
            return Outcome.FAILED
        return Outcome.CHANGED if self.imported else Outcome.NOTHING_NEW

    def to_text(self) -> str:
        """Return a line for each document that changed or failed, and the result."""
        lines = [f"{one.name}: {line}" for one in self.imported for line in one.lines]
        lines += [*self.notes, *(f"failed: {one}" for one in self.failed)]
        if self.regenerated is not None:
            lines.append(self.regenerated.to_text())
        if not lines:
            lines.append("nothing new")
        counted = f"{self.fetched} page{'s' * (self.fetched != 1)} fetched"
        return "\n".join([*lines, counted])


@define
class Watch:
    """One run of `wanflow spec watch`."""

    project: Checkout
    by: Fetcher = field(factory=Fetcher)
    anywhere: bool = False
    done: WatchResult = field(factory=WatchResult)
    _versions: dict[str, PageVersion] = field(factory=dict[str, PageVersion])

    def run(self, indexes: Iterable[str] = ()) -> WatchResult:
        """Fetch all sources, import what changed, and regenerate once."""
        entries = read_lock(self.project.lock)
        origins = {entry.origin: name for name, entry in entries.items() if is_url(entry.origin)}
        changed = [
            one for url, name in origins.items() if (one := self._refetch(url, name, entries))
        ]
        for index in indexes:
            changed += self._new_of(index, set(origins))
        self._import(changed)
        self._note_versions()
        if self.done.imported:
            self._regenerate()
        return self.done

    def _refetch(self, url: str, name: str, entries: dict[str, LockEntry]) -> LoadedDocument | None:
        """Fetch one source again; None if it is unchanged, or if that fails."""
        self.done.fetched += 1
        entry = entries[name]
        try:
            fetched = self.by.fetch(url, PageVersion(entry.etag, entry.last_modified))
            if fetched.unchanged:
                return None
            received = load_fetched(url, fetched)
        except PageGone as failure:
            self.done.failed.append(f"{name}: {failure}; the existing source is kept")
            return None
        except SpecError as failure:
            self.done.failed.append(f"{name}: {one_line(failure, [url])}")
            return None
        if received.source.sha256 == entry.sha256:
            self._versions[name] = fetched.version
            return None
        return received

    def _new_of(self, index: str, known: set[str]) -> list[LoadedDocument]:
        """Read the linked pages of an index that are not sources yet."""
        self.done.fetched += 1
        try:
            fetched = self.by.fetch(index)
        except SpecError as failure:
            self.done.failed.append(f"the index: {failure}")
            return []
        text = fetched.data.decode("utf-8", "replace")
        links = [
            link for link in links_of(index, text, anywhere=self.anywhere) if link not in known
        ]
        if len(links) > _MOST_LINKS:
            self.done.failed.append(f"{index} has {len(links)} links, more than {_MOST_LINKS}")
        found = [self._new(link) for link in links[:_MOST_LINKS]]
        return [one for one in found if one is not None]

    def _new(self, url: str) -> LoadedDocument | None:
        """Read one page; None if it has no document that names a model."""
        self.done.fetched += 1
        try:
            fetched = self.by.fetch(url)
            if b"openapi" not in fetched.data:
                return None
            received = load_fetched(url, fetched)
            named = any(call.models for call in source_operations(received.source))
        except SpecError as failure:
            self.done.failed.append(str(one_line(failure, [url])))
            return None
        return received if named else None

    def _import(self, changed: list[LoadedDocument]) -> None:
        """Import what changed: all together, or else each document that can be imported."""
        if not changed:
            return
        try:
            self.done.imported += import_loaded(self.project, changed)
        except SpecError as failure:
            if len(changed) == 1:
                self.done.failed.append(f"{changed[0].origin}: {failure}")
                return
            for one in changed:
                self._import([one])

    def _note_versions(self) -> None:
        """Store the version headers of sources whose content is unchanged."""
        if not self._versions:
            return
        entries = read_lock(self.project.lock)
        for name, version in self._versions.items():
            entries[name] = evolve(entries[name], etag=version.etag, last_modified=version.modified)
        write_file(self.project.lock, write_lock(entries))

    def _regenerate(self) -> None:
        if not self.project.generated.is_dir():
            return
        try:
            self.done.regenerated = regenerate(self.project)
        except SpecError as failure:
            self.done.failed.append(f"regenerate: {failure}")
