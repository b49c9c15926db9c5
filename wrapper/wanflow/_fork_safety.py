"""Resets connections and locks in a forked child.

Two processes that read from one connection get each other's responses. A lock that another thread
owned during the fork is never released in the child. So every object that has either is reset in
the child before any other code runs there.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakSet

if TYPE_CHECKING:
    from collections.abc import Callable


class Renewable(Protocol):
    """An object that is reset in a forked child."""

    def renew(self) -> None:
        """Drop what was inherited from the parent, without closing or waiting for it."""
        ...


_renewable: WeakSet[Renewable] = WeakSet()
_inherited: list[Any] = []


def renew_in_children(thing: Renewable) -> None:
    """Reset an object in every child that is forked while the object exists."""
    _renewable.add(thing)


def call_in_children(function: Callable[[], object]) -> None:
    """Call a function in every forked child, before other code."""
    system: Any = os
    if hasattr(system, "register_at_fork"):
        system.register_at_fork(after_in_child=function)


def keep_alive(thing: object) -> None:
    """Keep an inherited object alive, since its destructor would affect the parent."""
    _inherited.append(thing)


def detach_socket(sock: Any) -> None:
    """Point a child's copy of a socket to the null device; the parent's connection stays open."""
    descriptor = -1 if sock is None else sock.fileno()
    if descriptor < 0:
        return
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, descriptor, inheritable=False)
    os.close(nowhere)


def _renew_all() -> None:
    for thing in list(_renewable):
        thing.renew()


call_in_children(_renew_all)
