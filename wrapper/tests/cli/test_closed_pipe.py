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

pytestmark = pytest.mark.processes

REQUEST = (IMAGE, "--prompt", "x")
PRINTS = [
    ("--help",),
    ("run", IMAGE, "--help"),
    ("models", "--json"),
    ("check", *REQUEST),
    ("run", *REQUEST, "--dry-run"),
    ("mock", "--guide"),
]
# Each is a process, and prints in the same way as one of those above.
SLOW = [
    pytest.param(words, "", marks=pytest.mark.slow)
    for words in [
        *((name, "--help") for name in COMMANDS),
        ("--version",),
        ("models",),
        ("models", IMAGE),
        ("check", *REQUEST, "--json"),
        ("mock", "--faults"),
    ]
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


TASK = "the id of a task"
FOR_TASKS = [
    ("submit", *REQUEST),
    ("status", TASK),
    ("wait", TASK),
    ("download", TASK, "-o", "out"),
    ("ledger", "list"),
    ("ledger", "show", "1"),
    ("ledger", "export"),
    ("ledger", "resume", "-o", "out"),
]
# Each is a process: one submits, one waits, one prints a table; and `--json` is tested above.
FAST = ("submit", "wait", "list")


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(words, marks=[] if {*words[:2]} & {*FAST} else pytest.mark.slow)
        for words in FOR_TASKS
    ]
    + [
        pytest.param((*one, "--json"), marks=pytest.mark.slow)
        for one in FOR_TASKS
        if "export" not in one
    ],
)
def test_every_command_for_tasks_and_the_ledger_ends_with_0(
    process: Process,
    environment: dict[str, str],
    wanflow: Command,
    tmp_path: Path,
    words: tuple[str, ...],
) -> None:
    """Each of them prints what it found to nobody."""
    environment["WANFLOW_LEDGER"] = str(tmp_path / "l.db")
    task_id = wanflow("submit", *REQUEST).out.strip()
    code, err = end_of(process, *(task_id if word == TASK else word for word in words))
    assert (code, "Traceback" in err) == (0, False), err


def test_an_error_keeps_its_exit_code(process: Process) -> None:
    """Its event is lost, and its sentence is on stderr."""
    code, err = end_of(process, "check", IMAGE, "--json")
    assert code == 2
    assert "prompt" in err
