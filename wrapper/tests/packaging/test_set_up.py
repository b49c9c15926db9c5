"""Laws of `.ci/setup`: one sentence where something is missing, and never a half-made environment.

They set up a stand-in project of one empty package, in a folder with spaces in its path, with a
PATH of their own, so that they need no network and may lack a Python.
"""

from __future__ import annotations

import hashlib
import os
import runpy
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

TOOLS = ("sh", "cat", "cmp", "cp", "dirname", "grep", "mkdir", "mv", "tail", "uname")


class Machine:
    """A checkout of the stand-in project on a machine whose PATH is known."""

    def __init__(self, checkout: Path, folder: Path) -> None:
        self.project = folder / "a checkout"
        self.bin = folder / "bin"
        self.wheels = folder / "wheels"
        shutil.copytree(Path(__file__).with_name("stand_in"), self.project)
        (self.project / ".ci").mkdir()
        shutil.copy(checkout / ".ci/setup", self.project / ".ci/setup")
        self.bin.mkdir()
        for tool in TOOLS:
            (self.bin / tool).symlink_to(shutil.which(tool) or pytest.fail(f"no {tool} here"))
        self.lock("dep")

    def lock(self, name: str) -> None:
        """Have the lock name one package, which lies ready as a wheel."""
        self.locked = name
        self.wheels.mkdir(exist_ok=True)
        backend = runpy.run_path(str(self.project / "backend.py"))
        wheel = self.wheels / backend["wheel"](self.wheels, name)
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        (self.project / "requirements.lock").write_text(f"{name}==1 --hash=sha256:{digest}\n")

    def python(self, command: str, before: str = "") -> None:
        """Put a Python on the PATH, under the name `command`, that runs `before` first."""
        script = self.bin / command
        patched = f"import sys; {before}; exec(sys.argv.pop(1))"
        how = (
            f'shift; exec "{sys.executable}" -c "{patched}" "$@"'
            if before
            else 'exec "$0.real" "$@"'
        )
        (self.bin / f"{command}.real").symlink_to(Path(sys.executable).resolve())
        script.write_text(f"#!/bin/sh\n{how}\n")
        script.chmod(0o755)

    def start(self, **environment: str) -> subprocess.Popen[str]:
        """Start the set-up in a process group of its own; pip finds packages in a folder only."""
        quiet = {"PIP_CONFIG_FILE": os.devnull, "PIP_RETRIES": "0", "PIP_DEFAULT_TIMEOUT": "60"}
        index = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": self.wheels.as_uri()}
        return subprocess.Popen(
            [str(self.project / ".ci/setup")],
            cwd="/",
            env={"PATH": str(self.bin), **quiet, **index, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def set_up(self, **environment: str) -> tuple[int, str]:
        """Run the set-up; return its exit code and what it said, which is on stderr only."""
        run = self.start(**environment)
        out, said = run.communicate(timeout=120)
        assert out == ""
        return run.returncode, said

    def has(self, module: str) -> bool:
        """Tell whether the environment can import `module`."""
        command = [str(self.project / ".venv/bin/python"), "-c", f"import {module}"]
        return subprocess.run(command, check=False, capture_output=True).returncode == 0


@pytest.fixture
def machine(checkout: Path, tmp_path: Path) -> Machine:
    """A machine without any Python."""
    return Machine(checkout, tmp_path)


@pytest.fixture(scope="module")
def settled(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """A machine on which the set-up has run once; tests leave it set up."""
    machine = Machine(checkout, tmp_path_factory.mktemp("settled"))
    machine.python("python3")
    code, said = machine.set_up()
    assert code == 0, said
    return machine


OLD = "sys.version_info = (3, 9, 2, 'final', 0)"
BARE = "sys.modules['ensurepip'] = None"


class TestMissing:
    """What is missing is said in one sentence, with what to do about it."""

    def refusal(self, machine: Machine, **environment: str) -> str:
        code, said = machine.set_up(**environment)
        assert code == 1
        assert said.startswith("set-up: ")
        assert said.count("\n") == 1
        assert not (machine.project / ".venv").exists()
        return said

    def test_no_python(self, machine: Machine) -> None:
        """Without any Python it says which is needed and what to install."""
        said = self.refusal(machine)
        assert "Python 3.11 or newer is needed, and there is none" in said
        assert "apt install python3 python3-venv" in said

    def test_old_python(self, machine: Machine) -> None:
        """With an old Python only, it names that one and its version."""
        machine.python("python3", before=OLD)
        said = self.refusal(machine)
        assert "Python 3.11 or newer is needed, and python3 is Python 3.9;" in said

    def test_no_venv(self, machine: Machine) -> None:
        """With a Python that lacks venv, as Debian ships it, it names the package to install."""
        machine.python("python3", before=BARE)
        version = "{}.{}".format(*sys.version_info)
        assert f"apt install python{version}-venv" in self.refusal(machine)

    def test_python_asked_for_is_not_replaced(self, machine: Machine) -> None:
        """A PYTHON that is named is used or refused; no other is taken in its place."""
        machine.python("python3")
        machine.python("ancient", before=OLD)
        assert "ancient is Python 3.9" in self.refusal(machine, PYTHON="ancient")
        assert "PYTHON=/no/such" in self.refusal(machine, PYTHON="/no/such")

    def test_broken_launcher(self, machine: Machine) -> None:
        """A launcher that is there and does not run is passed over like none at all."""
        launcher = machine.bin / "python3"
        launcher.write_text("#!/bin/sh\necho no such version >&2\nexit 127\n")
        launcher.chmod(0o755)
        assert "there is none" in self.refusal(machine)


class TestEnvironment:
    """The environment is what the lock says, whole or not there."""

    def test_lock_and_project_are_installed(self, settled: Machine) -> None:
        """The lock's packages and the project itself can be imported."""
        assert settled.has(settled.locked)
        assert settled.has("standin")

    def test_second_time_starts_nothing(self, settled: Machine) -> None:
        """When nothing has changed it needs neither Python nor network, and says nothing."""
        (settled.bin / "python3").rename(settled.bin / "away")
        try:
            assert settled.set_up() == (0, "")
        finally:
            (settled.bin / "away").rename(settled.bin / "python3")

    def test_moved_folder_is_noticed(self, settled: Machine) -> None:
        """An environment in a folder that was moved is not taken for a whole one."""
        home = settled.project
        settled.project = home.rename(home.with_name("elsewhere"))
        try:
            (settled.bin / "python3").rename(settled.bin / "away")
            assert "there is none" in settled.set_up()[1]  # it wants to make the environment anew
        finally:
            (settled.bin / "away").rename(settled.bin / "python3")
            settled.project = settled.project.rename(home)

    def test_other_python_is_noticed(self, settled: Machine) -> None:
        """An environment of one Python is not taken for that of another that is asked for."""
        assert settled.set_up() == (0, "")
        code, said = settled.set_up(PYTHON="/no/such")
        assert (code, "does not run" in said) == (1, True)

    def test_changed_project_is_installed_again(self, settled: Machine) -> None:
        """A change of pyproject.toml installs the project again, and nothing else."""
        pyproject = settled.project / "pyproject.toml"
        pyproject.write_text(pyproject.read_text() + "# changed\n")
        assert settled.set_up() == (0, "set-up: done\n")
        assert settled.set_up() == (0, "")

    def test_changed_lock_makes_it_anew(self, settled: Machine) -> None:
        """A changed lock leaves nothing of the old one behind."""
        old, new = settled.locked, f"{settled.locked}x"
        settled.lock(new)
        assert settled.set_up()[0] == 0
        assert settled.has(new)
        assert not settled.has(old)

    def test_two_at_once(self, machine: Machine) -> None:
        """Of two that run at once one makes the environment, and both find it whole."""
        machine.python("python3", before=OLD)
        machine.python("python3.12", before=BARE)
        machine.python("python3.11")  # passes over those that will not do
        runs = [machine.start(), machine.start()]
        said = "".join(run.communicate(timeout=120)[1] for run in runs)
        assert [run.returncode for run in runs] == [0, 0]
        assert (said.count("making .venv"), said.count("done")) == (1, 1)
        assert machine.has("standin")


class TestTrouble:
    """An index that is away, or a process that is killed, leaves nothing to clean up."""

    def test_unreachable_index(self, machine: Machine) -> None:
        """An index that cannot be reached is named as the trouble."""
        machine.python("python3")
        with socket.create_server(("127.0.0.1", 0)) as closed:
            url = f"http://127.0.0.1:{closed.getsockname()[1]}/"
        away = {"PIP_NO_INDEX": "0", "PIP_FIND_LINKS": "", "PIP_INDEX_URL": url}
        code, said = machine.set_up(**away)
        assert code == 1
        assert said.splitlines()[1].startswith("set-up: the package index cannot be reached")
        assert len(said.splitlines()) == 2

    def test_killed_half_way(self, machine: Machine) -> None:
        """What was killed during the install is made anew by the next run."""
        machine.python("python3")
        with socket.create_server(("127.0.0.1", 0)) as silent:
            url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
            run = machine.start(PIP_NO_INDEX="0", PIP_FIND_LINKS="", PIP_INDEX_URL=url)
            silent.settimeout(60)
            caller, _ = silent.accept()  # pip has begun, and waits for an answer
            os.killpg(run.pid, signal.SIGKILL)
            run.communicate()
            caller.close()
        leftover = machine.project / ".venv/leftover"
        leftover.touch()
        code, said = machine.set_up()
        assert (code, "making .venv" in said) == (0, True)
        assert machine.has("standin")
        assert not leftover.exists()

    def test_missing_hash(self, machine: Machine) -> None:
        """A package that the lock gives no hash is not installed; pip's own words are shown."""
        machine.python("python3")
        (machine.project / "requirements.lock").write_text(f"{machine.locked}==1\n")
        code, said = machine.set_up()
        assert code == 1
        assert "hash" in said
        assert "set-up: pip failed; all that it said is in .venv/set-up.log" in said
        assert (machine.project / ".venv/set-up.log").stat().st_size
