"""Open a file of a result without keeping it in a directory of the user's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import evolve

from wanflow._core.effects import run_blocking
from wanflow._flows.download import download, keep_path
from wanflow.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO

    from wanflow._core.effects import Flow
    from wanflow._core.storage import TemporaryFolder
    from wanflow._flows.download import DownloadJob


def open_result(
    job: DownloadJob, index: int, make_folder: Callable[[], TemporaryFolder]
) -> Flow[BinaryIO]:
    """Save one file in a temporary folder, and open it; closing it removes it.

    Raises:
        InvalidRequest: there is no such file.
        LinkExpired: the link is past its time.
        DownloadFailed: there is no link, or the file can't be fetched or saved.
    """
    count = len(job.urls)
    if count and not 0 <= index < count:
        raise InvalidRequest(f"index must be 0 to {count - 1}, since there are {count} files")
    folder = yield from run_blocking(make_folder)
    try:
        one = evolve(job, urls=job.urls[index : index + 1], output_dir=folder.folder)
        (path,) = yield from download(one, keep_path)
        return (yield from run_blocking(lambda: folder.open(path)))
    except BaseException:
        folder.remove()
        raise
