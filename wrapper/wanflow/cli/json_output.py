"""The JSON that commands print: one object per line, each with its event and schema version."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import click

SCHEMA_VERSION = "wanflow/1"
"""The version of json_output.schema.json. It changes when a field is removed or changed."""


def emit(event: str, **facts: Any) -> None:
    """Print an event."""
    click.echo(json.dumps({"schema": SCHEMA_VERSION, "event": event, **facts}))


def json_schema() -> str:
    """Return the JSON Schema of all events."""
    return files("wanflow.cli").joinpath("json_output.schema.json").read_text(encoding="utf-8")
