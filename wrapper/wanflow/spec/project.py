"""The file layout of a checkout, and atomic replacement of its files."""

from __future__ import annotations

import json
import shutil
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import define, field, frozen

from wanflow._regular_file import remove, replace, write_atomically
from wanflow.spec.errors import InvalidDocument

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator


@frozen
class _Part:
    """A path in each checkout."""

    path: str

    def __get__(self, checkout: Checkout, _: object = None) -> Path:
        return checkout.root / self.path


@frozen
class Checkout:
    """A checkout: the directory that contains `specs/sources`."""

    root: Path

    sources = _Part("specs/sources")
    """The source specs as received."""
    lock = _Part("specs/sources.lock")
    """The digest and origin of each source spec."""
    import_journal = _Part("specs/.import.json")
    """The previous files during an import; left over if the import was killed."""
    overlays = _Part("specs/overlays")
    """The overlays: reviewed constraints that the schemas only describe in prose."""
    accepted_prose = _Part("specs/left-as-prose.yaml")
    """The sentences that are deliberately not encoded as constraints."""
    silenced = _Part("specs/silenced.yaml")
    """The reviewed and accepted changes and warnings."""
    settings = _Part("specs/settings.yaml")
    """The user's settings."""
    spec = _Part("specs/openapi.yaml")
    """The merged spec with overlays applied, for people."""
    report = _Part("specs/merge-report.md")
    """The merge report."""
    generated = _Part("generated")
    """The generator's settings and its output."""
    client = _Part("generated/wanflow_client")
    """The generated package."""
    changelog = _Part("CHANGELOG.md")
    """The changelog."""

    def relative(self, path: Path) -> str:
        """Return a path relative to the checkout."""
        return path.relative_to(self.root).as_posix()


def find_project(start: Path | None = None) -> Checkout:
    """Find the checkout that contains a directory, by default the current one.

    Raises:
        InvalidDocument: no parent directory contains `specs/sources`.
    """
    begin = (start or Path.cwd()).resolve()
    for directory in (begin, *begin.parents):
        if (directory / "specs" / "sources").is_dir():
            return Checkout(directory)
    raise InvalidDocument(
        f"{begin} is not in a checkout: no parent directory contains specs/sources; use --root"
    )


def write_file(path: Path, text: str) -> bool:
    """Write a file atomically; return whether it changed."""
    data = text.encode()
    if path.is_file() and path.read_bytes() == data:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, data, durable=False)
    return True


@contextmanager
def temp_sibling(target: Path) -> Generator[Path]:
    """Create an empty directory on the same file system as a path; remove it afterwards."""
    target.parent.mkdir(parents=True, exist_ok=True)
    directory = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def swap_directories(one: Path, other: Path) -> None:
    """Swap two directories; either may be missing, and a failure changes nothing."""
    with temp_sibling(other) as aside:
        parked = aside / "parked"
        if other.exists():
            replace(other, parked)
        try:
            if one.exists():
                replace(one, other)
        except BaseException:
            if parked.exists():
                replace(parked, other)
            raise
        if parked.exists():
            replace(parked, one)


def changed_files(made: Path, kept: Path) -> list[str]:
    """List the files that differ between two directories, without compiled Python."""
    both = {name for directory in (made, kept) for name in _files(directory)}
    return sorted(name for name in both if _bytes(made / name) != _bytes(kept / name))


def _files(directory: Path) -> Iterator[str]:
    for path in directory.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            yield path.relative_to(directory).as_posix()


def _bytes(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


@define
class AtomicReplace:
    """Collects files and directories, then replaces all of them or none."""

    files: dict[Path, str] = field(factory=dict["Path", str])
    directories: dict[Path, Path] = field(factory=dict["Path", "Path"])

    def commit_with_journal(self, note: Path) -> list[Path]:
        """Replace everything, with a journal of the previous files; return what changed.

        If the process is killed, `roll_back` restores them from the journal that is left.
        """
        before = {str(path): _text_of(path) for path in self.files}
        try:
            write_file(note, json.dumps(before))
            changed = self.commit()
            remove(note)
        except BaseException:
            roll_back(note)
            raise
        return changed

    def commit(self) -> list[Path]:
        """Replace everything; return what changed.

        After a failure, restore what was replaced, and raise the exception.
        """
        changed: list[Path] = []
        with ExitStack() as undo:
            for target, made in self.directories.items():
                if names := changed_files(made, target):
                    undo.callback(swap_directories, made, target)
                    swap_directories(made, target)
                    changed += [target / name for name in names]
            for path, text in self.files.items():
                before = path.read_bytes() if path.is_file() else None
                undo.callback(_restore, path, before)
                if write_file(path, text):
                    changed.append(path)
            undo.pop_all()
        return changed


def roll_back(journal: Path) -> bool:
    """Undo the incomplete replacement of a killed process; return whether there was one.

    The journal is written before the first change, so it contains all previous files.
    """
    for left in journal.parent.glob(f".{journal.name}~*.part"):
        remove(left)
    if not journal.is_file():
        return False
    before: dict[str, str | None] = json.loads(journal.read_text("utf-8"))
    for path, text in before.items():
        _restore(Path(path), None if text is None else text.encode())
    for left in journal.parent.rglob(".*~*.part"):
        if left.name.startswith(tuple(f".{Path(path).name}~" for path in before)):
            remove(left)
    remove(journal)
    return True


def _text_of(path: Path) -> str | None:
    return path.read_bytes().decode() if path.is_file() else None


def _restore(path: Path, before: bytes | None) -> None:
    if before is None:
        remove(path)
    else:
        write_file(path, before.decode())
