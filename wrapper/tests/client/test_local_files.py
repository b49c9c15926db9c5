"""Laws of local files and of advice: what is checked before anything is paid."""

from __future__ import annotations

import io
import json
import warnings
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from wanflow import InvalidRequest, RequestWarning, check_audio, check_image
from wanflow._core.image_header import NotAnImage, read_image_header
from wanflow._core.mp3 import NotAnMp3, mp3_seconds
from wanflow.catalog.catalog import packaged_catalog
from wanflow.catalog.keywords import AUDIO_FILE, IMAGE_FILE

MODELS = packaged_catalog().models.values()
PICTURED = [m for m in MODELS if any(IMAGE_FILE in rule for rule in m.parameters.values())]
HEARD = next(m for m in MODELS if any(AUDIO_FILE in rule for rule in m.parameters.values()))
MODEL = PICTURED[0]
RULE = next(rule for rule in MODEL.parameters.values() if IMAGE_FILE in rule)[IMAGE_FILE]
SIDE = RULE["minimumSide"]


def picture(kind: str, mode: str = "RGB", size: tuple[int, int] = (SIDE, SIDE)) -> bytes:
    """A plain image file."""
    out = io.BytesIO()
    Image.new(mode, size).save(out, kind)
    return out.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "WEBP", "GIF"])
@given(width=st.integers(1, 700), height=st.integers(1, 700))
def test_heads_are_read_as_by_others(kind: str, width: int, height: int) -> None:
    """Format and sides are what Pillow wrote."""
    found = read_image_header(picture(kind, "P" if kind == "GIF" else "RGB", (width, height)))
    assert (found.width, found.height) == (width, height)
    assert found.format == {"JPEG": "jpg"}.get(kind, kind.lower())
    assert not found.alpha


@pytest.mark.parametrize(
    ("kind", "mode"), [("PNG", "RGBA"), ("PNG", "LA"), ("WEBP", "RGBA"), ("BMP", "RGBA")]
)
def test_alpha_is_seen(kind: str, mode: str) -> None:
    """An alpha channel is told from its head, lossless WebP included."""
    out = io.BytesIO()
    Image.new(mode, (9, 9), (1, 2, 3, 100)[: len(mode)]).save(out, kind, lossless=True)
    assert read_image_header(out.getvalue()).alpha


def test_a_transparent_colour_is_alpha() -> None:
    """A palette with a transparent entry counts, too."""
    out = io.BytesIO()
    Image.new("P", (9, 9)).save(out, "PNG", transparency=0)
    assert read_image_header(out.getvalue()).alpha


@given(content=st.binary(max_size=200), kind=st.sampled_from(["PNG", "JPEG", "BMP", "WEBP", "GIF"]))
def test_broken_files_are_said_to_be(content: bytes, kind: str) -> None:
    """Any bytes, and any cut of a good file, are read or refused, never worse."""
    whole = picture(kind, "P" if kind == "GIF" else "RGB")
    for part in (content, whole[: len(content)], whole[:4] + content):
        try:
            assert read_image_header(part).width >= 0
        except NotAnImage:
            continue


@pytest.mark.parametrize("model", PICTURED, ids=lambda model: model.name)
def test_a_good_image_passes(model: Any, tmp_path: Path) -> None:
    """Both as a path and as bytes."""
    side = next(r for r in model.parameters.values() if IMAGE_FILE in r)[IMAGE_FILE]["minimumSide"]
    content = picture("PNG", size=(side, side))
    (tmp_path / "a.png").write_bytes(content)
    check_image(content, model.name)
    check_image(str(tmp_path / "a.png"), model.name)


def test_every_fault_of_an_image_is_said_at_once() -> None:
    """Transparency and sides, each with the documents' sentence."""
    with pytest.raises(InvalidRequest) as caught:
        check_image(picture("PNG", "RGBA", (SIDE - 1, SIDE)), MODEL.name)
    rules = {violation.rule for violation in caught.value.violations}
    assert rules == {f"{IMAGE_FILE}/alpha", f"{IMAGE_FILE}/sides"}
    assert all(violation.citation for violation in caught.value.violations)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (picture("GIF", "P"), "must be one of"),
        (b"x", "readable image"),
        (b"", "readable image"),
        (picture("PNG") + bytes(RULE["maximumBytes"]), "at most"),
    ],
    ids=["gif", "noise", "nothing", "too many bytes"],
)
def test_a_bad_image_is_refused(content: bytes, said: str) -> None:
    """Format and size, too."""
    with pytest.raises(InvalidRequest, match=said):
        check_image(content, MODEL.name)


def test_a_model_without_images_takes_none() -> None:
    """And says so."""
    other = next(model for model in MODELS if model not in PICTURED)
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
    """Tags before and behind don't count."""
    found = mp3_seconds(b"ID3\x04\x00\x00\x00\x00\x00\x05xxxxx" + FRAME * frames + b"TAG" * 40)
    assert found == pytest.approx(frames * SECONDS)


@given(content=st.binary(max_size=300))
def test_noise_is_no_mp3(content: bytes) -> None:
    """Any bytes are read or refused, never worse."""
    try:
        assert mp3_seconds(content) > 0
    except NotAnMp3:
        return


def test_audio_is_checked() -> None:
    """Format and length."""
    check_audio(mp3(10), HEARD.name)
    for content in (mp3(1), mp3(40), b"RIFF"):
        with pytest.raises(InvalidRequest):
            check_audio(content, HEARD.name)


def sent_body(colour: Any, options: dict[str, Any], request: dict[str, Any]) -> dict[str, Any]:
    """Submit a request, and return the body that left."""
    bodies: list[Any] = []

    def answer(got: httpx.Request) -> httpx.Response:
        bodies.append(json.loads(got.content))
        return httpx.Response(200, json={"id": "task-unified-1-a", "status": "pending"})

    client = colour.client(
        api_key="k" * 20,
        base_url="https://api.example",
        transport=httpx.MockTransport(answer),
        **options,
    )
    colour.do(client.submit, request)
    assert len(bodies) == 1
    return bodies[0]


def request_with(**more: Any) -> dict[str, Any]:
    """A request of a model that takes images."""
    return {"model": MODEL.name, "prompt": "x"} | more


def test_an_uploader_is_given_local_files(colour: Any, tmp_path: Path) -> None:
    """A path goes to the user's uploader, and its URL takes the path's place."""
    (tmp_path / "a.png").write_bytes(picture("PNG"))
    asked: list[Path] = []

    def uploader(path: Path) -> str:
        asked.append(path)
        return "https://bucket.example/a.png"

    for path in (tmp_path / "a.png", str(tmp_path / "a.png")):
        body = sent_body(colour, {"uploader": uploader}, request_with(image_urls=[path]))
        assert body["image_urls"] == ["https://bucket.example/a.png"]
    assert asked == [tmp_path / "a.png"] * 2


@pytest.mark.parametrize("given_", ["not a URL", "a.png"])
def test_a_path_without_an_uploader_is_one_clear_error(given_: str, colour: Any) -> None:
    """The error names the parameter and what to do."""
    with pytest.raises(InvalidRequest, match=r"image_urls\[0\] must be a valid uri.*uploader="):
        sent_body(colour, {}, request_with(image_urls=[given_]))


def test_a_path_object_without_an_uploader_is_one_clear_error(colour: Any) -> None:
    """It can be nothing but a local file."""
    with pytest.raises(InvalidRequest, match=r"image_urls takes URLs.*uploader="):
        sent_body(colour, {}, request_with(image_urls=[Path("a.png")]))


def test_a_bad_local_file_is_not_uploaded(colour: Any, tmp_path: Path) -> None:
    """It is checked first; a file that isn't there, or a link that is none, is said to be."""
    (tmp_path / "a.png").write_bytes(b"no image")

    def never(path: Path) -> str:
        raise AssertionError(path)

    for name, said in (("a.png", "readable image"), ("b.png", "can be read")):
        with pytest.raises(InvalidRequest, match=said):
            sent_body(colour, {"uploader": never}, request_with(image_urls=[tmp_path / name]))
    (tmp_path / "a.png").write_bytes(picture("PNG"))
    with pytest.raises(InvalidRequest, match="the uploader gave 7"):
        sent_body(colour, {"uploader": lambda _: 7}, request_with(image_urls=[tmp_path / "a.png"]))


ADVISED = next(
    (model, name, inner)
    for model in MODELS
    for name, rule in model.parameters.items()
    for inner, node in rule.get("properties", {}).items()
    if "x-wanflow-effective-when" in node
)


def test_what_has_no_effect_is_a_warning_and_no_error(colour: Any) -> None:
    """Allowed, sent, and said; with its condition met, nothing is said."""
    model, name, inner = ADVISED
    node = model.parameters[name]["properties"][inner]
    other, wanted = next(iter(node["x-wanflow-effective-when"].items()))
    request = {name: value for name, value in model.example.items() if name != "callback_url"}
    request |= {"image_urls": ["https://a.example/a.png"], name: {inner: node["enum"][0]}}
    with pytest.warns(RequestWarning, match=f"{name}.{inner} has no effect unless {other}"):
        body = sent_body(colour, {}, request | {other: not wanted})
    assert body[name] == {inner: node["enum"][0]}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sent_body(colour, {}, request | {other: wanted})
        sent_body(colour, {}, {key: value for key, value in request.items() if key != other})


@pytest.mark.parametrize(
    ("link", "said"),
    [
        ("http://localhost:8000/a.png", "internal host 'localhost'"),
        ("https://10.0.0.7/a.png", "internal address 10.0.0.7"),
        ("file:///a.png", "can't read 'file' links"),
        ("ftp://a.example/a.png", "can't read 'ftp' links"),
    ],
)
def test_a_link_that_the_api_cannot_fetch_is_a_warning(link: str, said: str, colour: Any) -> None:
    """It is sent, since the documents set no rule for it, and the user is told before it fails."""
    said = f"image_urls.0. is fetched by the API.*{said}"
    with pytest.warns(RequestWarning, match=said) as warned:
        sent_body(colour, {}, request_with(image_urls=[link]))
    assert "wanflow" not in Path(warned[0].filename).parts[-3:]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sent_body(colour, {}, request_with(image_urls=["https://a.example/a.png"]))


def test_audio_of_another_length_is_a_warning(colour: Any, tmp_path: Path) -> None:
    """A local audio file is compared with the duration asked for."""
    (tmp_path / "a.mp3").write_bytes(mp3(9))
    parameter = next(name for name, rule in HEARD.parameters.items() if AUDIO_FILE in rule)
    request = {
        "model": HEARD.name,
        "prompt": "x",
        "image_urls": ["https://a.example/a.png"],
        "duration": 5,
        parameter: tmp_path / "a.mp3",
    }
    options = {"uploader": lambda _: "https://bucket.example/a.mp3"}
    with pytest.warns(RequestWarning, match="cut to the 5 s"):
        sent_body(colour, options, request)


def test_a_misspelt_field_inside_a_parameter_is_a_warning(colour: Any) -> None:
    """The documents allow it, so it is sent; the nearest that they name is said."""
    model, name, inner = ADVISED
    request = {field: value for field, value in model.example.items() if field != "callback_url"}
    request |= {"image_urls": ["https://a.example/a.png"]}
    with pytest.warns(RequestWarning, match=f"{name}.{inner[:-1]} is in none.*mean {inner}"):
        body = sent_body(colour, {}, request | {name: {inner[:-1]: "x"}})
    assert body[name] == {inner[:-1]: "x"}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        client = colour.client(api_key="k", base_url="https://api.example")
        client.preview(request, extra={name: {inner[:-1]: "x"}})
