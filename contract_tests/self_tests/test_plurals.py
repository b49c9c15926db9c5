"""Each number in a message agrees with the noun after it."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from self_tests.report_data import QUERY, VIDEO, exchange, finding
from wanflow.cli.text import counted
from wanflow_contract.findings.baseline import summary
from wanflow_contract.plan.forecast import Forecast
from wanflow_contract.report.counters import Counters
from wanflow_contract.report.formats import RENDERERS
from wanflow_contract.report.result import RanTest, RunResult
from wanflow_contract.report.text import block, cut, example_of
from wanflow_contract.support.run_output import write_emitted_tests
from wanflow_contract.watch.har import Har, ReadHar
from wanflow_contract.watch.observer import Observer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# "1 lines"; not the end of a larger number, nor "of 1", after which the plural is right.
WRONG = re.compile(r"(?<![\d.,x-])1 (?:more |other |documented |reported |known )?[a-z]+s\b")
RIGHT = frozenset({"1 is", "1 was", "1 has", "1 class"})


def messages(number: int) -> Iterator[str]:
    """Yield what is said of so many things."""
    result = RunResult(
        Counters("http://a", requests=number, tasks=number, unbelieved=Counter({"m: -1": number})),
        [finding(shape=f"{one}", operation=one) for one in (VIDEO, QUERY)[:number]],
        tests=[RanTest("test_a", "failed")],
        evaluations=[("accepts", VIDEO, number)],
        missing=number,
    )
    yield from (render(result) for name, render in RENDERERS.items() if name != "json")
    yield cut("a" * (10 + number), 10)
    yield block("\n" * 39 + "\n" * number)
    headers = [["a", "b"]] * 100
    yield from (example_of(exchange(headers=headers[: 12 + number])).response,)
    yield example_of(exchange(sent="\0" * number)).request
    forecast = Forecast(9.0, number, number, number, 9.0, number, 9.0, {"a": 1})
    yield from forecast.lines()
    outcome: dict[str, Any] = {
        "file": "f",
        "entries": number,
        "occurred": 1,
        "expired": [],
        "absent": [],
    }
    yield from summary({**outcome, "updated": False})
    observer = Observer()
    observer.unread = observer.tasks.remembered.forgotten = number
    yield from observer.limits()


@pytest.mark.parametrize("number", [1, 2])
def test_a_number_agrees_with_its_noun(number: int, tmp_path: Path) -> None:
    """In every format of a report, and in what the commands print."""
    said = [
        *messages(number),
        *ReadHar(Har(tmp_path), "http://a", number, 0, keys_removed=False).lines(),
        *write_emitted_tests(RunResult(Counters(), [finding()]), str(tmp_path / "tests")),
    ]
    wrong = [one for text in said for one in WRONG.findall(text) if one not in RIGHT]
    assert not wrong
    for noun in ("exchange", "task", "request", "test", "known deviation", "reported price"):
        assert any(counted(number, noun) in text for text in said), noun
