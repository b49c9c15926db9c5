"""Where a checkout keeps what the pipeline reads and writes, and how it is replaced all at once."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import frozen

from wanflow.spec.failures import Refused

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator


@frozen
class Project:
    """A checkout: the folder that holds `specs/sources`."""

    root: Path

    @property
    def sources(self) -> Path:
        """The documents as received."""
        return self.root / "specs" / "sources"

    @property
    def lock(self) -> Path:
        """Digest and origin of each source."""
        return self.root / "specs" / "sources.lock"

    @property
    def note(self) -> Path:
        """What was there before an import that is under way, or that was killed."""
        return self.root / "specs" / ".import.json"

    @property
    def overlays(self) -> Path:
        """What the schemas leave to prose, as reviewed actions."""
        return self.root / "specs" / "overlays"

    @property
    def prose(self) -> Path:
        """The sentences that are left as prose on purpose."""
        return self.root / "specs" / "left-as-prose.yaml"

    @property
    def silenced(self) -> Path:
        """The changes and warnings that were reviewed and accepted."""
        return self.root / "specs" / "silenced.yaml"

    @property
    def settings(self) -> Path:
        """What a person chose for these documents."""
        return self.root / "specs" / "settings.yaml"

    @property
    def spec(self) -> Path:
        """The merged and overlaid document, for people."""
        return self.root / "specs" / "openapi.yaml"

    @property
    def report(self) -> Path:
        """What the merge decided."""
        return self.root / "specs" / "merge-report.md"

    @property
    def generated(self) -> Path:
        """The generator's settings, and what it made."""
        return self.root / "generated"

    @property
    def client(self) -> Path:
        """The generated package."""
        return self.generated / "wanflow_client"

    @property
    def changelog(self) -> Path:
        """The history for users."""
        return self.root / "CHANGELOG.md"

    def shown(self, path: Path) -> str:
        """Write a path as a person in the checkout would."""
        return path.relative_to(self.root).as_posix()


def find_project(start: Path | None = None) -> Project:
    """Find the checkout that a folder lies in, the present one where none is given.

    Raises:
        Refused: no folder above holds `specs/sources`.
    """
    begin = (start or Path.cwd()).resolve()
    for folder in (begin, *begin.parents):
        if (folder / "specs" / "sources").is_dir():
            return Project(folder)
    raise Refused(f"{begin} is in no checkout: no folder above it holds specs/sources (try --root)")


def write_file(path: Path, text: str) -> bool:
    """Write a file whole or not at all; tell whether it changed."""
    data = text.encode()
    if path.is_file() and path.read_bytes() == data:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return True


@contextmanager
def folder_beside(target: Path) -> Generator[Path]:
    """Give an empty folder on the same file system as a target, gone afterwards."""
    target.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def exchange_folders(one: Path, other: Path) -> None:
    """Put each folder in the other's place; either may be absent, and a failure changes nothing."""
    with folder_beside(other) as aside:
        parked = aside / "parked"
        if other.exists():
            other.replace(parked)
        try:
            if one.exists():
                one.replace(other)
        except BaseException:
            if parked.exists():
                parked.replace(other)
            raise
        if parked.exists():
            parked.replace(one)


def differing(made: Path, kept: Path) -> list[str]:
    """List the files by which two folders differ, compiled Python left out."""
    both = {name for folder in (made, kept) for name in _files(folder)}
    return sorted(name for name in both if _bytes(made / name) != _bytes(kept / name))


def _files(folder: Path) -> Iterator[str]:
    for path in folder.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            yield path.relative_to(folder).as_posix()


def _bytes(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None
