"""`.ci/setup` names what is missing in one sentence, and never leaves an incomplete environment.

The tests set up a small project with one empty package, in a directory with a space in its path and
with their own PATH: they need no network, and can leave out Python.
"""

from __future__ import annotations

import hashlib
import os
import re
import runpy
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sockets import reserved_port

pytestmark = pytest.mark.builds

makes_another = pytest.mark.slow  # it makes an environment with pip: some 5 s of CPU time each
PROGRESS = re.compile(r"^set-up: \d+ s: .*\n", re.MULTILINE)  # only on a slow machine
TOOLS = ("sh", "cat", "cmp", "cp", "dirname", "grep", "mkdir", "mv", "tail", "uname")


class Machine:
    """A checkout of the small project, with its own PATH."""

    def __init__(self, checkout: Path, folder: Path) -> None:
        self.project = folder / "a checkout"
        self.bin = folder / "bin"
        self.wheels = folder / "wheels"
        shutil.copytree(Path(__file__).with_name("stand_in"), self.project)
        (self.project / ".ci").mkdir()
        for script in ("setup", "install"):
            shutil.copy(checkout / ".ci" / script, self.project / ".ci" / script)
        self.bin.mkdir()
        for tool in TOOLS:
            (self.bin / tool).symlink_to(shutil.which(tool) or pytest.fail(f"no {tool} here"))
        self.lock("dep")

    def lock(self, name: str) -> None:
        """Write a lock with one package, and the wheel of it."""
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
        """Start the set-up in its own process group; pip finds packages in one directory only."""
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
        """Run the set-up; return its exit code and its stderr without progress. stdout is empty."""
        run = self.start(**environment)
        out, err = run.communicate(timeout=300)
        assert out == ""
        return run.returncode, PROGRESS.sub("", err)

    def has(self, module: str) -> bool:
        """Return whether the environment can import `module`."""
        command = [str(self.project / ".venv/bin/python"), "-c", f"import {module}"]
        return subprocess.run(command, check=False, capture_output=True).returncode == 0


@pytest.fixture
def machine(checkout: Path, tmp_path: Path) -> Machine:
    """A machine without any Python."""
    return Machine(checkout, tmp_path)


@pytest.fixture(scope="module")
def ready(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """A machine on which the set-up has run once; tests restore this state."""
    machine = Machine(checkout, tmp_path_factory.mktemp("ready"))
    machine.python("python3")
    code, output = machine.set_up()
    assert code == 0, output
    return machine


OLD = "sys.version_info = (3, 9, 2, 'final', 0)"
BARE = "sys.modules['ensurepip'] = None"


class TestMissing:
    """One sentence says what is missing and what to do."""

    def error_of(self, machine: Machine, **environment: str) -> str:
        code, output = machine.set_up(**environment)
        assert code == 1
        assert output.startswith("set-up: ")
        assert output.count("\n") == 1
        assert not (machine.project / ".venv").exists()
        return output

    def test_no_python(self, machine: Machine) -> None:
        """Without Python the error says which version is needed and what to install."""
        output = self.error_of(machine)
        assert "Python 3.11 or newer is needed, and there is none" in output
        assert "apt install python3 python3-venv" in output

    def test_old_python(self, machine: Machine) -> None:
        """If there is only an old Python, the error names its version."""
        machine.python("python3", before=OLD)
        output = self.error_of(machine)
        assert "Python 3.11 or newer is needed, and python3 is Python 3.9;" in output

    def test_no_venv(self, machine: Machine) -> None:
        """If Python has no venv, as on Debian, the error names the package to install."""
        machine.python("python3", before=BARE)
        version = "{}.{}".format(*sys.version_info)
        assert f"apt install python{version}-venv" in self.error_of(machine)

    def test_python_asked_for_is_not_replaced(self, machine: Machine) -> None:
        """The given PYTHON is used or is an error; no other is used instead."""
        machine.python("python3")
        machine.python("ancient", before=OLD)
        assert "ancient is Python 3.9" in self.error_of(machine, PYTHON="ancient")
        assert "PYTHON=/no/such" in self.error_of(machine, PYTHON="/no/such")

    def test_broken_launcher(self, machine: Machine) -> None:
        """A Python that doesn't start is ignored."""
        launcher = machine.bin / "python3"
        launcher.write_text("#!/bin/sh\necho no such version >&2\nexit 127\n")
        launcher.chmod(0o755)
        assert "there is none" in self.error_of(machine)


class TestEnvironment:
    """The environment is complete and as locked, or doesn't exist."""

    def test_lock_and_project_are_installed(self, ready: Machine) -> None:
        """The locked packages and the project can be imported."""
        assert ready.has(ready.locked)
        assert ready.has("standin")

    def test_second_time_starts_nothing(self, ready: Machine) -> None:
        """If nothing has changed, it needs neither Python nor network, and prints nothing."""
        (ready.bin / "python3").rename(ready.bin / "away")
        try:
            assert ready.set_up() == (0, "")
        finally:
            (ready.bin / "away").rename(ready.bin / "python3")

    def test_moved_folder_is_noticed(self, ready: Machine) -> None:
        """After a move of the directory the environment is created again."""
        home = ready.project
        ready.project = home.rename(home.with_name("elsewhere"))
        try:
            (ready.bin / "python3").rename(ready.bin / "away")
            assert "there is none" in ready.set_up()[1]  # it tries to create the environment again
        finally:
            (ready.bin / "away").rename(ready.bin / "python3")
            ready.project = ready.project.rename(home)

    def test_other_python_is_noticed(self, ready: Machine) -> None:
        """With another PYTHON the environment is created again."""
        assert ready.set_up() == (0, "")
        code, output = ready.set_up(PYTHON="/no/such")
        assert (code, "does not run" in output) == (1, True)

    def test_changed_project_is_installed_again(self, ready: Machine) -> None:
        """A change of pyproject.toml only installs the project again."""
        pyproject = ready.project / "pyproject.toml"
        pyproject.write_text(pyproject.read_text() + "# changed\n")
        assert ready.set_up() == (0, "set-up: installing this project\nset-up: done\n")
        assert ready.set_up() == (0, "")

    @makes_another
    def test_changed_lock_creates_it_again(self, ready: Machine) -> None:
        """Packages of the old lock are gone."""
        old, new = ready.locked, f"{ready.locked}x"
        ready.lock(new)
        assert ready.set_up()[0] == 0
        assert ready.has(new)
        assert not ready.has(old)

    @makes_another
    def test_two_concurrently(self, machine: Machine) -> None:
        """If two run concurrently, one creates the environment, and it is complete for both."""
        machine.python("python3", before=OLD)
        machine.python("python3.12", before=BARE)
        machine.python("python3.11")  # the two others are ignored
        runs = [machine.start(), machine.start()]
        output = "".join(run.communicate(timeout=300)[1] for run in runs)
        assert [run.returncode for run in runs] == [0, 0]
        assert (output.count("making .venv"), output.count("done")) == (1, 1)
        assert machine.has("standin")


class TestFailure:
    """After an unreachable index or a killed process, the next run succeeds."""

    @makes_another
    def test_unreachable_index(self, machine: Machine) -> None:
        """The error says that the index can't be reached."""
        machine.python("python3")
        with reserved_port() as port:
            url = f"http://127.0.0.1:{port}/"
            away = {"PIP_NO_INDEX": "0", "PIP_FIND_LINKS": "", "PIP_INDEX_URL": url}
            code, output = machine.set_up(**away)
        assert code == 1
        assert output.splitlines()[2].startswith("set-up: the package index cannot be reached")
        assert len(output.splitlines()) == 3

    @makes_another
    def test_killed_during_the_install(self, machine: Machine) -> None:
        """The next run creates the environment again."""
        machine.python("python3")
        with socket.create_server(("127.0.0.1", 0)) as silent:
            url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
            run = machine.start(PIP_NO_INDEX="0", PIP_FIND_LINKS="", PIP_INDEX_URL=url)
            silent.settimeout(60)
            caller, _ = silent.accept()  # pip has started, and waits for a response
            os.killpg(run.pid, signal.SIGKILL)
            run.communicate()
            caller.close()
        leftover = machine.project / ".venv/leftover"
        leftover.touch()
        code, output = machine.set_up()
        assert (code, "making .venv" in output) == (0, True)
        assert machine.has("standin")
        assert not leftover.exists()

    @makes_another
    def test_missing_hash(self, machine: Machine) -> None:
        """A package without a hash in the lock is not installed; pip's output is shown."""
        machine.python("python3")
        (machine.project / "requirements.lock").write_text(f"{machine.locked}==1\n")
        code, output = machine.set_up()
        assert code == 1
        assert "hash" in output
        assert "set-up: the installation failed; its output is in .venv/set-up.log" in output
        assert (machine.project / ".venv/set-up.log").stat().st_size


UV = Path(sys.executable).with_name("uv")


@pytest.mark.skipif(not UV.exists(), reason="uv is in requirements.lock, and not in this Python")
class TestTools:
    """uv installs what the lock names where it is there; pip does it otherwise."""

    @makes_another
    def test_uv_of_the_path_is_used(self, machine: Machine) -> None:
        """It gets the packages where pip would: here, in one directory."""
        machine.python("python3")
        (machine.bin / "uv").symlink_to(UV)
        code, output = machine.set_up()
        assert (code, "installing 1 package with uv" in output) == (0, True)
        assert "pip" not in output
        assert machine.has(machine.locked)
        assert machine.has("standin")

    @makes_another
    def test_uv_checks_the_hashes(self, machine: Machine) -> None:
        """Neither tool installs a package whose hash is another one."""
        machine.python("python3")
        (machine.bin / "uv").symlink_to(UV)
        (machine.project / "requirements.lock").write_text(
            f"{machine.locked}==1 --hash=sha256:{'0' * 64}\n"
        )
        code, output = machine.set_up()
        assert code == 1
        assert "uv failed; trying pip" in output
        assert not machine.has(machine.locked)

    @makes_another
    def test_pip_alone_is_enough(self, machine: Machine) -> None:
        """A uv that doesn't start is no obstacle; the lines say what goes on."""
        machine.python("python3")
        (machine.bin / "uv").write_text("#!/bin/sh\nexit 3\n")
        (machine.bin / "uv").chmod(0o755)
        code, output = machine.set_up()
        assert code == 0, output
        assert output.splitlines()[1:4] == [
            "set-up: installing 1 package with uv",
            "set-up: uv failed; trying pip",
            "set-up: installing 1 package with pip; this may take some minutes (with uv, seconds)",
        ]
        assert machine.has(machine.locked)
