"""The examples of docs/containers.md run as shown, where their language is installed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from ruamel.yaml import YAML

from wanflow.mock import MockServer

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "docs/containers.md").read_text()
BLOCKS = dict(re.findall(r"^```(\w+)\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE))
COMMANDS = {
    "js": ("lake.mjs", ("node", "lake.mjs")),
    "go": ("lake.go", ("go", "run", "lake.go")),
    "java": ("Lake.java", ("java", "Lake.java")),
}
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def server() -> Iterator[MockServer]:
    """A mock whose tasks are completed at the first poll."""
    with MockServer(polls=1) as mock:
        yield mock


def run(language: str, server: MockServer, folder: Path, **environment: str) -> str:
    """Run an example in a folder; return what it prints, with "exit N" if it fails."""
    name, command = COMMANDS[language]
    if shutil.which(command[0]) is None:
        pytest.skip(f"NOT CHECKED: the example for {language}: there is no {command[0]}")
    (folder / name).write_text(BLOCKS[language])
    done = subprocess.run(
        command,
        cwd=folder,
        env={
            "GOCACHE": str(folder / "cache"),
            **os.environ,
            "WANFLOW_BASE_URL": server.base_url,
            "WANFLOW_API_KEY": server.api_key,
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    said = done.stdout + done.stderr
    return f"{said}\nexit {done.returncode}" if done.returncode else said


@pytest.mark.slow  # each starts a compiler
@pytest.mark.parametrize("language", COMMANDS)
def test_an_example_submits_polls_and_saves(
    language: str, server: MockServer, tmp_path: Path
) -> None:
    """One submission, polls until the end, and a file."""
    server.journal.clear()
    assert run(language, server, tmp_path) == ""
    assert (tmp_path / "lake.png").read_bytes().startswith(PNG)
    paths = [entry.path for entry in server.journal if "/generations" in entry.path]
    assert len(paths) == 1


@pytest.mark.slow  # each starts a compiler
@pytest.mark.parametrize("language", COMMANDS)
def test_an_example_shows_why_it_failed(language: str, server: MockServer, tmp_path: Path) -> None:
    """A rejected request, with its status and the message of the API."""
    said = run(language, server, tmp_path, WANFLOW_API_KEY="")
    assert "401" in said
    assert "exit " in said
    assert not (tmp_path / "lake.png").exists()


@pytest.mark.slow  # each starts a compiler
@pytest.mark.parametrize("language", COMMANDS)
def test_an_example_ends_where_the_task_does_in_another_way(
    language: str, server: MockServer, tmp_path: Path
) -> None:
    """With a status that no document has, such as that of a cancelled task; it shows the task."""
    rule = server.faults.add("unknown-status", operation="getTaskDetail")
    try:
        said = run(language, server, tmp_path)
    finally:
        server.faults.remove(rule.id)
    assert "exit " in said
    assert server.tasks[-1]["id"] in said
    assert not (tmp_path / "lake.png").exists()


def test_every_language_promised_is_shown() -> None:
    """Each block is run here, or by the tests of the image."""
    assert set(BLOCKS) - {"yaml"} == {*COMMANDS, "sh", "python"}


def test_the_compose_file_grants_no_more_than_the_page_says() -> None:
    """The mock can write nothing, has no capability, and is published to this machine only."""
    services = YAML(typ="safe").load((ROOT / "container/compose.yaml").read_text())["services"]
    mock, application = services["mock"], services["application"]
    assert mock["read_only"] is True
    assert mock["cap_drop"] == ["ALL"]
    assert all(port.startswith("127.0.0.1:") for port in mock["ports"])
    assert application["depends_on"]["mock"]["condition"] == "service_healthy"
    assert set(application["environment"]) == {"WANFLOW_BASE_URL", "WANFLOW_API_KEY"}
