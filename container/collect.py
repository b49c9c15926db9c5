"""Collect what the image holds: `python3 collect.py PACKAGES IMAGE` in the build stage.

That is this Python, its standard library, the libraries that these load, and PACKAGES. Everything
is compiled here, since a container's file system may be read-only.
"""

from __future__ import annotations

import compileall
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

NOT_NEEDED = ("*-packages", "__pycache__", "config-*", "test", "tests", "ensurepip", "idlelib")
NOT_NEEDED += ("lib2to3", "pydoc_data", "tkinter", "turtledemo")
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
LIBRARY_INDEX = Path("/etc/ld.so.cache")
USER = "wanflow:x:10001:10001::/:/sbin/nologin\n"


def place(path: Path, image: Path) -> None:
    """Copy a file, as what it is and not as a link, to the same path in the image."""
    target = image / path.relative_to("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(path, target)


def libraries(program: Path) -> set[Path]:
    """Return the shared libraries that a program or library loads."""
    done = subprocess.run(["ldd", program], capture_output=True, text=True, check=False)
    return {Path(path) for path in re.findall(r"(/\S+) \(0x", done.stdout)}


def main(packages: Path, image: Path) -> None:
    """Fill the image's directory."""
    python = Path(sys.executable).resolve()
    library = Path(sysconfig.get_path("stdlib"))
    own = image / "opt/wanflow"
    shutil.copytree(packages, own, ignore=shutil.ignore_patterns("bin", "__pycache__", ".lock"))
    shutil.copytree(
        library,
        image / library.relative_to("/"),
        ignore=shutil.ignore_patterns(*NOT_NEEDED),
    )
    programs = {python, *image.rglob("*.so*")}
    loaded = {path for program in programs for path in libraries(program)}
    for path in {python, CERTIFICATES, LIBRARY_INDEX, *loaded}:
        if path.exists() and not path.is_relative_to(image):
            place(path, image)
    (image / python.relative_to("/")).with_name("python3").symlink_to(python.name)
    (image / "etc/passwd").write_text(USER)
    (image / "tmp").mkdir()
    (image / "tmp").chmod(0o1777)
    compileall.compile_dir(
        image,
        quiet=1,
        maxlevels=30,
        stripdir=str(image),
        prependdir="/",
        invalidation_mode="unchecked-hash",  # a copy may get other times
    )


if __name__ == "__main__":
    main(*(Path(argument).resolve() for argument in sys.argv[1:]))
