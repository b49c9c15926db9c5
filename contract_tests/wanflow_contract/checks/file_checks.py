"""Checks of a downloaded file: its kind, its type, that it is complete, and what was requested."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from wanflow._urls import join_url
from wanflow_contract.checks.definitions.files import FRAME, LINK, LINK_TYPE, SIZE, VIDEO, WHOLE
from wanflow_contract.checks.faulty_field import request_field, response_field, response_header
from wanflow_contract.checks.files import (
    image_size,
    is_text,
    is_whole,
    kind_of,
    media_of,
    video_seconds,
    video_size,
)

if TYPE_CHECKING:
    from wanflow_contract.checks.task_history import TaskHistory
    from wanflow_contract.support.exchange import Exchange

RATIO_TOLERANCE = 0.06
_NEARLY = 0.9
"""Seconds by which a video may differ: a part of a group of frames, but no whole second."""
_LOWEST_FRAME, _HIGHEST_FRAME = 0.85, 1.5
_QUALITY = re.compile(r"([0-9]+)p", re.ASCII)
_RATIO = re.compile(r"([1-9][0-9]*):([1-9][0-9]*)", re.ASCII)


def redirect_target(history: TaskHistory, exchange: Exchange, location: str) -> str:
    """Return the URL that a redirect of a result leads to.

    Raises:
        CheckFailed: it leads to no URL.
        NotJudged: so it does, and the failure is tolerated.
    """
    target = join_url(exchange.url, location)
    if target is None:
        LINK.fail(
            f"a redirect to {location!r}, which is no URL",
            history.last,
            exchange,
            pointer=response_header("Location"),
            shape=f"{history.model.kind}: a redirect to no URL",
        )
    return target


def check_file(history: TaskHistory, exchange: Exchange) -> None:
    """Check the response of a result URL of a completed task.

    Raises:
        CheckFailed: it isn't a complete file of the model's kind, labelled so.
    """
    wanted, at = history.model.kind, response_field("results")
    LINK.require(
        exchange.status == 200,
        f"{exchange.status}",
        history.last,
        exchange,
        pointer=at,
        shape=f"{wanted}: {exchange.status}",
    )
    kind = kind_of(exchange.content)
    LINK.require(
        kind == wanted or (kind is None and not is_text(exchange.content)),
        f"a file of kind {kind}",
        history.last,
        exchange,
        pointer=at,
        shape=f"{wanted}: another kind",
    )
    content_type = exchange.header("content-type") or ""
    right = content_type.lower().startswith((wanted + "/", "application/octet-stream"))
    LINK_TYPE.require(
        right,
        f"Content-Type {content_type!r}",
        history.last,
        exchange,
        pointer=response_header("Content-Type"),
        shape=f"{wanted}: the type of another kind",
    )
    _check_format(content_type, history, exchange)


def _check_format(content_type: str, history: TaskHistory, exchange: Exchange) -> None:
    """Check a file against its content type, and that it is complete."""
    content, kind = exchange.content, media_of(exchange.content)
    said = content_type.partition(";")[0].strip().lower().replace("/jpg", "/jpeg")
    right = kind is None or said in {kind, "application/octet-stream", "image/x-ms-bmp"}
    LINK_TYPE.require(
        right,
        f"{kind} is labelled {content_type!r}",
        history.last,
        exchange,
        pointer=response_header("Content-Type"),
        shape=f"{kind}: the type of another format",
    )
    WHOLE.require(
        is_whole(content),
        f"{len(content)} bytes are not the complete file",
        history.last,
        exchange,
        shape=f"{history.model.kind}: cut",
    )


def check_requested(history: TaskHistory, content: bytes) -> None:
    """Check a file against the size, duration, ratio and quality of the request, or their defaults.

    Raises:
        CheckFailed: it is another.
    """
    rules = history.model.parameters.items()
    asked = {name: rule["default"] for name, rule in rules if "default" in rule} | history.request
    if isinstance(asked.get("size"), str):
        check_size(history, content, asked["size"])
    if isinstance(asked.get("duration"), int):
        check_duration(history, content, asked["duration"])
    if isinstance(asked.get("aspect_ratio"), str):
        check_ratio(history, content, asked["aspect_ratio"])
    if isinstance(asked.get("quality"), str):
        check_frame(history, content, asked["quality"])


def check_size(history: TaskHistory, content: bytes, size: str) -> None:
    """Check the size of an image.

    Raises:
        CheckFailed: it isn't the requested one.
    """
    found = image_size(content)
    seen = None if found is None else f"{found[0]}x{found[1]}"
    SIZE.require(
        seen in {None, size},
        f"{seen} for {size}",
        history.first,
        history.last,
        pointer=request_field("size"),
        shape=f"{history.model.name}: another size",
    )


def check_duration(history: TaskHistory, content: bytes, wanted: float) -> None:
    """Check the duration of a video, as far as its header has one.

    Raises:
        CheckFailed: it isn't the requested one.
    """
    seconds = video_seconds(content)
    if seconds is None:
        return
    near = abs(seconds - wanted) <= _NEARLY
    VIDEO.require(
        near,
        f"{seconds:g} s for {wanted}",
        history.first,
        history.last,
        pointer=request_field("duration"),
        shape=f"{history.model.name}: another duration",
    )


def check_ratio(history: TaskHistory, content: bytes, wanted: str) -> None:
    """Check the aspect ratio of a video, as far as it has a frame size.

    Raises:
        CheckFailed: it isn't the requested one.
    """
    size, named = video_size(content), _RATIO.fullmatch(wanted)
    if size is None or named is None:
        return
    near = abs(size[0] / size[1] * int(named[2]) / int(named[1]) - 1) < RATIO_TOLERANCE
    VIDEO.require(
        near,
        f"{size} for {wanted}",
        history.first,
        history.last,
        pointer=request_field("aspect_ratio"),
        shape=f"{history.model.name}: another ratio",
    )


def check_frame(history: TaskHistory, content: bytes, quality: str) -> None:
    """Check that a video is about as high as its quality's name says.

    Raises:
        CheckFailed: it isn't.
    """
    size, named = video_size(content), _QUALITY.fullmatch(quality)
    if size is None or named is None:
        return
    short = min(size) / int(named[1])
    FRAME.require(
        _LOWEST_FRAME <= short <= _HIGHEST_FRAME,
        f"{size[0]:g}x{size[1]:g} for {quality}",
        history.first,
        history.last,
        pointer=request_field("quality"),
        shape=f"{history.model.name}: another frame",
    )
