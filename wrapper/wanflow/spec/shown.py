"""File the examples that documents show for one place, each under the model that it is of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wanflow.spec.document import Json, is_object
from wanflow.spec.yaml_text import same

if TYPE_CHECKING:
    from wanflow.spec.call import Call


def filed_examples(having: list[tuple[Call, Json]]) -> Json:
    """Keep every example: under `default` where all that show one agree, else under its model."""
    shown = [(call, key, example) for call, media in having for key, example in _shown(media)]
    values = [example.get("value") for _, _, example in shown]
    agreed = bool(values) and all(same(value, values[0]) for value in values)
    if agreed and not _names_model(values[0]):
        return {"default": shown[0][2]}
    return _filed(shown)


def _filed(shown: list[tuple[Call, str, Json]]) -> Json:
    filed: Json = {}
    for call, key, example in shown:
        label = _label(example.get("value"), key, call)
        for longer in (f"{label}-{key}", f"{call.source.name}-{label}-{key}"):
            label = longer if label in filed else label
        filed[label] = example
    return dict(sorted(filed.items()))


def _shown(media: Json) -> list[tuple[str, Json]]:
    single = [("example", {"value": media["example"]})] if "example" in media else []
    return [*single, *media.get("examples", {}).items()]


def _names_model(value: Any) -> bool:
    return is_object(value) and "model" in value


def _label(value: Any, key: str, call: Call) -> str:
    named = value.get("model") if is_object(value) else None
    if named in call.models:
        return str(named)
    if call.models:
        return call.models[0]
    return "default" if key == "example" else key
