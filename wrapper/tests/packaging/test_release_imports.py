"""The tests that a release runs on the wheel need nothing but what it installs for them."""

from __future__ import annotations

import ast
import re
import sys
from functools import cache
from importlib.metadata import packages_distributions, requires
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name
from ruamel.yaml import YAML

from tests.packaging.test_distribution import applicable, closure

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[3]
JOB = YAML(typ="safe").load((ROOT / ".github/workflows/release.yml").read_text())["jobs"]["test"]
OURS = {"wanflow", "wanflow_client", "wanflow_contract", "tests", "conftest", "benchmarks"}


def folders() -> list[Path]:
    """The folders of tests that the job names, on any system."""
    (run,) = (one["run"] for one in JOB["steps"] if ".ci/release try" in one.get("run", ""))
    more = [one.get("more", "") for one in JOB["strategy"]["matrix"]["include"]]
    return [ROOT / name for name in re.findall(r"wrapper/\S+", " ".join([run, *more]))]


@cache
def imported(path: Path) -> tuple[str, ...]:
    """Return the modules that a file imports when it is imported itself."""
    return tuple(_imported(path))


def _imported(path: Path) -> Iterator[str]:
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module or ""
            yield from (f"{node.module}.{one.name}" for one in node.names)


@cache
def files() -> set[Path]:
    """Return the files of these folders, what pytest reads above them, and what they import."""
    found: set[Path] = set()
    waiting = [path for folder in folders() for path in folder.rglob("*.py")]
    waiting += [folder / "conftest.py" for one in folders() for folder in (one, *one.parents)]
    while waiting:
        path = waiting.pop()
        if path.is_file() and path.is_relative_to(ROOT) and path not in found:
            found.add(path)
            own = [name for name in imported(path) if name.startswith("tests.")]
            places = [ROOT / "wrapper" / name.replace(".", "/") for name in own]
            waiting += [place.with_suffix(".py") for place in places]
            waiting += [place / "__init__.py" for place in places]
    return found


def test_each_import_is_installed_with_the_extras_of_the_release() -> None:
    """Otherwise no test of the folder would run, and the release would end there."""
    sys.path.insert(0, str(ROOT / ".ci/release"))
    try:
        from environments import TESTS
    finally:
        sys.path.pop(0)
    wanted = [one for extra in ("", *TESTS) for one in applicable(requires("wanflow") or (), extra)]
    installed = {canonicalize_name(name) for name in closure(wanted)}
    providers = packages_distributions()
    outside = {*sys.stdlib_module_names, *OURS}
    missing = {
        (path.relative_to(ROOT).as_posix(), name)
        for path in files()
        for name in imported(path)
        if (top := name.partition(".")[0]) not in outside
        and not {canonicalize_name(one) for one in providers.get(top, ())} & installed
    }
    assert missing == set()
    assert len(files()) > 100
