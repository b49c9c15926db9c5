"""One broken rule of a request, as everything that checks requests reports it."""

from __future__ import annotations

from typing import Any

from attrs import field, frozen


@frozen
class Violation:
    """One broken rule of a request.

    `pointer` is a JSON pointer into the body (empty for the body itself), `rule` the schema's
    keyword, `message` a whole sentence, `sentence` what the documents say where an overlay
    took the rule from their prose.
    """

    pointer: str
    rule: str
    message: str
    value: Any = field(repr=False, default=None)
    sentence: str | None = field(repr=False, default=None)

    @property
    def parameter(self) -> str:
        """The top-level parameter at fault, empty for the body itself."""
        return self.pointer.split("/")[1] if self.pointer else ""
