"""Measure the spec pipeline as whole processes: `python -m benchmarks.spec_pipeline`.

The documents beyond ours are unlike: each has parameters of its own.

Each figure is the median of five runs of `python -m wanflow spec regenerate` in a scratch copy.
"Own" is the wall time of the process less that of the tools it runs (openapi-python-client and
ruff), which a child of this module notes for each run. Nothing in the checkout is written.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from random import Random
from statistics import median
from time import perf_counter
from typing import Any

from benchmarks.bytecode import kept_bytecode

from wanflow.spec.generate import generate
from wanflow.spec.project import Checkout, find_project
from wanflow.spec.read.yaml import read_yaml, write_yaml
from wanflow.spec.regenerate import regenerate

RUNS = 5
SIZES = (6, 12, 25, 50, 63)
GOALS = {"whole, 6 documents": 6.0, "own, 6 documents": 1.0, "own, 63 documents": 5.0}
_PATTERN = "wan2.*.yaml"
_WORDS = ("slow", "fast", "auto", "none", "soft", "hard", "wide", "tall")
_NAMES = ("seed", "sound", "mode", "people", "strength", "resize", "mask_url", "negative_prompt")


def child(root: str) -> None:
    """Regenerate once; print the seconds that the tools took, and those of CPU that were ours."""
    tools: list[float] = []
    run = generate.run_tool

    def timed(command: list[str], folder: Path, name: str) -> None:
        begun = perf_counter()
        run(command, folder, name)
        tools.append(perf_counter() - begun)

    generate.run_tool = timed
    regenerate(Checkout(Path(root)))
    spent = os.times()
    print(json.dumps([sum(tools), spent.user + spent.system]))


def one_run(root: Path, environment: dict[str, str]) -> tuple[float, float, float]:
    """Return the seconds of one whole process, of what is our own in it, and of our own CPU."""
    command = [sys.executable, "-m", "benchmarks.spec_pipeline", "--child", str(root)]
    begun = perf_counter()
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    whole = perf_counter() - begun
    tools, spent = json.loads(done.stdout)
    return whole, whole - tools, spent


def copied(project: Checkout, folder: Path, count: int) -> Path:
    """Copy what the pipeline needs, with as many unlike documents; return the copy's root."""
    root = folder / f"of-{count}"
    for name in ("specs", "generated"):
        shutil.copytree(project.root / name, root / name)
    (root / "specs" / "sources.lock").unlink()
    sources = root / "specs" / "sources"
    received = sorted(sources.glob(_PATTERN))
    for number in range(count - len(list(sources.glob("*.yaml")))):
        original = received[number % len(received)]
        another = f"{original.stem}-{number}"
        text = original.read_text("utf-8").replace(original.stem, another)
        (sources / f"{another}.yaml").write_text(_unlike(text, Random(number)), "utf-8")
    command = [sys.executable, "-m", "wanflow", "spec", "--root", str(root), "import", str(sources)]
    subprocess.run(command, check=True, capture_output=True)
    regenerate(Checkout(root))
    return root


def _unlike(text: str, chance: Random) -> str:
    """Give the request of a document parameters that no other has, as unlike models do."""
    data = read_yaml(text, "").data
    for name, schema in data["components"]["schemas"].items():
        if name.endswith("Request"):
            drawn = chance.sample(_NAMES, chance.randint(2, len(_NAMES)))
            schema["properties"] |= {word: _rule(chance) for word in drawn}
    return write_yaml(data)


def _rule(chance: Random) -> dict[str, Any]:
    kinds: list[dict[str, Any]] = [
        {"type": "string", "enum": chance.sample(_WORDS, chance.randint(2, 5))},
        {"type": "integer", "minimum": 1, "maximum": chance.choice([4, 9, 4294967295])},
        {"type": "array", "maxItems": chance.randint(1, 5), "items": {"type": "string"}},
        {"type": "string", "maxLength": chance.choice([500, 2000])},
        {"type": "boolean"},
        {"type": "string"},
    ]
    return chance.choice(kinds)


def machine() -> str:
    """Say what this was measured on and with."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    tools = ", ".join(f"{name} {version(name)}" for name in (*generate.PINNED, "jsonschema-rs"))
    return f"{os.cpu_count()} cores, {pages:.0f} GiB; Python {platform.python_version()}; {tools}"


def main() -> None:
    """Print the table."""
    project = find_project(Path(__file__).parent)
    print(machine())
    print(f"{'documents':>9} {'whole s':>9} {'own s':>9} {'own CPU s':>11} {'each, own ms':>14}")
    figures: dict[str, float] = {}
    with (
        kept_bytecode() as environment,
        tempfile.TemporaryDirectory(prefix="wanflow-bench-") as folder,
    ):
        for count in SIZES:
            root = copied(project, Path(folder), count)
            # The first one only compiles.
            runs = [one_run(root, environment) for _ in range(RUNS + 1)][1:]
            whole, own, spent = (median(column) for column in zip(*runs, strict=True))
            each = own / count * 1000
            print(f"{count:>9} {whole:>9.2f} {own:>9.2f} {spent:>11.2f} {each:>14.0f}")
            figures |= {f"whole, {count} documents": whole, f"own, {count} documents": own}
    for name, goal in GOALS.items():
        print(f"{name}: {figures[name]:.2f} s, {figures[name] / goal:.0%} of the {goal:g} s wanted")
    ratio = figures["own, 63 documents"] / figures["own, 6 documents"]
    print(f"own, 63 to 6 documents: {ratio:.1f} times, for {63 / 6:.1f} times the documents")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2])
    else:
        main()
