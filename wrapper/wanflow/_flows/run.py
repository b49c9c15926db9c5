"""Submit, wait and download, in one flow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wanflow._core.effects import InvokeCallback, run_blocking
from wanflow._flows.error_context import task_context
from wanflow.errors import WanflowError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from wanflow._core.effects import Flow
    from wanflow._core.snapshot import Snapshot
    from wanflow._core.storage import Storage
    from wanflow._flows.poll import OnUpdate


def run(
    submission: Flow[Snapshot],
    *,
    output_dir: Path | None,
    storage: Storage,
    on_update: OnUpdate,
    wait: Callable[[Snapshot], Flow[Snapshot]],
    save: Callable[[Snapshot], Flow[list[Path]]] | None,
) -> Flow[tuple[Snapshot, list[Path]]]:
    """Submit, wait and save → the ended task and the files, which are none where `save` is None.

    An `output_dir` that can't be written is reported before anything is sent. `on_update` is called
    with the accepted task first, so that its id is known from then on. Where no file was saved, no
    empty folder is left.
    """
    created = (
        ()
        if output_dir is None
        else (yield from run_blocking(lambda: storage.check_writable(output_dir)))
    )
    try:
        return (yield from _submit_wait_save(submission, on_update=on_update, wait=wait, save=save))
    except WanflowError:
        yield from run_blocking(lambda: storage.remove_empty(created))
        raise


def _submit_wait_save(
    submission: Flow[Snapshot],
    *,
    on_update: OnUpdate,
    wait: Callable[[Snapshot], Flow[Snapshot]],
    save: Callable[[Snapshot], Flow[list[Path]]] | None,
) -> Flow[tuple[Snapshot, list[Path]]]:
    accepted = yield from submission
    with task_context(accepted.id):
        if on_update is not None:
            yield InvokeCallback(on_update, accepted)
        ended = yield from wait(accepted)
        paths = [] if save is None else (yield from save(ended))
        return ended, paths
