"""Empty environments with the wheel, outside of the clone: what users get."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import venv
from pathlib import Path

from changelog import ROOT, ReleaseError

SMOKE = Path(__file__).with_name("smoke.py")
USERS = (
    *("aiohttp", "cli", "contract", "httpx2", "mcp", "media", "mock", "otel", "spec"),
    *("queue", "uploads", "webhooks"),
)
PACKAGES = ("wrapper/wanflow", "generated/wanflow_client", "contract_tests/wanflow_contract")
TESTS = ("test", "cli", "webhooks")
PIN = re.compile(r"^([a-z0-9.-]+==.+?) *\\$", re.MULTILINE)
# An environment of its own: nothing that is set for the clone has an effect.
KEPT = re.compile(
    r"PATH|PATHEXT|HOME|LANG|LC_ALL|TMPDIR|TEMP|TMP|SYSTEM\w*|WINDIR|USERPROFILE|(LOCAL)?APPDATA"
)


class Environment:
    """An environment in a folder, which holds nothing but what is installed into it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        venv.create(folder / "environment", with_pip=True)
        scripts = "Scripts" if os.name == "nt" else "bin"
        self.python = folder / "environment" / scripts / "python"
        self.constraints = folder / "constraints.txt"
        lock = (ROOT / "requirements.lock").read_text("utf-8")
        self.constraints.write_text("\n".join(PIN.findall(lock)) + "\n", "utf-8")

    def install(self, wheel: Path, *extras: str) -> None:
        """Install the wheel with extras, and what it requires in the versions of the lock."""
        wanted = f"{wheel.resolve()}[{','.join(extras)}]" if extras else str(wheel.resolve())
        self._install("-c", str(self.constraints), wanted)

    def install_locked(self, lock: Path) -> None:
        """Install what a lock names, and nothing else."""
        self._install("--require-hashes", "-r", str(lock))

    def _install(self, *arguments: str) -> None:
        log = self.folder / "install.log"
        own = Path(sys.executable).parent  # uv may be there
        command = [str(self.python), str(ROOT / ".ci/install"), str(log)]
        path = f"{own}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run(
            [*command, *arguments],
            env={**os.environ, "PATH": path},
            check=False,
        )
        if done.returncode:
            text = log.read_text(errors="replace")
            raise ReleaseError(f"{arguments[-1]} can't be installed:\n{text}")

    def run(self, *words: str, where: Path | None = None) -> None:
        """Run its Python, in an empty folder of its own unless another is given."""
        data = self.folder / "work"
        data.mkdir(exist_ok=True)
        kept = {name: value for name, value in os.environ.items() if KEPT.fullmatch(name.upper())}
        command = [str(self.python), *words]
        environment = {**kept, "XDG_DATA_HOME": str(data)}
        done = subprocess.run(command, cwd=where or data, env=environment, check=False)
        if done.returncode:
            raise ReleaseError(f"{' '.join(command)} ended with {done.returncode}")


def try_wheel(wheel: Path, folder: Path) -> Environment:
    """Install the wheel alone and try it, then with all extras and try those; return the latter."""
    environment = Environment(folder)
    environment.install(wheel)
    environment.run("-I", str(SMOKE))
    environment.install(wheel, *USERS)
    environment.run("-I", str(SMOKE), "--extras")
    return environment


def run_tests(wheel: Path, sdist: Path, folder: Path, paths: list[str]) -> None:
    """Run tests of the sdist on the wheel: its own packages are removed."""
    environment = Environment(folder)
    environment.install(wheel, *TESTS)
    with tarfile.open(sdist) as opened:
        opened.extractall(folder, filter="data")
    (root,) = folder.glob("wanflow-*")
    for package in PACKAGES:
        (root / package).rename(folder / Path(package).name)
    command = ("-m", "pytest", "-q", "-m", "not slow", "-p", "no:cacheprovider")
    environment.run(*command, *paths, where=root)
