"""Generate the low-level client from the merged spec, reproducibly.

The generator's output depends on its version, on the formatter, and on the formatter's settings in
any parent directory. So both versions are pinned and checked, the formatter is run separately and
without configuration files, and everything is generated in an empty directory.
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
from wanflow.spec.generate.names import UniqueNames, restore_names
from wanflow.spec.generate.parameters_module import FILE_NAME as PARAMETERS
from wanflow.spec.generate.parameters_module import parameters_module

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wanflow.spec.project import Checkout


PACKAGE = "wanflow_client"
GENERATOR = "openapi-python-client"
FORMATTER = "ruff"
PINNED = {GENERATOR: "0.29.1", FORMATTER: "0.17.5"}
INSTALL = "pip install 'wanflow[spec]'"
_TIMEOUT_S = 120


@frozen
class GeneratorSettings:
    """The settings of generator and formatter: the files in `generated/`."""

    generator: Path
    formatter: Path


def settings_of(project: Checkout) -> GeneratorSettings:
    """Return the settings of a checkout.

    Raises:
        ToolError: a file is missing.
    """
    settings = GeneratorSettings(project.generated / "config.yaml", project.generated / "ruff.toml")
    for path in (settings.generator, settings.formatter):
        if not path.is_file():
            raise ToolError(f"{project.relative(path)} is missing; the generator needs it")
    return settings


def check_tools(pinned: Mapping[str, str] = PINNED) -> None:
    """Check that generator and formatter have the pinned versions.

    Raises:
        ToolError: one is missing or has another version.
    """
    for name, wanted in pinned.items():
        try:
            installed = version(name)
        except PackageNotFoundError:
            raise ToolError(f"{name} is not installed; {INSTALL}") from None
        if installed != wanted:
            raise ToolError(f"{name} has version {installed}, but {wanted} is required; {INSTALL}")


def generate(document: JsonObject, text: str, settings: GeneratorSettings, directory: Path) -> Path:
    """Generate the package in an empty directory; return its path.

    `text` is the content of `specs/openapi.yaml`; its digest is written to the package.

    Raises:
        ToolError: a tool is missing, has the wrong version, or failed.
    """
    check_tools()
    package = directory / PACKAGE
    packed = json.dumps(document, ensure_ascii=False, separators=(",", ":")) + "\n"
    with tempfile.TemporaryDirectory(prefix="wanflow-") as scratch:
        # By its name the generator reads it as JSON, a hundred times faster than YAML.
        source = Path(scratch) / FILE_NAME
        shown = UniqueNames.of(generator_input(document))
        source.write_text(json.dumps(shown.document), "utf-8")
        _run_generator(source, settings.generator, package)
    restore_names(package / "models", shown.original_names)
    (package / PARAMETERS).write_text(parameters_module(document), "utf-8")
    _format(package, settings.formatter)
    (package / FILE_NAME).write_text(packed, "utf-8")
    (package / "py.typed").write_text("", "utf-8")
    (package / "PROVENANCE").write_text(_provenance(text), "utf-8")
    end_lines_alike(package)
    _require_importable(package)
    return package


def generate_once(
    document: JsonObject, text: str, settings: GeneratorSettings, directory: Path
) -> Path:
    """Like `generate`, but copy the latest package of this process if its input was the same.

    So `wanflow spec watch` doesn't generate what an import has just generated to check it.
    """
    check_tools()
    read = [path.read_text("utf-8") for path in (settings.generator, settings.formatter)]
    key = hashlib.sha256(json.dumps([document, text, *read]).encode()).digest()
    if key not in _latest:
        package = generate(document, text, settings, directory)
        _latest.clear()
        _latest[key] = _files(package)
        return package
    for name, content in _latest[key].items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return directory / PACKAGE


_latest: dict[bytes, dict[Path, bytes]] = {}


def _files(package: Path) -> dict[Path, bytes]:
    """Return the files of a package by their paths in the directory that it is in."""
    paths = filter(Path.is_file, package.rglob("*"))
    return {path.relative_to(package.parent): path.read_bytes() for path in paths}


def end_lines_alike(package: Path) -> None:
    """Write the same bytes on Windows, where the tools end lines in another way."""
    for path in filter(Path.is_file, package.rglob("*")):
        content = path.read_bytes()
        if b"\r\n" in content:
            path.write_bytes(content.replace(b"\r\n", b"\n"))


def _require_importable(package: Path) -> None:
    """Import every generated module."""
    walk = (
        "import importlib, pkgutil, sys; import wanflow_client as made; "
        "assert made.__path__[0].startswith(sys.argv[1]), made.__path__; "
        "[importlib.import_module(one.name) "
        "for one in pkgutil.walk_packages(made.__path__, 'wanflow_client.')]"
    )
    # -B: nothing is written into the package.
    command = [sys.executable, "-B", "-W", "error::SyntaxWarning", "-c", walk, str(package.parent)]
    run_tool(command, package.parent, "importing the client")


def _run_generator(source: Path, config: Path, package: Path) -> None:
    command = [sys.executable, "-m", "openapi_python_client", "generate"]
    command += ["--path", str(source), "--config", str(config), "--output-path", str(package)]
    command += ["--meta", "none", "--fail-on-warning"]
    run_tool(command, package.parent, GENERATOR)


def _format(package: Path, config: Path) -> None:
    # The settings are passed as options: with --isolated no configuration file is read.
    options = _options(config)
    ruff = _ruff()
    check = [ruff, "check", "--isolated", "--no-cache", "--fix-only"]
    run_tool([*check, *options, "--select", "F401,I", "."], package, FORMATTER)
    run_tool([ruff, "format", "--isolated", "--no-cache", *options, "."], package, FORMATTER)


def _options(config: Path) -> list[str]:
    """Return the lines of the settings file as options."""
    lines = config.read_text("utf-8").splitlines()
    settings = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    return [part for line in settings for part in ("--config", line)]


def _ruff() -> str:
    for directory in (sysconfig.get_path("scripts"), str(Path(sys.executable).parent)):
        program = Path(directory) / ("ruff.exe" if os.name == "nt" else "ruff")
        if program.is_file():
            return str(program)
    raise ToolError(f"the ruff program of this environment is missing; {INSTALL}")


def run_tool(command: list[str], directory: Path, name: str) -> None:
    """Run a tool without environment variables that could change its output."""
    inherited = {key: value for key, value in os.environ.items() if key in _ENVIRONMENT_VARIABLES}
    environment = {**inherited, "PYTHONHASHSEED": "0", "PYTHONUTF8": "1", "NO_COLOR": "1"}
    try:
        completed = subprocess.run(  # noqa: S603 - the command is fixed, the document is a file
            command,
            cwd=directory,
            env=environment,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ToolError(f"{name} can't be run: {error}") from error
    if completed.returncode != 0:
        output = " ".join((completed.stderr or completed.stdout).split())
        raise ToolError(f"{name} failed: {output}")


_ENVIRONMENT_VARIABLES = frozenset(
    {
        *("PATH", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR", "HOME", "VIRTUAL_ENV", "LD_LIBRARY_PATH"),
        *("APPDATA", "USERPROFILE"),  # where Windows has the packages of a user
        *("PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX"),  # where bytecode is kept, if anywhere
    }
)


def _provenance(text: str) -> str:
    digest = hashlib.sha256(text.encode()).hexdigest()
    tools = "".join(f"{name} {wanted}\n" for name, wanted in PINNED.items())
    return f"specs/openapi.yaml sha256 {digest}\n{tools}"
