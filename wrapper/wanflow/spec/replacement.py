"""Put several files and a folder in place together: all of them, or things stay as they were."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path

from attrs import define, field

from wanflow.spec.project import differing, exchange_folders, write_file


@define
class Replacement:
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
                    undo.callback(exchange_folders, made, target)
                    exchange_folders(made, target)
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
