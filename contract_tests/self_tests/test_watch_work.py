"""How much work an entry of a HAR file is: as much in a long file as in a short one."""

from __future__ import annotations

import gc
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from attrs import evolve

from self_tests.test_watch_har import BASE, KEY, MODEL, TASK, entry, write
from wanflow_contract.checks.boundaries import cheapest
from wanflow_contract.watch.har import judge_har, read_har
from wanflow_contract.watch.observer import Observer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import FrameType

BEGINNING = datetime(2026, 9, 21, 14, 13, 20, tzinfo=UTC)
FEW, MANY = 20, 300
GROWTH = 1.05
"""What a count may differ by: ids and names with more digits are longer."""


def made(number: int) -> dict[str, Any]:
    """Return the response to a submission."""
    named = {**TASK, "id": f"task-unified-1-{number:06}"}
    return {**named, "status": "pending", "progress": 0}


def life(number: int) -> list[Any]:
    """Return the entries of a task: its submission, a poll, and its end."""
    task = made(number)
    ended = {**task, "status": "completed", "progress": 100}
    ended["results"] = [f"https://files.example/{number:06}.png"]
    url = f"{BASE}/v1/tasks/{task['id']}"
    submitted = entry("POST", BASE + MODEL.path, 20, task, cheapest(MODEL))
    return [submitted, *(entry("GET", url, 20, one) for one in (task, ended))]


def of_other_accounts(number: int) -> list[Any]:
    """Return a life whose requests have a key each, that no other life has."""
    entries = life(number)
    for at, one in enumerate(entries):
        for header in one["request"]["headers"]:
            if header["name"] == "authorization":
                header["value"] = f"Bearer {KEY}-{at}-{number:06}"
    return entries


def of_one_task(number: int) -> list[Any]:
    """Return three polls of the first task."""
    return life(0) if not number else [life(0)[1]] * 3


def wrong(number: int) -> list[Any]:
    """Return a life with a failed check."""
    entries = life(number)
    entries[-1] = entry("GET", entries[1]["request"]["url"], 20, {**made(number), "progress": 400})
    return entries


def refused(number: int) -> list[Any]:
    """Return a life and a refusal whose unusual header may be the reason."""
    error = {"error": {"code": "invalid", "message": "no", "type": "invalid_request_error"}}
    answer = entry("POST", BASE + MODEL.path, 20, error, cheapest(MODEL), status=400)
    answer["request"]["headers"].append({"name": f"x-header-{number % 7}", "value": "1"})
    return [*life(number), answer]


def of_other_servers(number: int) -> list[Any]:
    """Return a life and two requests to other servers."""
    page = f"https://www.example/{number:06}.html"
    return [*life(number), entry("GET", page, 20, "<html>"), entry("POST", page, 20, "", {})]


def operations_of(act: Callable[[], object]) -> int:
    """Return how many instructions of Python an act has."""
    count = 0

    def each(frame: FrameType, event: str, _argument: object) -> Any:
        nonlocal count
        frame.f_trace_opcodes = True
        count += event == "opcode"
        return each

    before = sys.gettrace()
    gc.collect()
    gc.disable()  # what other tests left would be freed, and counted, here
    sys.settrace(each)
    try:
        act()
    finally:
        sys.settrace(before)
        gc.enable()
    return count


def in_order(lives: Iterator[list[Any]]) -> list[Any]:
    """Return entries with one a second."""
    entries = [dict(one) for life in lives for one in life]
    for second, one in enumerate(entries):
        begun = BEGINNING + timedelta(seconds=second)
        one["startedDateTime"] = begun.isoformat()
    return entries


def work_after(folder: Path, kind: Callable[[int], list[Any]], lives: int) -> int:
    """Return how many instructions it takes to judge one life after some others."""
    entries = in_order(kind(number) for number in range(lives + 2))
    har = read_har(write(folder, entries))
    last = len(kind(1))
    observer = Observer()
    judge_har(evolve(har, entries=har.entries[:-last]), observer)
    return operations_of(lambda: judge_har(evolve(har, entries=har.entries[-last:]), observer))


@pytest.mark.parametrize(
    "kind", [life, of_other_accounts, of_one_task, wrong, refused, of_other_servers]
)
def test_an_entry_of_a_long_file_is_no_more_work_than_one_of_a_short_file(tmp_path, kind) -> None:
    """Otherwise the time would grow with the square of the file."""
    few, many = (work_after(tmp_path, kind, lives) for lives in (FEW, MANY))
    assert few > 1000
    assert many < few * GROWTH
