"""The merge of any number of different models is proved."""

from __future__ import annotations

import copy
import random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.spec.family import (
    ERROR,
    RESPONSE,
    VIDEOS,
    document,
    json_response,
    merged,
    post,
    request,
    schemas,
    source,
)
from wanflow.spec.build import build_from
from wanflow.spec.errors import ProofFailed, Undecided
from wanflow.spec.proof.inventory import prove_inventory
from wanflow.spec.proof.requests import prove_requests

if TYPE_CHECKING:
    from wanflow.spec.merge.merge import MergeResult

Json = dict[str, Any]
FAILURE = {"$ref": "#/components/schemas/ErrorResponse"}
WORDS = ["slow", "fast", "auto", "none", "soft", "hard", "wide", "tall"]
NAMES = ["ratio", "images", "quality", "seed", "avoid", "sound", "mode", "n", "strength", "mask"]


def proved(made: MergeResult) -> MergeResult:
    prove_requests(made.document, made.operations)
    prove_inventory(made.document, made.operations, made.schema_names)
    return made


def random_schema(rng: random.Random) -> Json:
    """The schema of a parameter, of a random kind."""
    links = {"type": "string", "format": "uri"}
    kinds: list[Json] = [
        {"type": "string", "enum": rng.sample(WORDS, rng.randint(2, 4))},
        {"type": "boolean", "default": rng.choice([True, False])},
        {"type": "integer", "enum": rng.sample(range(2, 16), 3)},
        {"type": "integer", "minimum": 1, "maximum": rng.choice([4, 9, 2**32])},
        {"type": "number", "minimum": 0, "maximum": rng.choice([1, 2.5])},
        {"type": "array", "maxItems": rng.randint(1, 5), "items": links},
        {"type": "string", "maxLength": rng.choice([500, 2000])},
        {"type": "string", "pattern": rng.choice([r"^\d+x\d+$", r"^[a-z]{2}(-[A-Z]{2})?$"])},
        {"oneOf": [links, {"type": "array", "minItems": 1, "items": links}]},
        {"type": "object", "required": ["type"], "properties": {"type": {"enum": ["a", "b"]}}},
        {},
    ]
    return rng.choice(kinds)


def different_document(number: int, rng: random.Random, path: str = VIDEOS) -> Json:
    """A document of a model different from all others, named in one of four ways."""
    names = [f"maker{number}-clip"]
    drawn = {name: random_schema(rng) for name in rng.sample(NAMES, rng.randint(4, len(NAMES)))}
    example = {"model": names[0], "prompt": f"A cat, {number}"}
    needed = ("model", "prompt") if rng.random() < 0.7 else ()
    how = rng.choice(["enum", "several", "default", "example"])
    if how == "several":
        names.append(f"maker{number}-clip-pro")
    length = {"type": "string", "maxLength": rng.choice([1000, 2000, 5000])}
    schema = request(*names, required=needed, prompt=length, **drawn)
    if how in {"default", "example"}:
        schema["properties"]["model"] = {"type": "string"}
    if how == "default":
        schema["properties"]["model"]["default"] = names[0]
    code = {"type": rng.choice(["integer", "string"])}
    details = {"code": code, "message": {"type": "string"}, rng.choice(WORDS): random_schema(rng)}
    error = {"type": "object", "properties": {"error": {"type": "object", "properties": details}}}
    answer = copy.deepcopy(RESPONSE)
    answer["properties"][rng.choice(NAMES)] = random_schema(rng)
    answer["properties"]["model"] = {"type": "string", "example": names[0]}
    data = document(
        schema,
        path=path,
        response=answer,
        error=error,
        statuses=tuple(rng.sample(["400", "401", "402", "413", "429"], 3)),
        example=example,
    )
    shown = {"error": {"code": 404, "message": f"no {names[0]}"}}
    data["paths"][path]["post"]["responses"]["404"] = json_response(FAILURE, example=shown)
    return data


def many(count: int, seed: int, paths: tuple[str, ...] = (VIDEOS,)) -> dict[str, Json]:
    rng = random.Random(seed)
    return {f"maker{n:02}": different_document(n, rng, paths[n % len(paths)]) for n in range(count)}


@pytest.mark.parametrize("count", [12, pytest.param(63, marks=pytest.mark.slow)])
def test_dozens_of_different_models_in_one_path_are_proved(count: int):
    """One variant per model, all responses and examples kept, and no findings."""
    documents = many(count, seed=3)
    made = proved(merged(**documents))
    media = post(made)["requestBody"]["content"]["application/json"]
    assert len(media["schema"]["oneOf"]) == count
    assert len(media["examples"]) == count
    assert len(post(made)["responses"]["404"]["content"]["application/json"]["examples"]) == count
    named = media["schema"]["discriminator"]["mapping"]
    assert set(named) >= {f"maker{n}-clip" for n in range(count)}
    assert any(name.endswith("-pro") for name in named)
    assert build_from([source(name, data) for name, data in documents.items()], []).document


@given(st.integers(2, 16), st.integers(0, 2**32))
@settings(max_examples=examples(25))
def test_any_different_models_are_proved(count: int, seed: int):
    """With any parameters, on one path or on three."""
    paths = (VIDEOS, "/v1/images/generations", "/v1/audios/generations")
    proved(merged(**many(count, seed)))
    proved(merged(**many(count, seed, paths)))


SHARED = many(12, seed=5)


@pytest.mark.parametrize("fault", ["looser", "more"])
def test_a_fault_in_one_of_many_variants_is_caught(fault: str):
    """An added or a looser parameter in one of a dozen variants fails the proof and is named."""
    made = proved(merged(**SHARED))
    mapping = post(made)["requestBody"]["content"]["application/json"]["schema"]["discriminator"]
    names = {reference.rpartition("/")[2] for reference in mapping["mapping"].values()}
    assert len(names) == 12
    for name in names:
        document = copy.deepcopy(made.document)
        properties = document["components"]["schemas"][name]["properties"]
        if fault == "looser":
            del properties["prompt"]["maxLength"]
        else:
            properties["surplus"] = {"type": "integer"}
        with pytest.raises(ProofFailed, match=f"{name}.*{{"):
            prove_requests(document, made.operations)


def test_undecided_is_not_reported_as_different():
    """If two schemas can't be compared, the error names both and says that it is unknown."""
    tree = {"type": "object", "properties": {"next": {"$ref": "#/components/schemas/Tree"}}}
    tree["properties"]["size"] = {"type": "integer", "minimum": 0}
    use = {"tree": {"$ref": "#/components/schemas/Tree"}}
    made = proved(merged(a=document(request("nova-1", **use), Tree=tree)))
    bad = copy.deepcopy(made.document)
    bad["components"]["schemas"]["Tree"]["properties"]["size"]["exclusiveMinimum"] = -1
    del bad["components"]["schemas"]["Tree"]["properties"]["size"]["minimum"]
    with pytest.raises(
        Undecided, match=r"could not be decided whether .*Nova1Request\) .* a accepts"
    ):
        prove_requests(bad, made.operations)


def test_responses_of_dozens_of_sources_are_proved():
    """All sources have different responses and errors: one response, one error, every part kept."""
    rng = random.Random(8)
    documents = {}
    for number in range(40):
        answer = copy.deepcopy(RESPONSE)
        answer["properties"] |= {name: random_schema(rng) for name in rng.sample(NAMES, 5)}
        error = copy.deepcopy(ERROR)
        error["properties"]["error"]["properties"] |= {
            name: random_schema(rng) for name in rng.sample(WORDS, 3)
        }
        documents[f"doc{number:02}"] = document(
            request(f"nova-{number}"), response=answer, error=error
        )
    made = proved(merged(**documents))
    assert "VideoGenerationResponse" in schemas(made)
