"""The examples of docs/uploads.md are correct."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.any_model import model_name
from tests.uploads.conftest import image
from wanflow import Client
from wanflow.cli.exit_codes import exit_code_for
from wanflow.errors import UploadFailed
from wanflow.mock import MockServer

TEXT = (Path(__file__).parents[3] / "docs/uploads.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)
PYTHON = [code for language, code in BLOCKS if language == "python"]
SHELL = [code for language, code in BLOCKS if language == "sh"]


def names_of(code: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(compile(code, "uploads.md", "exec"), names)
    return names


def test_the_example_in_python_uploads_a_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And saves the film."""
    monkeypatch.chdir(tmp_path)
    wave = names_of(PYTHON[0])["wave"]
    with (
        MockServer(polls=1) as mock,
        Client(mock.api_key, mock.base_url, uploader="mock") as client,
    ):
        (film,) = wave(client, image(tmp_path))
    assert film.suffix == ".mp4"


def test_the_example_of_an_uploader_is_one(tmp_path: Path) -> None:
    """Its link is sent."""
    uploader = names_of(PYTHON[1])["OwnServer"]()
    with MockServer(polls=1) as mock, Client(mock.api_key, mock.base_url, uploader=uploader) as one:
        body = {"prompt": "x", "image_urls": [image(tmp_path)]}
        one.submit({"model": model_name("video", "image_urls"), **body})
        sent = [entry.body for entry in mock.journal if entry.method == "POST"]
    assert re.search(r"https://files\.example\.com/[0-9a-f]{64}\.png", sent[0])


@pytest.mark.processes
def test_the_command_for_the_mock_runs_as_it_is_written(tmp_path: Path) -> None:
    """With the base URL and any key of the mock in the environment."""
    image(tmp_path)
    (line,) = SHELL[1].splitlines()
    with MockServer(polls=1) as mock:
        variables = {"WANFLOW_BASE_URL": mock.base_url, "WANFLOW_API_KEY": "any-key"}
        done = subprocess.run(
            f"{sys.executable} -m {line} --no-ledger",
            shell=True,
            cwd=tmp_path,
            env={"PATH": "/bin:/usr/bin", "HOME": str(tmp_path), **variables},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / done.stdout.splitlines()[-1]).stat().st_size > 100


def test_the_exit_code_is_the_one_that_the_page_names() -> None:
    """As are the variables of the environment."""
    assert f"exit code {exit_code_for(UploadFailed('x')).code}" in TEXT
