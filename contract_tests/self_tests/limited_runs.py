"""Runs of the suite against servers that charge, within a limit."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from self_tests.reference_server.server import Server

ROOT = Path(__file__).resolve().parents[2]
KEY = "the-key-that-pays-0001"


def suite(
    server: Server,
    folder: Path,
    *options: str,
    files: Iterable[str] = ("",),
    program: Sequence[str] = ("-m", "pytest"),
) -> subprocess.CompletedProcess[str]:
    """Run the fast tests, of some files or of all, against a server that charges."""
    paths = [f"contract_tests/wanflow_contract/{file}" for file in files]
    command = [sys.executable, *program, *paths, "-q", "-m", "fast"]
    aimed = ["--base-url", server.origin + server.base, "--contract-report", str(folder)]
    return subprocess.run(
        [*command, "-p", "no:cacheprovider", *aimed, *options],
        cwd=ROOT,
        env={**os.environ, "WANFLOW_CONTRACT_API_KEY": KEY},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
