"""No type of an HTTP library stands in a public signature, so none is part of what users import."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import griffe
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.processes

HTTP = {"httpx", "httpx2", "httpcore", "httpcore2", "aiohttp", "h11", "yarl"}
SAMPLE = """
import httpx
from httpx import Client as Inner

def parameter(http: httpx.Client | None = None) -> None: ...
def result() -> list[Inner]: ...
def _private(http: httpx.Client) -> None: ...

class Base(httpx.BaseTransport): ...

class Attribute:
    http: "httpx.Client"
    def __init__(self, http: Inner) -> None: ...
"""


def expressions(member: Any) -> list[Any]:
    """Return what a member's signature consists of."""
    if member.is_function:
        return [member.returns, *(parameter.annotation for parameter in member.parameters)]
    if member.is_attribute:
        return [member.annotation]
    return list(member.bases) if member.is_class else []


def http_types(package: Any) -> Iterator[tuple[str, str]]:
    """Yield the public members of a package whose signature names a type of an HTTP library."""
    for member in package.members.values():
        if member.is_alias or (member.name.startswith("_") and member.name != "__init__"):
            continue
        for expression in expressions(member):
            for part in expression.iterate() if isinstance(expression, griffe.Expr) else ():
                name = getattr(part, "canonical_path", "")
                if name.partition(".")[0] in HTTP:
                    yield member.path, name
        if member.is_class or member.is_module:
            yield from http_types(member)


@pytest.mark.parametrize("package", ["wanflow"])
def test_no_public_signature_has_a_type_of_an_http_library(package: str, checkout: Path) -> None:
    """In every module, class, function and attribute whose path has no private name."""
    loaded = griffe.load(package, search_paths=[checkout / "wrapper"])
    assert {"client", "async_client", "mock"} <= set(loaded.members)
    assert list(http_types(loaded)) == []


def test_each_place_of_a_signature_is_checked(tmp_path: Path) -> None:
    """Parameters, results, base classes and attributes; what is private may have such a type."""
    (tmp_path / "sample.py").write_text(SAMPLE)
    found = dict(http_types(griffe.load("sample", search_paths=[tmp_path])))
    assert found == {
        "sample.parameter": "httpx.Client",
        "sample.result": "httpx.Client",
        "sample.Base": "httpx.BaseTransport",
        "sample.Attribute.http": "httpx.Client",
        "sample.Attribute.__init__": "httpx.Client",
    }
