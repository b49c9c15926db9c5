"""What flows need of a disk or an object storage: a part for each download, and places to write.

Flows decide, and touch no disk: what blocks here is called through `Act`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

    from wanflow._core.download_rules import ResponseKind
    from wanflow._core.effects import Response
    from wanflow._core.recorder import File


class Part(Protocol):
    """The sink of one download. What isn't marked as blocking only changes what is in memory."""

    url: str
    total: int | None
    validator: str | None
    content_type: str
    response_kind: ResponseKind | None
    response: Response | None

    @property
    def size(self) -> int:
        """How many bytes came."""
        ...

    @property
    def complete(self) -> bool:
        """Whether all that the server announced is here."""
        ...

    @property
    def beginning(self) -> bytes:
        """The first bytes, as many as detecting a format needs."""
        ...

    @property
    def abandonable(self) -> bool:
        """Whether a cancellation needn't wait for `commit`."""
        ...

    def start(self, response: Response) -> bool:
        """Take an answer's head; True where its body is wanted."""
        ...

    def blocks(self, size: int) -> bool:
        """Return whether `write` blocks for a chunk of `size` bytes."""
        ...

    def write(self, chunk: bytes) -> None:
        """Append the next bytes. It blocks where `blocks` says so."""
        ...

    def start_over(self) -> None:
        """Forget all that came."""
        ...

    def resume(self) -> None:
        """Go on with what an earlier run left, if it left anything. It blocks."""
        ...

    def commit(self, extension: str) -> Path:
        """Put the file under its final name, durably. It blocks."""
        ...

    def file_info(self, index: int, path: Path) -> File:
        """Return what a record keeps of the committed file. It may block."""
        ...

    def suspend(self) -> None:
        """Close, and leave the part for a later run where one could go on with it. It blocks."""
        ...

    def discard(self) -> None:
        """Close, and remove the part. It blocks."""
        ...

    def close(self) -> None:
        """Close the part file, where nothing else has; what is on the disk stays."""
        ...


class TemporaryFolder(Protocol):
    """A folder for one file that is not kept."""

    folder: Path

    def open(self, path: Path) -> BinaryIO:
        """Open the file; closing it removes the folder. It blocks."""
        ...

    def remove(self) -> None:
        """Remove the folder with all in it. It blocks."""
        ...


class Storage(Protocol):
    """Where files are saved. Everything but `part_file` blocks."""

    def part_file(
        self, directory: Path, stem: str, limit: int, names: tuple[str, ...] = (), /
    ) -> Part:
        """Make the sink of a file, which is in memory as long as it is small.

        The part is named by `stem`, which only this file has. The file gets the first of the
        `names` that no other file has, or the last one; without names it gets `stem`.
        """
        ...

    def read_file(self, path: Path, largest: int, /) -> bytes | None:
        """Read a file of the user's; None where it has more bytes than that."""
        ...

    def temporary_folder(self) -> TemporaryFolder:
        """Make a folder of the system's for one file that is not kept."""
        ...

    def check_writable(self, directory: Path, /) -> tuple[Path, ...]:
        """Make a folder if need be, and write a small file there, of no name → the folders made."""
        ...

    def remove_empty(self, created: tuple[Path, ...], /) -> None:
        """Take folders away that are still empty."""
        ...
