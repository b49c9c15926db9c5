"""One violated constraint of a request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from wanflow.catalog.document import escape_key

if TYPE_CHECKING:
    from collections.abc import Sequence


@frozen
class Violation:
    """One violated constraint of a request.

    `pointer` is a JSON pointer into the body (empty for the body itself), `rule` the keyword of
    the schema, `message` a complete sentence, `citation` the sentence of the spec that the
    constraint is from, if an overlay added it.
    """

    pointer: str
    rule: str
    message: str
    value: Any = field(repr=False, default=None)
    citation: str | None = field(repr=False, default=None)

    @property
    def parameter(self) -> str:
        """The top-level parameter of the violation, empty for the body itself."""
        return self.pointer.split("/")[1] if self.pointer else ""


def pointer_to(path: Sequence[str | int]) -> str:
    """Return the JSON pointer for keys and indexes, empty for none."""
    return "".join(f"/{escape_key(str(part))}" for part in path)


def name_of(path: Sequence[str | int]) -> str:
    """Return the name of a value of a request for messages: `parameter[0].part`."""
    if not path:
        return "the request"
    first, *rest = (str(part) if isinstance(part, str) else f"[{part}]" for part in path)
    return first + "".join(part if part.startswith("[") else f".{part}" for part in rest)
