"""`wanflow mock --spec FILE` serves any merged spec or single document of the family."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

import wanflow
from tests.plain_http import PLAIN
from wanflow.catalog.catalog import Catalog, packaged_catalog
from wanflow.catalog.document import packaged_path
from wanflow.cli.mock import mock as command
from wanflow.cli.mock_spec import read_spec
from wanflow.mock import MockServer
from wanflow.spec.new_project import TASK_QUERY

ROOT = Path(__file__).parents[3]
SOURCES = sorted((ROOT / "specs" / "sources").glob("*.yaml"))
PETSTORE = {
    "openapi": "3.1.0",
    "info": {"title": "Pets", "version": "1"},
    "paths": {
        "/pets": {"get": {"operationId": "listPets", "responses": {"200": {"description": "Pets"}}}}
    },
}


FEED = {
    "operationId": "feed",
    "requestBody": {"content": {"application/json": {"schema": {"type": "object"}}}},
    "responses": {"200": {"description": "Fed"}},
}


@pytest.mark.parametrize("path", [path for path in SOURCES if path.stem != TASK_QUERY], ids=str)
def test_a_single_document_is_served_with_the_task_query(path) -> None:
    """A client submits, polls and downloads with each of its models, and no other model exists."""
    document = read_spec(str(path))
    models = Catalog(document).models.values()
    assert models
    with ExitStack() as stack, MockServer(document=document, polls=1) as server:
        client = stack.enter_context(wanflow.Client(base_url=server.base_url, api_key="k"))
        for model in models:
            body = dict(model.example)
            # A document's example may lack what its schema requires; the documents' files do.
            for name in model.required:
                body.setdefault(name, packaged_catalog().models[model.name].example[name])
            result = client.submit(**body).refresh().result()
            assert result.urls[0].startswith(server.url)
        named = {model.name for model in models}
        other = next(one for one in packaged_catalog().models.values() if one.name not in named)
        response = httpx.post(
            server.base_url + other.path,
            json=other.example,
            headers={"Authorization": "Bearer k"},
            **PLAIN,
        )
        assert response.status_code == 404


@pytest.mark.parametrize("path", [packaged_path(), ROOT / "specs" / "openapi.yaml"], ids=str)
def test_a_merged_spec_is_served_as_it_is(path) -> None:
    """JSON and YAML give the same models and paths as the installed spec."""
    catalog = Catalog(read_spec(str(path)))
    assert list(catalog.models) == list(packaged_catalog().models)
    assert catalog.document["paths"].keys() == packaged_catalog().document["paths"].keys()


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.yaml", "", "a.yaml"),
        ("a.json", "{", "line 1"),
        ("a.json", "[]", "a.json"),
        ("a.yaml", "just: text", "it has no `openapi` at its top"),
        ("a.md", "# A page", "no fence"),
        ("a.yaml", b"\xff\xfe", "not UTF-8"),
        ("a.json", json.dumps(PETSTORE), "only GET /pets"),
        ("a.json", json.dumps({**PETSTORE, "paths": {}}), "a.json"),
        ("a.json", json.dumps({**PETSTORE, "paths": {"/pets": {"post": FEED}}}), "a.json"),
        ("a.yaml", (ROOT / "specs" / "sources" / f"{TASK_QUERY}.yaml").read_bytes(),
         "no operation that submits a request for a model"),
        ("missing.yaml", None, "No such file"),
        ("", None, "Is a directory"),
    ],
)  # fmt: skip
def test_what_is_no_spec_of_the_family_is_a_clear_error(tmp_path, name, content, reason) -> None:
    """One sentence with the file and the reason, exit code 2, and no server."""
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    result = CliRunner().invoke(command, ["--spec", str(path), "--port", "0"])
    assert result.exit_code == 2
    assert reason in result.output
    assert "--spec" in result.output
    assert "Traceback" not in result.output
