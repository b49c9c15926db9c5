"""Names and a class that the tests of the command line share."""

from __future__ import annotations

import json
from typing import Any

from attrs import frozen
from jsonschema_rs import validator_for

from tests.any_model import model_name
from wanflow.cli.json_output import json_schema

VIDEO = model_name("video")
IMAGE = model_name("image")
FROM_IMAGE = model_name("video", "image_urls", "model_params")
SCHEMA = validator_for(json.loads(json_schema()))


@frozen
class CommandResult:
    """The result of a command: its exit code and its output."""

    code: int
    out: str
    err: str

    @property
    def events(self) -> list[dict[str, Any]]:
        """The lines of stdout as JSON, each of which fits the schema."""
        found = [json.loads(line) for line in self.out.splitlines()]
        for event in found:
            SCHEMA.validate(event)
        return found
