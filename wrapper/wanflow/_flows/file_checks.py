"""Checks the local files of a request by the rules of their parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wanflow._core.media_rules import audio_warning, violations_of_file
from wanflow.catalog.keywords import AUDIO_FILE
from wanflow.catalog.violation import Violation

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wanflow._core.local_files import LocalFile
    from wanflow._core.storage import Storage

# Far more than any file that the spec allows.
_MAX_SIZE = 256 * 1024 * 1024


def check_files(
    files: Iterable[LocalFile], duration: object, storage: Storage
) -> tuple[list[Violation], list[str]]:
    """Read local files, and return the violations and the warnings; this blocks.

    Args:
        files: the local files of a request.
        duration: the request's `duration`, with which audio files are compared.
        storage: reads the files.
    """
    violations: list[Violation] = []
    warnings: list[str] = []
    for file in files:
        content = _read(file, storage)
        if isinstance(content, Violation):
            violations.append(content)
            continue
        violations += violations_of_file(file.rule, file.parameter, content)
        if AUDIO_FILE in file.rule:
            warning = audio_warning(file.parameter, content, duration)
            warnings += [warning] if warning else []
    return violations, warnings


def _read(file: LocalFile, storage: Storage) -> bytes | Violation:
    try:
        content = storage.read_file(file.path, _MAX_SIZE)
        problem = f"is larger than {_MAX_SIZE} bytes"
    except OSError as error:
        content = None
        problem = f"is no URL, and no file that can be read: {error.strerror or error}"
    if content is not None:
        return content
    message = f"{file.parameter}: {file.path} {problem}"
    return Violation(f"/{file.parameter}", "file", message, str(file.path))
