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
from typing import TYPE_CHECKING, Any

from attrs import frozen

from wanflow.catalog.document import FILE_NAME, Json, is_array, is_object
from wanflow.catalog.schema_walk import LISTS, MAPS, ONE
from wanflow.spec.errors import ToolFault
from wanflow.spec.finish import inlined_unions
from wanflow.spec.generate.names import Shown, give_back
from wanflow.spec.generate.typed_parameters import FILE_NAME as PARAMETERS
from wanflow.spec.generate.typed_parameters import parameters_module

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wanflow.catalog.document import Json
    from wanflow.spec.project import Project

_DATA = frozenset({"example", "examples", "value", "default"})
_TYPES = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null"}
_ESCAPED = frozenset('"\\')


def understood(document: Json) -> Json:
    """Return the document as the generator can take it."""
    shown = inlined_unions(document)
    return {**_outside(shown), "components": _components(shown["components"])}


def _components(components: Json) -> Json:
    schemas = {name: _schema(schema) for name, schema in components.get("schemas", {}).items()}
    return {**components, "schemas": schemas}


def _outside(node: Any) -> Any:
    """Copy what isn't in a schema, and simplify the schemas met on the way."""
    if is_array(node):
        return [_outside(item) for item in node]
    if not is_object(node):
        return node
    return {
        key: _schema(value) if key == "schema" else value if key in _DATA else _outside(value)
        for key, value in node.items()
    }


def _schema(node: Any) -> Any:
    if not is_object(node):
        return {}  # `true` and `false` are schemas too, and unknown to it
    simple = {key: _inside(key, value) for key, value in node.items() if key not in _UNKNOWN}
    _closed_list(simple)
    if "array" in _named(simple) and not is_object(simple.get("items")):
        simple["items"] = {}
    default = simple.get("default")
    if isinstance(default, str) and _ESCAPED & set(default):
        del simple["default"]  # it would come out with its quotes escaped twice
    return simple


# A title would name the class, and two schemas may well have one title.
_UNKNOWN = frozenset({"title", "prefixItems", "contains", "unevaluatedItems", "propertyNames"})


def _inside(key: str, value: Any) -> Any:
    if key == "additionalProperties" and isinstance(value, bool):
        return value
    if key in ONE:
        return _schema(value)
    if key in LISTS and is_array(value):
        return [_schema(item) for item in value]
    if key in MAPS and is_object(value):
        return {name: _schema(item) for name, item in value.items()}
    return value


def _closed_list(schema: Json) -> None:
    """Leave out a list of values that isn't all texts or all integers, but keep its types."""
    values: list[Any] = [schema["const"]] if "const" in schema else schema.get("enum", [])
    named = list(dict.fromkeys(_type_name(value) for value in values))
    if values and [name for name in named if name != "null"] not in (["string"], ["integer"]):
        schema.pop("const", None)
        schema.pop("enum", None)
        if "type" not in schema and "" not in named:
            schema["type"] = named


def _type_name(value: Any) -> str:
    """Name the JSON type of a plain value; empty for an object or an array."""
    return next((name for kind, name in _TYPES.items() if type(value) is kind), "")


def _named(schema: Json) -> list[Any]:
    named = schema.get("type", [])
    return named if is_array(named) else [named]


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


def settings_of(project: Project) -> Settings:
    """Return the settings that a checkout keeps.

    Raises:
        ToolFault: a file is missing.
    """
    settings = Settings(project.generated / "config.yaml", project.generated / "ruff.toml")
    for path in (settings.generator, settings.formatter):
        if not path.is_file():
            raise ToolFault(f"{project.shown(path)} is missing, and the generator needs it")
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
            raise ToolFault(f"{name} is not installed; {INSTALL}") from None
        if found != wanted:
            raise ToolFault(f"{name} is {found}, and the client is made with {wanted}; {INSTALL}")


def generate(document: Json, text: str, settings: Settings, folder: Path) -> Path:
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
        shown = Shown.of(understood(document))
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
    raise ToolFault(f"the ruff program of this environment is missing; {INSTALL}")


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
        raise ToolFault(f"{name} can't be run: {error}") from error
    if done.returncode != 0:
        said = " ".join((done.stderr or done.stdout).split())
        raise ToolFault(f"{name} failed: {said}")


_KEPT = frozenset(
    {"PATH", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR", "HOME", "VIRTUAL_ENV", "LD_LIBRARY_PATH"}
)


def _provenance(text: str) -> str:
    digest = hashlib.sha256(text.encode()).hexdigest()
    tools = "".join(f"{name} {wanted}\n" for name, wanted in PINNED.items())
    return f"specs/openapi.yaml sha256 {digest}\n{tools}"
