"""A call that uses something deprecated in the spec issues a `DeprecationWarning`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from itertools import product
from pathlib import Path
from typing import Any

import pytest

import wanflow_client
from wanflow.catalog.catalog import packaged_catalog
from wanflow.catalog.deprecation import deprecation_of, deprecation_warnings

pytestmark = pytest.mark.processes

Json = dict[str, Any]

MODEL = next(m for m in packaged_catalog().models.values() if m.required == ("prompt",))
GENERATED = Path(wanflow_client.__file__).parent

SYNC = """
import sys, warnings
from wanflow import Client
from wanflow.ledger import Ledger
from wanflow.mock import MockServer
ledger = Ledger("l.db")
with MockServer(polls=1) as mock, Client(mock.api_key, mock.base_url, ledger=ledger) as client:
    with ledger, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        client.{method}({arguments})
for one in caught:
    print(one.category.__name__, one.filename == __file__, one.lineno, one.message)
"""
ASYNC = """
import asyncio, sys, warnings
from wanflow import AsyncClient
from wanflow.ledger import Ledger
from wanflow.mock import MockServer
async def main(mock):
    async with AsyncClient(mock.api_key, mock.base_url, ledger=ledger) as client:
        await client.{method}({arguments})
ledger = Ledger("l.db")
with MockServer(polls=1) as mock, ledger, warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    asyncio.run(main(mock))
for one in caught:
    print(one.category.__name__, one.filename == __file__, one.lineno, one.message)
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project whose spec deprecates a model and one of its parameters."""
    package = tmp_path / "generated" / "wanflow_client"
    shutil.copytree(GENERATED, package)
    spec = json.loads((package / "openapi.json").read_text())
    schema = spec["components"]["schemas"][MODEL.schema_name]
    schema.update({"deprecated": True, "x-sunset": "2027-03-01", "x-replaced-by": "nova-9"})
    schema["properties"]["prompt"].update(
        deprecated=True, description="What to make. Deprecated: write `text` instead."
    )
    (package / "openapi.json").write_text(json.dumps(spec))
    return tmp_path


def output_of(project: Path, script: str, **environment: str) -> list[str]:
    path = project / "script.py"
    path.write_text(script)
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("WANFLOW_")}
    done = subprocess.run(
        [sys.executable, str(path)],
        cwd=project,
        env={**inherited, "WANFLOW_PROJECT": str(project), **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


ONE = f"model={MODEL.name!r}, prompt='a moon'"
CALLS = {
    "submit": ONE,
    "run": ONE,
    "batch": f"[dict({ONE}), dict({ONE}, key='second')], {'out'!r}",
}


SCRIPTS = {"sync": SYNC, "async": ASYNC}
# Each is a process of its own: `make test` runs each script and each method once.
FAST = {("sync", "submit"), ("async", "run"), ("sync", "batch")}


@pytest.mark.parametrize(
    ("kind", "method"),
    [
        pytest.param(*case, marks=[] if case in FAST else pytest.mark.slow)
        for case in product(SCRIPTS, CALLS)
    ],
)
def test_one_call_issues_one_warning_at_its_line(project: Path, kind: str, method: str) -> None:
    """It names the model, the date and the replacement, and quotes the spec about the parameter."""
    whole = SCRIPTS[kind].format(method=method, arguments=CALLS[method])
    line = next(n for n, text in enumerate(whole.splitlines(), 1) if f"client.{method}(" in text)
    lines = [one for one in output_of(project, whole) if one.startswith("DeprecationWarning")]
    (only,) = lines
    _, here, at, message = only.split(" ", 3)
    assert (here, int(at)) == ("True", line)
    assert f"the model {MODEL.name} is deprecated" in message
    assert "2027-03-01" in message
    assert "use nova-9 instead" in message
    assert 'the parameter prompt is deprecated (the spec: "Deprecated: write' in message


def test_a_request_without_deprecated_parts_issues_no_warning(project: Path) -> None:
    """Another model's request has no warning."""
    other = next(
        m
        for m in packaged_catalog().models.values()
        if m.required == ("prompt",) and m.name != MODEL.name
    )
    script = SYNC.format(method="submit", arguments=f"model={other.name!r}, prompt='a moon'")
    assert output_of(project, script) == []


def wanflow(project: Path, *words: str) -> tuple[str, str]:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("WANFLOW_")}
    done = subprocess.run(
        [sys.executable, "-m", "wanflow", *words],
        env={**inherited, "WANFLOW_PROJECT": str(project), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


def test_the_command_line_shows_deprecations(project: Path) -> None:
    """In the list, in the details, in both help texts, and by `check`."""
    listed, _ = wanflow(project, "models")
    assert f"{MODEL.name} (deprecated)" in listed
    assert "prompt (deprecated)" in listed
    details, _ = wanflow(project, "models", MODEL.name)
    assert "This model is deprecated and will be removed on 2027-03-01; use nova-9" in details
    facts = json.loads(wanflow(project, "models", MODEL.name, "--json")[0])
    assert "nova-9" in facts["deprecated"]
    assert f"{MODEL.name} (deprecated)" in wanflow(project, "run", "--help")[0]
    assert "--prompt TEXT (deprecated)" in wanflow(project, "run", MODEL.name, "--help")[0]
    out, err = wanflow(project, "check", MODEL.name, "--prompt", "a moon")
    assert "valid" in out
    assert "2027-03-01" in err


@pytest.mark.skipif(sys.platform == "win32", reason="there is no pseudo-terminal on Windows")
@pytest.mark.parametrize(("term", "struck"), [("xterm", True), ("dumb", False)])
def test_a_terminal_shows_deprecated_models_struck_through(
    project: Path, term: str, struck: bool
) -> None:
    """If it can; otherwise a word is added."""
    import pty

    primary, secondary = pty.openpty()
    inherited = {
        k: v for k, v in os.environ.items() if not k.startswith("WANFLOW_") and k != "NO_COLOR"
    }
    with subprocess.Popen(
        [sys.executable, "-m", "wanflow", "models"],
        env={**inherited, "WANFLOW_PROJECT": str(project), "TERM": term},
        stdout=secondary,
        stderr=subprocess.DEVNULL,
    ) as run:
        os.close(secondary)
        shown = b""
        try:
            while chunk := os.read(primary, 4096):
                shown += chunk
        except OSError:
            pass  # the other side is closed: all was read
        run.wait(timeout=60)
    os.close(primary)
    assert (f"\x1b[9m{MODEL.name}\x1b[0m".encode() in shown) is struck
    assert (b"(deprecated)" in shown) is not struck


@pytest.mark.parametrize(
    ("node", "sentence"),
    [
        ({"deprecated": True}, "it is deprecated"),
        ({"x-deprecated": "Use b."}, 'it is deprecated (the spec: "Use b.")'),
        (
            {"x-deprecated": {"replacement": "b", "sunset": "2030-01-01"}},
            "it is deprecated and will be removed on 2030-01-01; use b instead",
        ),
        ({"x-sunset": "2030-01-01"}, "it is deprecated and will be removed on 2030-01-01"),
        (
            {"deprecated": True, "description": "A.\nWill be removed in May."},
            'it is deprecated (the spec: "Will be removed in May.")',
        ),
    ],
)
def test_each_way_to_declare_a_deprecation_is_read(node: Json, sentence: str) -> None:
    """OpenAPI's keyword, the extensions, and a sentence of the description."""
    deprecation = deprecation_of(node)
    assert deprecation is not None
    assert deprecation.describe("it") == sentence


@pytest.mark.parametrize("node", [{}, {"deprecated": False}, {"description": "Deprecated."}, True])
def test_what_is_not_marked_is_not_deprecated(node: Any) -> None:
    """A sentence alone doesn't count: it may be about something else."""
    assert deprecation_of(node) is None


@pytest.mark.parametrize(
    "rule",
    [
        {"enum": ["a", "b"], "x-deprecated-values": ["a"]},
        {"enum": ["a", "b"], "x-enum-deprecated": {"a": "Use b."}},
        {"oneOf": [{"const": "a", "deprecated": True}, {"const": "b"}]},
    ],
)
def test_a_deprecated_value_is_reported_where_it_is_used(rule: Json) -> None:
    """A deprecated enum value, also inside an object, and no other value."""
    schema = {"properties": {"part": {"properties": {"kind": rule}}}}
    (sentence,) = deprecation_warnings(schema, {"part": {"kind": "a"}})
    assert sentence.startswith("the value 'a' of part.kind is deprecated")
    assert list(deprecation_warnings(schema, {"part": {"kind": "b"}})) == []
