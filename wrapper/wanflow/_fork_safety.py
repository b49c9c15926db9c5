"""What a forked child shares with its parent, and must not use: it is made anew there.

Two processes that read from one connection get each other's responses. A lock that another thread
held at the fork is never released in the child. So all that has either is renewed as the child's
first act, before any line of the program runs in it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakSet

if TYPE_CHECKING:
    from collections.abc import Callable


class Renewable(Protocol):
    """Something that a forked child makes anew."""

    def renew(self) -> None:
        """Forget what came from the parent; nothing of it may be closed or waited for."""
        ...


_renewable: WeakSet[Renewable] = WeakSet()
_inherited: list[Any] = []


def renew_in_children(thing: Renewable) -> None:
    """Have a thing renewed in every child that is forked while it lives."""
    _renewable.add(thing)


def call_in_children(function: Callable[[], object]) -> None:
    """Have a function called first in every child that is forked."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=function)


def keep_unused(thing: object) -> None:
    """Keep what came from the parent, since its destructor would touch what both share."""
    _inherited.append(thing)


def cut_off(sock: Any) -> None:
    """Let a child's copy of a socket lead nowhere; the parent's connection isn't ended by that."""
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
