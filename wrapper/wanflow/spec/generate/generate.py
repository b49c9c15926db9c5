"""Make the low-level client from the merged document: the same bytes wherever it is made.

The generator's output depends on its version, on the formatter that it finds, and on that
formatter's settings anywhere above; so both are pinned and checked, the formatter is run by us and
isolated, and everything is made in an empty folder.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import sysconfig
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import frozen

from wanflow.catalog.document import FILE_NAME, JsonObject
from wanflow.spec.errors import ToolError
from wanflow.spec.generate.generator_input import generator_input
from wanflow.spec.generate.names import Shown, give_back
from wanflow.spec.generate.typed_parameters import FILE_NAME as PARAMETERS
from wanflow.spec.generate.typed_parameters import parameters_module

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wanflow.catalog.document import JsonObject
    from wanflow.spec.project import Checkout


PACKAGE = "wanflow_client"
GENERATOR = "openapi-python-client"
FORMATTER = "ruff"
PINNED = {GENERATOR: "0.29.1", FORMATTER: "0.17.5"}
INSTALL = "pip install 'wanflow[spec]'"
_TIMEOUT_S = 120


@frozen
class Settings:
    """What decides the output beside the document: the files of `generated/`."""

    generator: Path
    formatter: Path


def settings_of(project: Checkout) -> Settings:
    """Return the settings that a checkout keeps.

    Raises:
        ToolFault: a file is missing.
    """
    settings = Settings(project.generated / "config.yaml", project.generated / "ruff.toml")
    for path in (settings.generator, settings.formatter):
        if not path.is_file():
            raise ToolError(f"{project.shown(path)} is missing, and the generator needs it")
    return settings


def check_tools(pinned: Mapping[str, str] = PINNED) -> None:
    """Check that generator and formatter are those that the committed client was made with.

    Raises:
        ToolFault: one is missing or of another version.
    """
    for name, wanted in pinned.items():
        try:
            found = version(name)
        except PackageNotFoundError:
            raise ToolError(f"{name} is not installed; {INSTALL}") from None
        if found != wanted:
            raise ToolError(f"{name} is {found}, and the client is made with {wanted}; {INSTALL}")


def generate(document: JsonObject, text: str, settings: Settings, folder: Path) -> Path:
    """Make the package from a document into an empty folder; return where it is.

    `text` is the document as `specs/openapi.yaml` has it: the package notes its digest.

    Raises:
        ToolFault: a tool is missing, of another version, or complains.
    """
    check_tools()
    package = folder / PACKAGE
    packed = json.dumps(document, ensure_ascii=False, separators=(",", ":")) + "\n"
    with tempfile.TemporaryDirectory(prefix="wanflow-") as scratch:
        # The name decides how the generator reads it: as JSON, a hundred times faster than YAML.
        source = Path(scratch) / FILE_NAME
        shown = Shown.of(generator_input(document))
        source.write_text(json.dumps(shown.document), "utf-8")
        _run_generator(source, settings.generator, package)
    give_back(package / "models", shown.wire)
    (package / PARAMETERS).write_text(parameters_module(document), "utf-8")
    _format(package, settings.formatter)
    (package / FILE_NAME).write_text(packed, "utf-8")
    (package / "py.typed").write_text("", "utf-8")
    (package / "PROVENANCE").write_text(_provenance(text), "utf-8")
    _require_importable(package)
    return package


def _require_importable(package: Path) -> None:
    """Import every module that was made, as whoever uses the client does."""
    walk = (
        "import importlib, pkgutil, sys; import wanflow_client as made; "
        "assert made.__path__[0].startswith(sys.argv[1]), made.__path__; "
        "[importlib.import_module(one.name) "
        "for one in pkgutil.walk_packages(made.__path__, 'wanflow_client.')]"
    )
    command = [sys.executable, "-W", "error::SyntaxWarning", "-c", walk, str(package.parent)]
    run_tool(command, package.parent, "importing the client")


def _run_generator(source: Path, config: Path, package: Path) -> None:
    command = [sys.executable, "-m", "openapi_python_client", "generate"]
    command += ["--path", str(source), "--config", str(config), "--output-path", str(package)]
    command += ["--meta", "none", "--fail-on-warning"]
    run_tool(command, package.parent, GENERATOR)


def _format(package: Path, config: Path) -> None:
    # Settings go on the command line: with --isolated no file is read, ours included.
    options = _options(config)
    ruff = _ruff()
    check = [ruff, "check", "--isolated", "--no-cache", "--fix-only"]
    run_tool([*check, *options, "--select", "F401,I", "."], package, FORMATTER)
    run_tool([ruff, "format", "--isolated", "--no-cache", *options, "."], package, FORMATTER)


def _options(config: Path) -> list[str]:
    """Turn the settings file into options, one for each line."""
    lines = config.read_text("utf-8").splitlines()
    settings = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    return [part for line in settings for part in ("--config", line)]


def _ruff() -> str:
    for folder in (sysconfig.get_path("scripts"), str(Path(sys.executable).parent)):
        found = Path(folder) / ("ruff.exe" if os.name == "nt" else "ruff")
        if found.is_file():
            return str(found)
    raise ToolError(f"the ruff program of this environment is missing; {INSTALL}")


def run_tool(command: list[str], folder: Path, name: str) -> None:
    """Run a tool with nothing of this user's surroundings that could change its output."""
    kept = {key: value for key, value in os.environ.items() if key in _KEPT}
    environment = {**kept, "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1", "NO_COLOR": "1"}
    try:
        done = subprocess.run(  # noqa: S603 - the command is ours, the document is a file
            command,
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ToolError(f"{name} can't be run: {error}") from error
    if done.returncode != 0:
        said = " ".join((done.stderr or done.stdout).split())
        raise ToolError(f"{name} failed: {said}")


_KEPT = frozenset(
    {"PATH", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR", "HOME", "VIRTUAL_ENV", "LD_LIBRARY_PATH"}
)


def _provenance(text: str) -> str:
    digest = hashlib.sha256(text.encode()).hexdigest()
    tools = "".join(f"{name} {wanted}\n" for name, wanted in PINNED.items())
    return f"specs/openapi.yaml sha256 {digest}\n{tools}"
