"""Output on a real pseudo-terminal."""

from __future__ import annotations

import os
import pty
import re
from typing import TYPE_CHECKING

import pytest

from tests.cli.helpers import VIDEO
from wanflow.catalog.catalog import packaged_catalog

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

pytestmark = pytest.mark.processes

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


def run_on_terminal(start: Callable[[int], subprocess.Popen[str]]) -> tuple[str, str]:
    """Run a process on a terminal, and return its stdout and the terminal's output."""
    ours, theirs = pty.openpty()
    process = start(theirs)
    os.close(theirs)
    chunks: list[bytes] = []
    try:
        while chunk := os.read(ours, 65536):
            chunks.append(chunk)
    except OSError:  # on Linux this means that the other side is closed
        pass
    finally:
        os.close(ours)
    out, _ = process.communicate(timeout=60)
    text = b"".join(chunks).decode()
    assert process.returncode == 0, text
    return out, text


def test_progress_is_live(process: Callable[..., subprocess.Popen[str]]) -> None:
    """On a terminal one bar is redrawn; stdout has only the result."""
    words = ("run", VIDEO, "--prompt", "A cat", "-o", "out")
    out, text = run_on_terminal(lambda terminal: process(*words, stderr=terminal))
    assert "\x1b[" in text
    assert "━" in text
    last = ESCAPES.sub("", text).splitlines()[-1]
    assert re.search(r"task-unified-\S+ ━+ completed \d:\d\d:\d\d", last)
    assert re.fullmatch(r"out/task-unified-\S+\.mp4\n", out)


def test_a_plain_terminal_gets_lines(
    process: Callable[..., subprocess.Popen[str]], environment: dict[str, str]
) -> None:
    """A terminal that can't redraw gets the lines of a file."""
    environment["TERM"] = "dumb"
    words = ("run", VIDEO, "--prompt", "A cat")
    _, text = run_on_terminal(lambda terminal: process(*words, stderr=terminal))
    assert "\x1b" not in text
    assert re.search(r"task-unified-\S+ pending 0 %", text)


def test_log_messages_do_not_break_the_display(
    process: Callable[..., subprocess.Popen[str]],
) -> None:
    """Log messages are above the bar, each on its own line."""
    words = ("run", VIDEO, "--prompt", "A cat")
    _, text = run_on_terminal(lambda terminal: process(*words, stderr=terminal))
    lines = [line.strip() for line in ESCAPES.sub("", text).splitlines()]
    assert [line for line in lines if line.startswith("submitted ")] == [
        line for line in lines if re.fullmatch(rf"submitted {VIDEO} as task \S+", line)
    ]
    assert any(line.startswith("submitted ") for line in lines)


def test_an_id_is_never_broken(
    process: Callable[..., subprocess.Popen[str]], environment: dict[str, str]
) -> None:
    """The terminal wraps a line that is too long for it, so that its text can be copied."""
    environment["COLUMNS"] = "20"
    words = ("run", VIDEO, "--prompt", "A cat")
    _, text = run_on_terminal(lambda terminal: process(*words, stderr=terminal))
    assert re.search(
        rf"submitted {VIDEO} as task task-unified-\w+-\w{{8}}\r", ESCAPES.sub("", text)
    )


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_the_models_fit_the_terminal(
    process: Callable[..., subprocess.Popen[str]], environment: dict[str, str], columns: int
) -> None:
    """No line is longer than the terminal; no parameter is broken; continued lines are indented."""
    environment["COLUMNS"] = str(columns)
    _, text = run_on_terminal(lambda terminal: process("models", stdout=terminal))
    lines = ESCAPES.sub("", text).splitlines()
    assert max(map(len, lines)) <= columns
    models = packaged_catalog().models
    assert [line.split()[0] for line in lines if not line.startswith(" ")] == list(models)
    parameters = {name for model in models.values() for name in model.parameters}
    kinds = {model.kind for model in models.values()}
    words = {word.strip("[]") for line in lines for word in line.split()}
    assert words == {*models, *kinds, *parameters}
    assert (len(lines) > len(models)) == (columns < 200)
