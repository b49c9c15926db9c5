"""Measure `make demo` in a fresh clone: `python -m benchmarks.fresh_clone [--cold] [--pip]`.

The clone is of this checkout's last commit. With `--cold` the caches of uv and pip are empty, so
each package is fetched; with `--pip` neither the PATH nor the lock offers uv.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

ROOT = Path(__file__).parents[1]
GOAL = 30.0


def main(arguments: list[str]) -> int:
    """Print the seconds of each part; return 1 if they are more than the goal."""
    with tempfile.TemporaryDirectory(prefix="wanflow-clone-") as folder:
        clone = Path(folder) / "wanflow"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        inherited = {
            k: v for k, v in os.environ.items() if not k.startswith(("WANFLOW_", "VIRTUAL"))
        }
        if "--cold" in arguments:
            inherited |= {"UV_CACHE_DIR": f"{folder}/uv", "PIP_CACHE_DIR": f"{folder}/pip"}
        if "--pip" in arguments:
            hide_uv(clone, inherited)
        total = 0.0
        for target in ("set-up", "demo"):
            begun = perf_counter()
            subprocess.run(
                ["make", target], cwd=clone, env=inherited, check=True, stdout=sys.stderr
            )
            total += (taken := perf_counter() - begun)
            print(f"make {target:<8}{taken:7.1f} s")
        print(f"in all       {total:7.1f} s (goal: {GOAL:.0f} s)")
        return int(total > GOAL)


def hide_uv(clone: Path, environment: dict[str, str]) -> None:
    """Leave uv out of the PATH and of the clone's lock."""
    found = shutil.which("uv")
    folders = environment["PATH"].split(os.pathsep)
    if found is not None:
        folders = [one for one in folders if not (Path(one) / "uv").exists()]
    environment["PATH"] = os.pathsep.join(folders)
    lock = clone / "requirements.lock"
    lock.write_text(re.sub(r"^uv==.*(?:\\\n.*)*\n", "", lock.read_text(), flags=re.MULTILINE))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
