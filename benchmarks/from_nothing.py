"""Measure what the README says the beginning costs: `python -m benchmarks.from_nothing [USE…]`.

Each use has an empty environment, the wheel of this checkout, and the README's own example; the
uses are `generate`, `tests` and `server`, which takes minutes.
"""

from __future__ import annotations

import os
import re
import resource
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from time import perf_counter

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
EXTRAS = {"generate": "mock,media", "tests": "mock,media", "server": "contract"}


def main(uses: list[str]) -> None:
    """Print a line for each use."""
    print(f"load {os.getloadavg()[0]:.0f}, {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory(prefix="wanflow-nothing-") as folder:
        build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder]
        run(build, ROOT)
        (wheel,) = Path(folder).glob("*.whl")
        for use in uses or EXTRAS:
            before = cpu()
            install, rest = measure(use, wheel, Path(folder) / use)
            shown = f"{install + rest:6.0f} s, of which to install {install:.0f} s"
            print(f"{use:<10}{shown}; {cpu() - before:.0f} s of CPU", flush=True)


def cpu() -> float:
    """Return the seconds of CPU that the processes which have ended took."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measure(use: str, wheel: Path, folder: Path) -> tuple[float, float]:
    """Return the seconds until the package is installed, and those until there is a result."""
    folder.mkdir()
    begun = perf_counter()
    venv.create(folder / "environment", with_pip=True)
    python = str(folder / "environment" / "bin" / "python")
    wanted = [f"{wheel}[{EXTRAS[use]}]", *(["pytest"] if use == "tests" else [])]
    run([python, "-m", "pip", "install", "--quiet", *wanted], folder)
    installed = perf_counter()
    run([python, *arguments(use, folder)], folder)
    return installed - begun, perf_counter() - installed


def arguments(use: str, folder: Path) -> list[str]:
    """Write the example of a use, and return how Python runs it."""
    if use == "server":
        return ["-m", "wanflow", "contract"]
    examples = re.findall(r"^```python\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
    (example,) = (one for one in examples if ("import pytest" in one) == (use == "tests"))
    (folder / "test_example.py").write_text(example, "utf-8")
    return [*(["-m", "pytest", "-q"] if use == "tests" else []), "test_example.py"]


def run(command: list[str], folder: Path) -> None:
    """Run a command without the settings of this checkout; it must end with 0."""
    kept = {
        name: text for name, text in os.environ.items() if name[:7] not in {"WANFLOW", "VIRTUAL"}
    }
    kept.pop("PYTHONPATH", None)
    subprocess.run(command, cwd=folder, env=kept, check=True, stdout=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1:])
