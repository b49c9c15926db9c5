"""Completion in real shells: what is typed, a Tab, and what stands there then."""

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
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.helpers import FROM_IMAGE, IMAGE
from tests.examples import ALL
from wanflow import Client, Ledger
from wanflow.catalog.catalog import packaged_catalog
from wanflow.cli import exit_codes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.cli.helpers import CommandResult
    from wanflow.mock import MockServer

pytestmark = pytest.mark.processes

TIMEOUT = 60
PROMPT = "ready> "


class Terminal:
    """An interactive shell on a terminal, which completes `wanflow`."""

    def __init__(
        self, command: list[str], set_up: str, folder: Path, environment: dict[str, str]
    ) -> None:
        self._terminal, theirs = pty.openpty()
        self._process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment | {"PS1": PROMPT, "TERM": "dumb", "HOME": str(folder)},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        self.read(PROMPT)
        self.type(f'{set_up}; echo do"ne"\n')
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
        """Type a line and a Tab, and return the line as the shell has it then."""
        # Before the line is run, the command is put before it that shows its words.
        self.type(f"{line}\t\x01printf '<%s>' \x05\n")
        shown = self.read(f">{PROMPT}")
        return " ".join(re.findall(r"<([^<>]*)>", shown.rpartition("\n")[2]))

    def close(self) -> None:
        """End the shell."""
        self._process.kill()
        self._process.wait()
        os.close(self._terminal)


class Bash(Terminal):
    """An interactive bash."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        command = ["bash", "--norc", "--noprofile", "-i"]
        super().__init__(command, EPILOG["bash"], folder, environment)


class Zsh(Terminal):
    """An interactive zsh."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        set_up = f"unsetopt prompt_sp prompt_cr; bindkey -e; {EPILOG['zsh']}"
        super().__init__(["zsh", "-f", "-i"], set_up, folder, environment)


class Fish:
    """Fish, which is asked for the completions of a line by a command of its own."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._options: dict[str, Any] = {
            "cwd": folder,
            "env": environment | {"HOME": str(folder)},
        }

    def complete(self, line: str) -> str:
        """Return the line with what all completions of its last word begin with."""
        script = f"{EPILOG['fish']}; complete -C $argv[1]"
        command = ["fish", "--no-config", "-c", script, line]
        done = subprocess.run(
            command, **self._options, capture_output=True, text=True, check=True, timeout=TIMEOUT
        )
        found = [shown.partition("\t")[0] for shown in done.stdout.splitlines()]
        return f"{line.rpartition(' ')[0]} {common_prefix(found)}"

    def close(self) -> None:
        """Nothing runs."""


def common_prefix(words: list[str]) -> str:
    """Return what all words begin with."""
    first = min(words, key=len)
    return next(
        first[:size]
        for size in range(len(first), -1, -1)
        if all(word.startswith(first[:size]) for word in words)
    )


SHELLS = {"bash": Bash, "zsh": Zsh, "fish": Fish}
EPILOG = next(dict(rows) for title, rows in exit_codes.EPILOG if title == "Shell completion")


@pytest.fixture(params=[*SHELLS])
def shell(
    request: pytest.FixtureRequest, tmp_path: Path, server: MockServer, api_key: str
) -> Iterator[Bash | Zsh | Fish]:
    """A shell in a folder with some files, a ledger with one job, and `wanflow` on its PATH."""
    if shutil.which(request.param) is None:
        pytest.skip(f"{request.param} IS NOT INSTALLED: its completion is not tested")
    (tmp_path / "bin").mkdir()
    script = tmp_path / "bin" / "wanflow"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m wanflow "$@"\n')
    script.chmod(0o755)
    for name in ("jobs.jsonl", "cat picture.png", "key.txt", "request.json"):
        (tmp_path / name).write_text("{}")
    (tmp_path / "films").mkdir()
    environment = {
        "PATH": f"{tmp_path / 'bin'}:{os.defpath}",
        "PYTHONPATH": os.pathsep.join(sys.path),
        "WANFLOW_LEDGER": str(tmp_path / "led.db"),
    }
    with (
        Ledger(tmp_path / "led.db") as ledger,
        Client(api_key, server.base_url, ledger=ledger) as client,
    ):
        task = client.submit(model=IMAGE, prompt="x")
    (tmp_path / "task.json").write_text(json.dumps(task.id))
    shell = SHELLS[request.param](tmp_path, environment)
    yield shell
    shell.close()


def cases(task_id: str) -> dict[str, list[tuple[str, str]]]:
    """What is typed, and what it becomes, by kind."""
    parameter = max(packaged_catalog().models[IMAGE].parameters, key=len).replace("_", "-")
    from_file = f"wanflow check {FROM_IMAGE} --image-urls cat"
    return {
        "commands": [
            ("wanflow ledger exp", "wanflow ledger export"),
            ("wanflow che", "wanflow check"),
        ],
        "options": [
            (f"wanflow run {IMAGE} --{parameter[:-1]}", f"wanflow run {IMAGE} --{parameter}"),
            (f"wanflow submit {IMAGE} --max-c", f"wanflow submit {IMAGE} --max-credits"),
        ],
        "models": [
            (f"wanflow {command} {IMAGE[:-1]}", f"wanflow {command} {IMAGE}")
            for command in ("run", "submit", "check", "estimate", "models")
        ],
        "files": [
            (from_file, f"{from_file} picture.png"),
            ("wanflow batch jo", "wanflow batch jobs.jsonl"),
            (f"wanflow run {IMAGE} --request req", f"wanflow run {IMAGE} --request request.json"),
            (
                f"wanflow run {IMAGE} --api-key-file ke",
                f"wanflow run {IMAGE} --api-key-file key.txt",
            ),
            ("wanflow ledger list --ledger le", "wanflow ledger list --ledger led.db"),
            ("wanflow ledger export jo", "wanflow ledger export jobs.jsonl"),
        ],
        "directories": [
            ("wanflow batch jobs.jsonl -o fil", "wanflow batch jobs.jsonl -o films"),
        ],
        "tasks": [
            (f"wanflow {command} task-u", f"wanflow {command} {task_id}")
            for command in ("download", "status", "wait", "ledger show", "ledger forget")
        ],
    }


def test_what_is_typed_is_completed(shell: Bash | Zsh | Fish, tmp_path: Path) -> None:
    """One of each kind, a path with a blank among them; `make slow` tries many."""
    kinds = cases(json.loads((tmp_path / "task.json").read_text()))
    tried = [case for kind in kinds.values() for case in (kind if ALL else kind[:1])]
    found = {typed: shell.complete(typed).removesuffix("/") for typed, _ in tried}
    assert found == dict(tried)


def test_the_help_and_the_page_say_how_to_switch_it_on(
    wanflow: Callable[..., CommandResult],
) -> None:
    """With the line for each shell that the tests of this file run."""
    page = (Path(__file__).parents[3] / "docs/completion.md").read_text()
    lines = re.findall(r"^```(\w+)\n(.*)\n```", page, re.MULTILINE)
    assert dict(lines) == EPILOG
    shown = "".join(wanflow("--help").out.split())
    assert all("".join(line.split()) in shown for line in EPILOG.values())
