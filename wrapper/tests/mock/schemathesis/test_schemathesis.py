"""Schemathesis in its own process, with default settings and twenty seeds."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from wanflow.catalog.document import load_packaged
from wanflow.mock import MockServer

HOOKS = Path(__file__).with_name("hooks.py")
KEY = "schemathesis-key"

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("seed", range(1, 21))
def test_it_finds_nothing(tmp_path, seed) -> None:
    """Examples, coverage, fuzzing and links: no check of Schemathesis fails."""
    document = tmp_path / "openapi.json"
    document.write_text(json.dumps(load_packaged()))
    program = Path(sys.executable).with_name("schemathesis")
    with MockServer(api_key=KEY) as server:
        options = ("--seed", str(seed), "-H", f"Authorization: Bearer {KEY}", "--no-color")
        done = subprocess.run(
            [str(program), "run", str(document), "--url", server.base_url, *options],
            check=False,
            cwd=tmp_path,
            env={**os.environ, "SCHEMATHESIS_HOOKS": str(HOOKS)},
            capture_output=True,
            text=True,
        )
        submitted = len(server.gateway.tasks)
    assert done.returncode == 0, done.stdout[-5000:]
    assert submitted > 10
    generated = re.search(r"(\d+) generated", done.stdout)
    assert generated is not None
    assert int(generated[1]) > 300
    links = re.search(r"API Links:\s+(\d+) covered", done.stdout)
    assert links is not None
    assert int(links[1]) > 0
