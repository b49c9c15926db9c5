"""The errors of the spec pipeline, each with its exit code."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar, TypeVar

from attrs import field, frozen

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence


class SpecError(Exception):
    """A step of the pipeline failed; the message is one sentence for the user.

    `exit_code` is the exit code of the command: one for each kind of error. 0, 1 and 2 are used by
    `diff`, 2 also for a usage error.
    """

    exit_code: ClassVar[int] = 3


class InvalidDocument(SpecError):
    """A document isn't a valid OpenAPI 3 document."""


class Conflict(SpecError):
    """Two source specs contradict each other."""

    exit_code: ClassVar[int] = 4


class ProofFailed(SpecError):
    """A merged spec isn't proved equivalent to its sources, with or without overlays."""

    exit_code: ClassVar[int] = 5


class Undecided(ProofFailed):
    """It couldn't be decided whether two schemas are equivalent."""


class OverlayError(SpecError):
    """An overlay is invalid or can't be applied."""

    exit_code: ClassVar[int] = 6


class FindingsError(SpecError):
    """`check` found problems; the message lists them, one per line."""

    exit_code: ClassVar[int] = 7

    def __init__(self, text: str, findings: Sequence[Finding] = ()) -> None:
        super().__init__(text)
        self.findings = tuple(findings)


class ToolError(SpecError):
    """The generator or the formatter is missing, has the wrong version, or failed."""

    exit_code: ClassVar[int] = 8


class NotFetched(SpecError):
    """A page can't be fetched, or no longer exists."""

    exit_code: ClassVar[int] = 9


class OutOfDate(SpecError):
    """The committed files differ from what the sources generate."""

    exit_code: ClassVar[int] = 1


UNEXPECTED = 10
"""The exit code of an error that no step of the pipeline knows."""

EXIT_CODES = (
    (0, "done"),
    (OutOfDate.exit_code, "drift; `diff`: an addition or a warning; `watch`: a source changed"),
    (2, "usage error; `diff`: a breaking change"),
    (InvalidDocument.exit_code, "a document is invalid"),
    (Conflict.exit_code, "source specs contradict each other"),
    (ProofFailed.exit_code, "not proved"),
    (OverlayError.exit_code, "an overlay is invalid"),
    (FindingsError.exit_code, "`check` found problems"),
    (ToolError.exit_code, "a tool is missing, has the wrong version, or failed"),
    (NotFetched.exit_code, "a page can't be fetched, or no longer exists"),
    (UNEXPECTED, "unexpected error"),
)
"""The exit codes of `wanflow spec`; other commands have different ones."""


@frozen(order=True)
class Finding:
    """One problem that `check` found: where it is, how to fix it, and the id of the check."""

    file: str
    pointer: str
    problem: str
    remedy: str
    line: int | None = field(default=None, eq=False)
    id: str = field(default="WF502", eq=False)

    def __str__(self) -> str:
        line = f":{self.line}" if self.line else ""
        return f"{self.file}{line} #{self.pointer}: {self.problem}; {self.remedy}"


def raise_findings(findings: Iterable[Finding]) -> None:
    """Raise an error if there are findings.

    Raises:
        FindingsError: lists each finding once, one per line.
    """
    listed = sorted(set(findings))
    if listed:
        count = "1 finding" if len(listed) == 1 else f"{len(listed)} findings"
        raise FindingsError(
            "\n".join([f"{count}:", *(f"  {finding.id}  {finding}" for finding in listed)]), listed
        )


@contextmanager
def document_errors(what: str) -> Generator[None]:
    """Raise whatever an invalid document causes as an error of this pipeline.

    Code that reads a document relies on what was checked before. A document may be invalid in a
    way that no check knows; then the libraries, and the code here, raise errors of any kind.

    Raises:
        InvalidDocument: instead of any error but those of the pipeline and of the system.
    """
    try:
        yield
    except (SpecError, OSError, ImportError):
        raise
    except RecursionError as fault:
        raise InvalidDocument(
            f"{what} is nested too deeply to be read; write it flatter"
        ) from fault
    except Exception as fault:
        cause = shorten_middle(f"{type(fault).__name__}: {fault}".split("\n")[0], _MAX_CAUSE)
        raise InvalidDocument(
            f"{what} can't be read, since something in it isn't what OpenAPI 3 allows there "
            f"({cause}); correct it, or report this if it is valid"
        ) from fault


F = TypeVar("F", bound="SpecError")
_MAX_CAUSE = 160
_MAX_LENGTH = 280
_TAIL_LENGTH = 110
_MAX_FILES = 3


def one_line(error: F, files: Sequence[str]) -> F:
    """Return an error of the same class that names a file, in one line of up to 280 characters."""
    text = str(error)
    lines = [line for line in text.split("\n") if line.strip() and not line.endswith("findings:")]
    lines = lines[lines[0] == "1 finding:" :]
    first = printable(" ".join(lines[0].split()))
    if not any(file in first for file in files):
        more = ", …" if len(files) > _MAX_FILES else ""
        first = f"{', '.join(files[:_MAX_FILES])}{more}: {first}"
    rest = f" (and {len(lines) - 1} more)" if len(lines) > 1 else ""
    return type(error)(shorten_middle(first, _MAX_LENGTH - len(rest)) + rest)


def shorten_middle(text: str, max_length: int) -> str:
    """Shorten a text in its middle; it begins with the location and ends with the remedy."""
    return (
        text
        if len(text) <= max_length
        else f"{text[: max_length - _TAIL_LENGTH - 3]} … {text[-_TAIL_LENGTH:]}"
    )


def printable(text: str) -> str:
    """Replace each unprintable character, terminal control codes included, by U+FFFD."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)
