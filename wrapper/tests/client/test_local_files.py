"""Local files and request warnings: what is checked before a submission."""

from __future__ import annotations

import io
import json
import warnings
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tests.client.clients import httpx
from wanflow import InvalidRequest, RequestWarning, check_audio, check_image
from wanflow._core.image_header import NotAnImage, read_image_header
from wanflow._core.mp3 import NotAnMp3, mp3_seconds
from wanflow.catalog.catalog import packaged_catalog
from wanflow.catalog.keywords import AUDIO_FILE, IMAGE_FILE

MODELS = packaged_catalog().models.values()
IMAGE_MODELS = [m for m in MODELS if any(IMAGE_FILE in rule for rule in m.parameters.values())]
AUDIO_MODEL = next(m for m in MODELS if any(AUDIO_FILE in rule for rule in m.parameters.values()))
MODEL = IMAGE_MODELS[0]
RULE = next(rule for rule in MODEL.parameters.values() if IMAGE_FILE in rule)[IMAGE_FILE]
SIDE = RULE["minimumSide"]


def image_file(kind: str, mode: str = "RGB", size: tuple[int, int] = (SIDE, SIDE)) -> bytes:
    """A plain image file."""
    out = io.BytesIO()
    Image.new(mode, size).save(out, kind)
    return out.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "WEBP", "GIF"])
@given(width=st.integers(1, 700), height=st.integers(1, 700))
def test_image_headers_are_read_as_pillow_wrote_them(kind: str, width: int, height: int) -> None:
    """Format, width and height are what Pillow wrote."""
    found = read_image_header(image_file(kind, "P" if kind == "GIF" else "RGB", (width, height)))
    assert (found.width, found.height) == (width, height)
    assert found.format == {"JPEG": "jpg"}.get(kind, kind.lower())
    assert not found.alpha


@pytest.mark.parametrize(
    ("kind", "mode"), [("PNG", "RGBA"), ("PNG", "LA"), ("WEBP", "RGBA"), ("BMP", "RGBA")]
)
def test_an_alpha_channel_is_detected(kind: str, mode: str) -> None:
    """From the header, in lossless WebP, too."""
    out = io.BytesIO()
    Image.new(mode, (9, 9), (1, 2, 3, 100)[: len(mode)]).save(out, kind, lossless=True)
    assert read_image_header(out.getvalue()).alpha


def test_a_transparent_palette_entry_is_alpha() -> None:
    """It counts as an alpha channel."""
    out = io.BytesIO()
    Image.new("P", (9, 9)).save(out, "PNG", transparency=0)
    assert read_image_header(out.getvalue()).alpha


@given(content=st.binary(max_size=200), kind=st.sampled_from(["PNG", "JPEG", "BMP", "WEBP", "GIF"]))
def test_corrupt_files_are_rejected(content: bytes, kind: str) -> None:
    """Any bytes, and any part of a valid file, are read or raise NotAnImage, nothing else."""
    whole = image_file(kind, "P" if kind == "GIF" else "RGB")
    for part in (content, whole[: len(content)], whole[:4] + content):
        try:
            assert read_image_header(part).width >= 0
        except NotAnImage:
            continue


@pytest.mark.parametrize("model", IMAGE_MODELS, ids=lambda model: model.name)
def test_a_valid_image_passes(model: Any, tmp_path: Path) -> None:
    """As a path and as bytes."""
    side = next(r for r in model.parameters.values() if IMAGE_FILE in r)[IMAGE_FILE]["minimumSide"]
    content = image_file("PNG", size=(side, side))
    (tmp_path / "a.png").write_bytes(content)
    check_image(content, model.name)
    check_image(str(tmp_path / "a.png"), model.name)


def test_every_violation_of_an_image_is_listed() -> None:
    """Transparency and size, each with the sentence of the spec."""
    with pytest.raises(InvalidRequest) as caught:
        check_image(image_file("PNG", "RGBA", (SIDE - 1, SIDE)), MODEL.name)
    rules = {violation.rule for violation in caught.value.violations}
    assert rules == {f"{IMAGE_FILE}/alpha", f"{IMAGE_FILE}/sides"}
    assert all(violation.citation for violation in caught.value.violations)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (image_file("GIF", "P"), "must be one of"),
        (b"x", "readable image"),
        (b"", "readable image"),
        (image_file("PNG") + bytes(RULE["maximumBytes"]), "at most"),
    ],
    ids=["gif", "noise", "nothing", "too many bytes"],
)
def test_an_invalid_image_is_rejected(content: bytes, message: str) -> None:
    """By its format and by its size in bytes."""
    with pytest.raises(InvalidRequest, match=message):
        check_image(content, MODEL.name)


def test_an_image_for_a_model_without_images_is_rejected() -> None:
    """The error says that the model takes none."""
    other = next(model for model in MODELS if model not in IMAGE_MODELS)
    with pytest.raises(InvalidRequest, match="takes no images"):
        check_image(b"", other.name)
    with pytest.raises(InvalidRequest, match="can't be read"):
        check_image("nowhere.png", MODEL.name)


FRAME = b"\xff\xfb\x90\x00" + bytes(413)  # MPEG 1 layer III, 128 kbit/s at 44.1 kHz
SECONDS = 1152 / 44100


def mp3(seconds: float) -> bytes:
    """An MP3 of silence."""
    return b"ID3\x04\x00\x00\x00\x00\x00\x05xxxxx" + FRAME * round(seconds / SECONDS)


@given(frames=st.integers(3, 900))
def test_the_length_of_an_mp3_is_that_of_its_frames(frames: int) -> None:
    """Tags before and after them don't count."""
    found = mp3_seconds(b"ID3\x04\x00\x00\x00\x00\x00\x05xxxxx" + FRAME * frames + b"TAG" * 40)
    assert found == pytest.approx(frames * SECONDS)


@given(content=st.binary(max_size=300))
def test_random_bytes_are_not_an_mp3(content: bytes) -> None:
    """Any bytes are read or raise NotAnMp3, nothing else."""
    try:
        assert mp3_seconds(content) > 0
    except NotAnMp3:
        return


def test_invalid_audio_is_rejected() -> None:
    """By its format and by its length."""
    check_audio(mp3(10), AUDIO_MODEL.name)
    for content in (mp3(1), mp3(40), b"RIFF"):
        with pytest.raises(InvalidRequest):
            check_audio(content, AUDIO_MODEL.name)


def sent_body(runner: Any, options: dict[str, Any], request: dict[str, Any]) -> dict[str, Any]:
    """Submit a request, and return the body that was sent."""
    bodies: list[Any] = []

    def respond(got: httpx.Request) -> httpx.Response:
        bodies.append(json.loads(got.content))
        return httpx.Response(200, json={"id": "task-unified-1-a", "status": "pending"})

    client = runner.client(
        api_key="k" * 20,
        base_url="https://api.example",
        transport=httpx.MockTransport(respond),
        **options,
    )
    runner.do(client.submit, request)
    assert len(bodies) == 1
    return bodies[0]


def request_with(**more: Any) -> dict[str, Any]:
    """A request of a model that takes images."""
    return {"model": MODEL.name, "prompt": "x"} | more


def test_local_files_are_passed_to_the_uploader(runner: Any, tmp_path: Path) -> None:
    """The returned URL replaces the path."""
    (tmp_path / "a.png").write_bytes(image_file("PNG"))
    uploaded: list[Path] = []

    def uploader(path: Path) -> str:
        uploaded.append(path)
        return "https://bucket.example/a.png"

    for path in (tmp_path / "a.png", str(tmp_path / "a.png")):
        body = sent_body(runner, {"uploader": uploader}, request_with(image_urls=[path]))
        assert body["image_urls"] == ["https://bucket.example/a.png"]
    assert uploaded == [tmp_path / "a.png"] * 2


@pytest.mark.parametrize("given_", ["not a URL", "a.png"])
def test_a_path_without_an_uploader_is_rejected(given_: str, runner: Any) -> None:
    """The error names the parameter and what to do."""
    with pytest.raises(InvalidRequest, match=r"image_urls\[0\] must be a valid uri.*uploader="):
        sent_body(runner, {}, request_with(image_urls=[given_]))


def test_a_path_object_without_an_uploader_is_rejected(runner: Any) -> None:
    """It can only be a local file."""
    with pytest.raises(InvalidRequest, match=r"image_urls takes URLs.*uploader="):
        sent_body(runner, {}, request_with(image_urls=[Path("a.png")]))


def test_an_invalid_local_file_is_not_uploaded(runner: Any, tmp_path: Path) -> None:
    """Neither is a missing file; and what the uploader returns must be a URL."""
    (tmp_path / "a.png").write_bytes(b"no image")

    def never(path: Path) -> str:
        raise AssertionError(path)

    for name, message in (("a.png", "readable image"), ("b.png", "can be read")):
        with pytest.raises(InvalidRequest, match=message):
            sent_body(runner, {"uploader": never}, request_with(image_urls=[tmp_path / name]))
    (tmp_path / "a.png").write_bytes(image_file("PNG"))
    with pytest.raises(InvalidRequest, match="the uploader gave int "):
        sent_body(runner, {"uploader": lambda _: 7}, request_with(image_urls=[tmp_path / "a.png"]))


CONDITIONAL = next(
    (model, name, inner)
    for model in MODELS
    for name, rule in model.parameters.items()
    for inner, node in rule.get("properties", {}).items()
    if "x-wanflow-effective-when" in node
)


def test_a_parameter_without_effect_is_a_warning(runner: Any) -> None:
    """It is sent. If its condition is met, there is no warning."""
    model, name, inner = CONDITIONAL
    node = model.parameters[name]["properties"][inner]
    other, wanted = next(iter(node["x-wanflow-effective-when"].items()))
    request = {name: value for name, value in model.example.items() if name != "callback_url"}
    request |= {"image_urls": ["https://a.example/a.png"], name: {inner: node["enum"][0]}}
    with pytest.warns(RequestWarning, match=f"{name}.{inner} has no effect unless {other}"):
        body = sent_body(runner, {}, request | {other: not wanted})
    assert body[name] == {inner: node["enum"][0]}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sent_body(runner, {}, request | {other: wanted})
        sent_body(runner, {}, {key: value for key, value in request.items() if key != other})


@pytest.mark.parametrize(
    ("link", "message"),
    [
        ("http://localhost:8000/a.png", "internal host 'localhost'"),
        ("https://10.0.0.7/a.png", "internal address 10.0.0.7"),
        ("file:///a.png", "can't read 'file' links"),
        ("ftp://a.example/a.png", "can't read 'ftp' links"),
    ],
)
def test_a_url_that_the_api_cannot_fetch_is_a_warning(link: str, message: str, runner: Any) -> None:
    """It is sent, since the spec has no constraint on it."""
    message = f"image_urls.0. is fetched by the API.*{message}"
    with pytest.warns(RequestWarning, match=message) as warned:
        sent_body(runner, {}, request_with(image_urls=[link]))
    assert "wanflow" not in Path(warned[0].filename).parts[-3:]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sent_body(runner, {}, request_with(image_urls=["https://a.example/a.png"]))


def test_audio_of_another_length_is_a_warning(runner: Any, tmp_path: Path) -> None:
    """A local audio file is compared with the duration uploaded for."""
    (tmp_path / "a.mp3").write_bytes(mp3(9))
    parameter = next(name for name, rule in AUDIO_MODEL.parameters.items() if AUDIO_FILE in rule)
    request = {
        "model": AUDIO_MODEL.name,
        "prompt": "x",
        "image_urls": ["https://a.example/a.png"],
        "duration": 5,
        parameter: tmp_path / "a.mp3",
    }
    options = {"uploader": lambda _: "https://bucket.example/a.mp3"}
    with pytest.warns(RequestWarning, match="cut to the 5 s"):
        sent_body(runner, options, request)


def test_a_misspelt_field_inside_a_parameter_is_a_warning(runner: Any) -> None:
    """The spec allows it, so it is sent; the warning names the most similar field."""
    model, name, inner = CONDITIONAL
    request = {field: value for field, value in model.example.items() if field != "callback_url"}
    request |= {"image_urls": ["https://a.example/a.png"]}
    with pytest.warns(RequestWarning, match=f"{name}.{inner[:-1]} is in none.*mean {inner}"):
        body = sent_body(runner, {}, request | {name: {inner[:-1]: "x"}})
    assert body[name] == {inner[:-1]: "x"}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        client = runner.client(api_key="k", base_url="https://api.example")
        client.preview(request, extra={name: {inner[:-1]: "x"}})
