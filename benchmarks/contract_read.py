"""How fast `wanflow contract read` judges a long file: `python -m benchmarks.contract_read`.

Writes HAR files of the lives of tasks, of one account and of an account each, and runs the command
on them. `--entries 3000 30000` are the lengths of the files.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parents[1] / "contract_tests"))

from self_tests.test_watch_har import write
from self_tests.test_watch_work import in_order, life, of_other_accounts

if TYPE_CHECKING:
    from collections.abc import Callable

KINDS = {"one account": life, "three accounts a task": of_other_accounts}


def file_of(folder: Path, kind: Callable[[int], list[Any]], entries: int) -> Path:
    """Write a file with a number of entries."""
    return write(folder, in_order(kind(number) for number in range(entries // 3)))


def read(file: Path) -> tuple[float, float]:
    """Return the seconds that the command takes, and those of a processor."""
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), perf_counter()
    command = [sys.executable, "-m", "wanflow", "contract", "read", str(file)]
    subprocess.run(command, check=True, capture_output=True)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return perf_counter() - begun, used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Print a line for each file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, nargs="+", default=[3_000, 30_000])
    for entries in parser.parse_args().entries:
        for name, kind in KINDS.items():
            with tempfile.TemporaryDirectory() as folder:
                seconds, used = read(file_of(Path(folder), kind, entries))
            rate = f"{entries / used:.0f} entries a second of a processor"
            print(f"{entries:>7} entries, {name:<22} {seconds:6.1f} s, {used:6.1f} s CPU: {rate}")


if __name__ == "__main__":
    main()
