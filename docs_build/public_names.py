"""Which names are public, and so must be described: those of the public modules."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import griffe

from tests.packaging.surface import public_modules

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@cache
def public_names(root: Path) -> tuple[str, ...]:
    """Return every public name of the public modules, and of their classes."""
    modules = public_modules(root / "wrapper/tests/packaging/public_modules.txt")
    package = griffe.load("wanflow", search_paths=[root / "wrapper"], resolve_aliases=True)
    names = tuple(name for module in modules for name in _names(package, module))
    if not names:
        raise LookupError("there is no public name")
    return names


def _is_no_name_of_ours(name: str) -> bool:
    return name.startswith("_") or name == "TYPE_CHECKING"


def _names(package: Any, module: str) -> Iterator[str]:
    inside = module.partition(".")[2]
    for name, member in (package[inside] if inside else package).members.items():
        if not member.is_public or member.is_module or _is_no_name_of_ours(name):
            continue
        yield f"{module}.{name}"
        target = member.final_target if member.is_alias else member
        if target.is_class:
            for inner, value in target.all_members.items():
                if value.is_public and not inner.startswith("_"):
                    yield f"{module}.{name}.{inner}"
