"""Every parameter of every model that takes a file takes a path, bytes and a `data:` URI."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.client.test_local_files import mp3
from tests.uploads.conftest import image, image_bytes
from wanflow import InvalidRequest
from wanflow._core.local_files import file_values, local_files, with_links
from wanflow.catalog.catalog import Model, packaged_catalog
from wanflow.catalog.keywords import AUDIO_FILE, IMAGE_FILE, PUBLIC_URL

if TYPE_CHECKING:
    from collections.abc import Callable

    from wanflow.mock import MockServer

CATALOG = packaged_catalog()
PARAMETERS = [
    (model, name)
    for model in CATALOG.models.values()
    for name, rule in model.parameters.items()
    if IMAGE_FILE in rule or AUDIO_FILE in rule
]
FORMS: dict[str, Callable[[Path], object]] = {
    "text": str,
    "path": lambda path: path,
    "bytes": lambda path: path.read_bytes(),
    "data": lambda path: f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}",
}


def request_of(model: Model, name: str, value: object, tmp_path: Path) -> dict[str, Any]:
    """A request of a model with a file in one parameter, and links in the others."""
    body: dict[str, Any] = {"model": model.name, "prompt": "a cat"}
    for other in model.required:
        if other != "prompt":
            body[other] = ["https://files.example/a.png"]
    body[name] = [value] if model.parameters[name].get("type") == "array" else value
    return body


def file_for(model: Model, name: str, tmp_path: Path) -> Path:
    """A file that a parameter takes."""
    if IMAGE_FILE in model.parameters[name]:
        return image(tmp_path)
    path = tmp_path / "a.mp3"
    path.write_bytes(mp3(5))
    return path


def test_the_spec_has_parameters_with_files() -> None:
    """Lists and single links, or the laws below would prove nothing."""
    kinds = {model.parameters[name]["type"] for model, name in PARAMETERS}
    assert kinds == {"array", "string"}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("model", "name"), PARAMETERS, ids=[f"{model.name}-{name}" for model, name in PARAMETERS]
)
def test_a_file_is_uploaded_and_the_mock_gets_its_link(
    model: Model,
    name: str,
    form: str,
    runner: Any,
    quick: MockServer,
    api_key: str,
    tmp_path: Path,
) -> None:
    """The link serves the file's bytes; the mock checks them, and the task completes."""
    path = file_for(model, name, tmp_path)
    client = runner.client(api_key=api_key, base_url=quick.base_url, uploader="mock")
    body = request_of(model, name, FORMS[form](path), tmp_path)
    result = runner.do(client.run, body, timeout=60)
    assert result.urls
    stored = [file.content for file in quick.app.input_handler.files.files().values()]
    assert path.read_bytes() in stored


def test_a_mock_in_this_process_takes_uploads_without_a_socket(
    runner: Any, quick: MockServer, api_key: str, tmp_path: Path
) -> None:
    """`mock.uploader` stores the file in its memory."""
    model, name = PARAMETERS[0]
    client = runner.client(api_key=api_key, base_url=quick.base_url, uploader=quick.uploader)
    path = image(tmp_path, shade=77)
    assert runner.do(client.run, request_of(model, name, path, tmp_path), timeout=60).urls


NESTED = Model(
    name="m",
    kind="image",
    path="/",
    operation_id="o",
    schema_name="S",
    schema={
        "properties": {
            "one": {"type": "string", "format": "uri"},
            "list": {"type": "array", "items": {"$ref": "#/Link"}},
            "inner": {
                "type": "object",
                "properties": {
                    "deep": {"properties": {"image": {"format": "uri"}}},
                    "each": {"items": {"properties": {"file": {"format": "uri"}}}},
                },
            },
            "either": {"oneOf": [{"format": "uri"}, {"items": {"format": "uri"}}]},
            "callback_url": {"format": "uri", PUBLIC_URL: True},
            "text": {"type": "string"},
        }
    },
    example={},
)
DOCUMENT = {"Link": {"type": "string", "format": "uri"}}
BODY = {
    "model": "m",
    "one": "a.png",
    "list": ["b.png", "https://a.example/x.png"],
    "inner": {"deep": {"image": Path("c.png")}, "each": [{"file": "d.png"}, {"other": "d.png"}]},
    "either": [b"bytes"],
    "callback_url": "not-a-file",
    "text": "e.png",
}


def test_a_file_is_found_wherever_a_schema_has_one() -> None:
    """In lists, objects, lists of objects, references and branches; a callback URL is none."""
    found = local_files(DOCUMENT, NESTED, BODY, paths_only=False)
    assert {file.pointer: file.shown for file in found} == {
        ("one",): "a.png",
        ("list", 0): "b.png",
        ("inner", "deep", "image"): "c.png",
        ("inner", "each", 0, "file"): "d.png",
        ("either", 0): "<5 bytes>",
    }
    linked = with_links(BODY, found, lambda file: f"https://l/{file.shown}")
    assert linked["inner"]["deep"]["image"] == "https://l/c.png"
    assert linked["inner"]["each"] == [{"file": "https://l/d.png"}, {"other": "d.png"}]
    assert linked["list"] == ["https://l/b.png", "https://a.example/x.png"]
    assert linked["callback_url"] == "not-a-file"
    assert BODY["one"] == "a.png", "the user's request is not changed"
    assert [value for _, value, _ in file_values(DOCUMENT, NESTED, BODY)].count("not-a-file") == 0


def test_only_what_can_be_read_again_is_a_file(runner: Any, tmp_path: Path) -> None:
    """An open file, a folder, a pipe and a missing file are refused before anything is uploaded."""
    import os

    model, name = PARAMETERS[0]
    path = image(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")

    def never(_: object) -> str:
        raise AssertionError("it was uploaded")

    client = runner.client(api_key="k", base_url="https://api.example", uploader=never)
    with path.open("rb") as opened, pytest.raises(InvalidRequest, match="open file; pass its path"):
        runner.do(client.submit, request_of(model, name, opened, tmp_path))
    for source in (
        tmp_path,
        tmp_path / "pipe",
        tmp_path / "gone.png",
        tmp_path / "loop.png",
        "/dev/zero",
    ):
        with pytest.raises(
            InvalidRequest, match=r"can be read: (it is no|No such|Too many levels)"
        ):
            runner.do(client.submit, request_of(model, name, str(source), tmp_path))


def test_a_link_to_a_regular_file_is_read(
    runner: Any, quick: MockServer, api_key: str, tmp_path: Path
) -> None:
    """As `check_image` does."""
    model, name = PARAMETERS[0]
    (tmp_path / "link.png").symlink_to(image(tmp_path))
    client = runner.client(api_key=api_key, base_url=quick.base_url, uploader="mock")
    runner.do(client.submit, request_of(model, name, tmp_path / "link.png", tmp_path))


def test_a_file_is_checked_before_a_byte_is_uploaded(runner: Any, tmp_path: Path) -> None:
    """If one of several files is invalid, none is uploaded."""
    model, name = next(
        (model, name) for model, name in PARAMETERS if model.parameters[name].get("maxItems") == 2
    )
    (tmp_path / "small.png").write_bytes(image_bytes(size=(9, 9)))

    def never(_: object) -> str:
        raise AssertionError("it was uploaded")

    client = runner.client(api_key="k", base_url="https://api.example", uploader=never)
    body = request_of(model, name, None, tmp_path)
    body[name] = [image(tmp_path), tmp_path / "small.png"]
    with pytest.raises(InvalidRequest, match="must have sides"):
        runner.do(client.submit, body)


@pytest.mark.parametrize(("model", "name"), PARAMETERS[:1])
def test_a_data_uri_is_no_link(
    model: Model, name: str, runner: Any, quick: MockServer, api_key: str, tmp_path: Path
) -> None:
    """Without an uploader, the client refuses it before anything is sent, and so does the mock."""
    uri = FORMS["data"](image(tmp_path))
    client = runner.client(api_key=api_key, base_url=quick.base_url)
    body = request_of(model, name, uri, tmp_path)
    with pytest.raises(InvalidRequest, match="a data: URI is none"):
        runner.do(client.submit, body)
    with pytest.raises(Exception, match="not a data: URI") as refused:
        runner.do(client.submit, body, validate=False)
    assert refused.value.status == 400
    broken = runner.client(api_key=api_key, base_url=quick.base_url, uploader="mock")
    body = request_of(model, name, "data:image/png;base64,!!!", tmp_path)
    with pytest.raises(InvalidRequest, match="a data: URI is none"):
        runner.do(broken.submit, body)
