"""The sdist and the wheel: two builds have the same bytes, and they hold what they should."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import ZipFile

from changelog import ReleaseError

PACKAGES = ("wrapper/wanflow/", "generated/wanflow_client/", "contract_tests/wanflow_contract/")
METADATA = {"METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE"}
UNWANTED = re.compile(
    r"(^|/)(tests|self_tests|__pycache__|\.[a-z_]+_cache|\.hypothesis|\.venv|out)/|\.py[cod]$"
)


def git(root: Path, *words: str) -> str:
    """Return what git prints."""
    done = subprocess.run(["git", *words], cwd=root, check=True, capture_output=True, text=True)
    return done.stdout


def committed(root: Path) -> list[str]:
    """Return the paths of the project's files, also of those that aren't committed yet."""
    listed = git(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    return sorted(path for path in listed.split("\0") if path and (root / path).is_file())


def copy(root: Path, target: Path) -> None:
    """Copy the project's files, with other times and with rights for their owner only."""
    for path in committed(root):
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / path, target / path)
        (target / path).chmod(0o700 if (root / path).stat().st_mode & 0o100 else 0o600)


def build(root: Path, out: Path, epoch: str) -> list[Path]:
    """Build the sdist, and the wheel from it, with all times set to `epoch`."""
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out)]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": epoch, "PYTHONHASHSEED": "random"}
    done = subprocess.run(
        command, cwd=root, env=environment, check=False, capture_output=True, text=True
    )
    if done.returncode:
        raise ReleaseError(f"the build failed:\n{done.stdout}{done.stderr}")
    return sorted(out.iterdir())


def build_twice(root: Path, out: Path) -> tuple[Path, Path]:
    """Build here and from a copy elsewhere, which must be the same; return sdist and wheel."""
    shutil.rmtree(out, ignore_errors=True)
    epoch = git(root, "log", "-1", "--format=%ct").strip()
    first = build(root, out, epoch)
    with TemporaryDirectory() as folder:
        copied, again = Path(folder) / "copied", Path(folder) / "again"
        copy(root, copied)
        second = build(copied, again, epoch)
        hashes = [{p.name: sha256(p.read_bytes()).hexdigest() for p in b} for b in (first, second)]
    if hashes[0] != hashes[1]:
        raise ReleaseError(f"two builds of the same files differ: {hashes[0]} and {hashes[1]}")
    (wheel,) = (path for path in first if path.suffix == ".whl")
    (sdist,) = (path for path in first if path.suffix == ".gz")
    return sdist, wheel


def check_wheel(names: list[str], files: list[str]) -> None:
    """Refuse a wheel with anything but the files of the packages, the metadata and the licence."""
    ours = {f.split("/", 1)[1] for f in files if f.startswith(PACKAGES)}
    info = {n.split("/", 1)[1] for n in names if ".dist-info/" in n}
    _compare("the wheel", {n for n in names if ".dist-info/" not in n}, ours)
    _compare("the wheel's metadata", info, METADATA)
    if unwanted := [name for name in names if UNWANTED.search(name)]:
        raise ReleaseError(f"the wheel has what only this repository needs: {unwanted}")


def check_sdist(names: list[str], files: list[str]) -> None:
    """Refuse an sdist with anything but the project's files; the workflows are left out."""
    inside = {name.partition("/")[2] for name in names}
    ours = {path for path in files if not path.startswith(".github/")}
    _compare("the sdist", inside, {*ours, "PKG-INFO"})


def check_contents(root: Path, sdist: Path, wheel: Path) -> None:
    """Check what both have in them, and what twine says of their metadata."""
    files = committed(root)
    with ZipFile(wheel) as opened:
        check_wheel(opened.namelist(), files)
    with tarfile.open(sdist) as unpacked:
        check_sdist([one.name for one in unpacked if one.isfile()], files)
    command = [sys.executable, "-m", "twine", "check", "--strict", str(sdist), str(wheel)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise ReleaseError(f"twine refuses the metadata:\n{done.stdout}{done.stderr}")


def _compare(what: str, found: set[str], expected: set[str]) -> None:
    if more := sorted(found - expected):
        raise ReleaseError(f"{what} has files that it should not have: {more}")
    if missing := sorted(expected - found):
        raise ReleaseError(f"{what} lacks {missing}")
