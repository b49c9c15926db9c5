"""An import that is stopped at any point leaves the directory unchanged."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Self

import pytest
from click.testing import CliRunner

from tests.spec.family import VIDEOS, document, request
from wanflow.cli.spec import spec
from wanflow.spec.intake.importer import import_locations
from wanflow.spec.project import Checkout
from wanflow.spec.read.source import read_sources
from wanflow.spec.read.yaml import write_yaml

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.builds

TEXT = {"type": "string"}
# Runs a command for each line, in a process forked off for it, since to start one and to import the
# pipeline takes longer than the command. The child kills itself, or is interrupted, at the nth time
# that a file is opened for writing, renamed or removed in the checkout.
PROGRAM = """
import json, os, signal, sys, openapi_spec_validator
from wanflow.cli.spec import spec
from wanflow.spec import examine
from wanflow.spec.intake import importer
root = sys.argv[1]
seen = 0
def stop_at(number, how):
    def hook(event, args):
        global seen
        if event not in ("os.rename", "os.remove", "open") or not str(args[0]).startswith(root):
            return
        writes = os.O_WRONLY | os.O_RDWR
        if event == "open" and not (isinstance(args[2], int) and args[2] & writes):
            return
        seen += 1
        if seen == number:
            if how == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            raise KeyboardInterrupt
    sys.addaudithook(hook)
for line in sys.stdin:
    number, how, words = json.loads(line)
    child = os.fork()
    if not child:
        os.dup2(2, 1)
        stop_at(number, how)
        spec(["--root", root, *words])
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class InterruptedCommands:
    """Runs commands on a checkout, each stopped at its nth write (0: never)."""

    def __init__(self, root: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(root)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def __call__(self, number: int, how: str, *words: str) -> int:
        """Run a command, and return its exit code."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps([number, how, words]) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


def files(folder: Path) -> dict[str, bytes]:
    return {str(one): one.read_bytes() for one in folder.rglob("*") if one.is_file()}


def begun(folder: Path) -> Checkout:
    (folder / "checkout" / "specs" / "sources").mkdir(parents=True)
    project = Checkout(folder / "checkout")
    first = folder / "nova-1.yaml"
    first.write_text(write_yaml(document(request("nova-1", a=TEXT))))
    import_locations(project, [first])
    return project


# Each import takes half a second of CPU time.
@pytest.mark.parametrize("step", [5, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("how", ["kill", "interrupt"])
def test_an_interrupted_import_leaves_the_directory_unchanged(
    tmp_path: Path, how: str, step: int
) -> None:
    """If it is killed, the next command undoes it; if it is interrupted, it does so itself."""
    project = begun(tmp_path)
    news = [tmp_path / "new-1.yaml", tmp_path / "new-2.yaml"]
    news[0].write_text(write_yaml(document(request("nova-1", b=TEXT))))
    news[1].write_text(write_yaml(document(request("nova-2", c=TEXT))))
    before = files(project.root)
    stopped = 0
    with InterruptedCommands(project.root) as run:
        for number in range(1, 40, step):
            code = run(number, how, "import", *map(str, news))
            if code == 0:
                break
            stopped += 1
            if how == "kill":
                assert code == -signal.SIGKILL
                assert run(0, how, "check") == 0
            assert files(project.root) == before, number
    assert stopped * step >= 6
    assert "b:" in (project.sources / "nova-1.yaml").read_text()
    assert len(read_sources(project.sources)) == 2


def test_pages_of_one_name_with_other_models_are_kept_apart(tmp_path: Path) -> None:
    """`a/generation.md` and `b/generation.md` are two specs, in one import or in two."""
    project = begun(tmp_path)
    for number, folder in enumerate(("a", "b", "c"), 2):
        text = write_yaml(document(request(f"nova-{number}", a=TEXT)))
        (tmp_path / folder).mkdir()
        page = f"````yaml en/{folder}/generation.json post {VIDEOS}\n{text}````\n"
        (tmp_path / folder / "generation.md").write_text(page)
    import_locations(project, [tmp_path / "a", tmp_path / "b"])
    import_locations(project, [tmp_path / "c"])
    names = {path.stem for path in project.sources.iterdir()}
    assert names == {"nova-1", "generation", "generation-2", "generation-3"}
    (again,) = import_locations(project, [tmp_path / "b"])
    assert (again.name, again.lines) == ("generation-2", ("as it was",))


def test_names_are_printed_without_control_characters(tmp_path: Path) -> None:
    """Escape sequences in names are escaped in reports, warnings and errors."""
    project = begun(tmp_path)
    bad = "\x1b]0;owned\x07\x1b[31m\u202e\x9b2J"
    rule = {"type": "integer", "default": bad, "description": f"must be 5 {bad}"}
    right: dict[str, Any] = {bad: rule}
    wrong: dict[str, Any] = {bad: {"type": bad}}
    good, broken = tmp_path / "good.yaml", tmp_path / "broken.yaml"
    good.write_text(write_yaml(document(request(f"nova{bad}", **right))))
    broken.write_text(write_yaml(document(request("n", **wrong))))
    for path in (good, good, broken):
        for words in (["import", str(path)], ["check"]):
            shown = CliRunner().invoke(spec, ["--root", str(project.root), *words]).output
            assert shown
            assert all(one.isprintable() for one in shown.replace("\n", "")), repr(shown)
