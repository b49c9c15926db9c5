"""Completion in a real bash on a terminal: what is typed, a Tab, and what stands there then."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from tests.cli.helpers import FROM_IMAGE, IMAGE
from wanflow import Client, Ledger

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from wanflow.mock import MockServer

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="it is about bash")
TIMEOUT = 60
PROMPT = "ready> "


class Bash:
    """An interactive bash that completes `wanflow`."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._terminal, theirs = pty.openpty()
        command = ["bash", "--norc", "--noprofile", "-i"]
        self._process = subprocess.Popen(
            command,
            cwd=folder,
            env={"PATH": f"{folder / 'bin'}:{os.defpath}", "PS1": PROMPT, "TERM": "dumb"}
            | environment,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        self.read(PROMPT)
        self.type('eval "$(_WANFLOW_COMPLETE=bash_source wanflow)"; echo do"ne"\n')
        self.read(f"done\r\n{PROMPT}")

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self._terminal, text.encode())

    def read(self, until: str) -> str:
        """Read what the terminal shows, until a text is there."""
        seen, end = "", time.monotonic() + TIMEOUT
        while until not in seen:
            ready, _, _ = select.select([self._terminal], [], [], end - time.monotonic())
            assert ready, (until, seen)
            seen += os.read(self._terminal, 65536).decode(errors="replace")
        return seen

    def complete(self, line: str) -> str:
        """Type a line and a Tab, and return the line as bash has it then."""
        # Before the line is run, the command is put before it that shows its words.
        self.type(f"{line}\t\x01printf '<%s>' \x05\n")
        shown = self.read(f">{PROMPT}")
        return " ".join(re.findall(r"<([^<>]*)>", shown.rpartition("\n")[2]))

    def close(self) -> None:
        """End the shell."""
        self._process.kill()
        self._process.wait()
        os.close(self._terminal)


@pytest.fixture
def bash(tmp_path: Path, server: MockServer, api_key: str) -> Iterator[Bash]:
    """A bash in a folder with some files, a ledger with one job, and `wanflow` on its PATH."""
    (tmp_path / "bin").mkdir()
    script = tmp_path / "bin" / "wanflow"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m wanflow "$@"\n')
    script.chmod(0o755)
    for name in ("jobs.jsonl", "cat picture.png", "key.txt", "request.json"):
        (tmp_path / name).write_text("{}")
    (tmp_path / "films").mkdir()
    paths = {"PYTHONPATH": os.pathsep.join(sys.path), "WANFLOW_LEDGER": str(tmp_path / "led.db")}
    with (
        Ledger(tmp_path / "led.db") as ledger,
        Client(api_key, server.base_url, ledger=ledger) as client,
    ):
        task = client.submit(model=IMAGE, prompt="x")
    (tmp_path / "task.json").write_text(json.dumps(task.id))
    shell = Bash(tmp_path, paths)
    yield shell
    shell.close()


CASES = [
    ("wanflow che", "wanflow check"),
    ("wanflow batch jo", "wanflow batch jobs.jsonl"),
    ("wanflow batch jobs.jsonl -o fil", "wanflow batch jobs.jsonl -o films/"),
    (f"wanflow run {IMAGE} --request req", f"wanflow run {IMAGE} --request request.json"),
    (f"wanflow run {IMAGE} --api-key-file ke", f"wanflow run {IMAGE} --api-key-file key.txt"),
    (
        f"wanflow check {FROM_IMAGE} --image-urls cat",
        f"wanflow check {FROM_IMAGE} --image-urls cat picture.png",
    ),
    ("wanflow ledger list --ledger le", "wanflow ledger list --ledger led.db"),
    ("wanflow ledger export jo", "wanflow ledger export jobs.jsonl"),
]


@pytest.mark.parametrize(("typed", "completed"), CASES)
def test_names_of_files_and_folders_are_completed(bash: Bash, typed: str, completed: str) -> None:
    """Also those with a blank, for each option and argument that takes a path."""
    assert bash.complete(typed) == completed


@pytest.mark.parametrize("command", ["status", "wait", "download", "ledger show", "ledger forget"])
def test_task_ids_are_completed(bash: Bash, tmp_path: Path, command: str) -> None:
    """They come from the ledger."""
    task_id = json.loads((tmp_path / "task.json").read_text())
    assert bash.complete(f"wanflow {command} task-u") == f"wanflow {command} {task_id}"
