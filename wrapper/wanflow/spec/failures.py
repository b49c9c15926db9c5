"""What can go wrong between a document and a client, each with the exit code of its kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wanflow.spec.finding import Finding


class SpecFailure(Exception):
    """A step of the pipeline can't go on; the text is one sentence for a person.

    `exit_code` is what the command line ends with: one number for each kind, so that a script can
    tell a refused document from a failed proof. 0, 1 and 2 belong to `diff`, and 2 to a wrong call.
    """

    exit_code: ClassVar[int] = 3


class Refused(SpecFailure):
    """A document can't be read as one OpenAPI 3 document."""

    exit_code: ClassVar[int] = 3


class Contradiction(SpecFailure):
    """Two documents say what can't both be true."""

    exit_code: ClassVar[int] = 4


class NotProved(SpecFailure):
    """A merged or overlaid document isn't known to mean what its sources mean."""

    exit_code: ClassVar[int] = 5


class Undecided(NotProved):
    """Two schemas are neither known to mean the same nor known to differ."""


class OverlayFault(SpecFailure):
    """An overlay is invalid, or no longer applies."""

    exit_code: ClassVar[int] = 6


class Findings(SpecFailure):
    """The document breaks rules that `check` knows; the text lists them, one a line."""

    exit_code: ClassVar[int] = 7

    def __init__(self, text: str, findings: Sequence[Finding] = ()) -> None:
        super().__init__(text)
        self.findings = tuple(findings)


class ToolFault(SpecFailure):
    """The generator or the formatter is missing, has another version, or complains."""

    exit_code: ClassVar[int] = 8


class NotFetched(SpecFailure):
    """A page can't be fetched, or is gone."""

    exit_code: ClassVar[int] = 9


class Drifted(SpecFailure):
    """What is committed isn't what would be made from the sources."""

    exit_code: ClassVar[int] = 1


EXITS = (
    (0, "done"),
    (Drifted.exit_code, "drift; of `diff`: an additive change; of `watch`: something changed"),
    (2, "a wrong call; of `diff`: a breaking change"),
    (Refused.exit_code, "a document is refused"),
    (Contradiction.exit_code, "documents contradict each other"),
    (NotProved.exit_code, "not proved"),
    (OverlayFault.exit_code, "an overlay is at fault"),
    (Findings.exit_code, "findings of the check"),
    (NotFetched.exit_code, "a page can't be fetched, or is gone"),
    (ToolFault.exit_code, "a tool is missing, of another version, or complains"),
)
"""The exit codes of `wanflow spec`, which are not those of the other commands."""
