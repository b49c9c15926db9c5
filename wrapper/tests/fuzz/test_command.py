"""The command of `make fuzz` fails where a target does, or where it had fewer inputs than asked."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.fuzz import __main__ as command

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.processes

WITH = """
import sys
from tests.fuzz import __main__ as command, targets

command.BUILD, command.INPUT_SECONDS = command.Path({folder!r}), 1
command.find_spec = lambda _: None  # what fuzzes without atheris
targets.TARGETS["csv"] = lambda data: {body}
command.main()
"""
HANGS = "[None for _ in iter(int, 1)]"


def fuzz(folder: Path, body: str, inputs: int) -> subprocess.CompletedProcess[str]:
    """Fuzz a target of one's own, as the command does in a process for each."""
    code = WITH.format(folder=str(folder), body=body)
    one = [sys.executable, "-c", code, "--one", "csv", str(inputs), "0"]
    return subprocess.run(one, check=False, capture_output=True, text=True, timeout=120)


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> object:
    """Run the command with a target of one's own in the process that it starts."""

    def start(body: str, inputs: int = 20, seconds: int = 0) -> tuple[bool, str]:
        done = fuzz(tmp_path, body, inputs)
        monkeypatch.setattr(command.subprocess, "run", lambda *_, **__: done)
        return command.run("csv", inputs, seconds), capsys.readouterr().out

    return start


def test_a_target_that_raises_nothing_passes(run) -> None:
    """With as many inputs as were asked for."""
    passed, output = run("None")
    assert passed, output
    assert output.startswith("csv: 20 inputs in ")


def test_a_target_that_raises_fails_and_its_input_is_kept(run, tmp_path: Path) -> None:
    """What it raised is shown."""
    passed, output = run("data.nothing")
    assert not passed
    assert "AttributeError: 'bytes' object has no attribute 'nothing'" in output
    assert (tmp_path / "csv-found").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="no timer of CPU time")
def test_a_target_that_does_not_end_fails(run) -> None:
    """Its process is ended after some seconds of CPU time."""
    passed, output = run(HANGS)
    assert not passed, output


@pytest.mark.parametrize(("seconds", "passed"), [(0, False), (1, True)])
@pytest.mark.parametrize("error", ["", "number_of_executed_units: 19\n"])
def test_fewer_inputs_than_asked_for_are_a_failure(
    monkeypatch: pytest.MonkeyPatch, seconds: int, passed: bool, error: str
) -> None:
    """Unless a time was: a fuzzer that says no number, or a lower one, has not done it."""
    done = subprocess.CompletedProcess([], 0, "", error)
    monkeypatch.setattr(command.subprocess, "run", lambda *_, **__: done)
    assert command.run("csv", 20, seconds) is passed


@pytest.mark.parametrize(("found", "code"), [([True, True], 0), ([True, False], 1)])
def test_one_failure_of_several_targets_is_the_result(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, found: list[bool], code: int
) -> None:
    """The others run nevertheless."""
    left = iter(found)
    monkeypatch.setattr(command, "BUILD", tmp_path)
    monkeypatch.setattr(command, "run", lambda *_: next(left))
    monkeypatch.setattr(sys, "argv", ["fuzz", "csv", "har"])
    with pytest.raises(SystemExit) as ended:
        command.main()
    assert ended.value.code == code
    assert list(left) == []
