"""Each model is answered with the errors of its own document, however unlike the others'."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

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
    """The document with an example of its 400 for each code."""
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
def test_a_rejection_has_the_code_of_the_models_own_document(made: Json, model: str) -> None:
    """A number or a word, as the model's example has it; as its schema has it where none is."""
    with MockServer(document=made) as mock:
        answer = httpx.post(
            f"{mock.base_url}{VIDEOS}",
            json={"model": model, "prompt": 5},
            headers={"Authorization": f"Bearer {mock.api_key}"},
        )
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == TABLES[model]


def test_every_example_of_every_table_is_kept(made: Json) -> None:
    """Several of one status as well; those of one document stand under its first model."""
    media = made["paths"][VIDEOS]["post"]["responses"]["400"]["content"]["application/json"]
    codes = {name: shown["value"]["error"]["code"] for name, shown in media["examples"].items()}
    assert sorted(map(str, codes.values())) == ["400", "bad", "odd", "wrong"]
    assert codes["nova-1"] == 400
    assert codes["lyra-a"] == "bad"
