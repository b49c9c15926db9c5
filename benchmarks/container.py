"""Measure the image of the mock, in real containers: `python -m benchmarks.container`.

Docker is used where its engine runs, else Podman as root; the image is built first.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter

from tests.container.containers import Containers
from tests.container.engine import find_engine

STARTS = 5


def main() -> None:
    """Print the size, and the seconds of the build, the first answer and the end."""
    engine = find_engine(Path(tempfile.mkdtemp(prefix="wanflow-image-")))
    try:
        begun = perf_counter()
        engine.build()
        print(f"build                    {perf_counter() - begun:6.1f} s")
        print(f"size, uncompressed       {engine.image_setting('Size') / 1e6:6.1f} MB")
        answers, ends = [], []
        for _ in range(STARTS):
            with Containers(engine).start() as container:
                answers.append(container.answers())
                begun = perf_counter()
                engine.run("stop", "--time=10", container.name)
                ends.append(perf_counter() - begun)
        for name, taken in (("first answer", answers), ("end after SIGTERM", ends)):
            print(f"{name:<25}{median(taken):6.2f} s, {min(taken):.2f} to {max(taken):.2f}")
    finally:
        engine.remove()


if __name__ == "__main__":
    main()
