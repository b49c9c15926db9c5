"""Every imported package is declared as a dependency, and every dependency is locked."""

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
    from collections.abc import Callable, Iterator, Mapping
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


@pytest.fixture(scope="module", params=[".", ".ci/release"])
def any_lock(checkout: Path, request: pytest.FixtureRequest) -> str:
    """The lock of the environment, or of the tools that only a release needs."""
    return (checkout / request.param / "requirements.lock").read_text()


@pytest.fixture(scope="module")
def owners() -> Mapping[str, list[str]]:
    """The distributions of each importable name; to find them takes a second."""
    return packages_distributions()


def imported(path: Path) -> Iterator[str]:
    """Yield the top-level names that a module imports absolutely, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.partition(".")[0]


@pytest.fixture(scope="module")
def loader(checkout: Path, project: dict[str, Any]) -> Callable[[Path], set[str]]:
    """Return what is always installed when a module is imported: pytest, for its plugins."""
    names = project.get("entry-points", {}).get("pytest11", {}).values()
    plugins = {checkout / "wrapper" / f"{name.replace('.', '/')}.py" for name in names}
    assert all(plugin.is_file() for plugin in plugins)
    # pydantic calls one method of results, where a program has it.
    called_by_pydantic = checkout / "wrapper/wanflow/_core/json_record.py"
    loaded = {plugin: {"pytest"} for plugin in plugins} | {called_by_pydantic: {"pydantic_core"}}
    return lambda path: loaded.get(path, set())


class TestDeclared:
    """Imports are declared as dependencies."""

    @pytest.mark.parametrize(
        ("folder", "extras"),
        [
            (
                "wrapper/wanflow",
                [
                    *("", "aiohttp", "cli", "httpx2", "mcp", "mock", "media", "otel", "spec"),
                    *("queue", "uploads", "webhooks"),
                ],
            ),
            ("generated/wanflow_client", [""]),
            ("contract_tests/wanflow_contract", ["", "mock", "media", "contract"]),
            (
                "contract_tests",
                ["", "cli", "mock", "media", "spec", "webhooks", "contract", "test", "dev"],
            ),
        ],
    )
    def test_imports(
        self,
        checkout: Path,
        declared: dict[str, list[Requirement]],
        loader: Callable[[Path], set[str]],
        owners: Mapping[str, list[str]],
        folder: str,
        extras: list[str],
    ) -> None:
        """Each imported package is declared, not only a dependency of a dependency."""
        allowed = {canonicalize_name(r.name) for extra in extras for r in declared[extra]}
        modules = sorted((checkout / folder).rglob("*.py"))
        assert modules
        ours = {
            "wanflow",
            "wanflow_client",
            "wanflow_contract",
            "self_tests",
            "tests",
            "benchmarks",
        }
        undeclared = {
            f"{path.relative_to(checkout)}: {name}"
            for path in modules
            for name in set(imported(path)) - sys.stdlib_module_names - ours - loader(path)
            if not allowed & {canonicalize_name(owner) for owner in owners.get(name, ())}
        }
        assert undeclared == set()

    def test_every_extra_is_part_of_dev(self, declared: dict[str, list[Requirement]]) -> None:
        """The environment of `make` has the dependencies of every extra."""
        extras: set[str] = set()
        remaining = ["dev"]
        while remaining:
            extras.add(extra := remaining.pop())
            remaining += [e for r in declared[extra] if r.name == "wanflow" for e in r.extras]
        assert extras == set(declared) - {""}


class TestLock:
    """The lock pins every package, and names no index."""

    def test_every_package_has_hashes(self, any_lock: str) -> None:
        """Each pinned package has at least one sha256 hash."""
        entries = re.split(r"\n(?=[a-z0-9])", any_lock.partition("\n#    make lock\n")[2])
        assert len(entries) > 10
        assert [entry for entry in entries if "--hash=sha256:" not in entry] == []

    def test_satisfies_what_is_declared(
        self, lock: str, declared: dict[str, list[Requirement]]
    ) -> None:
        """Each requirement of each extra is pinned at a version that it allows."""
        pins = [(match[1], match[2]) for match in PIN.finditer(lock)]
        required = [r for group in declared.values() for r in group if r.name != "wanflow"]
        assert required
        unmet = {
            str(requirement)
            for requirement in required
            if not any(
                name == canonicalize_name(requirement.name) and pinned in requirement.specifier
                for name, pinned in pins
            )
        }
        assert unmet == set(), "run `make lock`"

    def test_tools_of_a_release_are_locked_apart(self, checkout: Path, lock: str) -> None:
        """What they require makes imports slow, so it isn't in the environment of the tests."""
        groups = tomllib.loads((checkout / "pyproject.toml").read_text())["dependency-groups"]
        own = (checkout / ".ci/release/requirements.lock").read_text()
        pinned = {match[1]: match[2] for match in PIN.finditer(own)}
        required = [Requirement(line) for line in groups["release"]]
        assert required
        assert all(pinned.get(one.name, "") in one.specifier for one in required)
        assert "rfc3987-syntax" in pinned
        assert "rfc3987-syntax" not in {match[1] for match in PIN.finditer(lock)}

    def test_environment_is_the_locked_one(self, lock: str) -> None:
        """These tests run with the versions of the lock."""
        pins = [
            Requirement(f"{m[1]}=={m[2]}" + (f" ; {m[3]}" if m[3] else ""))
            for m in PIN.finditer(lock)
        ]
        here = [pin for pin in pins if pin.marker is None or pin.marker.evaluate()]
        assert len(here) > 40
        other = {str(p): version(p.name) for p in here if version(p.name) not in p.specifier}
        assert other == {}, "run `make set-up`"

    def test_names_no_index(self, any_lock: str) -> None:
        """The lock names no index, host or directory: it works with any configuration of pip."""
        place = r"://|--(?:extra-)?index|--find-links|^-|(?<!\w)/\w"
        assert re.findall(place, any_lock, re.MULTILINE) == []
