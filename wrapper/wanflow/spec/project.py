"""Where a checkout keeps what the pipeline reads and writes, and how it is replaced all at once."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import define, field, frozen

from wanflow.spec.errors import InvalidDocument

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator


@frozen
class Checkout:
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


def find_project(start: Path | None = None) -> Checkout:
    """Find the checkout that a folder lies in, the present one where none is given.

    Raises:
        Refused: no folder above holds `specs/sources`.
    """
    begin = (start or Path.cwd()).resolve()
    for folder in (begin, *begin.parents):
        if (folder / "specs" / "sources").is_dir():
            return Checkout(folder)
    raise InvalidDocument(
        f"{begin} is in no checkout: no folder above it holds specs/sources (try --root)"
    )


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
def temp_sibling(target: Path) -> Generator[Path]:
    """Give an empty folder on the same file system as a target, gone afterwards."""
    target.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def swap_directories(one: Path, other: Path) -> None:
    """Put each folder in the other's place; either may be absent, and a failure changes nothing."""
    with temp_sibling(other) as aside:
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


@define
class AtomicReplace:
    """What is to be put in place, collected before anything is touched."""

    texts: dict[Path, str] = field(factory=dict["Path", str])
    folders: dict[Path, Path] = field(factory=dict["Path", "Path"])

    def commit_noted(self, note: Path) -> list[Path]:
        """Put everything in place, and note meanwhile what was there.

        A process that is killed half-way leaves the note, by which `put_back` undoes its work.
        """
        before = {str(path): _text_of(path) for path in self.texts}
        try:
            write_file(note, json.dumps(before))
            changed = self.commit()
            note.unlink()
        except BaseException:
            put_back(note)
            raise
        return changed

    def commit(self) -> list[Path]:
        """Put everything in place; return what changed.

        A failure half-way puts back what was replaced by then, and goes on as the exception.
        """
        changed: list[Path] = []
        with ExitStack() as undo:
            for target, made in self.folders.items():
                if names := differing(made, target):
                    undo.callback(swap_directories, made, target)
                    swap_directories(made, target)
                    changed += [target / name for name in names]
            for path, text in self.texts.items():
                before = path.read_bytes() if path.is_file() else None
                undo.callback(_restore, path, before)
                if write_file(path, text):
                    changed.append(path)
            undo.pop_all()
        return changed


def put_back(note: Path) -> bool:
    """Undo what a killed process left half done; tell whether there was anything.

    The note is written whole before the first change, so what it says is all that was there.
    """
    for left in note.parent.glob(f".{note.name}.*"):
        left.unlink()
    if not note.is_file():
        return False
    before: dict[str, str | None] = json.loads(note.read_text("utf-8"))
    for path, text in before.items():
        _restore(Path(path), None if text is None else text.encode())
    for left in note.parent.rglob(".*.*"):
        if left.name.startswith(tuple(f".{Path(path).name}." for path in before)):
            left.unlink()
    note.unlink()
    return True


def _text_of(path: Path) -> str | None:
    return path.read_bytes().decode() if path.is_file() else None


def _restore(path: Path, before: bytes | None) -> None:
    if before is None:
        path.unlink(missing_ok=True)
    else:
        write_file(path, before.decode())
