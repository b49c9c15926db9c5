"""A damaged source spec is imported completely, or rejected with one line."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.spec.breakage import with_broken_nodes, with_broken_text, with_wrong_keywords
from tests.spec.family import document, request
from wanflow.catalog.document import pointer
from wanflow.cli.spec import spec
from wanflow.spec.errors import Conflict, InvalidDocument, SpecError, document_errors
from wanflow.spec.project import Checkout
from wanflow.spec.read.source import read_sources
from wanflow.spec.read.yaml import read_yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[3]
SOURCES = sorted((ROOT / "specs" / "sources").glob("*.yaml"))
KINDS = {kind.exit_code for kind in SpecError.__subclasses__()} - {1, 8}


@cache
def received(path: Path) -> tuple[str, Any]:
    return path.read_text(), read_yaml(path.read_text(), path.name).data


@st.composite
def broken(draw: st.DrawFn) -> tuple[str, bytes]:
    text, data = received(draw(st.sampled_from(SOURCES)))
    damages = (with_broken_nodes, with_broken_text, with_wrong_keywords)
    name, raw = draw(draw(st.sampled_from(damages))(text, data))
    if name.endswith(".json") or draw(st.integers(0, 3)):
        return name, raw
    operation = next(iter(data["paths"]))
    return "nova.md", b"````yaml nova.json post %b\n%b\n````\n" % (operation.encode(), raw)


def files(project: Checkout) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in project.root.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    with TemporaryDirectory() as folder:
        yield Path(folder)


@settings(max_examples=examples(40), deadline=None, suppress_health_check=list(HealthCheck))
@given(made=broken())
def test_a_broken_document_is_imported_whole_or_rejected_in_one_line(place: Path, made) -> None:
    """There is never a traceback, a long output, a wrong name, or an incomplete import."""
    name, data = made
    with TemporaryDirectory(dir=place) as folder:
        assert_imported_or_rejected(Path(folder), name, data)


def assert_imported_or_rejected(folder: Path, name: str, data: bytes) -> str:
    """Import a document into an empty checkout → the error, "" if it was imported."""
    project = Checkout(folder / "checkout")
    project.sources.mkdir(parents=True)
    (folder / name).write_bytes(data)
    done = CliRunner().invoke(spec, ["--root", str(project.root), "import", f"{folder}/{name}"])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    if done.exit_code == 0:
        assert read_sources(project.sources)
        return ""
    assert done.exit_code in KINDS
    assert done.stderr.startswith("wanflow spec: ")
    assert name in done.stderr, done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    assert len(done.stderr) <= 300, done.stderr
    assert not files(project)
    return done.stderr


ANSWER = "responses/200/content/application~1json/schema"
ASKED = "requestBody/content/application~1json/schema"
# None of these is noticed by a check, and each made a library or the code of a later step fail.
UNNOTICED: dict[str, tuple[str, Any]] = {
    "a reference that is an object": (f"{ASKED}/$ref", {"a": 1}),
    "a schema that is true": (ANSWER, True),
}


@pytest.mark.parametrize(("at", "value"), UNNOTICED.values(), ids=UNNOTICED)
def test_an_error_of_a_library_is_one_line(tmp_path: Path, at: str, value: Any) -> None:
    """Whatever a damaged document makes fail, the command names the document in one line."""
    shown = {"model": "nova-1", "prompt": "a moon"}
    answer = {"type": "object", "properties": {"id": {"type": "string"}}}
    data = document(request("nova-1", prompt={"type": "string"}), response=answer, example=shown)
    (path,) = data["paths"].values()
    node = path["post"]
    *above, last = (one.replace("~1", "/") for one in at.split("/"))
    for key in above:
        node = resolved(data, node)[key]
    (node if last == "$ref" else resolved(data, node))[last] = value
    error = assert_imported_or_rejected(tmp_path, "nova.json", json.dumps(data).encode())
    assert "nova.json" in error


def resolved(data: Any, node: Any) -> Any:
    """What a node refers to, itself where it has no reference."""
    return pointer(data, node["$ref"].removeprefix("#")) if "$ref" in node else node


@pytest.mark.parametrize(
    "fault", [ValueError("a\nb"), KeyError("x" * 900), RecursionError()], ids=repr
)
def test_only_errors_of_the_pipeline_leave_it(fault: Exception) -> None:
    """Any other error becomes one that names its cause in one line; those of the system pass."""
    with (
        pytest.raises(InvalidDocument, match="the document") as raised,
        document_errors("the document"),
    ):
        raise fault
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 300
    for passing in (Conflict("x"), FileNotFoundError("x"), ModuleNotFoundError("x")):
        with pytest.raises(type(passing)), document_errors("the document"):
            raise passing
