"""A command whose output nobody reads any more ends as it would have, and says nothing."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cli.helpers import IMAGE
from wanflow.cli.main import COMMANDS
from wanflow.ledger import JobState, Ledger

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    from tests.cli.helpers import CommandResult

    Process = Callable[..., subprocess.Popen[str]]
    Command = Callable[..., CommandResult]

REQUEST = (IMAGE, "--prompt", "x")
PRINTS = [
    ("--help",),
    ("--version",),
    ("run", "--help"),
    ("run", IMAGE, "--help"),
    ("models",),
    ("models", IMAGE),
    ("models", "--json"),
    ("check", *REQUEST),
    ("check", *REQUEST, "--json"),
    ("run", *REQUEST, "--dry-run"),
    ("mock", "--guide"),
    ("mock", "--faults"),
]
# The help of each other command is printed in the same way.
SLOW = [
    pytest.param((name, "--help"), "", marks=pytest.mark.slow) for name in COMMANDS if name != "run"
]


def end_of(process: Process, *words: str) -> tuple[int, str]:
    """Run a command whose stdout is a pipe that is closed; return its exit code and stderr."""
    reader, writer = os.pipe()
    os.close(reader)
    ended = process(*words, stdout=writer)
    os.close(writer)
    _, err = ended.communicate(timeout=60)
    return ended.returncode, err


@pytest.mark.parametrize(
    ("words", "unbuffered"),
    [*((words, "") for words in PRINTS), (("--help",), "1"), (("models", "--json"), "1"), *SLOW],
)
def test_a_command_that_prints_ends_with_0(
    process: Process, environment: dict[str, str], words: tuple[str, ...], unbuffered: str
) -> None:
    """So does `wanflow … | head`, with and without Python's buffer."""
    environment["PYTHONUNBUFFERED"] = unbuffered
    code, err = end_of(process, *words)
    assert code == 0, err
    assert not any(word in err for word in ("Traceback", "Broken", "Exception"))


@pytest.mark.parametrize(
    ("command", "as_json"),
    [
        ("run", ()),
        ("batch", ("--json",)),
        *(  # in their own process, as the others
            pytest.param(*case, marks=pytest.mark.slow)
            for case in (("run", ("--json",)), ("batch", ()))
        ),
    ],
)
def test_what_was_paid_for_is_still_saved(
    process: Process,
    environment: dict[str, str],
    tmp_path: Path,
    command: str,
    as_json: tuple[str, ...],
) -> None:
    """The task is waited for, the files are saved, and the ledger has the job."""
    environment["WANFLOW_LEDGER"] = str(tmp_path / "l.db")
    (tmp_path / "jobs.jsonl").write_text(json.dumps({"model": IMAGE, "prompt": "x"}))
    words = ("jobs.jsonl",) if command == "batch" else REQUEST
    code, err = end_of(process, command, *words, "-o", "out", *as_json)
    assert code == 0, err
    with Ledger(tmp_path / "l.db") as ledger:
        (job,) = ledger.jobs()
    assert job.state is JobState.SAVED
    assert all(Path(file.path).exists() for file in job.files)


# Each of the eight commands is a process; what `--json` prints to nobody is tested above.
@pytest.mark.parametrize("as_json", [(), pytest.param(("--json",), marks=pytest.mark.slow)])
def test_every_command_for_tasks_and_the_ledger_ends_with_0(
    process: Process,
    environment: dict[str, str],
    wanflow: Command,
    tmp_path: Path,
    as_json: tuple[str, ...],
) -> None:
    """Each of them prints what it found to nobody."""
    environment["WANFLOW_LEDGER"] = str(tmp_path / "l.db")
    task_id = wanflow("submit", *REQUEST).out.strip()
    for words in [
        ("submit", *REQUEST, *as_json),
        ("status", task_id, *as_json),
        ("wait", task_id, *as_json),
        ("download", task_id, "-o", "out", *as_json),
        ("ledger", "list", *as_json),
        ("ledger", "show", "1", *as_json),
        ("ledger", "export"),
        ("ledger", "resume", "-o", "out", *as_json),
    ]:
        code, err = end_of(process, *words)
        assert (code, "Traceback" in err) == (0, False), (words, err)


def test_an_error_keeps_its_exit_code(process: Process) -> None:
    """Its event is lost, and its sentence is on stderr."""
    code, err = end_of(process, "check", IMAGE, "--json")
    assert code == 2
    assert "prompt" in err
