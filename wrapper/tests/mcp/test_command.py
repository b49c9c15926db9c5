"""`wanflow mcp`: a model added to a project's spec is there, and an absent package is named."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from attrs import evolve
from click.testing import CliRunner

from tests.mcp.conftest import charged, facts
from tests.spec.family import document, request
from wanflow.cli.mcp import mcp
from wanflow.cli.spec import spec
from wanflow.mock import MockServer
from wanflow.spec.read.yaml import write_yaml

if TYPE_CHECKING:
    from pathlib import Path

    from tests.mcp.conftest import Setup
    from wanflow.catalog.document import JsonObject

pytestmark = pytest.mark.processes

MODEL = "nova-2-sun"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def run(*words: str) -> None:
    """Run a command of the pipeline in this process."""
    done = CliRunner().invoke(spec, words)
    assert done.exit_code == 0, done.output


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with the source spec of one new model."""
    schema = request(
        MODEL,
        required=("model", "prompt"),
        prompt={"type": "string", "maxLength": 100},
        phase={"type": "string", "enum": ["new", "full"]},
    )
    received = tmp_path / f"{MODEL}.yaml"
    received.write_text(write_yaml(document(schema, example={"model": MODEL, "prompt": "a moon"})))
    folder = tmp_path / "project"
    run("init", str(folder))
    run("--root", str(folder), "import", str(received))
    run("--root", str(folder), "regenerate")
    return folder


@pytest.mark.anyio
async def test_a_model_that_was_just_added_can_be_submitted(setup: Setup, project: Path) -> None:
    """Its parameters are in the schema, and are checked."""
    import json

    text = (project / "generated/wanflow_client/openapi.json").read_text()
    merged: JsonObject = json.loads(text)
    body = {"model": MODEL, "prompt": "a moon", "phase": "full"}
    with MockServer(document=merged, polls=1) as mock:
        own = evolve(setup, base_url=mock.base_url, env={"WANFLOW_PROJECT": str(project)})
        async with own.stdio_client() as client:
            listed = {tool.name: tool for tool in (await client.list_tools()).tools}
            (branch,) = listed["submit"].input_schema["properties"]["request"]["anyOf"]
            assert branch["properties"]["phase"]["enum"] == ["new", "full"]
            wrong = await client.call_tool("submit", {"request": {**body, "phase": "half"}})
            assert wrong.is_error
            done = facts(await client.call_tool("submit", {"request": body}))
        assert charged(mock) == [done["task_id"]]


def test_an_absent_package_is_one_sentence(tmp_path: Path) -> None:
    """With the command that installs it, and the exit code of the configuration."""
    command = ["mcp", "--max-credits", "5", "-o", "."]
    code = f"import sys; sys.modules['mcp'] = None; from wanflow.cli import main; main({command})"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.returncode == 3
    assert done.stderr.startswith("wanflow: this command needs mcp")
    assert done.stderr.endswith("; run: pip install 'wanflow[mcp]'\n")


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *(("--max-credits", value) for value in ("nan", "-1", "many", "inf")),
        *(("--unknown-price", value) for value in ("nan", "-1", "many")),
    ],
)
def test_a_limit_that_limits_nothing_is_an_error(tmp_path: Path, option: str, value: str) -> None:
    """A number that compares with nothing would allow everything."""
    words = ["--max-credits", "5", "-o", str(tmp_path), "--ledger", str(tmp_path / "j.db")]
    done = CliRunner().invoke(mcp, [*words, option, value], input="")
    assert done.exit_code == 2
    assert "credits" in done.output
