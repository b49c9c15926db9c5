"""Names and a class that the tests of the command line share."""

from __future__ import annotations

import json
from typing import Any

from attrs import frozen

VIDEO = "wan2.5-text-to-video"
IMAGE = "wan2.5-text-to-image"
FROM_IMAGE = "wan2.6-image-to-video"


@frozen
class CommandResult:
    """The result of a command: its exit code and its output."""

    code: int
    out: str
    err: str

    @property
    def events(self) -> list[dict[str, Any]]:
        """The lines of stdout as JSON."""
        return [json.loads(line) for line in self.out.splitlines()]
