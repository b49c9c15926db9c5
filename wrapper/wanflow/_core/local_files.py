"""Paths where a request should have links: found, and replaced by links."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from attrs import field, frozen

from wanflow.catalog.document import is_array

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from wanflow.catalog.catalog import Model
    from wanflow.catalog.document import JsonObject


@frozen
class LocalFile:
    """A local file in a request: the parameter that it is in, its place in a list, and its rule."""

    parameter: str
    index: int | None
    path: Path
    rule: JsonObject = field(repr=False)


def local_files(
    model: Model, body: Mapping[str, Any], *, paths_only: bool
) -> tuple[LocalFile, ...]:
    """Find what is a path where the model's schema wants a link.

    That is a path object and, but for `paths_only`, a text that is no URL.
    """
    return tuple(
        LocalFile(name, index, Path(cast("str", value)), rule)
        for name, rule in model.parameters.items()
        if name in body
        for index, value in url_values(rule, body[name])
        if hasattr(value, "__fspath__") or not (paths_only or _is_url(value))
    )


def with_links(
    body: Mapping[str, Any], files: tuple[LocalFile, ...], link_of: Callable[[Path], str]
) -> dict[str, Any]:
    """Return a body with a link in place of each local file."""
    result = dict(body)
    for file in files:
        link = link_of(file.path)
        if file.index is None:
            result[file.parameter] = link
        else:
            entries = list(result[file.parameter])
            entries[file.index] = link
            result[file.parameter] = entries
    return result


def url_values(rule: JsonObject, value: Any) -> Iterator[tuple[int | None, Any]]:
    """Give what stands where a rule wants links, with its place where that is a list."""
    if rule.get("format") == "uri":
        yield None, value
    elif rule.get("items", {}).get("format") == "uri" and (
        is_array(value) or isinstance(value, tuple)
    ):
        yield from enumerate(cast("list[Any]", value))


def _is_url(value: Any) -> bool:
    return not isinstance(value, str) or "://" in value or not value or "\0" in value
