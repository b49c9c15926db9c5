"""The mock responds to each model with the errors of its own source spec."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.plain_http import PLAIN
from tests.spec.family import ERROR, VIDEOS, document, json_response, request, source
from wanflow.catalog.document import load_packaged
from wanflow.mock import MockServer
from wanflow.spec.build import build_from
from wanflow.spec.new_project import task_query_document

Json = dict[str, Any]

WORDS: Json = {
    "type": "object",
    "properties": {
        "error": {"type": "object", "properties": {"code": {"type": "string"}, "message": {}}}
    },
}
TEXT = {"type": "string"}


def showing(data: Json, *codes: int | str) -> Json:
    """Return the spec with an example of its 400 response for each code."""
    shown = {f"no_{i}": {"value": {"error": {"code": c}}} for i, c in enumerate(codes)}
    failure = {"$ref": "#/components/schemas/ErrorResponse"}
    data["paths"][VIDEOS]["post"]["responses"]["400"] = json_response(failure, examples=shown)
    return data


NUMBERED = showing(document(request("nova-1", prompt=TEXT), error=ERROR), 400)
SEVERAL = showing(document(request("lyra-a", "lyra-b", prompt=TEXT), error=WORDS), "bad", "odd")
SILENT = document(request("vega-1", prompt=TEXT), error=ERROR)
SPEAKING = showing(document(request("echo-1", prompt=TEXT), error=WORDS), "wrong")
TABLES = {"nova-1": 400, "lyra-a": "bad", "lyra-b": "bad", "vega-1": 400, "echo-1": "wrong"}


@pytest.fixture(scope="module")
def made() -> Json:
    query = task_query_document(load_packaged())
    named = {"nova": NUMBERED, "lyra": SEVERAL, "vega": SILENT, "echo": SPEAKING, "query": query}
    return build_from([source(name, data) for name, data in named.items()], []).document


@pytest.mark.parametrize("model", TABLES)
def test_a_rejection_has_the_code_of_the_models_own_source(made: Json, model: str) -> None:
    """It is a number or a string, as in the model's example, or else as in its schema."""
    with MockServer(document=made) as mock:
        answer = httpx.post(
            f"{mock.base_url}{VIDEOS}",
            json={"model": model, "prompt": 5},
            headers={"Authorization": f"Bearer {mock.api_key}"},
            **PLAIN,
        )
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == TABLES[model]


def test_every_example_of_every_table_is_kept(made: Json) -> None:
    """There may be several for one status; those of one source have the name of its first model."""
    media = made["paths"][VIDEOS]["post"]["responses"]["400"]["content"]["application/json"]
    codes = {name: shown["value"]["error"]["code"] for name, shown in media["examples"].items()}
    assert sorted(map(str, codes.values())) == ["400", "bad", "odd", "wrong"]
    assert codes["nova-1"] == 400
    assert codes["lyra-a"] == "bad"
