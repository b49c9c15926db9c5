"""A local file against what the documents say of images and audio that they are sent links to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wanflow._core.image_header import NotAnImage, read_image_header
from wanflow._core.mp3 import NotAnMp3, mp3_seconds
from wanflow.catalog.keywords import AUDIO_FILE, IMAGE_FILE, citation_of
from wanflow.catalog.violation import Violation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wanflow.catalog.catalog import Model
    from wanflow.catalog.document import JsonObject

_SYNONYMS = {"jpeg": "jpg"}


def file_rules(model: Model, keyword: str) -> dict[str, JsonObject]:
    """Return the rules that a model has for files of a kind, by the parameter's name."""
    return {name: rule for name, rule in model.parameters.items() if keyword in rule}


def image_violations(rule: JsonObject, parameter: str, content: bytes) -> Iterator[Violation]:
    """List what an image file breaks of a parameter's rules."""
    wanted = rule[IMAGE_FILE]

    def violation(what: str, message: str, value: Any) -> Violation:
        return _violation(rule, IMAGE_FILE, parameter, what, message, value)

    yield from _size(rule, IMAGE_FILE, parameter, content)
    try:
        header = read_image_header(content)
    except NotAnImage as error:
        yield violation("formats", f"must be a readable image: {error}", None)
        return
    if not _allowed(header.format, wanted.get("formats")):
        formats = ", ".join(wanted["formats"])
        yield violation("formats", f"must be one of {formats} (got {header.format})", header.format)
    if header.alpha and wanted.get("alpha") is False:
        yield violation("alpha", "must have no alpha channel, not even an opaque one", True)
    sides = f"{header.width}x{header.height}"
    low, high = wanted.get("minimumSide", 0), wanted.get("maximumSide", float("inf"))
    if not (low <= header.width <= high and low <= header.height <= high):
        yield violation("sides", f"must have sides of {low} to {high} pixels (got {sides})", sides)


def audio_violations(rule: JsonObject, parameter: str, content: bytes) -> Iterator[Violation]:
    """List what an audio file breaks of a parameter's rules."""
    wanted = rule[AUDIO_FILE]
    yield from _size(rule, AUDIO_FILE, parameter, content)
    if not _allowed("mp3", wanted.get("formats")):
        return
    try:
        seconds = mp3_seconds(content)
    except NotAnMp3 as error:
        message = f"must be one of {', '.join(wanted['formats'])}: {error}"
        yield _violation(rule, AUDIO_FILE, parameter, "formats", message, None)
        return
    low, high = wanted.get("minimumSeconds", 0), wanted.get("maximumSeconds", float("inf"))
    if not low <= seconds <= high:
        message = f"must play {low} to {high} seconds (got {seconds:.1f})"
        yield _violation(rule, AUDIO_FILE, parameter, "seconds", message, seconds)


def audio_warning(parameter: str, content: bytes, duration: object) -> str | None:
    """Say that audio is longer or shorter than the video it is for, in seconds."""
    try:
        seconds = mp3_seconds(content)
    except NotAnMp3:
        return None
    if not isinstance(duration, int | float) or round(seconds, 1) == duration:
        return None
    if seconds > duration:
        return f"{parameter} plays {seconds:.1f} s, and is cut to the {duration} s of the video"
    return f"{parameter} plays {seconds:.1f} s, and the rest of the {duration} s is silent"


def violations_of_file(rule: JsonObject, parameter: str, content: bytes) -> list[Violation]:
    """List what a file breaks of a parameter's rules, whatever kind they are of."""
    found: list[Violation] = []
    if IMAGE_FILE in rule:
        found += image_violations(rule, parameter, content)
    if AUDIO_FILE in rule:
        found += audio_violations(rule, parameter, content)
    return found


def _size(rule: JsonObject, keyword: str, parameter: str, content: bytes) -> Iterator[Violation]:
    most = rule[keyword].get("maximumBytes", float("inf"))
    if len(content) > most:
        message = f"must have at most {most} bytes (got {len(content)})"
        yield _violation(rule, keyword, parameter, "maximumBytes", message, len(content))


def _allowed(found: str, formats: list[str] | None) -> bool:
    return formats is None or found in {_SYNONYMS.get(name, name) for name in formats}


def _violation(
    rule: JsonObject, keyword: str, parameter: str, what: str, message: str, value: Any
) -> Violation:
    sentence = citation_of(rule, keyword)
    return Violation(
        f"/{parameter}", f"{keyword}/{what}", f"{parameter} {message}", value, sentence
    )
