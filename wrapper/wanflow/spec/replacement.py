"""Put several files and a folder in place together: all of them, or things stay as they were."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from attrs import define, field

from wanflow.spec.project import differing, exchange_folders, write_file

if TYPE_CHECKING:
    from pathlib import Path


@define
class Replacement:
    """What is to be put in place, collected before anything is touched."""

    texts: dict[Path, str] = field(factory=dict["Path", str])
    folders: dict[Path, Path] = field(factory=dict["Path", "Path"])

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


def _restore(path: Path, before: bytes | None) -> None:
    if before is None:
        path.unlink(missing_ok=True)
    else:
        write_file(path, before.decode())
