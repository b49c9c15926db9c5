"""The client is generated reproducibly from the spec with the pinned tools."""

from __future__ import annotations

import ast
import hashlib
import json
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from attrs import astuple
from click.testing import CliRunner
from tests.spec.family import document, request, source
from tests.spec.test_merge import RULES

from wanflow.spec.build import build_from
from wanflow.cli.spec import spec
from wanflow.spec.diff.change_kinds import Severity
from wanflow.spec.drift import find_drift, regenerate_client
from wanflow.spec.errors import OutOfDate, InvalidDocument, ToolError
from wanflow.spec.generate.generate import (
    PACKAGE,
    PINNED,
    GeneratorSettings,
    check_tools,
    generate,
    generate_once,
    settings_of,
)
from wanflow.spec.overlay.overlay import read_overlays
from wanflow.spec.read.git_revision import read_working_document
from wanflow.spec.regenerate import regenerate, summarize
from wanflow.spec.read.yaml import read_yaml, write_yaml

if TYPE_CHECKING:
    from pathlib import Path

    from wanflow.spec.project import Checkout

pytestmark = pytest.mark.builds


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def run(*words: str, root: Path) -> tuple[int, str]:
    done = CliRunner().invoke(spec, ["--root", str(root), *words])
    return done.exit_code, done.output


@pytest.mark.slow  # `make drift`, a part of `make test`, checks the same
def test_the_committed_client_is_up_to_date(checkout: Checkout):
    """A copy of this checkout has no drift; here, files would appear while other tests copy."""
    assert find_drift(checkout) == []


@pytest.mark.slow  # regenerating twice is tested, and another environment
def test_generating_twice_changes_nothing(checkout: Checkout):
    """The same bytes in an empty directory; and then nothing is left to change."""
    before = contents(checkout.client)
    shutil.rmtree(checkout.client)
    assert len(regenerate_client(checkout)) == len(before) > 30
    assert contents(checkout.client) == before
    assert regenerate_client(checkout) == []


def test_the_environment_does_not_change_the_client(checkout: Checkout, monkeypatch):
    """Settings in parent directories and in the environment have no effect."""
    before = contents(checkout.client)
    above = checkout.root.parent
    (above / "pyproject.toml").write_text("[tool.ruff]\nline-length = 40\nindent-width = 2\n")
    (above / "ruff.toml").write_text("line-length = 60\n[format]\nquote-style = 'single'\n")
    (checkout.root / "ruff.toml").write_text("line-length = 50\n")
    monkeypatch.chdir(above)
    monkeypatch.setenv("PYTHONHASHSEED", "12345")
    monkeypatch.setenv("RUFF_LINE_LENGTH", "40")
    monkeypatch.setenv("RUFF_CONFIG", str(above / "ruff.toml"))
    monkeypatch.setenv("PYTHONPATH", str(above))
    shutil.rmtree(checkout.client)
    regenerate_client(checkout)
    assert contents(checkout.client) == before


def test_the_client_has_its_provenance(checkout: Checkout):
    """PROVENANCE: the spec's digest and the tools' versions, no date and no path."""
    text = (checkout.client / "PROVENANCE").read_text()
    digest = hashlib.sha256(checkout.spec.read_bytes()).hexdigest()
    assert text.splitlines() == [
        f"specs/openapi.yaml sha256 {digest}",
        *(f"{name} {version}" for name, version in PINNED.items()),
    ]


def test_the_client_includes_the_spec_and_type_marker(checkout: Checkout):
    """openapi.json equals specs/openapi.yaml, and py.typed exists."""
    packed = json.loads((checkout.client / "openapi.json").read_text())
    assert packed == read_yaml(checkout.spec.read_text(), "spec").data
    assert (checkout.client / "py.typed").is_file()


DRIFTS: dict[str, Any] = {
    "an edited module": ("generated/wanflow_client/client.py", "x = 1\n"),
    "a stray module": ("generated/wanflow_client/extra.py", "x = 1\n"),
    "an edited copy of the spec": ("generated/wanflow_client/openapi.json", "{}"),
    "an edited provenance": ("generated/wanflow_client/PROVENANCE", "by hand\n"),
    "an edited spec": ("specs/openapi.yaml", "openapi: 3.1.0\n"),
    "an edited report": ("specs/merge-report.md", "nothing\n"),
    "a missing module": ("generated/wanflow_client/errors.py", None),
}


def change(checkout: Checkout, file: str, text: str | None) -> None:
    path = checkout.root / file
    if text is None:
        path.unlink()
    else:
        path.write_text(text)


@pytest.mark.slow  # each generates the client; together they are tested with one
@pytest.mark.parametrize(("file", "text"), DRIFTS.values(), ids=DRIFTS)
def test_drift_is_found_and_named(checkout: Checkout, file: str, text: str | None):
    """A file that differs is listed, and the command fails."""
    change(checkout, file, text)
    code, output = run("drift", root=checkout.root)
    assert code == OutOfDate.exit_code
    assert file in output
    assert "wanflow spec regenerate" in output


def test_every_drift_is_found_and_named(checkout: Checkout):
    """Every file that differs is listed, and no other, and the command fails."""
    for file, text in DRIFTS.values():
        change(checkout, file, text)
    assert sorted(find_drift(checkout)) == sorted(file for file, _ in DRIFTS.values())
    code, output = run("drift", root=checkout.root)
    assert code == OutOfDate.exit_code
    assert [file for file, _ in DRIFTS.values() if file not in output] == []
    assert "wanflow spec regenerate" in output


def test_regenerating_twice_changes_nothing(checkout: Checkout):
    """The second time nothing changes, and nothing is recorded again."""
    (checkout.client / "client.py").write_text("")
    assert regenerate(checkout).files == ["generated/wanflow_client/client.py"]
    assert regenerate(checkout).files == []
    assert find_drift(checkout) == []


def test_the_same_input_is_generated_once_in_a_process(tmp_path: Path, monkeypatch):
    """An import generates to check; `watch` then writes the same files. Any change makes others."""
    made: list[Any] = []

    def fake(document: Any, text: str, settings: GeneratorSettings, folder: Path) -> Path:
        made.append((document, text, *(path.read_text() for path in astuple(settings))))
        (folder / PACKAGE / "models").mkdir(parents=True)
        (folder / PACKAGE / "models/of.py").write_text(repr(made[-1]))
        return folder / PACKAGE

    monkeypatch.setattr("wanflow.spec.generate.generate.generate", fake)
    settings = GeneratorSettings(tmp_path / "config.yaml", tmp_path / "ruff.toml")
    inputs = [({}, "a", "b", "c"), ({"x": 1}, "a", "b", "c")]
    inputs += [({}, "x", "b", "c"), ({}, "a", "x", "c"), ({}, "a", "b", "x")]
    for number, (document, text, *read) in enumerate(one for one in inputs for _ in range(3)):
        for path, content in zip(astuple(settings), read, strict=True):
            path.write_text(content)
        folder = tmp_path / str(number)
        folder.mkdir()
        package = generate_once(document, text, settings, folder)
        assert package == folder / PACKAGE
        assert contents(package) == {"models/of.py": repr((document, text, *read)).encode()}
    assert made == inputs


SENTENCE = (
    "Only supports values `5` and `10`, representing `5 seconds` and `10 seconds` respectively"
)


def test_a_regeneration_imports_no_generator(checkout: Checkout):
    """The generator is a separate process: importing it as well would double the time."""
    code = (
        "import sys; from pathlib import Path; from wanflow.spec.project import Checkout; "
        "from wanflow.spec.regenerate import regenerate; regenerate(Checkout(Path(sys.argv[1]))); "
        "print(*sys.modules)"
    )
    command = [sys.executable, "-c", code, str(checkout.root)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert {"wanflow.spec.diff.diff", "openapi_spec_validator"} <= loaded
    assert {"openapi_python_client", "httpx", "jinja2", "trio"} & loaded == set()


def add_restricting_overlay(checkout: Checkout) -> None:
    """Put in an overlay that breaks somebody."""
    action = {
        "target": "$.components.schemas.Wan25TextToVideoRequest.properties.duration",
        "description": "why",
        "update": {"maximum": 5, "x-wanflow-rests-on": {"maximum": SENTENCE}},
    }
    data = {"overlay": "1.1.0", "info": {"title": "t", "version": "1"}, "actions": [action]}
    (checkout.overlays / "90-x.yaml").write_text(write_yaml(data))


def test_a_regeneration_ends_with_a_summary_and_an_entry(checkout: Checkout):
    """What changed, what breaks, the next version; the changelog has it once."""
    add_restricting_overlay(checkout)
    done = regenerate(checkout)
    assert done.summary.changed == ("wan2.5-text-to-video",)
    assert "breaking" in done.to_text()
    assert "a body that used to pass is refused" in done.to_text()
    assert done.to_text().endswith("next version: 0.2.0")
    changelog = checkout.changelog.read_text()
    assert "1 model changed (wan2.5-text-to-video); breaking" in changelog
    assert done.summary.difference.changes
    for change in done.summary.difference.changes:
        assert changelog.count(f"  - {change}\n") == 1
    assert changelog.index("## Unreleased") < changelog.index("Regenerated from the documents")
    regenerate(checkout)
    assert checkout.changelog.read_text() == changelog


def test_the_first_models_are_an_addition(checkout: Checkout):
    """There is no earlier spec to compare with, and yet a program notices that they are there."""
    document = read_working_document(checkout)
    first = summarize(None, document)
    assert first.added
    assert first.severity is Severity.ADDITIVE
    assert first.sentence.endswith("; nothing that breaks")
    assert summarize(document, document).severity is Severity.NONE


def test_a_revision_of_a_source_is_regenerated(checkout: Checkout, tmp_path: Path):
    """A new property, a changed length, a wider enum: reported, recorded, and in the client."""
    name = "wan2.6-image-to-video"
    text = (checkout.sources / f"{name}.yaml").read_text()
    newer = text.replace("maxLength: 1500", "maxLength: 1600").replace(
        "                - multi\n", "                - multi\n                - chained\n"
    )
    seed = "        seed:\n          type: integer\n"
    newer = newer.replace("        audio_url:\n", f"{seed}        audio_url:\n")
    newer = newer.replace("limited to 1500 characters", "limited to 1600 characters")
    page = f"# New\n\n````yaml {name}.json POST /v1/videos/generations\n{newer}````\n"
    (tmp_path / "page.md").write_text(page)
    code, output = run("import", str(tmp_path / "page.md"), root=checkout.root)
    assert code == 0
    assert "replaced; additive:" in output
    done = regenerate(checkout)
    assert done.summary.changed == (name,)
    assert "a new parameter, /seed" in done.to_text()
    assert done.to_text().endswith("next version: 0.1.1")
    assert "seed: int" in (checkout.client / "parameters.py").read_text()


BROKEN: dict[str, Any] = {
    "a source that is no YAML": lambda c: (c.sources / "wan2.5-text-to-video.yaml").write_text(":"),
    "an overlay that is none": lambda c: (c.overlays / "90-x.yaml").write_text(
        write_yaml({"overlay": "2.0.0", "info": {"title": "t", "version": "1"}, "actions": [{}]})
    ),
    "settings that the generator refuses": lambda c: (
        add_restricting_overlay(c),
        (c.generated / "config.yaml").write_text("literal_enums: [1]\n"),
    ),
    "settings that the formatter refuses": lambda c: (
        add_restricting_overlay(c),
        (c.generated / "ruff.toml").write_text("line-length = 'wide'\n"),
    ),
    "settings that are gone": lambda c: (
        add_restricting_overlay(c),
        (c.generated / "ruff.toml").unlink(),
    ),
    "a changelog that can't be written": lambda c: (
        add_restricting_overlay(c),
        c.changelog.unlink(),
        c.changelog.mkdir(),
    ),
}


# One failure before, one within and one after the generation; each run takes a second.
FAST = {
    "an overlay that is none",
    "settings that the formatter refuses",
    "a changelog that can't be written",
}


@pytest.mark.parametrize(
    "breaks",
    [
        pytest.param(breaks, id=name, marks=[] if name in FAST else pytest.mark.slow)
        for name, breaks in BROKEN.items()
    ],
)
def test_a_failure_changes_nothing(checkout: Checkout, breaks):
    """Spec, report, client and changelog are replaced together or not at all."""
    breaks(checkout)
    before = contents(checkout.root)
    code, output = run("regenerate", root=checkout.root)
    assert code not in {0, 1, 2}
    assert output.startswith("wanflow spec: ")
    assert "Traceback" not in output
    assert contents(checkout.root) == before
    assert not [p.name for p in checkout.generated.iterdir() if p.name.startswith(".wanflow")]


@pytest.mark.parametrize(("name", "version"), [("ruff", "0.1.0"), ("no-such-generator", "1.0")])
def test_another_version_of_a_tool_is_an_error(name: str, version: str):
    """The versions are pinned; the error says how to install them."""
    with pytest.raises(
        ToolError,
        match=rf"{name} (is not installed|has version) ?.*; pip install 'wanflow\[spec\]'",
    ):
        check_tools({name: version})


def test_outside_a_checkout_the_command_fails(tmp_path: Path):
    """One sentence, no traceback."""
    code, output = run("build", root=tmp_path)
    assert code == InvalidDocument.exit_code
    assert "not in a checkout" in output


HOSTILE = '"""\nimport os\nos.system("pwned")\n# \\"""" {pwned()} ${pwned} \\N{BULLET} \'\'\' \\'


def test_a_source_injects_no_code_into_the_client(checkout: Checkout, tmp_path: Path):
    """Quotes, escapes and braces in texts of a source stay text."""
    rule = {"type": "string", "description": HOSTILE, "default": HOSTILE, "example": HOSTILE}
    data = document(request("nova-1", **{"a(b)": rule, "mood": {**rule, "enum": [HOSTILE]}}))
    data["info"]["title"] = data["info"]["description"] = HOSTILE
    data["paths"]["/v1/videos/generations"]["post"]["summary"] = HOSTILE
    built = build_from([source("nova", data)], [])
    made = generate(built.document, built.text, settings_of(checkout), tmp_path)
    modules = sorted(made.rglob("*.py"))
    assert len(modules) > 10
    for path in modules:
        tree = ast.parse(path.read_text())
        names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        called = {n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute)}
        assert not {"pwned", "os"} & names, path.name
        assert "system" not in called, path.name


UNUSUAL: dict[str, Any] = {
    **RULES,
    "a list of texts and numbers": {"enum": ["film", 3]},
    "a list of fractions": {"type": "number", "enum": [0.5, 1.0]},
    "only true": {"const": True},
    "an array of anything": {"type": "array"},
    "a default with quotes": {"type": "string", "default": 'say "hi"'},
    "values that differ in case": {"type": "string", "enum": ["A", "a"]},
    "a list with nothing in it": {"type": ["string", "null"], "enum": ["a", None]},
    "a date": {"type": "string", "format": "date"},
    "a word of the language": {"type": "object", "properties": {"from": {"type": "string"}}},
}


def test_a_client_is_generated_for_any_schema(checkout: Checkout, tmp_path: Path):
    """What the generator doesn't support is removed for it."""
    rules = {f"x{number}": rule for number, rule in enumerate(UNUSUAL.values())}
    documents = {
        name: document({**request(f"nova-{name}", **rules), "title": "VideoGenerationRequest"})
        for name in "ab"
    }
    documents["a"]["components"]["schemas"]["VideoGenerationResponse"]["title"] = "Error Response"
    built = build_from([source(name, data) for name, data in documents.items()], [])
    made = generate(built.document, built.text, settings_of(checkout), tmp_path)
    code = (
        "from wanflow_client.models import NovaARequest, VideoGenerationResponse\n"
        "import wanflow_client.parameters\n"
        "assert 'say' not in str(NovaARequest(model='nova-a').to_dict())\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], cwd=made.parent, check=True)
    packed = json.loads((made / "openapi.json").read_text())
    assert packed == built.document, "what requests are checked against is whole"


def test_the_generated_package_imports(project: Checkout, tmp_path: Path):
    """Every generated module can be imported, without the wrapper and without warnings."""
    shutil.copytree(project.client, tmp_path / "wanflow_client")
    modules = [
        ".".join(path.relative_to(tmp_path).with_suffix("").parts)
        for path in sorted((tmp_path / "wanflow_client").rglob("*.py"))
    ]
    assert len(modules) > 30
    code = "import importlib,sys\nfor name in sys.argv[1:]: importlib.import_module(name)\n"
    code += "assert 'wanflow' not in sys.modules"
    subprocess.run([sys.executable, "-W", "error", "-c", code, *modules], cwd=tmp_path, check=True)


def test_dates_need_no_dependency(checkout: Checkout, tmp_path: Path):
    """A client for `date-time` parses it with the standard library."""
    when = {"type": "object", "properties": {"at": {"type": "string", "format": "date-time"}}}
    built = build_from([source("nova", document(request("nova-1"), response=when))], [])
    made = generate(built.document, built.text, settings_of(checkout), tmp_path)
    module = made / "models" / "video_generation_response.py"
    imported = {
        alias.name if isinstance(node, ast.Import) else node.module
        for node in ast.walk(ast.parse(module.read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert "datetime" in imported
    assert not any("dateutil" in str(name) for name in imported)


def test_a_client_has_the_same_bytes_where_lines_end_in_another_way(
    checkout: Checkout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """As on Windows, where what is written as text gets a carriage return."""
    built = build_from([source("nova", document(request("nova-1")))], [])
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
    here = generate(built.document, built.text, settings_of(checkout), tmp_path / "here")
    real = type(tmp_path).write_text

    def write_text(path: Path, text: str, *given: Any, **more: Any) -> int:
        return real(path, text, *given, **{"newline": "\r\n", **more})

    monkeypatch.setattr(type(tmp_path), "write_text", write_text)
    there = generate(built.document, built.text, settings_of(checkout), tmp_path / "there")
    assert contents(there) == contents(here)


def test_the_overlays_are_read_in_order(project: Checkout):
    """The committed overlays are read in the order of their names."""
    names = [overlay.name for overlay in read_overlays(project.overlays)]
    assert names == sorted(names)
    assert len(names) >= 7
