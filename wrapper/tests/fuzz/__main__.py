"""Fuzz the targets: `python -m tests.fuzz [TARGET…]`, with INPUTS or SECONDS for each.

With atheris the inputs are led by the code that they reach; without it (it has wheels for Linux on
x86-64 only) they are changed at random. A finding is written to `build/fuzz/`, with what it raised.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from time import monotonic

from tests.fuzz.mutation import SEEDS, changed, seeds

BUILD = Path(__file__).parents[3] / "build/fuzz"
INPUT_SECONDS = 10
"""Of CPU time for one input; more is a hang."""
NAMES = tuple(sorted(one.name for one in SEEDS.iterdir()))


def fuzz_guided(name: str, inputs: int, seconds: int) -> None:
    """Fuzz one target by coverage, in this process, which ends with it."""
    import atheris

    with atheris.instrument_imports(include=["wanflow", "wanflow_contract"]):
        from tests.fuzz.targets import LIMIT, TARGETS

    corpus = BUILD / "corpus" / name
    corpus.mkdir(parents=True, exist_ok=True)
    limits = [f"-runs={inputs}", f"-max_total_time={seconds}", f"-timeout={INPUT_SECONDS * 6}"]
    options = [f"-artifact_prefix={BUILD}/{name}-", f"-max_len={LIMIT // 16}", "-verbosity=1"]
    options += ["-print_final_stats=1", "-rss_limit_mb=4096", f"-dict={dictionary()}"]
    atheris.Setup([sys.argv[0], *limits, *options, str(corpus), str(SEEDS / name)], TARGETS[name])
    atheris.Fuzz()


def dictionary() -> Path:
    """Write the words of the formats, in the form that libFuzzer reads."""
    from tests.fuzz.mutation import WORDS

    path = BUILD / "words.txt"
    escaped = ("".join(f"\\x{byte:02x}" for byte in word) for word in WORDS)
    path.write_text("".join(f'"{word}"\n' for word in escaped))
    return path


def fuzz_blindly(name: str, inputs: int, seconds: int) -> None:
    """Fuzz one target with changed seeds, in this process; say how many, as libFuzzer does."""
    from tests.fuzz.targets import TARGETS

    end = monotonic() + (seconds or float("inf"))
    known = seeds(name)
    number = 0
    for number in range(1, inputs + 1):
        data = changed(known, number)
        if hasattr(signal, "setitimer"):  # the signal ends this process
            signal.setitimer(signal.ITIMER_VIRTUAL, INPUT_SECONDS)
        try:
            TARGETS[name](data)
        except BaseException:
            (BUILD / f"{name}-found").write_bytes(data)
            raise
        if monotonic() > end:
            break
    print(f"number_of_executed_units: {number}", file=sys.stderr)


def run(name: str, inputs: int, seconds: int) -> bool:
    """Fuzz one target in a process of its own; say how many inputs a second, and what it found."""
    begun = monotonic()
    command = [sys.executable, "-m", "tests.fuzz", "--one", name, str(inputs), str(seconds)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, errors="replace")
    took = monotonic() - begun
    tried = re.search(r"number_of_executed_units: (\d+)", done.stderr)
    reached = re.findall(r"cov: (\d+)", done.stderr)
    count = int(tried[1]) if tried else 0
    rate = f"{count:,} inputs in {took:.0f} s, {count / took:,.0f} a second"
    print(f"{name}: {rate}, {reached[-1] if reached else '?'} edges", flush=True)
    if done.returncode:
        print(done.stderr[-4000:], flush=True)
    if not seconds and count < inputs:
        print(f"{name}: {inputs:,} inputs were asked for", flush=True)
        return False
    return done.returncode == 0


def main() -> None:
    """Fuzz the targets that the arguments name, or all."""
    BUILD.mkdir(parents=True, exist_ok=True)
    if sys.argv[1:2] == ["--one"]:
        name, inputs, seconds = sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
        fuzz = fuzz_guided if find_spec("atheris") else fuzz_blindly
        fuzz(name, inputs, seconds)
        return
    inputs = int(os.environ.get("INPUTS") or (10**9 if os.environ.get("SECONDS") else 10**6))
    seconds = int(os.environ.get("SECONDS") or 0)
    chosen = sys.argv[1:] or NAMES
    unknown = sorted(set(chosen) - set(NAMES))
    if unknown:
        sys.exit(f"{unknown[0]} is no target; the targets are {', '.join(NAMES)}")
    passed = [name for name in chosen if run(name, inputs, seconds)]
    sys.exit(len(passed) < len(chosen))


if __name__ == "__main__":
    main()
