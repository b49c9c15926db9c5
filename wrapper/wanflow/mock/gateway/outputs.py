"""The output that a request asks for, by the names and values of its fields, not by its model."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wanflow.catalog.catalog import Model

_SIZE = re.compile(r"([1-9][0-9]{0,5})[x*]([1-9][0-9]{0,5})", re.ASCII)
_QUALITY, _RATIO, _SECONDS, _SQUARE = "720p", "16:9", 5, (1280, 1280)
_DEFAULTED = ("size", "quality", "aspect_ratio", "duration")
_RELEVANT = (*_DEFAULTED, "n")
_MAX_CACHED = 1000
_MAX_SECONDS, _MAX_RESULTS = 60, 16


@frozen(cache_hash=True)
class OutputSpec:
    """The number and format of a task's files; `seconds` is 0 for images and text."""

    kind: str
    count: int
    width: int
    height: int
    seconds: int
    sound: bool
    aspect_ratio: str | None


@frozen
class ModelDefaults:
    """A model's default parameters, and the output of its requests."""

    model: Model
    defaults: Mapping[str, Any]
    sound: bool
    _cache: dict[tuple[Any, ...], OutputSpec] = field(
        factory=dict[tuple[Any, ...], OutputSpec], repr=False
    )

    def output_spec(self, body: Mapping[str, Any]) -> OutputSpec:
        """Return the output of a valid request of the model."""
        values = tuple([body.get(name) for name in _RELEVANT])
        try:
            output = self._cache.get(values)
        except TypeError:  # a list or an object, if a spec allows one
            return self._read(body)
        if output is None:
            if len(self._cache) >= _MAX_CACHED:
                self._cache.clear()
            output = self._cache[values] = self._read(body)
        return output

    def _read(self, body: Mapping[str, Any]) -> OutputSpec:
        values = {**self.defaults, **body}
        video = self.model.kind == "video"
        lasts = video or self.model.kind == "audio"
        ratio = str(values.get("aspect_ratio", _RATIO))
        width, height = self._frame(values, ratio, video=video)
        return OutputSpec(
            kind=self.model.kind,
            count=1 if lasts else _whole(values.get("n", 1), most=_MAX_RESULTS),
            width=width,
            height=height,
            seconds=_whole(values.get("duration", _SECONDS), most=_MAX_SECONDS) if lasts else 0,
            sound=video and self.sound,
            aspect_ratio=ratio if video else None,
        )

    def _frame(self, values: Mapping[str, Any], ratio: str, *, video: bool) -> tuple[int, int]:
        size = _SIZE.fullmatch(str(values.get("size", "")))
        if size:
            return int(size[1]), int(size[2])
        if not video and not {"quality", "aspect_ratio"} & values.keys():
            return _SQUARE
        return frame_size(str(values.get("quality", _QUALITY)), ratio)


def defaults_of(model: Model) -> ModelDefaults:
    """Read a model's defaults; a parameter without one uses its example."""
    found = {name: _default(name, rule) for name, rule in model.parameters.items()}
    defaults = {name: value for name, value in found.items() if value is not None}
    return ModelDefaults(model, defaults, any("audio" in name for name in model.parameters))


def _default(name: str, rule: Mapping[str, Any]) -> Any:
    if name not in _DEFAULTED:
        return None
    shown = [rule.get("default"), rule.get("example"), *rule.get("enum", ())]
    return next((value for value in shown if value is not None), None)


def _whole(value: Any, *, most: int) -> int:
    return max(1, min(most, int(value))) if isinstance(value, int | float) else 1


_DEFAULT_SHORTER = 720
_DEFAULT_RATIO = 16 / 9
_SHORTEST, _LONGEST = 64, 4320
_WIDEST = 4.0


def frame_size(quality: str | None, aspect_ratio: str | None) -> tuple[int, int]:
    """Return the (width, height) in pixels of a video; both are even.

    The number in the quality is the shorter side, the ratio gives the longer one, rounded to the
    nearest even number: `480p` and `16:9` are 854 x 480, `1080p` and `9:16` are
    1080 x 1920. A quality without a number counts as 720p, a ratio that can't be read as 16:9; a
    number outside 64…4320 and a ratio outside 1:4…4:1 count as the nearest inside, to limit memory.
    """
    shorter = _shorter_side(quality or "")
    ratio = _ratio(aspect_ratio or "")
    longer = _even(shorter * max(ratio, 1 / ratio))
    return (longer, shorter) if ratio >= 1 else (shorter, longer)


def _shorter_side(quality: str) -> int:
    found = re.search(r"([0-9]{1,6})p\b", quality, re.IGNORECASE)
    number = int(found[1]) if found else _DEFAULT_SHORTER
    return _even(min(max(number, _SHORTEST), _LONGEST))


def _ratio(aspect_ratio: str) -> float:
    found = re.fullmatch(r"([0-9]{1,4}):([0-9]{1,4})", aspect_ratio)
    width, height = (int(found[1]), int(found[2])) if found else (0, 0)
    if width == 0 or height == 0:
        return _DEFAULT_RATIO
    return min(max(width / height, 1 / _WIDEST), _WIDEST)


def _even(length: float) -> int:
    return 2 * round(length / 2)
