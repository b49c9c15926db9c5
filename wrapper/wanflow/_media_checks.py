"""Check local files against a model's constraints, before they are uploaded for the API."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import cast

from wanflow._core.media_rules import file_rules, violations_of_file
from wanflow._core.model_lookup import find_model
from wanflow._core.validation import raise_violations
from wanflow.catalog.catalog import packaged_catalog
from wanflow.catalog.keywords import AUDIO_FILE, IMAGE_FILE
from wanflow.errors import InvalidRequest


def check_image(image: str | PathLike[str] | bytes, model: str) -> None:
    """Check an image's format, transparency, file size and sides against a model's constraints.

    Args:
        image: a path, or the file's bytes.
        model: the model's name.

    Raises:
        InvalidRequest: the image violates constraints, which are listed, or can't be read; or the
            model takes no images.
    """
    _check(image, model, IMAGE_FILE, "images")


def check_audio(audio: str | PathLike[str] | bytes, model: str) -> None:
    """Check an audio file's format, file size and duration against a model's constraints.

    Args:
        audio: a path, or the file's bytes.
        model: the model's name.

    Raises:
        InvalidRequest: the file violates constraints, which are listed, or can't be read; or the
            model takes no audio.
    """
    _check(audio, model, AUDIO_FILE, "audio")


def _check(file: str | PathLike[str] | bytes, name: str, keyword: str, kind: str) -> None:
    model = find_model(packaged_catalog(), name)
    rules = file_rules(model, keyword)
    if not rules:
        raise InvalidRequest(f"{model.name} takes no {kind}")
    content = file if isinstance(file, bytes) else _read(_path(file))
    for parameter, rule in rules.items():
        raise_violations(model.name, violations_of_file(rule, parameter, content))


def _path(file: object) -> Path:
    if isinstance(file, str) and "://" in file:
        raise InvalidRequest(f"{file} is a URL: download it, and check the file")
    if not isinstance(file, str | PathLike):
        kind = type(file).__name__
        raise InvalidRequest(f"pass the path of a file or its bytes, not {kind}")
    return Path(cast("str", file))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidRequest(f"{path} can't be read: {error.strerror or error}") from None
