"""Runs a flow to its end, although the waiting thread or task is interrupted or cancelled.

A request that was sent may be charged, so its response is awaited, within its timeout, and
recorded. The first interrupt or cancellation is raised after that, a second one immediately.
"""

from __future__ import annotations

import threading
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, cast

import anyio

from wanflow._core.effects import Outcome
from wanflow._event_loop import asyncio_loop

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable, Coroutine

    OnInterrupt: TypeAlias = Callable[[BaseException], bool]

T = TypeVar("T")

_CHECK_INTERVAL = 0.1
# An event loop has only weak references to tasks.
_tasks: set[asyncio.Task[Any]] = set()


def run_shielded(
    run_flow: Callable[[], T], on_interrupt: OnInterrupt, on_wait: Callable[[], object]
) -> T:
    """Run in a separate thread: only the main thread is interrupted.

    `on_wait` is called when an interrupt makes the thread wait for the end of the flow.
    """
    if threading.current_thread() is not threading.main_thread():
        return run_flow()
    done, ends = threading.Event(), list[Outcome]()
    run, what = copy_context().run, (_run_and_store, run_flow, ends, done)
    thread = threading.Thread(target=run, args=what, name="wanflow-submission", daemon=True)
    try:
        thread.start()
        _wait(done)
    except BaseException as error:
        if not on_interrupt(error):
            try:
                on_wait()  # it calls functions of the user's
            except KeyboardInterrupt:  # the second interrupt
                raise
            except BaseException:
                _wait(done)
                raise
            _wait(done)
        raise
    return cast("T", _value(ends.pop()))


def _wait(done: threading.Event) -> None:
    # On Windows, or where another thread gets the signal, it interrupts no wait for a lock.
    while not done.wait(_CHECK_INTERVAL):
        pass


def _run_and_store(
    run_flow: Callable[[], object], ends: list[Outcome], done: threading.Event
) -> None:
    try:
        ends.append(Outcome(run_flow()))
    except BaseException as error:
        ends.append(Outcome(error=error))
    finally:
        done.set()


async def run_shielded_async(
    run_flow: Callable[[], Coroutine[Any, Any, T]], on_interrupt: OnInterrupt
) -> T:
    """Run in a separate task under asyncio, whose cancellations pass the shield of a scope."""
    loop = asyncio_loop()
    if loop is None:
        return await _in_scope(run_flow, on_interrupt)
    from asyncio import CancelledError, wait  # noqa: PLC0415 - a blocking client never needs it

    task = loop.create_task(run_flow())
    _tasks.add(task)
    task.add_done_callback(_forget)
    try:
        await wait((task,))
    except CancelledError as error:
        if on_interrupt(error):
            task.cancel()
        with anyio.CancelScope(shield=True):
            await wait((task,))
        raise
    return task.result()


def _forget(task: asyncio.Task[Any]) -> None:
    _tasks.discard(task)
    if not task.cancelled():
        # Marks the exception as retrieved, so that asyncio logs no warning.
        task.exception()


async def _in_scope(run_flow: Callable[[], Awaitable[T]], on_interrupt: OnInterrupt) -> T:
    ends: list[Outcome] = []
    async with anyio.create_task_group() as group:
        with anyio.CancelScope(shield=True) as scope:
            group.start_soon(_watch, on_interrupt, scope)
            try:
                ends.append(Outcome(await run_flow()))
            except anyio.get_cancelled_exc_class():
                raise
            except BaseException as error:
                ends.append(Outcome(error=error))
        group.cancel_scope.cancel()
    return cast("T", _value(ends.pop()))


async def _watch(on_interrupt: OnInterrupt, scope: anyio.CancelScope) -> None:
    try:
        await anyio.sleep_forever()
    except anyio.get_cancelled_exc_class() as error:
        if on_interrupt(error):
            scope.cancel()
        raise


def _value(end: Outcome) -> Any:
    try:
        if end.error is not None:
            raise end.error
        return end.value
    finally:
        del end
