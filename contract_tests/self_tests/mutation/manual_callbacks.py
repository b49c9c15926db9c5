"""Mutants written by hand: callbacks that are missing, too many, or wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from self_tests.mutation.mutant import Mutant, register

if TYPE_CHECKING:
    from collections.abc import Callable

    Deliver = Callable[[Any], None]

_CALLS = {"loopback_callbacks": True}


def _register_delivery(
    name: str, description: str, deliver_wrongly: Callable[[Deliver, Any], None]
) -> None:
    """Register a mutant whose gateway reports ended tasks through `deliver_wrongly`."""

    def tamper(server: Any) -> None:
        right = server.gateway.on_done

        def deliver(task: Any) -> None:
            server.layer.reached += 1
            server.layer.triggered += 1
            deliver_wrongly(right, task)

        server.gateway.on_done = deliver

    register(Mutant(name, "callbacks", description, "callback", tamper=tamper, options=_CALLS))


def _twice(right: Deliver, task: Any) -> None:
    right(task)
    right(task)


def _failures_only(right: Deliver, task: Any) -> None:
    if task.failure is not None:
        right(task)


def _successes_only(right: Deliver, task: Any) -> None:
    if task.failure is None:
        right(task)


_register_delivery("callback-never", "No callback comes.", lambda _right, _task: None)
_register_delivery("callback-twice", "Each callback comes twice.", _twice)
_register_delivery("callback-of-failures", "Only failed tasks are reported.", _failures_only)
_register_delivery("callback-of-successes", "Only completed tasks are reported.", _successes_only)


class _AlteredGateway:
    """A gateway that alters the bodies of callbacks."""

    def __init__(
        self, gateway: Any, alter_body: Callable[[dict[str, Any]], dict[str, Any]]
    ) -> None:
        self._gateway, self._alter_body = gateway, alter_body

    def __getattr__(self, name: str) -> Any:
        return getattr(self._gateway, name)

    def status_response(self, task: Any) -> dict[str, Any]:
        """Return the correct body, altered."""
        return self._alter_body(dict(self._gateway.status_response(task)))


def _register_sender(
    name: str,
    description: str,
    *,
    alter_body: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
    tries: int = 99,
) -> None:
    """Register a mutant that alters the bodies, or makes another number of attempts."""

    def tamper(server: Any) -> None:
        right = server.app.callback_sender

        class Courier(type(right)):  # type: ignore[misc]
            def _try(self, task: Any, number: int) -> None:
                if number <= tries:
                    super()._try(task, number)

        gateway = (
            server.gateway if alter_body is None else _AlteredGateway(server.gateway, alter_body)
        )
        wrong = Courier(gateway, right.ssrf_guard)

        def deliver(task: Any) -> None:
            server.layer.reached += 1
            server.layer.triggered += 1
            wrong.schedule(task)

        server.gateway.on_done = deliver

    register(Mutant(name, "callbacks", description, "callback", tamper=tamper, options=_CALLS))


def _without_results(body: dict[str, Any]) -> dict[str, Any]:
    return {**body, "results": []}


_register_sender("callback-tried-once", "A callback that failed isn't sent again.", tries=1)
_register_sender("callback-tried-thrice", "A callback is sent again only twice.", tries=3)
_register_sender(
    "callback-in-progress",
    "Callbacks say processing.",
    alter_body=lambda body: {**body, "status": "processing"},
)
_register_sender(
    "callback-without-results", "Callbacks have no results.", alter_body=_without_results
)
_register_sender(
    "callback-of-another",
    "Callbacks have another id.",
    alter_body=lambda body: {**body, "id": body["id"][::-1]},
)
_register_sender(
    "callback-wrapped", "Callbacks are wrapped in `task`.", alter_body=lambda body: {"task": body}
)
