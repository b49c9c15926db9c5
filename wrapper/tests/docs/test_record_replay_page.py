"""The examples of docs/record-replay.md are correct."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from wanflow import Client
from wanflow.catalog.document import packaged_path
from wanflow.cli.main import COMMANDS
from wanflow.cli.recording import Recording
from wanflow.mock import MockServer
from wanflow.mock.recording import scrub
from wanflow.mock.recording.life import BODY, FORMAT, HEADERS, VERSION, Life

TEXT = (Path(__file__).parents[3] / "docs/record-replay.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("line", [line for code in blocks("sh") for line in code.splitlines()])
def test_the_commands_are_valid(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each option of them exists."""
    monkeypatch.chdir(tmp_path)
    Path("new-openapi.json").write_bytes(packaged_path().read_bytes())
    _, name, *arguments = shlex.split(line)
    command = COMMANDS[name].load()
    assert isinstance(command.make_context(name, arguments), click.Context)


def test_the_example_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was recorded with one prompt plays with another, at the time of the virtual clock."""
    monkeypatch.chdir(tmp_path)
    (code,) = blocks("python")
    model = re.search(r'model="([^"]+)"', code)
    assert model is not None
    with (
        MockServer(polls=2) as upstream,
        Recording(upstream.base_url, Path("lives"), 1e6).running(recorder := MockServer()),
        recorder,
        Client(upstream.api_key, recorder.base_url, ledger=None) as client,
    ):
        task = client.submit(model=model[1], prompt="A cat")
        task.refresh()
        task.refresh()
    capsys.readouterr()
    exec(compile(code, "record-replay.md", "exec"), {})
    assert capsys.readouterr().out.splitlines() == ["processing", "completed"]


def test_the_format_is_described() -> None:
    """Each field, each placeholder and each header that is recorded, and the version."""
    assert f'"format": "{FORMAT}", "version": {VERSION}' in TEXT
    for name in (*(one.name for one in Life.__attrs_attrs__), *HEADERS):
        assert f"`{name}`" in TEXT
    for one in (scrub.TEXT, scrub.TASK_ID, scrub.LINK, scrub.TIME, scrub.MILLISECONDS, BODY):
        assert f'`{{"{one}": ' in TEXT
    assert scrub.text_of(57) in TEXT
