"""What is played to its end, though the thread or task that waits for it is told to stop.

A request that was written may be charged, so its response is waited for, within its own timeout,
and written down. The first interrupt or cancellation goes on after that; a second one isn't
held up.
"""

from __future__ import annotations

import threading
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, TypeVar, cast

import anyio

from wanflow._core.effects import Outcome
from wanflow._event_loop import asyncio_loop
from wanflow._log import log

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable, Coroutine

T = TypeVar("T")

_TURN = 0.1
# An event loop keeps no task alive by itself.
_tasks: set[asyncio.Task[Any]] = set()


def shielded(play: Callable[[], T], leave: Callable[[], bool]) -> T:
    """Play in a thread of its own: only the main thread is interrupted."""
    if threading.current_thread() is not threading.main_thread():
        return play()
    done, ends = threading.Event(), list[Outcome]()
    run, what = copy_context().run, (_play, play, ends, done)
    thread = threading.Thread(target=run, args=what, name="wanflow-submission", daemon=True)
    try:
        thread.start()
        _wait(done)
    except BaseException:
        if not leave():
            log.warning(
                "interrupted; the response to what was sent is waited for and written down. "
                "Interrupt again to leave without it"
            )
            _wait(done)
        raise
    return cast("T", _value(ends.pop()))


def _wait(done: threading.Event) -> None:
    # Where a signal doesn't reach the main thread itself, or on Windows, no wait for a lock ends.
    while not done.wait(_TURN):
        pass


def _play(play: Callable[[], object], ends: list[Outcome], done: threading.Event) -> None:
    try:
        ends.append(Outcome(play()))
    except BaseException as error:
        ends.append(Outcome(error=error))
    finally:
        done.set()


async def ashielded(play: Callable[[], Coroutine[Any, Any, T]], leave: Callable[[], bool]) -> T:
    """Play in a task of its own under asyncio, whose cancellations pass a scope's shield."""
    loop = asyncio_loop()
    if loop is None:
        return await _in_scope(play, leave)
    from asyncio import CancelledError, wait  # noqa: PLC0415 - a blocking client never needs it

    task = loop.create_task(play())
    _tasks.add(task)
    task.add_done_callback(_forget)
    try:
        await wait((task,))
    except CancelledError:
        if leave():
            task.cancel()
        with anyio.CancelScope(shield=True):
            await wait((task,))
        raise
    return task.result()


def _forget(task: asyncio.Task[Any]) -> None:
    _tasks.discard(task)
    if not task.cancelled():
        # Where nobody waits for it any more, asyncio needn't say that nobody asked for this.
        task.exception()


async def _in_scope(play: Callable[[], Awaitable[T]], leave: Callable[[], bool]) -> T:
    ends: list[Outcome] = []
    async with anyio.create_task_group() as group:
        with anyio.CancelScope(shield=True) as scope:
            group.start_soon(_watch, leave, scope)
            try:
                ends.append(Outcome(await play()))
            except anyio.get_cancelled_exc_class():
                raise
            except BaseException as error:
                ends.append(Outcome(error=error))
        group.cancel_scope.cancel()
    return cast("T", _value(ends.pop()))


async def _watch(leave: Callable[[], bool], scope: anyio.CancelScope) -> None:
    try:
        await anyio.sleep_forever()
    except anyio.get_cancelled_exc_class():
        if leave():
            scope.cancel()
        raise


def _value(end: Outcome) -> Any:
    try:
        if end.error is not None:
            raise end.error
        return end.value
    finally:
        del end
