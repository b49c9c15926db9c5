"""Tell a failure in one line: of several the first, and what is long without its middle."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wanflow.spec.failures import SpecFailure

F = TypeVar("F", bound="SpecFailure")
_MOST = 280
_TAIL = 110
_FILES = 3


def in_one_line(failure: F, files: Sequence[str]) -> F:
    """Return a failure of the same kind that names one of the files, in one line of 280 letters."""
    text = str(failure)
    lines = [line for line in text.split("\n") if line.strip() and not line.endswith("findings:")]
    lines = lines[lines[0] == "1 finding:" :]
    first = printable(" ".join(lines[0].split()))
    if not any(file in first for file in files):
        more = ", …" if len(files) > _FILES else ""
        first = f"{', '.join(files[:_FILES])}{more}: {first}"
    rest = f" (and {len(lines) - 1} more)" if len(lines) > 1 else ""
    return type(failure)(shortened(first, _MOST - len(rest)) + rest)


def shortened(text: str, most: int) -> str:
    """Cut the middle out of a long text, which begins with the place and ends with the remedy."""
    return text if len(text) <= most else f"{text[: most - _TAIL - 3]} … {text[-_TAIL:]}"


def printable(text: str) -> str:
    """Write what isn't to be seen, and what a terminal would obey, as a mark in its place."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)
