"""Results: the files of a completed task have the requested kind, number and size."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest

from wanflow._urls import is_http_url
from wanflow_contract.checks.boundaries import cheapest
from wanflow_contract.checks.check import CheckFailed, independent
from wanflow_contract.checks.definitions.files import (
    AS_DEFAULT,
    DAY,
    FRAME,
    GENERATED,
    LINK,
    PART,
    SAME_FILE,
)
from wanflow_contract.checks.definitions.tasks import ENDS
from wanflow_contract.checks.documented_responses import packaged_contract
from wanflow_contract.checks.expectation import Expected, packaged_oracle
from wanflow_contract.checks.faulty_field import request_field
from wanflow_contract.checks.file_access import file_parameters
from wanflow_contract.checks.file_checks import check_file, check_requested, redirect_target
from wanflow_contract.checks.files import image_size, video_seconds, video_size
from wanflow_contract.checks.task_state import COMPLETED, check_number
from wanflow_contract.plan.order import Stage

MODELS = sorted(packaged_contract().catalog.models)
COUNT_CASES = [
    (name, count)
    for name, model in packaged_contract().catalog.models.items()
    for count in range(1, model.parameters.get("n", {}).get("maximum", 0) + 1)
]
SIZE_CASES = [
    (name, size)
    for name, model in packaged_contract().catalog.models.items()
    if "size" in model.parameters
    for size in ("768x768", "1280x1280", "1024x768", "1440x720")
]
# Small ones, because generating them is slow.
VIDEO_CASES = [
    (name, field, value)
    for name, model in packaged_contract().catalog.models.items()
    for field in ("duration", "aspect_ratio")
    for value in model.parameters.get(field, {}).get("enum", ())
]
DEFAULTS = [
    (name, field, rule["default"])
    for name, model in packaged_contract().catalog.models.items()
    for field, rule in model.parameters.items()
    if isinstance(rule.get("default"), str)
]
# Models whose qualities are named by the height of a frame.
QUALITY_MODELS = [
    name
    for name, model in packaged_contract().catalog.models.items()
    if all(
        re.fullmatch(r"[0-9]+p", one)
        for one in model.parameters.get("quality", {}).get("enum", ["-"])
    )
]


def dear(cases: list[Any], is_cheap) -> list[Any]:
    """Mark as slow the cases that take seconds to draw, except where one stands for all."""
    return [
        pytest.param(*case, marks=[] if is_cheap(*case) else pytest.mark.slow) for case in cases
    ]


_NEARLY_A_DAY = 23.9 * 3600
_MAX_REDIRECTS = 5
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MAX_TRIES = 5
_ENOUGH = 3
"""Failed tasks of a model that are no accident, if none was completed."""
_OF_A_FILE = frozenset({"image_processing_error", "image_dimension_mismatch", "invalid_parameters"})
_LATER_POLLS = 3


def is_first_or_short(name: str, seconds: int) -> bool:
    """Return whether a model is the first of those for videos, or the duration its shortest."""
    return name == VIDEO_CASES[0][0] or seconds == min(
        value for model, field, value in VIDEO_CASES if (model, field) == (name, "duration")
    )


def quality_height(quality: str) -> int:
    """Return the height that a quality is named by."""
    return int(quality.rstrip("p"))


def fetch_link(target, history, link: str, **headers: str):
    """Return the response of a result URL, following redirects."""
    for _ in range(_MAX_REDIRECTS):
        try:
            exchange = target.client.send("GET", link, headers)
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            LINK.fail(f"{type(error).__name__} at {link}", history.last)
        onward = exchange.header("location")
        if exchange.status not in _REDIRECTS or onward is None:
            break
        link = redirect_target(history, exchange, onward)
    return exchange


def fetch_files(target, history) -> list[bytes]:
    """Return the files of a completed task, and check them against what was requested.

    URLs that aren't http or https are skipped.
    """
    contents = []
    for link in history.links:
        if not is_http_url(link):
            continue
        exchange = fetch_link(target, history, link)
        with independent():
            check_file(history, exchange)
        with independent():
            check_requested(history, exchange.content)
        contents.append(exchange.content)
    return contents


def completed_task(target, body):
    """Return a completed task; other states are checked elsewhere."""
    earlier = target.equal_task(body)
    if earlier is not None and target.wait(earlier).status == COMPLETED:
        return earlier
    for _ in range(_MAX_TRIES if target.budget.ample else 1):
        tried = target.wait(target.submit(body))
        if tried.status == COMPLETED:
            return tried
    require_some_completed(target, body["model"])
    pytest.skip(f"the task ended as {tried.status}")


def require_some_completed(target, name: str) -> None:
    """Check that not all tasks of a model have failed, if there are enough of them.

    A server that can't fetch the files of a request may let its task fail.

    Raises:
        CheckFailed: all have.
    """
    ended = [one for one in target.tasks.values() if one.model.name == name and one.ended]
    tried = [one for one in ended if is_valid(one) and not failed_by_a_file(one, target.inputs)]
    if tried:
        GENERATED.require(
            len(tried) < _ENOUGH or any(one.status == COMPLETED for one in tried),
            f"all {len(tried)} tasks of {name} have failed",
            *(one.last for one in tried[:_MAX_TRIES]),
            shape=f"{name}: failed",
        )


def is_valid(history) -> bool:
    """Return whether a task was made by a request that must be accepted."""
    expectation = packaged_oracle().expectation(history.model.operation_id, history.request)
    return expectation.expected is Expected.ACCEPT


def failed_by_a_file(history, inputs: frozenset[str]) -> bool:
    """Return whether a task may have failed because the server couldn't fetch a file."""
    error = history.state.get("error")
    code = error.get("code") if isinstance(error, dict) else None
    files = {name for name in file_parameters(history.model) if name in history.request}
    return code in _OF_A_FILE and not files <= inputs


@pytest.mark.fast
@pytest.mark.costs(0, stage=Stage.LIFE)
@pytest.mark.parametrize("name", MODELS)
def test_each_result_url_serves_a_file_of_the_right_kind(target, name) -> None:
    """Result URLs of an image model serve images, those of a video model serve videos."""
    history = completed_task(target, cheapest(target.models[name]))
    first = fetch_files(target, history)
    SAME_FILE.require(
        fetch_files(target, history) == first, "other bytes on the second download", history.last
    )
    target.poll(history)
    SAME_FILE.require(
        fetch_files(target, history) == first, "other bytes after another poll", history.last
    )
    check_number(len(history.links), history.expected_results, history.last)


@pytest.mark.fast
@pytest.mark.costs(0, stage=Stage.LIFE)
@pytest.mark.parametrize("name", MODELS)
def test_a_range_request_returns_that_part_of_the_file(target, name) -> None:
    """A range request returns the whole file (200) or exactly that range (206)."""
    history = completed_task(target, cheapest(target.models[name]))
    for link, whole in zip(history.links, fetch_files(target, history), strict=False):
        for first, last in _ranges(len(whole)):
            exchange = fetch_link(target, history, link, Range=f"bytes={first}-{last}")
            PART.require(
                exchange.status in {200, 206}, f"{exchange.status}", history.last, exchange
            )
            if exchange.status == 200:
                same = exchange.content == whole
                SAME_FILE.require(same, "other bytes for a range", history.last, exchange)
                continue
            right = exchange.content == whole[first : last + 1]
            PART.require(right, "other bytes", history.last, exchange)
            part, right = exchange.header("content-range"), f"bytes {first}-{last}/{len(whole)}"
            named = part in {right, f"bytes {first}-{last}/*"}
            PART.require(named, f"{part}, not {right}", history.last, exchange)


def _ranges(size: int) -> list[tuple[int, int]]:
    """Return the first and the last byte of some parts of a file."""
    middle = min(7, size - 1)
    return [(0, min(99, size - 1)), (middle, max(middle, size // 2)), (max(0, size - 50), size - 1)]


@pytest.mark.fast
@pytest.mark.costs(3)
@pytest.mark.parametrize(
    "name", dear([(name,) for name in QUALITY_MODELS], lambda name: name == QUALITY_MODELS[0])
)
def test_a_video_of_higher_quality_has_a_larger_frame(target, name) -> None:
    """A video is about as high as its quality's name says; a higher quality is larger."""
    before = (0.0, None)
    for quality in sorted(target.models[name].parameters["quality"]["enum"], key=quality_height):
        history = completed_task(target, {**cheapest(target.models[name]), "quality": quality})
        for content in fetch_files(target, history):
            size = video_size(content)
            if size is None:
                continue
            detail = f"{size[0]:g}x{size[1]:g} for {quality}"
            at = {"pointer": request_field("quality"), "shape": f"{name}: another frame"}
            seen = [one for one in (before[1], history.first, history.last) if one]
            FRAME.require(size[0] * size[1] > before[0], detail, *seen, **at)
            before = (size[0] * size[1], history.first)


@pytest.mark.fast
@pytest.mark.parametrize(("name", "count"), COUNT_CASES)
def test_there_are_as_many_files_as_requested(target, name, count) -> None:
    """A request for n images produces n distinct files."""
    fetch_files(target, completed_task(target, {**cheapest(target.models[name]), "n": count}))


@pytest.mark.fast
@pytest.mark.parametrize(("name", "size"), SIZE_CASES)
def test_an_image_has_the_requested_size(target, name, size) -> None:
    """An image has the requested width and height."""
    fetch_files(target, completed_task(target, {**cheapest(target.models[name]), "size": size}))


@pytest.mark.fast
@pytest.mark.parametrize(
    ("name", "field", "value"),
    dear(
        VIDEO_CASES,
        lambda name, field, value: field != "duration" or is_first_or_short(name, value),
    ),
)
def test_a_video_has_the_requested_duration_and_shape(target, name, field, value) -> None:
    """A video has the requested duration and aspect ratio."""
    body = {**cheapest(target.models[name]), field: value}
    if (
        packaged_oracle().expectation(target.models[name].operation_id, body).expected
        is Expected.REJECT
    ):
        del body["quality"]  # the lowest quality may not allow this value; the default does
    fetch_files(target, completed_task(target, body))


def _measured(content: bytes) -> tuple[object, ...]:
    seconds = video_seconds(content)
    return image_size(content), video_size(content), None if seconds is None else round(seconds)


@pytest.mark.fast
@pytest.mark.costs(2)
@pytest.mark.parametrize(
    ("name", "field", "default"),
    dear(DEFAULTS, lambda name, field, _: field != "quality" or name == QUALITY_MODELS[0]),
)
def test_an_omitted_parameter_has_the_effect_of_its_default(target, name, field, default) -> None:
    """Omitting a parameter gives files like those with its default."""
    body = {**cheapest(target.models[name])}
    body.pop(field, None)
    one, other = completed_task(target, body), completed_task(target, {**body, field: default})
    seen = [
        [_measured(content) for content in fetch_files(target, history)] for history in (one, other)
    ]
    detail = f"{seen[0]} without {field}, {seen[1]} for {default}"
    AS_DEFAULT.require(
        seen[0] == seen[1] or not all(seen),  # a task without files is another fault
        detail,
        one.first,
        one.last,
        other.first,
        other.last,
        pointer=request_field(field),
        shape=f"{name}: another effect",
    )


@pytest.mark.fast
@pytest.mark.mock_controls
def test_a_result_url_works_for_a_day(target) -> None:
    """A result URL still works shortly before 24 hours are over."""
    history = completed_task(target, cheapest(target.models[MODELS[0]]))
    target.controls.advance_time(_NEARLY_A_DAY)
    for link in history.links:
        if is_http_url(link):
            exchange = fetch_link(target, history, link)
            DAY.require(exchange.status == 200, f"{exchange.status}", history.last, exchange)


@pytest.mark.fast
@pytest.mark.costs(0, stage=Stage.AGAIN)
@pytest.mark.parametrize("name", MODELS)
def test_each_task_of_the_run_ends_with_the_files_that_were_requested(target, name) -> None:
    """With a limit, every task that was paid for by any test is judged to its files, and after."""
    failures: list[CheckFailed] = []
    for history in tasks_to_judge(target, name):
        try:
            with independent():
                if target.wait(history).status == COMPLETED:
                    fetch_files(target, history)
                    fetch_first_links(target, history)
                    for _ in range(_LATER_POLLS):
                        target.poll(history)
        except CheckFailed as failure:
            failures.append(failure)
            if failure.check is ENDS:  # the others would be waited for in vain
                break
    try:
        require_some_completed(target, name)
    except CheckFailed as failure:
        failures.append(failure)
    if failures:
        raise ExceptionGroup(f"{len(failures)} tasks are wrong", failures)


def fetch_first_links(target, history) -> None:
    """Check that the URLs of the first response that had any still work, if later ones differ."""
    for link in history.first_links:
        if is_http_url(link) and link not in history.links:
            exchange = fetch_link(target, history, link)
            right = exchange.status == 200
            DAY.require(right, f"{exchange.status} for an earlier URL", history.last, exchange)


def tasks_to_judge(target, name: str) -> list[Any]:
    """Return the tasks of a model whose links still work; with an ample budget one stands for all.

    With an ample budget, other tests wait for a task of each kind.
    """
    if target.budget.ample:
        return [completed_task(target, cheapest(target.models[name]))]
    oldest = target.controls.now() - _NEARLY_A_DAY
    own = [one for one in target.tasks.values() if one.model.name == name]
    return [one for one in own if not _is_before(one.receipt.get("created"), oldest)]


def _is_before(created: object, oldest: float) -> bool:
    return isinstance(created, int | float) and created < oldest
