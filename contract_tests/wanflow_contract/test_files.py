"""Results: each link of a completed task leads to a file of the right kind, number and size."""

from __future__ import annotations

import re
from urllib.parse import urljoin, urlsplit

import httpx
import pytest

from wanflow_contract.checks.boundaries import cheapest
from wanflow_contract.checks.documented_responses import packaged_promises
from wanflow_contract.checks.expectation import Word, packaged_judge
from wanflow_contract.checks.files import (
    AS_DEFAULT,
    DAY,
    FILM,
    FRAME,
    LINK,
    MADE,
    PART,
    SIZE,
    WHOLE,
    film_seconds,
    film_size,
    is_whole,
    kind_of,
    media_of,
    png_size,
)
from wanflow_contract.checks.task_history import COMPLETED

MODELS = sorted(packaged_promises().catalog.models)
COUNTED = [
    (name, count)
    for name, model in packaged_promises().catalog.models.items()
    for count in range(1, model.parameters.get("n", {}).get("maximum", 0) + 1)
]
SIZED = [
    (name, size)
    for name, model in packaged_promises().catalog.models.items()
    if "size" in model.parameters
    for size in ("768x768", "1280x1280", "1024x768", "1440x720")
]
# Small ones: what takes long is to make them.
FILMED = [
    (name, field, value)
    for name, model in packaged_promises().catalog.models.items()
    for field in ("duration", "aspect_ratio")
    for value in model.parameters.get(field, {}).get("enum", ())
]
DEFAULTS = [
    (name, field, rule["default"])
    for name, model in packaged_promises().catalog.models.items()
    for field, rule in model.parameters.items()
    if isinstance(rule.get("default"), str)
]
# Qualities that are named by the height of a frame.
RANKED = [
    name
    for name, model in packaged_promises().catalog.models.items()
    if all(
        re.fullmatch(r"[0-9]+p", one)
        for one in model.parameters.get("quality", {}).get("enum", ["-"])
    )
]
_NEARLY_A_DAY = 23.9 * 3600
_AWRY = 0.06
_HOPS = 5
_ONWARD = frozenset({301, 302, 303, 307, 308})
_TRIES = 5


def lines_of(quality: str) -> int:
    """The number of lines that a quality is named by."""
    return int(quality.rstrip("p"))


def followed(target, life, link: str, **headers: str):
    """The answer of what a link leads to, where it sends one on."""
    for _ in range(_HOPS):
        try:
            exchange = target.wire.send("GET", link, headers)
        except httpx.HTTPError as error:
            LINK.broken(f"{type(error).__name__} at {link}", life.last)
        onward = exchange.header("location")
        if exchange.status not in _ONWARD or onward is None:
            break
        link = urljoin(exchange.url, onward)
    return exchange


def fetched(target, life) -> list[bytes]:
    """The files of a completed task; those of another store than the web are left alone."""
    contents = []
    for link in life.links:
        if urlsplit(link).scheme not in {"http", "https"}:
            continue
        exchange = followed(target, life, link)
        LINK.holds(exchange.status == 200, f"{exchange.status}", life.last, exchange)
        kind = kind_of(exchange.content)
        LINK.holds(kind == life.model.kind, f"a file of kind {kind}", life.last, exchange)
        told = exchange.header("content-type") or ""
        right = told.startswith((life.model.kind + "/", "application/octet-stream"))
        LINK.holds(right, f"Content-Type {told!r}", life.last, exchange)
        _judge_file(told, life, exchange)
        contents.append(exchange.content)
    return contents


def _judge_file(told: str, life, exchange) -> None:
    """Hold a file to its own word, and to what is said of it."""
    content, kind = exchange.content, media_of(exchange.content)
    said = told.partition(";")[0].strip().lower().replace("/jpg", "/jpeg")
    right = kind is None or said in {kind, "application/octet-stream", "image/x-ms-bmp"}
    LINK.holds(right, f"{kind} is called {told!r}", life.last, exchange)
    WHOLE.holds(is_whole(content), f"{len(content)} bytes are not all", life.last, exchange)


def finished(target, body):
    """A task that completed, its files being the only thing that is looked for."""
    tried = []
    for _ in range(_TRIES if target.purse.roomy else 1):
        tried.append(target.wait(target.submit(body)))
        if tried[-1].status == COMPLETED:
            return tried[-1]
    if target.purse.roomy:
        MADE.broken(f"{len(tried)} tries failed", *(life.last for life in tried))
    pytest.skip(f"the task ended as {tried[-1].status}")


@pytest.mark.fast
@pytest.mark.parametrize("name", MODELS)
def test_each_link_serves_a_file_of_the_right_kind(target, name) -> None:
    """An image model's links serve images, a video model's serve videos."""
    life = finished(target, cheapest(target.models[name]))
    first = fetched(target, life)
    WHOLE.holds(fetched(target, life) == first, "other bytes the second time", life.last)
    target.look(life)
    WHOLE.holds(fetched(target, life) == first, "other bytes after another look", life.last)
    assert life.links


@pytest.mark.fast
@pytest.mark.parametrize("name", MODELS)
def test_a_part_of_a_file_is_that_part_of_the_whole(target, name) -> None:
    """Asked for some bytes, a store may send all (200), or just those, and says which (206)."""
    life = finished(target, cheapest(target.models[name]))
    for link, whole in zip(life.links, fetched(target, life), strict=False):
        for first, last in ((0, 99), (7, len(whole) // 2), (len(whole) - 50, len(whole) - 1)):
            exchange = followed(target, life, link, Range=f"bytes={first}-{last}")
            wanted = whole[first : last + 1] if exchange.status == 206 else whole
            PART.holds(exchange.status in {200, 206}, f"{exchange.status}", life.last, exchange)
            PART.holds(exchange.content == wanted, "other bytes", life.last, exchange)
            told, right = exchange.header("content-range"), f"bytes {first}-{last}/{len(whole)}"
            PART.holds(exchange.status == 200 or told == right, f"{told}", life.last, exchange)


@pytest.mark.fast
@pytest.mark.parametrize("name", RANKED)
def test_a_film_of_a_higher_quality_has_more_of_a_picture(target, name) -> None:
    """A film's frame is near as high as its quality's name says, and larger than a lower one's."""
    before = (0.0, None)
    for quality in sorted(target.models[name].parameters["quality"]["enum"], key=lines_of):
        life = finished(target, {**cheapest(target.models[name]), "quality": quality})
        for size in filter(None, map(film_size, fetched(target, life))):
            short, detail = min(size) / lines_of(quality), f"{size[0]:g}x{size[1]:g} for {quality}"
            FRAME.holds(0.85 <= short <= 1.5, detail, life.first, life.last)
            seen = [one for one in (before[1], life.first, life.last) if one]
            FRAME.holds(size[0] * size[1] > before[0], detail, *seen)
            before = (size[0] * size[1], life.first)


@pytest.mark.fast
@pytest.mark.parametrize(("name", "count"), COUNTED)
def test_as_many_files_as_asked_for(target, name, count) -> None:
    """A request for n pictures makes n files, each of its own."""
    life = finished(target, {**cheapest(target.models[name]), "n": count})
    assert len(life.links) == count
    fetched(target, life)


@pytest.mark.fast
@pytest.mark.parametrize(("name", "size"), SIZED)
def test_a_picture_has_its_size(target, name, size) -> None:
    """A picture is as wide and as high as was asked."""
    life = finished(target, {**cheapest(target.models[name]), "size": size})
    for content in fetched(target, life):
        found = png_size(content)
        seen = None if found is None else f"{found[0]}x{found[1]}"
        SIZE.holds(seen in {None, size}, f"{seen} for {size}", life.first, life.last)


@pytest.mark.fast
@pytest.mark.parametrize(("name", "field", "value"), FILMED)
def test_a_film_is_as_asked(target, name, field, value) -> None:
    """A film lasts as long, and is as wide for its height, as was asked."""
    body = {**cheapest(target.models[name]), field: value}
    if packaged_judge().verdict(target.models[name].operation_id, body).word is Word.REFUSED:
        del body["quality"]  # the lowest one doesn't go with the value; its default does
    life = finished(target, body)
    for content in fetched(target, life):
        seconds, size = film_seconds(content), film_size(content)
        if field == "duration" and seconds is not None:
            near = abs(seconds - value) <= 0.5 + value / 10
            FILM.holds(near, f"{seconds:g} s for {value}", life.first, life.last)
        if field == "aspect_ratio" and size is not None:
            wide, high = (int(one) for one in value.split(":"))
            near = abs(size[0] / size[1] * high / wide - 1) < _AWRY
            FILM.holds(near, f"{size} for {value}", life.first, life.last)


def _measured(content: bytes) -> tuple[object, ...]:
    return media_of(content), png_size(content), film_size(content), film_seconds(content)


@pytest.mark.fast
@pytest.mark.parametrize(("name", "field", "default"), DEFAULTS)
def test_a_default_makes_what_it_stands_for(target, name, field, default) -> None:
    """Leaving a parameter out makes what writing its default makes: as many, large and long."""
    body = {**cheapest(target.models[name])}
    body.pop(field, None)
    one, other = finished(target, body), finished(target, {**body, field: default})
    seen = [[_measured(content) for content in fetched(target, life)] for life in (one, other)]
    detail = f"{seen[0]} without {field}, {seen[1]} for {default}"
    AS_DEFAULT.holds(seen[0] == seen[1], detail, one.first, one.last, other.first, other.last)


@pytest.mark.fast
@pytest.mark.controls
def test_a_link_works_for_a_day(target) -> None:
    """A link is followed shortly before its 24 hours are over."""
    life = finished(target, cheapest(target.models[MODELS[0]]))
    target.pass_time(_NEARLY_A_DAY)
    for link in life.links:
        if urlsplit(link).scheme in {"http", "https"}:
            exchange = followed(target, life, link)
            DAY.holds(exchange.status == 200, f"{exchange.status}", life.last, exchange)
