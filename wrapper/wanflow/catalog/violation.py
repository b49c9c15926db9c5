"""One broken rule of a request, as everything that checks requests reports it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import field, frozen

if TYPE_CHECKING:
    from collections.abc import Sequence


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
    citation: str | None = field(repr=False, default=None)

    @property
    def parameter(self) -> str:
        """The top-level parameter at fault, empty for the body itself."""
        return self.pointer.split("/")[1] if self.pointer else ""


def pointer_to(path: Sequence[str | int]) -> str:
    """Return the JSON pointer to a place in a request, empty for the request itself."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def name_of(path: Sequence[str | int]) -> str:
    """Return what messages call a place in a request: `parameter[0].part`."""
    if not path:
        return "the request"
    first, *rest = (str(part) if isinstance(part, str) else f"[{part}]" for part in path)
    return first + "".join(part if part.startswith("[") else f".{part}" for part in rest)
