"""Base URLs that a user may have meant, by the servers that the spec names."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable


def has_path_of(base_url: str, servers: Iterable[str]) -> bool:
    """Return whether a base URL has the path of one of the servers."""
    return _path(base_url) in map(_path, servers)


def likely_base_urls(base_url: str, servers: Iterable[str]) -> list[str]:
    """Return what a base URL that leads nowhere may have meant, the likeliest first.

    A server on the same host is meant as the spec writes it. Elsewhere its path is: what follows
    it is cut off, and where it is missing, it replaces or extends the path that is given.
    """
    given = urlsplit(base_url)
    found: list[str] = []
    for server in servers:
        if urlsplit(server).netloc.lower() == given.netloc.lower():
            found.append(server.rstrip("/"))
        else:
            found += [
                f"{given.scheme}://{given.netloc}{path}" for path in _paths(given.path, server)
            ]
    return [one for one in dict.fromkeys(found) if one != base_url.rstrip("/")]


def _path(url: str) -> str:
    return urlsplit(url).path.rstrip("/")


def _paths(given: str, server: str) -> list[str]:
    """Return a server's path instead of a given one, and after it."""
    wanted, given = _path(server), given.rstrip("/")
    before, found, _ = f"{given}/".lower().partition(f"{wanted.lower()}/")
    if found:
        return [given[: len(before)] + wanted]
    return [wanted, given + wanted] if wanted else [""]
