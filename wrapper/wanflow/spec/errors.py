"""What can go wrong between a document and a client, each with the exit code of its kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, TypeVar

from attrs import field, frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class SpecError(Exception):
    """A step of the pipeline can't go on; the text is one sentence for a person.

    `exit_code` is what the command line ends with: one number for each kind, so that a script can
    tell a refused document from a failed proof. 0, 1 and 2 belong to `diff`, and 2 to a wrong call.
    """

    exit_code: ClassVar[int] = 3


class InvalidDocument(SpecError):
    """A document can't be read as one OpenAPI 3 document."""

    exit_code: ClassVar[int] = 3


class Conflict(SpecError):
    """Two documents say what can't both be true."""

    exit_code: ClassVar[int] = 4


class ProofFailed(SpecError):
    """A merged or overlaid document isn't known to mean what its sources mean."""

    exit_code: ClassVar[int] = 5


class Undecided(ProofFailed):
    """Two schemas are neither known to mean the same nor known to differ."""


class OverlayError(SpecError):
    """An overlay is invalid, or no longer applies."""

    exit_code: ClassVar[int] = 6


class FindingsError(SpecError):
    """The document breaks rules that `check` knows; the text lists them, one a line."""

    exit_code: ClassVar[int] = 7

    def __init__(self, text: str, findings: Sequence[Finding] = ()) -> None:
        super().__init__(text)
        self.findings = tuple(findings)


class ToolError(SpecError):
    """The generator or the formatter is missing, has another version, or complains."""

    exit_code: ClassVar[int] = 8


class NotFetched(SpecError):
    """A page can't be fetched, or is gone."""

    exit_code: ClassVar[int] = 9


class OutOfDate(SpecError):
    """What is committed isn't what would be made from the sources."""

    exit_code: ClassVar[int] = 1


EXITS = (
    (0, "done"),
    (OutOfDate.exit_code, "drift; of `diff`: an additive change; of `watch`: something changed"),
    (2, "a wrong call; of `diff`: a breaking change"),
    (InvalidDocument.exit_code, "a document is refused"),
    (Conflict.exit_code, "documents contradict each other"),
    (ProofFailed.exit_code, "not proved"),
    (OverlayError.exit_code, "an overlay is at fault"),
    (FindingsError.exit_code, "findings of the check"),
    (NotFetched.exit_code, "a page can't be fetched, or is gone"),
    (ToolError.exit_code, "a tool is missing, of another version, or complains"),
)
"""The exit codes of `wanflow spec`, which are not those of the other commands."""


@frozen(order=True)
class Finding:
    """One broken rule: the file, the JSON pointer, the problem, its remedy, and the rule's id."""

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
    """Go on only when there is nothing to say.

    Raises:
        Findings: lists each finding once, one a line.
    """
    listed = sorted(set(findings))
    if listed:
        count = "1 finding" if len(listed) == 1 else f"{len(listed)} findings"
        raise FindingsError(
            "\n".join([f"{count}:", *(f"  {finding}" for finding in listed)]), listed
        )


F = TypeVar("F", bound="SpecError")
_MOST = 280
_TAIL = 110
_FILES = 3


def one_line(failure: F, files: Sequence[str]) -> F:
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
