"""What a request orders, read from the names and shapes of its fields, never from its model."""

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
_MEANT = (*_DEFAULTED, "n")
_MOST_KNOWN = 1000
_MOST_SECONDS, _MOST_RESULTS = 60, 16


@frozen(cache_hash=True)
class OutputSpec:
    """How many files of which shape a task has to make; `seconds` is 0 for what doesn't last."""

    kind: str
    count: int
    width: int
    height: int
    seconds: int
    sound: bool
    aspect_ratio: str | None


@frozen
class ModelDefaults:
    """What a model can be asked for, and what it makes where nothing is asked."""

    model: Model
    defaults: Mapping[str, Any]
    sound: bool
    _cache: dict[tuple[Any, ...], OutputSpec] = field(
        factory=dict[tuple[Any, ...], OutputSpec], repr=False
    )

    def output_spec(self, body: Mapping[str, Any]) -> OutputSpec:
        """Read a valid request of the model."""
        asked = tuple([body.get(name) for name in _MEANT])
        try:
            order = self._cache.get(asked)
        except TypeError:  # a list or an object, in a document that has one there
            return self._read(body)
        if order is None:
            if len(self._cache) >= _MOST_KNOWN:
                self._cache.clear()
            order = self._cache[asked] = self._read(body)
        return order

    def _read(self, body: Mapping[str, Any]) -> OutputSpec:
        asked = {**self.defaults, **body}
        video = self.model.kind == "video"
        lasts = video or self.model.kind == "audio"
        ratio = str(asked.get("aspect_ratio", _RATIO))
        width, height = self._frame(asked, ratio, video=video)
        return OutputSpec(
            kind=self.model.kind,
            count=1 if lasts else _whole(asked.get("n", 1), most=_MOST_RESULTS),
            width=width,
            height=height,
            seconds=_whole(asked.get("duration", _SECONDS), most=_MOST_SECONDS) if lasts else 0,
            sound=video and self.sound,
            aspect_ratio=ratio if video else None,
        )

    def _frame(self, asked: Mapping[str, Any], ratio: str, *, video: bool) -> tuple[int, int]:
        size = _SIZE.fullmatch(str(asked.get("size", "")))
        if size:
            return int(size[1]), int(size[2])
        if not video and not {"quality", "aspect_ratio"} & asked.keys():
            return _SQUARE
        return frame_size(str(asked.get("quality", _QUALITY)), ratio)


def defaults_of(model: Model) -> ModelDefaults:
    """Read a model's parameters; one without a default makes what its example shows."""
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
    """Return the (width, height) in pixels of a clip; both are even.

    The number of the quality is the shorter side, the ratio gives the longer one, rounded to the
    nearest even number: `480p` and `16:9` are 854 x 480, `1080p` and `9:16` are
    1080 x 1920. A quality without a number counts as 720p, a ratio that can't be read as 16:9; a
    number outside 64…4320 and a ratio outside 1:4…4:1 count as the nearest inside, so that no word
    costs much memory.
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
