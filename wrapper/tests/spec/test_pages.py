"""The document of the generation is read from a page, whatever else is on it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.spec.family import VIDEOS, document, request
from wanflow.spec.errors import InvalidDocument
from wanflow.spec.intake.loader import LoadedDocument, load_file
from wanflow.spec.read.yaml import write_yaml

if TYPE_CHECKING:
    from pathlib import Path

Json = dict[str, Any]

TASKS = "/v1/tasks/{task_id}"
QUERY: Json = {
    **document(request("nova-1")),
    "paths": {
        TASKS: {
            "get": {
                "operationId": "getTask",
                "parameters": [
                    {
                        "name": "task_id",
                        "in": "path",
                        "required": True,
                        "schema": {"type": "string"},
                    }
                ],
                "responses": {"200": {"description": "so"}},
            }
        }
    },
}
GENERATION = write_yaml(document(request("nova-1", prompt={"type": "string"})))
INFO = f"yaml en/video/nova-1.json post {VIDEOS}"
BESIDE = {
    "a bash example": "```bash\ncurl https://api.example.com\n```\n",
    "a JSON example": '```json\n{"model": "nova-1"}\n```\n',
    "an example in four backticks": '````json\n{"openapi_version": 3}\n````\n',
    "an example in tildes": "~~~python\nprint('````')\n~~~\n",
    "an indented block": "    ````yaml\n    openapi: 3.1.0\n",
    "front matter": "---\ntitle: 'Nova'\n---\n",
    "an index": "> ## Index\n> Fetch https://api.example.com/llms.txt first\n",
    "a table": "| quality | price |\n|---|---|\n| `720p` | 5 |\n",
    "a fence in a list": "1. First\n\n   ```bash\n   echo\n   ```\n",
    "inline backticks": "Use ````code```` here.\n",
}


def fenced(text: str, info: str, mark: str = "````", indent: str = "") -> str:
    lines = [f"{mark}{info}", *text.rstrip("\n").split("\n"), mark]
    return "".join(f"{indent}{line}".rstrip() + "\n" for line in lines)


def read(folder: Path, text: str | bytes) -> LoadedDocument:
    path = folder / "page.md"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return load_file(path)


def test_of_two_fences_the_generation_is_read(tmp_path: Path) -> None:
    """The status operation below it is skipped; both are named with their lines."""
    query = fenced(write_yaml(QUERY), f"yaml en/tasks/query.json get {TASKS}")
    for text in (fenced(GENERATION, INFO) + "\n" + query, query + "\n" + fenced(GENERATION, INFO)):
        received = read(tmp_path, text)
        assert received.source.text == GENERATION
        (done,) = received.done
        lines = [n for n, line in enumerate(text.split("\n"), 1) if line.startswith("````yaml")]
        assert {f"of line {line}" for line in lines} == {
            part for part in (f"of line {line}" for line in lines) if part in done
        }
        assert done.startswith(f"took POST {VIDEOS}")
        assert f"left GET {TASKS}" in done


def test_an_invalid_generation_is_not_replaced_by_the_status_operation(tmp_path: Path) -> None:
    """Its error is reported, although the status operation could be read."""
    query = fenced(write_yaml(QUERY), f"yaml en/tasks/query.json get {TASKS}")
    broken = fenced(GENERATION.replace("openapi:", "openapi"), INFO)
    with pytest.raises(InvalidDocument, match=r"page\.md, line \d"):
        read(tmp_path, broken + query)


def test_of_two_submissions_the_one_with_a_model_is_read(tmp_path: Path) -> None:
    """A page may also show a file upload; two generations are rejected with their lines."""
    upload = document({"type": "object", "properties": {"file": {"type": "string"}}})
    upload["paths"] = {"/v1/files": upload["paths"][VIDEOS]}
    both = fenced(GENERATION, INFO) + fenced(write_yaml(upload), "yaml en/f.json post /v1/files")
    assert read(tmp_path, both).source.text == GENERATION
    other = fenced(GENERATION.replace("nova-1", "nova-2"), INFO)
    with pytest.raises(
        InvalidDocument, match=r"2 documents that could be meant \(POST .* of line 1, POST"
    ):
        read(tmp_path, fenced(GENERATION, INFO) + other)


@pytest.mark.parametrize("mark", ["```", "````", "~~~", "`````"])
@pytest.mark.parametrize("indent", ["", "  ", "      ", "\t"])
def test_any_fence_and_any_indentation_is_read(tmp_path: Path, mark: str, indent: str) -> None:
    """Three marks or more, backticks or tildes, inside a list or a tab."""
    assert read(tmp_path, fenced(GENERATION, INFO, mark, indent)).source.text == GENERATION


def test_an_error_in_json_names_the_line_of_the_page(tmp_path: Path) -> None:
    """A document in JSON is rejected with its line in the page."""
    text = json.dumps(document(request("nova-1")), indent=1).replace('"info"', '"info" 1')
    whole = "# Nova\n\n" + fenced(text, INFO.replace("yaml", "json"))
    at = next(n for n, line in enumerate(whole.split("\n"), 1) if '"info" 1' in line)
    with pytest.raises(InvalidDocument, match=rf"page\.md, line {at}:"):
        read(tmp_path, whole)


PLAIN = {
    "four backticks": (GENERATION, "yaml"),
    "three backticks": (GENERATION, "yml"),
    "no word at all": (GENERATION, ""),
    "JSON": (json.dumps(document(request("nova-1")), indent=1), "json"),
    "JSON without the word": (json.dumps(document(request("nova-1"))), ""),
    "a title": (GENERATION, 'yaml title="openapi.yaml"'),
    "a comment first": ("# Nova\n---\n" + GENERATION, "yaml"),
    "another order": (write_yaml(dict(reversed(document(request("nova-1")).items()))), "yaml"),
}


@pytest.mark.parametrize("case", PLAIN)
@pytest.mark.parametrize("mark", ["```", "````"])
def test_an_undeclared_fence_is_recognized_by_its_content(
    tmp_path: Path, case: str, mark: str
) -> None:
    """Its operation is that of the document; a status operation beside it is skipped."""
    text, info = PLAIN[case]
    query = fenced(write_yaml(QUERY), "yaml")
    around = "\n".join(BESIDE.values())
    received = read(tmp_path, f"{around}\n{query}\n{fenced(text, info, mark)}")
    assert list(received.source.document["paths"]) == [VIDEOS]
    assert (received.source.name, received.origin) == ("page", "page.md")
    assert f"left GET {TASKS}" in received.done[0]


@pytest.mark.parametrize("case", PLAIN)
def test_a_page_may_be_the_document_itself(tmp_path: Path, case: str) -> None:
    """YAML or JSON in a file with a page's extension, without a fence."""
    assert list(read(tmp_path, PLAIN[case][0]).source.document["paths"]) == [VIDEOS]


def test_a_declared_fence_takes_precedence_over_an_undeclared_one(tmp_path: Path) -> None:
    """An excerpt beside the declared document changes nothing."""
    excerpt = fenced(GENERATION.replace("nova-1", "nova-2"), "yaml", "```")
    assert read(tmp_path, excerpt + fenced(GENERATION, INFO)).source.text == GENERATION


def test_a_document_in_yaml_and_json_is_one(tmp_path: Path) -> None:
    """Of two undeclared fences with equal content the first is read; otherwise neither."""
    shown = fenced(PLAIN["JSON"][0], "json")
    same = fenced(write_yaml(document(request("nova-1"))), "yaml")
    assert read(tmp_path, same + shown).source.name == "page"
    with pytest.raises(InvalidDocument, match="2 documents that could be meant"):
        read(tmp_path, same + shown.replace("nova-1", "nova-2"))


def test_an_invalid_undeclared_fence_is_rejected_with_its_line(tmp_path: Path) -> None:
    """Although the status operation below it could be read."""
    broken = fenced(GENERATION.replace("  title", "\ttitle"), "yaml")
    text = "# Nova\n\n" + broken + fenced(write_yaml(QUERY), "yaml")
    with pytest.raises(InvalidDocument, match=r"page\.md, line 6: "):
        read(tmp_path, text)


RENDERED = """paths:
  path: /v1/videos/generations
  method: post
  request:
    body:
      application/json:
        schemaArray:
          - type: object
            properties:
              model: {allOf: [{type: string, enum: [nova-1]}]}
components:
  schemas: {}
"""


def test_a_rendered_operation_is_not_a_document(tmp_path: Path) -> None:
    """Alone it is rejected with what to get instead; beside a document it is skipped."""
    line = r"page\.md, line 5: this is a rendering of one operation, not its OpenAPI document"
    with pytest.raises(InvalidDocument, match=line):
        read(tmp_path, "# Nova\n\n" + fenced(RENDERED, INFO))
    for info in (INFO, f"yaml en/tasks/query.json get {TASKS}", "yaml"):
        both = fenced(GENERATION, INFO) + fenced(RENDERED, info)
        assert read(tmp_path, both).source.text == GENERATION


@settings(max_examples=examples(60))
@given(
    above=st.lists(st.sampled_from(sorted(BESIDE)), max_size=4),
    below=st.lists(st.sampled_from(sorted(BESIDE)), max_size=4),
    ends=st.sampled_from(["\n", "\r\n", "\r"]),
    mark=st.sampled_from(["", "\ufeff"]),
)
def test_the_text_around_the_document_does_not_matter(
    tmp_path_factory: pytest.TempPathFactory,
    above: list[str],
    below: list[str],
    ends: str,
    mark: str,
) -> None:
    """Examples, tables, front matter, line endings and a byte order mark change nothing."""
    parts = [*(BESIDE[one] for one in above), fenced(GENERATION, INFO)]
    text = "\n".join([*parts, *(BESIDE[one] for one in below)])
    data = (mark + text.replace("\n", ends)).encode()
    assert read(tmp_path_factory.mktemp("page"), data).source.text == GENERATION
