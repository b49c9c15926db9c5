"""A batch is recognised again, however the path of its directory is written or changes."""

from __future__ import annotations

import errno
import os
import shutil
import threading
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from wanflow import errors
from wanflow.batch.identity import NAME_FILE, batch_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.batch.conftest import BatchRunner
    from wanflow.batch import Report
    from wanflow.ledger import Ledger
    from wanflow.mock.gateway.accounts import Account


@pytest.fixture
def jobs(model: str) -> list[dict[str, Any]]:
    small = {"model": model, "size": "768x768"}  # drawn faster
    return [{**small, "prompt": prompt} for prompt in ("a", "a", "b")]


def assert_same_batch(report: Report, account: Account) -> None:
    """Assert that nothing was charged again, and that all results are known."""
    assert account.submitted == 3
    assert report.complete
    assert all(outcome.from_earlier_run for outcome in report.results)


def linked(out: Path) -> Path:
    (out.parent / "link").symlink_to(out, target_is_directory=True)
    return out.parent / "link"


def linked_above(out: Path) -> Path:
    (out.parent / "above").symlink_to(out.parent, target_is_directory=True)
    return out.parent / "above" / out.name


def with_parent_parts(out: Path) -> Path:
    (out.parent / "x").mkdir()
    return out.parent / "x" / ".." / out.name


def relative(out: Path) -> Path:
    (out.parent / "elsewhere").mkdir()
    os.chdir(out.parent / "elsewhere")
    return Path("..") / out.name


def with_a_slash(out: Path) -> str:
    return f"{out}{os.sep}"


def in_capitals(out: Path) -> Path:
    other = out.parent / out.name.swapcase()
    if not other.exists():
        pytest.skip("this file system is case-sensitive")
    return other


SPELLINGS = (linked, linked_above, with_parent_parts, relative, with_a_slash, in_capitals)


@pytest.mark.parametrize("spelled", SPELLINGS, ids=lambda one: one.__name__)
def test_another_path_to_the_directory_is_the_same_batch(
    run_batch: BatchRunner,
    jobs: list[dict[str, Any]],
    account: Account,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    spelled: Callable[[Path], Path | str],
) -> None:
    """Links, `..` parts and a slash at the end lead to the same directory."""
    monkeypatch.chdir(tmp_path)  # and back at the end
    run_batch(jobs)
    assert_same_batch(run_batch(jobs, out=spelled(tmp_path / "out")), account)


def test_the_order_of_a_jobs_parameters_is_irrelevant(
    run_batch: BatchRunner, jobs: list[dict[str, Any]], account: Account
) -> None:
    """A program may write the columns in another order next time."""
    run_batch(jobs)
    assert_same_batch(run_batch([dict(reversed(list(job.items()))) for job in jobs]), account)


@pytest.mark.parametrize("spelled", SPELLINGS, ids=lambda one: one.__name__)
def test_a_batch_of_an_earlier_version_is_recognised(
    run_batch: BatchRunner,
    jobs: list[dict[str, Any]],
    account: Account,
    ledger: Ledger,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    spelled: Callable[[Path], Path | str],
) -> None:
    """It was named after the path as it was written, and its directory has no name file."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "out").mkdir()
    then = Path(spelled(tmp_path / "out"))
    contents = {one.job.line: one.job.content for one in run_batch(jobs, out="probe").results}
    numbers = {1: 1, 2: 2, 3: 1}

    def named_then(line: int) -> str:
        text = f"{then.absolute()}\n".encode() + contents[line]
        return f"{sha256(text).hexdigest()[:24]}.{numbers[line]}"

    before = account.submitted
    run_batch([{**job, "key": named_then(line)} for line, job in enumerate(jobs, 1)], out=then)
    assert account.submitted == before + 3
    (tmp_path / "out" / NAME_FILE).unlink(missing_ok=True)
    report = run_batch(jobs, out=tmp_path / "out")
    assert account.submitted == before + 3
    assert report.complete


def test_a_moved_directory_is_the_same_batch(
    run_batch: BatchRunner, jobs: list[dict[str, Any]], account: Account, tmp_path: Path
) -> None:
    """Its files are found at the new path, and nothing is downloaded again."""
    run_batch(jobs)
    (tmp_path / "out").rename(tmp_path / "moved")
    report = run_batch(jobs, out=tmp_path / "moved")
    assert_same_batch(report, account)
    files = [file.path for outcome in report.results for file in outcome.files]
    assert {path.parent for path in files} == {tmp_path / "moved"}
    assert all(path.exists() for path in files)


def test_a_copied_directory_is_the_same_batch(
    run_batch: BatchRunner, jobs: list[dict[str, Any]], account: Account, tmp_path: Path
) -> None:
    """What was charged for one isn't charged again for the other."""
    run_batch(jobs[:2])
    shutil.copytree(tmp_path / "out", tmp_path / "copy")
    run_batch(jobs, out=tmp_path / "copy")
    assert_same_batch(run_batch(jobs), account)


def test_a_deleted_directory_is_the_same_batch(
    run_batch: BatchRunner, jobs: list[dict[str, Any]], account: Account, tmp_path: Path
) -> None:
    """Its files are downloaded again, and nothing is charged again."""
    run_batch(jobs)
    shutil.rmtree(tmp_path / "out")
    assert run_batch(jobs).complete
    assert account.submitted == 3


@pytest.mark.skipif(os.name == "nt", reason="file names are Unicode there")
def test_a_directory_whose_name_is_not_utf_8_works(
    run_batch: BatchRunner, jobs: list[dict[str, Any]], account: Account, tmp_path: Path
) -> None:
    """The report and the contact sheet are written in it."""
    out = tmp_path / os.fsdecode(b"out-\xff\xfe")
    first = run_batch(jobs, out=out)
    assert first.complete
    assert not first.write_error
    assert {"report.json", "index.html"} <= {path.name for path in out.iterdir()}
    assert_same_batch(run_batch(jobs, out=out), account)


@pytest.mark.parametrize("content", [b"", b"# a remark\n", b"half of a na", b"two\nnames\n"])
def test_an_invalid_name_file_stops_the_batch(
    run_batch: BatchRunner,
    jobs: list[dict[str, Any]],
    account: Account,
    tmp_path: Path,
    content: bytes,
) -> None:
    """Without the name, nobody knows what was charged already."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / NAME_FILE).write_bytes(content)
    with pytest.raises(errors.ConfigurationError, match="nothing was sent"):
        run_batch(jobs)
    assert account.submitted == 0


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
def test_a_name_file_that_is_not_regular_stops_the_batch(
    run_batch: BatchRunner, jobs: list[dict[str, Any]], account: Account, tmp_path: Path
) -> None:
    """A pipe isn't opened, and a link isn't followed."""
    (tmp_path / "out").mkdir()
    path = tmp_path / "out" / NAME_FILE
    os.mkfifo(path)
    with pytest.raises(errors.ConfigurationError, match=r"a pipe .* nothing was sent"):
        run_batch(jobs)
    path.unlink()
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(errors.ConfigurationError, match=r"a symbolic link .* nothing was sent"):
        run_batch(jobs)
    assert account.submitted == 0


@pytest.mark.parametrize("links", [True, False], ids=["links", "no links"])
def test_threads_that_start_a_batch_concurrently_agree_on_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    """The first thread names it for all, whatever path they use; some disks have no hard links."""

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    if not links:
        monkeypatch.setattr(os, "link", refuse)
    for number in range(20):
        out = tmp_path / str(number)
        out.mkdir()
        (tmp_path / f"link-{number}").symlink_to(out)
        start, found = threading.Barrier(8), list[bytes]()

        def begin(folder: Path, start: threading.Barrier, found: list[bytes]) -> None:
            start.wait()
            # Each thread would choose another name.
            chosen = os.urandom(8).hex()
            found.append(batch_name(folder, list, lambda _: hash(chosen)))

        folders = [out, tmp_path / f"link-{number}"] * 4
        threads = [threading.Thread(target=begin, args=(one, start, found)) for one in folders]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(found) == 8
        assert len(set(found)) == 1
        assert [path.name for path in out.iterdir()] == [NAME_FILE]


def test_a_batch_with_a_limit_runs_once_at_a_time(
    run_batch: BatchRunner, jobs: list[dict[str, Any]], account: Account
) -> None:
    """Each of two concurrent runs would spend up to the limit."""
    rejected: list[errors.WanflowError] = []

    def again(_: object) -> None:
        try:
            run_batch(jobs, max_credits=100)
        except errors.WanflowError as error:
            rejected.append(error)

    stop = threading.Event()

    def once(outcome: object) -> None:
        if not stop.is_set():
            stop.set()
            thread = threading.Thread(target=again, args=(outcome,))
            thread.start()
            thread.join()

    assert run_batch(jobs, max_credits=100, on_result=once).complete
    (error,) = rejected
    assert "with a credit limit" in str(error)
    assert account.submitted == 3
