"""Explain a failed import by the stored document that it would have replaced."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wanflow.spec.errors import SpecError
    from wanflow.spec.read.source import SourceSpec


@frozen
class RevisedDocument:
    """A stored document, and the one that would replace it."""

    older: SourceSpec
    newer: SourceSpec

    @property
    def claims(self) -> str:
        """Return a note if a document of another name would replace the older one, else ''."""
        file = self.newer.received_as or f"{self.newer.name}.yaml"
        if file.rpartition(".")[0] == self.older.name:
            return ""
        return f"it would replace {self.older.name}, whose models it names"


def explain(failure: SpecError, replaced: Sequence[RevisedDocument]) -> SpecError:
    """Return the same failure, with a note about the replaced document."""
    claims = next((one.claims for one in replaced if one.claims), "")
    return type(failure)(f"{failure}; {claims}") if claims else failure
