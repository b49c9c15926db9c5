"""The examples of docs/events.md run against the mock, and say what the page says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.client.fast_clock import with_fast_clock
from wanflow import Client, events

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wanflow.mock import MockServer

TEXT = (Path(__file__).parents[3] / "docs/events.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)


def example(name: str) -> Any:
    """Return the function of an example."""
    (code,) = (block for block in BLOCKS if f"def {name}(" in block)
    names: dict[str, Any] = {}
    exec(compile(code, "events.md", "exec"), names)
    return names[name]


@pytest.fixture
def client(
    mock: MockServer, api_key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Client]:
    monkeypatch.chdir(tmp_path)
    with Client(api_key, mock.base_url) as client:
        yield with_fast_clock(client)


def test_each_block_is_run() -> None:
    """There are as many as this file calls."""
    assert len(BLOCKS) == 4


def test_the_page_installs_what_its_examples_import() -> None:
    """The extra has OpenTelemetry's API only; the example needs its SDK."""
    imported = {
        f"opentelemetry-{name}"
        for name in re.findall(r"^from opentelemetry\.(\w+)", "".join(BLOCKS), re.M)
    }
    assert imported
    installed = " ".join(re.findall(r"`pip install ([^`]+)`", TEXT)).split()
    assert imported <= set(installed)


def test_the_function_gets_every_event(client: Client, capsys: pytest.CaptureFixture[str]) -> None:
    """It prints the credits and the file."""
    count = example("poster")(client)
    assert count["submitted"] == count["completed"] == count["saved"] == 1
    assert count["polled"] >= 1
    output = capsys.readouterr().out
    assert "reserves" in output
    assert "bytes in" in output


def test_the_progress_is_shown(client: Client, capsys: pytest.CaptureFixture[str]) -> None:
    """It ends with the links."""
    example("with_progress")(client)
    assert "http" in capsys.readouterr().out


@pytest.mark.processes
def test_the_log_is_json(mock: MockServer, api_key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each line has the keys that the page names."""
    monkeypatch.setenv("WANFLOW_BASE_URL", mock.base_url)
    monkeypatch.setenv("WANFLOW_API_KEY", api_key)
    lines = [line for line in example("log_of_a_program")() if line["event"] != "log"]
    assert [line["event"] for line in lines][:2] == ["submit_started", "submitted"]
    named = re.findall(r"`(\w+)`", TEXT.partition("Each line has ")[2].partition("\n\n")[0])
    assert {"time", "level", "event", "operation", "task_id", "message"} <= set(named)
    for line in lines:
        assert {"time", "level", "event", "operation", "task_id", "message"} <= line.keys()


def test_the_spans_are_those_of_the_page(client: Client) -> None:
    """And each attribute that the page names exists."""
    spans = example("traced")(client)
    assert {span.name.split()[0] for span in spans} == {"submit", "wait", "download"}
    table = TEXT.partition("| span |")[2].partition("\n\n")[0]
    rare = {"wanflow.failure_code", "wanflow.parameter", "wanflow.request_id"}
    named = set(re.findall(r"`((?:gen_ai|wanflow)\.[a-z_.]+)`", table)) - rare
    assert named <= {name for span in spans for name in span.attributes}


def test_the_page_links_to_no_kind_that_there_is_not() -> None:
    """Each name in its examples is one of the module's."""
    named = set(re.findall(r"events\.([A-Z]\w+)", TEXT))
    assert named
    assert named <= set(events.__all__)
