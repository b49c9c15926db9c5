"""WANFLOW_LOG writes the log to stderr: as text, or as one JSON object a line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.any_model import model_name
from wanflow import Client, ConfigurationError, events

if TYPE_CHECKING:
    from wanflow.mock import MockServer

pytestmark = pytest.mark.processes

PROGRAM = """
import sys
from wanflow import Client

with Client("a-key-of-this-test", sys.argv[1]) as client:
    client.run(model=sys.argv[2], prompt="a quiet lake [mock:progression=polls=2]")
"""
STABLE = {"time", "level", "event", "operation", "task_id", "message"}


def stderr_of(mode: str, mock: MockServer) -> list[str]:
    """Run a program with WANFLOW_LOG → the lines of its stderr."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM, mock.base_url, model_name("image")],
        env={**os.environ, "WANFLOW_LOG": mode},
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    assert done.stdout == ""
    return done.stderr.splitlines()


def test_json_is_one_object_a_line_with_stable_keys(mock: MockServer) -> None:
    """Every event is a line, each poll included, with all fields of its kind."""
    lines = [json.loads(line) for line in stderr_of("json", mock)]
    kinds = {kind.kind: kind for kind in (getattr(events, name) for name in events.__all__)}
    found = [line["event"] for line in lines]
    assert found[:2] == ["submit_started", "submitted"]
    assert found.count("polled") == 2
    assert found[-1] == "completed"
    for line in lines:
        assert set(line) >= STABLE
        names = {name.name for name in kinds[line["event"]].__attrs_attrs__} - {"prompt"}  # type: ignore[attr-defined]
        assert set(line) == STABLE | names
        assert line["level"] in {"trace", "debug", "info", "warning", "error"}


@pytest.mark.parametrize(("mode", "debug"), [("debug", True), ("info", False), (" INFO ", False)])
def test_text_has_the_lines_of_its_level(mode: str, debug: bool, mock: MockServer) -> None:
    """With the time and the level."""
    lines = stderr_of(mode, mock)
    assert any(" INFO submitted " in line for line in lines)
    assert any(" DEBUG task " in line for line in lines) == debug


def test_without_it_nothing_is_written(mock: MockServer) -> None:
    """An empty variable counts as none."""
    assert stderr_of("", mock) == []


def test_another_value_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """It names the allowed ones."""
    monkeypatch.setenv("WANFLOW_LOG", "loud")
    with pytest.raises(ConfigurationError, match="WANFLOW_LOG is debug, info or json"):
        Client("a-key", "https://api.test")


def test_a_line_that_is_no_event_is_json_too() -> None:
    """For example of the ledger, or an exception of `on_event`."""
    program = """
import logging
import os
from wanflow import Client
Client("a-key", "https://api.test")
try:
    1 / 0
except ZeroDivisionError:
    logging.getLogger("wanflow").exception("first\\nsecond")
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "WANFLOW_LOG": "json"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    (line,) = done.stderr.splitlines()
    found = json.loads(line)
    assert found["event"] == "log"
    assert found["message"] == "first second"
    assert "ZeroDivisionError" in found["exception"]
    assert set(found) == STABLE | {"exception"}


def test_a_command_writes_nothing_else_beside_json(mock: MockServer) -> None:
    """Its progress is in the events."""
    command = [sys.executable, "-m", "wanflow", "run", model_name("image"), "--no-ledger"]
    done = subprocess.run(
        [*command, "--prompt", "a quiet lake [mock:progression=polls=1]"],
        env={
            **os.environ,
            "WANFLOW_LOG": "json",
            "WANFLOW_API_KEY": "a-key-of-this-test",
            "WANFLOW_BASE_URL": mock.base_url,
        },
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    assert done.stdout.startswith("http")
    found = [json.loads(line)["event"] for line in done.stderr.splitlines()]
    assert found[0] == "submit_started"
    assert found[-1] == "completed"
