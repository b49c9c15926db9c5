"""Mutants written by hand: callbacks that don't come, come too often, or say something else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from self_tests.mutation.mutant import Mutant, enter

if TYPE_CHECKING:
    from collections.abc import Callable

    Tell = Callable[[Any], None]

_CALLS = {"loopback_callbacks": True}


def _told(name: str, says: str, retell: Callable[[Tell, Any], None]) -> None:
    """Enter a mutant whose gateway tells ends in another way; `retell` gets the right one."""

    def tamper(server: Any) -> None:
        right = server.gateway.on_done

        def tell(task: Any) -> None:
            server.layer.reached += 1
            server.layer.triggered += 1
            retell(right, task)

        server.gateway.on_done = tell

    enter(Mutant(name, "callbacks", says, "callback", tamper=tamper, options=_CALLS))


def _twice(right: Tell, task: Any) -> None:
    right(task)
    right(task)


def _failures_only(right: Tell, task: Any) -> None:
    if task.failure is not None:
        right(task)


def _successes_only(right: Tell, task: Any) -> None:
    if task.failure is None:
        right(task)


_told("callback-never", "No callback comes.", lambda _right, _task: None)
_told("callback-twice", "Each callback comes twice.", _twice)
_told("callback-of-failures", "Only failures are told.", _failures_only)
_told("callback-of-successes", "Only completed tasks are told.", _successes_only)


class _Liar:
    """A gateway that words the ends of tasks in another way."""

    def __init__(self, gateway: Any, reword: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        self._gateway, self._reword = gateway, reword

    def __getattr__(self, name: str) -> Any:
        return getattr(self._gateway, name)

    def status_response(self, task: Any) -> dict[str, Any]:
        """Return the right answer, reworded."""
        return self._reword(dict(self._gateway.status_response(task)))


def _courier(
    name: str,
    says: str,
    *,
    reword: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
    tries: int = 99,
) -> None:
    """Enter a mutant whose courier words ends otherwise, or tries another number of times."""

    def tamper(server: Any) -> None:
        right = server.app.courier

        class Courier(type(right)):  # type: ignore[misc]
            def _try(self, task: Any, number: int) -> None:
                if number <= tries:
                    super()._try(task, number)

        gateway = server.gateway if reword is None else _Liar(server.gateway, reword)
        wrong = Courier(gateway, right.door)

        def tell(task: Any) -> None:
            server.layer.reached += 1
            server.layer.triggered += 1
            wrong.schedule(task)

        server.gateway.on_done = tell

    enter(Mutant(name, "callbacks", says, "callback", tamper=tamper, options=_CALLS))


def _without_results(body: dict[str, Any]) -> dict[str, Any]:
    return {**body, "results": []}


_courier("callback-tried-once", "A callback that failed isn't sent again.", tries=1)
_courier("callback-tried-thrice", "A callback is sent again only twice.", tries=3)
_courier(
    "callback-in-progress",
    "Callbacks say processing.",
    reword=lambda body: {**body, "status": "processing"},
)
_courier("callback-without-results", "Callbacks have no results.", reword=_without_results)
_courier(
    "callback-of-another",
    "Callbacks have another id.",
    reword=lambda body: {**body, "id": body["id"][::-1]},
)
_courier("callback-wrapped", "Callbacks are wrapped in `task`.", reword=lambda body: {"task": body})
