"""A damaged source spec is imported completely, or rejected with one line."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.spec.breakage import with_broken_nodes, with_broken_text
from wanflow.cli.spec import spec
from wanflow.spec.errors import SpecError
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
    name, raw = draw(draw(st.sampled_from((with_broken_nodes, with_broken_text)))(text, data))
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
        project = Checkout(Path(folder) / "checkout")
        project.sources.mkdir(parents=True)
        (Path(folder) / name).write_bytes(data)
        done = CliRunner().invoke(spec, ["--root", str(project.root), "import", f"{folder}/{name}"])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        if done.exit_code == 0:
            assert read_sources(project.sources)
            return
        assert done.exit_code in KINDS
        assert done.stderr.startswith("wanflow spec: ")
        assert name in done.stderr, done.stderr
        assert done.stderr.count("\n") == 1, done.stderr
        assert len(done.stderr) <= 300, done.stderr
        assert not files(project)
