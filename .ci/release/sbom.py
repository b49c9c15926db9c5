"""The SBOM: what an installation with all extras has, in the format CycloneDX."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

from changelog import ROOT, ReleaseError
from environments import Environment

LOCK = Path(__file__).with_name("requirements.lock")
LIST = "import importlib.metadata as m; print(*{d.name for d in m.distributions()}, sep='\\n')"


def write_sbom(python: Path, out: Path, epoch: str, folder: Path) -> None:
    """Write and validate the SBOM of an environment; its tool is installed into a folder."""
    tool = Environment(folder)
    tool.install_locked(LOCK)
    command = [str(tool.python), "-m", "cyclonedx_py", "environment", str(python)]
    options = ["--pyproject", str(ROOT / "pyproject.toml"), "--mc-type", "library", "--validate"]
    done = subprocess.run(
        [*command, *options, "--output-reproducible", "--sv", "1.6", "-o", str(out)],
        env={**os.environ, "SOURCE_DATE_EPOCH": epoch},
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise ReleaseError(f"there is no valid SBOM:\n{done.stdout}{done.stderr}")


def installed(python: Path) -> set[str]:
    """Return the normalised names of what an environment has."""
    done = subprocess.run([python, "-I", "-c", LIST], check=True, capture_output=True, text=True)
    return {normal(name) for name in done.stdout.split()}


def check_sbom(sbom: dict[str, Any], version: str, expected: set[str]) -> None:
    """Refuse an SBOM of another version, or that lacks or adds a package."""
    root = sbom["metadata"]["component"]
    if (root["name"], root["version"]) != ("wanflow", version):
        raise ReleaseError(f"the SBOM is of {root['name']} {root['version']}, not of this version")
    listed = {normal(one["name"]) for one in sbom["components"]} | {"wanflow"}
    if listed != expected:
        raise ReleaseError(f"the SBOM and the environment differ in {sorted(listed ^ expected)}")
    if bare := [one["name"] for one in sbom["components"] if not one.get("purl")]:
        raise ReleaseError(f"the SBOM says not where these come from: {bare}")


def read(path: Path) -> dict[str, Any]:
    """Read an SBOM."""
    loaded: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return loaded


def normal(name: str) -> str:
    """Return a package's name as package indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()
