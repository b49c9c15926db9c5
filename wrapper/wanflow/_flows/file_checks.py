"""Reads the local files of a request, and checks them by the rules of their parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import field, frozen

from wanflow._core.media_rules import audio_warning, violations_of_file
from wanflow.catalog.keywords import AUDIO_FILE
from wanflow.catalog.violation import Violation

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from wanflow._core.local_files import LocalFile
    from wanflow._core.storage import Storage

# Far more than any file that the spec allows.
_MAX_SIZE = 256 * 1024 * 1024


@frozen
class CheckedFiles:
    """The contents of local files, in their order, and what is wrong or has no effect.

    A file that can't be read has no content, and a violation.
    """

    contents: tuple[bytes, ...] = field(repr=False)
    violations: list[Violation]
    warnings: list[str]


def check_files(
    files: Iterable[LocalFile], duration: object, storage: Storage, *, validate: bool = True
) -> CheckedFiles:
    """Read local files, and check them; this blocks.

    Args:
        files: the local files of a request.
        duration: the request's `duration`, with which audio files are compared.
        storage: reads the files.
        validate: False checks only that they can be read.
    """
    contents: list[bytes] = []
    violations: list[Violation] = []
    warnings: list[str] = []
    read: dict[Path | bytes, bytes | Violation] = {}
    for file in files:
        if file.source not in read:
            read[file.source] = _read(file, storage)
        content = read[file.source]
        if isinstance(content, Violation):
            violations.append(content)
            continue
        contents.append(content)
        if validate:
            violations += violations_of_file(file.rule, file.parameter, content)
            if AUDIO_FILE in file.rule:
                warning = audio_warning(file.parameter, content, duration)
                warnings += [warning] if warning else []
    return CheckedFiles(tuple(contents), violations, warnings)


def _read(file: LocalFile, storage: Storage) -> bytes | Violation:
    if isinstance(file.source, bytes):
        return file.source
    try:
        content = storage.read_file(file.source, _MAX_SIZE)
        problem = f"is larger than {_MAX_SIZE} bytes"
    except (OSError, ValueError) as error:
        content = None
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        problem = f"is no URL, and no file that can be read: {reason}"
    if content is not None:
        return content
    message = f"{file.parameter}: {file.shown} {problem}"
    return Violation(file.json_pointer, "file", message, file.shown)
