"""Laws of what the project rests on: declared where it is used, locked where it is run."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions, version
from typing import TYPE_CHECKING, Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PIN = re.compile(r"^([a-z0-9.-]+)==(\S+)(?: ; (.*?))?(?= \\$)", re.MULTILINE)


@pytest.fixture(scope="module")
def project(checkout: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = tomllib.loads((checkout / "pyproject.toml").read_text())["project"]
    return loaded


@pytest.fixture(scope="module")
def declared(project: dict[str, Any]) -> dict[str, list[Requirement]]:
    """Requirements by extra; those of the base install under the empty name."""
    groups = {"": project["dependencies"], **project["optional-dependencies"]}
    return {extra: [Requirement(line) for line in lines] for extra, lines in groups.items()}


@pytest.fixture(scope="module")
def lock(checkout: Path) -> str:
    return (checkout / "requirements.lock").read_text()


def imported(path: Path) -> Iterator[str]:
    """Yield the top-level names that a module imports absolutely, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.partition(".")[0]


@pytest.fixture(scope="module")
def loader(checkout: Path, project: dict[str, Any]) -> Callable[[Path], set[str]]:
    """Tell what is there whenever a module is loaded: pytest, where pytest loads it as a plugin."""
    names = project.get("entry-points", {}).get("pytest11", {}).values()
    plugins = {checkout / "wrapper" / f"{name.replace('.', '/')}.py" for name in names}
    assert all(plugin.is_file() for plugin in plugins)
    return lambda path: {"pytest"} if path in plugins else set()


class TestDeclared:
    """What is imported is declared."""

    @pytest.mark.parametrize(
        ("folder", "extras"),
        [
            ("wrapper/wanflow", ["", "aiohttp", "cli", "mock", "media", "spec", "webhooks"]),
            ("generated/wanflow_client", [""]),
            ("contract_tests", ["", "cli", "mock", "media", "spec", "webhooks", "test", "dev"]),
        ],
    )
    def test_imports(
        self,
        checkout: Path,
        declared: dict[str, list[Requirement]],
        loader: Callable[[Path], set[str]],
        folder: str,
        extras: list[str],
    ) -> None:
        """Each package that is imported is declared, and not there by another's grace."""
        owners = packages_distributions()
        allowed = {canonicalize_name(r.name) for extra in extras for r in declared[extra]}
        modules = sorted((checkout / folder).rglob("*.py"))
        assert modules
        ours = {"wanflow", "wanflow_client", "contract_tests", "benchmarks"}
        strangers = {
            f"{path.relative_to(checkout)}: {name}"
            for path in modules
            for name in set(imported(path)) - sys.stdlib_module_names - ours - loader(path)
            if not allowed & {canonicalize_name(owner) for owner in owners.get(name, ())}
        }
        assert strangers == set()

    def test_every_extra_is_part_of_dev(self, declared: dict[str, list[Requirement]]) -> None:
        """The environment of `make` has all that any extra asks for."""
        seen, rest = set(), ["dev"]
        while rest:
            seen.add(extra := rest.pop())
            rest += [e for r in declared[extra] if r.name == "wanflow" for e in r.extras]
        assert seen == set(declared) - {""}


class TestLock:
    """The lock says exactly what is installed, and binds to no place."""

    def test_every_package_has_hashes(self, lock: str) -> None:
        """Each pinned package has at least one hash, of sha256."""
        entries = re.split(r"\n(?=[a-z0-9])", lock.partition("\n#    make lock\n")[2])
        assert len(entries) > 40
        assert [entry for entry in entries if "--hash=sha256:" not in entry] == []

    def test_satisfies_what_is_declared(
        self, lock: str, declared: dict[str, list[Requirement]]
    ) -> None:
        """Each requirement of each extra is locked at a version that it allows."""
        pins = [(match[1], match[2]) for match in PIN.finditer(lock)]
        asked = [r for group in declared.values() for r in group if r.name != "wanflow"]
        assert asked
        unmet = {
            str(requirement)
            for requirement in asked
            if not any(
                name == canonicalize_name(requirement.name) and pinned in requirement.specifier
                for name, pinned in pins
            )
        }
        assert unmet == set(), "run `make lock`"

    def test_environment_is_the_locked_one(self, lock: str) -> None:
        """What these tests run with is what the lock names."""
        pins = [
            Requirement(f"{m[1]}=={m[2]}" + (f" ; {m[3]}" if m[3] else ""))
            for m in PIN.finditer(lock)
        ]
        here = [pin for pin in pins if pin.marker is None or pin.marker.evaluate()]
        assert len(here) > 40
        other = {str(p): version(p.name) for p in here if version(p.name) not in p.specifier}
        assert other == {}, "run `make set-up`"

    def test_names_no_place(self, lock: str) -> None:
        """The lock names no index, host or folder: it works with whatever pip is set to."""
        assert re.findall(r"://|--(?:extra-)?index|--find-links|^-|(?<!\w)/\w", lock, re.M) == []
