"""Source specs in the style of other providers, alone and together, from import to mock."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.plain_http import PLAIN
from wanflow.catalog.catalog import Catalog
from wanflow.catalog.document import is_object, resolve_ref
from wanflow.catalog.keywords import citations_of
from wanflow.catalog.schema_walk import iter_subschemas
from wanflow.mock.server import MockServer
from wanflow.spec.build import BuildResult, build
from wanflow.spec.intake.importer import import_locations
from wanflow.spec.intake.loader import load_file
from wanflow.spec.overlay.evidence import collapse_whitespace
from wanflow.spec.project import Checkout, find_project
from wanflow.spec.read.yaml import json_equal
from wanflow.spec.regenerate import regenerate
from wanflow.spec.schema.operations import JSON_MEDIA, SourceOperation, source_operations

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.builds

Json = dict[str, Any]

CORPUS = sorted(Path(__file__).with_name("corpus").iterdir())
NAMES = [path.name for path in CORPUS]
# Alone, `make test` imports every tenth, and `make slow` the others; together, it imports all.
ALONE = [
    pytest.param(path, marks=pytest.mark.slow if number % 10 else [])
    for number, path in enumerate(CORPUS)
]
HERE = find_project(Path(__file__).parent)


def fresh(root: Path) -> Checkout:
    """A checkout with the project's overlays and settings, and only its status operation."""
    ignored = shutil.ignore_patterns("wan*.yaml", "sources.lock", "openapi.yaml", "merge-report.md")
    shutil.copytree(HERE.root / "specs", root / "specs", ignore=ignored)
    import_locations(Checkout(root), [HERE.sources / "task-management.yaml"])
    (root / "generated").mkdir()
    for name in ("config.yaml", "ruff.toml"):
        shutil.copy(HERE.generated / name, root / "generated")
    return Checkout(root)


def imports(project: Checkout) -> int:
    """Import the generated package; return how many classes of requests it has."""
    code = "import wanflow_client.models as m; print(len([n for n in m.__all__ if 'Request' in n]))"
    there = {**os.environ, "PYTHONPATH": str(project.generated)}
    words = [sys.executable, "-c", code]
    done = subprocess.run(words, env=there, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@cache
def calls(path: Path) -> list[SourceOperation]:
    """The submissions of a document as received."""
    return [call for call in source_operations(load_file(path).source) if call.models]


@pytest.fixture(scope="module", params=ALONE, ids=NAMES)
def alone(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One source imported alone and regenerated: its path, and the result of the build."""
    project = fresh(tmp_path_factory.mktemp("alone") / "checkout")
    import_locations(project, [request.param])
    regenerate(project)
    assert imports(project) >= 1
    return request.param, build(project)


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> tuple[Checkout, BuildResult]:
    """All sources imported together with those of the project."""
    root = tmp_path_factory.mktemp("together") / "checkout"
    for name in ("specs", "generated"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(HERE.root / name, root / name, ignore=ignored)
    shutil.copy(HERE.root / "pyproject.toml", root)
    project = Checkout(root)
    import_locations(project, CORPUS)
    regenerate(project)
    return project, build(project)


def operation(built: BuildResult, call: SourceOperation) -> Json:
    node: Json = built.document["paths"][call.path][call.method]
    return node


def complete(built: BuildResult, path: Path) -> None:
    """Assert that every model, status, example and error of a source is in the merged spec."""
    assert calls(path)
    for call in calls(path):
        node = operation(built, call)
        media = node["requestBody"]["content"][JSON_MEDIA]
        mapping = resolve_ref(built.document, media["schema"])["discriminator"]["mapping"]
        variants = {mapping[model] for model in call.models}
        assert len(variants) == 1
        own = {model for model, reference in mapping.items() if reference in variants}
        assert own == set(call.models)
        assert set(call.node["responses"]) <= set(node["responses"])
        kept = [example.get("value") for example in media.get("examples", {}).values()]
        for value in shown(call.node["requestBody"]["content"][JSON_MEDIA]):
            assert any(is_object(one) and json_equal({**value, **one}, one) for one in kept), value
        for status, response in call.node["responses"].items():
            merged = node["responses"][status].get("content", {})
            for kind, body in response.get("content", {}).items():
                examples = [e.get("value") for e in merged[kind].get("examples", {}).values()]
                assert all(any(json_equal(v, e) for e in examples) for v in shown(body))


def shown(media: Json) -> list[Any]:
    single = [media["example"]] if "example" in media else []
    return [*single, *(one["value"] for one in media.get("examples", {}).values())]


def rules(built: BuildResult, call: SourceOperation) -> Iterator[str]:
    """Yield the sentences that the constraints of a source's variant cite."""
    media = operation(built, call)["requestBody"]["content"][JSON_MEDIA]
    union = resolve_ref(built.document, media["schema"])
    name = union["discriminator"]["mapping"][call.models[0]].rpartition("/")[2]
    for _, schema in iter_subschemas(built.document["components"]["schemas"][name], ""):
        yield from citations_of(schema).values()


def test_there_are_twenty_different_documents():
    """Twenty files or more, of which no two name one model."""
    models = [model for path in CORPUS for call in calls(path) for model in call.models]
    assert len(CORPUS) >= 20
    assert len(models) == len(set(models)) > len(CORPUS)


def test_each_is_imported_merged_and_proved_alone(alone: tuple[Path, BuildResult]):
    """Everything is kept, and only constraints that its own text supports are added."""
    path, built = alone
    complete(built, path)
    text = collapse_whitespace(path.read_text("utf-8"))
    for call in calls(path):
        assert all(collapse_whitespace(sentence) in text for sentence in rules(built, call))


def test_all_are_imported_merged_and_proved_together(together: tuple[Checkout, BuildResult]):
    """Nothing of any source is lost."""
    for path in CORPUS:
        complete(together[1], path)


def test_the_client_of_all_is_imported(together: tuple[Checkout, BuildResult]):
    """The generated package imports, and has a class for the request of every model."""
    schemas = together[1].document["components"]["schemas"]
    wanted = sum(name.endswith("Request") for name in schemas)
    assert imports(together[0]) >= wanted > len(CORPUS)


def served(built: BuildResult, models: set[str]) -> None:
    """Submit each example to the mock, poll the task to its end, and get its result."""
    import httpx

    catalog = Catalog(built.document)
    with (
        MockServer(document=built.document, polls=1) as mock,
        httpx.Client(headers={"authorization": f"Bearer {mock.api_key}"}, **PLAIN) as client,
    ):
        for name in sorted(models):
            model = catalog.models[name]
            body = model.example or {"model": name}
            answer = client.post(mock.base_url + model.path, json=body)
            if not model.example:
                assert answer.status_code in {200, 400}
                continue
            assert answer.status_code == 200, (name, answer.text)
            task = answer.json()["id"]
            for _ in range(9):
                mock.clock.advance(60)
                state = client.get(f"{mock.base_url}/v1/tasks/{task}").json()
                if state["status"] in {"completed", "failed"}:
                    break
            assert state["status"] == "completed", json.dumps(state)
            assert state["results"]


def test_the_mock_serves_each_alone(alone: tuple[Path, BuildResult]):
    """Its own example is submitted, polled and completed."""
    path, built = alone
    served(built, {model for call in calls(path) for model in call.models})


def test_the_mock_serves_all_together(together: tuple[Checkout, BuildResult]):
    """The mock of the merged spec runs all examples."""
    served(together[1], set(Catalog(together[1].document).models))


def test_no_file_of_the_corpus_resembles_the_projects_documents():
    """None has a model of the project."""
    ours = {
        model for path in HERE.sources.glob("*.yaml") for model in re.findall(r"wan\S+", path.stem)
    }
    assert not [path for path in CORPUS if any(name in path.read_text("utf-8") for name in ours)]


def test_the_task_query_can_be_imported_alone(tmp_path: Path):
    """A client can be generated from it before there is any model."""
    for name in ("specs", "generated"):
        (tmp_path / name).mkdir()
    (tmp_path / "specs" / "sources").mkdir()
    for name in ("config.yaml", "ruff.toml"):
        shutil.copy(HERE.generated / name, tmp_path / "generated")
    project = Checkout(tmp_path)
    import_locations(project, [HERE.sources / "task-management.yaml"])
    regenerate(project)
    assert imports(project) == 0
