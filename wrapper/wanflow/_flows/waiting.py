"""Look at a task, once or until it has ended."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeAlias

from wanflow import errors
from wanflow._core import answer, pacing
from wanflow._core.effects import Fault, Notify, draw, now, send, sleep
from wanflow._core.failure import task_failed
from wanflow._core.snapshot import Snapshot, read_snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from wanflow._core.effects import Flow, Request

    OnUpdate: TypeAlias = Callable[[Snapshot], object] | None

_log = logging.getLogger("wanflow")

# These end a wait: what they say of the key, the account or the id will not change by itself.
_FINAL = frozenset({400, 401, 402, 403, 404})


def query(request: Request, task_id: str) -> Flow[Snapshot]:
    """Look at a task once.

    Raises:
        ConnectionFailed: no answer came.
        APIError: the API answered with an error, or with something that is no task.
    """
    try:
        reply = yield from send(request)
    except Fault as fault:
        message = f"no answer about task {task_id}: {fault.reason}"
        raise errors.ConnectionFailed(message, task_id=task_id) from fault
    if reply.status != 200:  # noqa: PLR2004
        unix = (yield from now()).unix
        raise answer.api_error(reply, unix=unix, task_id=task_id)
    try:
        return read_snapshot(reply.content, task_id)
    except ValueError as error:
        raise answer.unreadable(reply, str(error), task_id=task_id) from error


def wait(request: Request, task_id: str, *, timeout: float, on_update: OnUpdate) -> Flow[Snapshot]:
    """Look at a task until it has ended, at most `timeout` seconds; faults on the way are borne.

    Whatever leaves the wait carries the task's id, an interrupt included.

    Raises:
        TaskFailed: it ended without a result.
        WaitTimeout: it hadn't ended in time; it goes on.
        APIError: the API refused the question itself (400 to 404).
    """
    with about(task_id):
        deadline = (yield from now()).ticks + timeout
        seen: Snapshot | None = None
        look = 0
        while True:
            found, asked = yield from _look(request, task_id)
            if found is not None:
                yield from _tell(on_update, seen, found)
                seen = found
                if seen.ended:
                    return _result(seen)
            left = deadline - (yield from now()).ticks
            if left <= 0:
                raise _timed_out(task_id, timeout, seen)
            wanted = pacing.interval(look, (yield from draw()))
            yield from sleep(pacing.pause(wanted, asked, left))
            look += 1


@contextmanager
def about(task_id: str) -> Generator[None]:
    """See to it that whatever is raised inside names the task, and how to take it up again."""
    try:
        yield
    except GeneratorExit:
        raise
    except BaseException as error:
        if getattr(error, "task_id", None) is None:
            error.task_id = task_id  # type: ignore[attr-defined]
        if not isinstance(error, errors.WanflowError):
            error.add_note(f"client.task({task_id!r}) takes the task up again")
        raise


def _look(request: Request, task_id: str) -> Flow[tuple[Snapshot | None, float | None]]:
    """Look once → the task, or None where nothing was learnt, and the pause that was asked for."""
    try:
        return (yield from query(request, task_id)), None
    except errors.APIError as error:
        if error.status in _FINAL:
            raise
        _log.warning("task %s: %s; the wait goes on", task_id, error)
        return None, error.retry_after
    except errors.ConnectionFailed as error:
        _log.warning("%s; the wait goes on", error)
        return None, None


def _tell(on_update: OnUpdate, seen: Snapshot | None, found: Snapshot) -> Flow[None]:
    if not found.known and (seen is None or seen.status != found.status):
        _log.warning("task %s: unknown status %r; the wait goes on", found.id, found.status)
    if on_update is not None:
        yield Notify(on_update, found)


def _result(snapshot: Snapshot) -> Snapshot:
    if snapshot.completed:
        return snapshot
    raise task_failed(snapshot)


def _timed_out(task_id: str, timeout: float, seen: Snapshot | None) -> errors.WaitTimeout:
    state = f"last seen {seen.status or 'without a status'}" if seen else "never seen"
    return errors.WaitTimeout(
        f"task {task_id} had not ended after {timeout:g} s ({state}). It goes on: "
        f"client.task({task_id!r}).wait() takes it up again",
        snapshot=seen,
        task_id=task_id,
    )
