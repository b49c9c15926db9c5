"""The same batch is the same batch, however its folder's path is spelled and wherever it goes."""

from __future__ import annotations

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

    from tests.batch.conftest import Doer
    from wanflow.batch import Report
    from wanflow.ledger import Ledger
    from wanflow.mock.gateway.accounts import Account


@pytest.fixture
def jobs(model: str) -> list[dict[str, Any]]:
    return [{"model": model, "prompt": prompt} for prompt in ("a", "a", "b")]


def is_the_same(report: Report, account: Account) -> None:
    """Nothing was paid again, and all that was done is known."""
    assert account.submitted == 3
    assert report.complete
    assert all(outcome.from_earlier_run for outcome in report.results)


def linked(out: Path) -> Path:
    (out.parent / "link").symlink_to(out, target_is_directory=True)
    return out.parent / "link"


def linked_above(out: Path) -> Path:
    (out.parent / "above").symlink_to(out.parent, target_is_directory=True)
    return out.parent / "above" / out.name


def around(out: Path) -> Path:
    (out.parent / "x").mkdir()
    return out.parent / "x" / ".." / out.name


def from_elsewhere(out: Path) -> Path:
    (out.parent / "elsewhere").mkdir()
    os.chdir(out.parent / "elsewhere")
    return Path("..") / out.name


def with_a_slash(out: Path) -> str:
    return f"{out}{os.sep}"


def in_capitals(out: Path) -> Path:
    other = out.parent / out.name.swapcase()
    if not other.exists():
        pytest.skip("this file system tells capitals from small letters")
    return other


SPELLINGS = (linked, linked_above, around, from_elsewhere, with_a_slash, in_capitals)


@pytest.mark.parametrize("spelled", SPELLINGS, ids=lambda one: one.__name__)
def test_another_spelling_is_the_same_batch(
    do: Doer,
    jobs: list[dict[str, Any]],
    account: Account,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    spelled: Callable[[Path], Path | str],
) -> None:
    """Links, detours, folders above and a slash at the end lead to the same folder."""
    monkeypatch.chdir(tmp_path)  # and back at the end
    do(jobs)
    is_the_same(do(jobs, out=spelled(tmp_path / "out")), account)


def test_jobs_are_the_same_in_whatever_order_their_members_are(
    do: Doer, jobs: list[dict[str, Any]], account: Account
) -> None:
    """What writes the file may order its columns otherwise the next time."""
    do(jobs)
    is_the_same(do([dict(reversed(list(job.items()))) for job in jobs]), account)


@pytest.mark.parametrize("spelled", SPELLINGS, ids=lambda one: one.__name__)
def test_a_batch_of_an_earlier_version_is_still_known(
    do: Doer,
    jobs: list[dict[str, Any]],
    account: Account,
    ledger: Ledger,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    spelled: Callable[[Path], Path | str],
) -> None:
    """It was named after the path as it was spelled then, and no file in the folder says so."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "out").mkdir()
    then = Path(spelled(tmp_path / "out"))
    contents = {one.job.line: one.job.content for one in do(jobs, out="probe").results}
    numbers = {1: 1, 2: 2, 3: 1}

    def named_then(line: int) -> str:
        text = f"{then.absolute()}\n".encode() + contents[line]
        return f"{sha256(text).hexdigest()[:24]}.{numbers[line]}"

    before = account.submitted
    do([{**job, "key": named_then(line)} for line, job in enumerate(jobs, 1)], out=then)
    assert account.submitted == before + 3
    (tmp_path / "out" / NAME_FILE).unlink(missing_ok=True)
    report = do(jobs, out=tmp_path / "out")
    assert account.submitted == before + 3
    assert report.complete


def test_a_moved_folder_goes_on_being_the_same_batch(
    do: Doer, jobs: list[dict[str, Any]], account: Account, tmp_path: Path
) -> None:
    """Its files are found where they are now, and nothing is fetched again."""
    do(jobs)
    (tmp_path / "out").rename(tmp_path / "moved")
    report = do(jobs, out=tmp_path / "moved")
    is_the_same(report, account)
    files = [file.path for outcome in report.results for file in outcome.files]
    assert {path.parent for path in files} == {tmp_path / "moved"}
    assert all(path.exists() for path in files)


def test_a_copied_folder_is_the_same_batch(
    do: Doer, jobs: list[dict[str, Any]], account: Account, tmp_path: Path
) -> None:
    """What either of the two has paid for is not paid for again by the other."""
    do(jobs[:2])
    shutil.copytree(tmp_path / "out", tmp_path / "copy")
    do(jobs, out=tmp_path / "copy")
    is_the_same(do(jobs), account)


def test_a_deleted_folder_is_still_known(
    do: Doer, jobs: list[dict[str, Any]], account: Account, tmp_path: Path
) -> None:
    """Its files are fetched again, and nothing is paid for again."""
    do(jobs)
    shutil.rmtree(tmp_path / "out")
    assert do(jobs).complete
    assert account.submitted == 3


@pytest.mark.skipif(os.name == "nt", reason="names of files are text there")
def test_a_folder_whose_name_is_no_text_is_a_folder(
    do: Doer, jobs: list[dict[str, Any]], account: Account, tmp_path: Path
) -> None:
    """Bytes that are not UTF-8 name a folder as well as any, and both pages are written."""
    out = tmp_path / os.fsdecode(b"out-\xff\xfe")
    first = do(jobs, out=out)
    assert first.complete
    assert not first.write_error
    assert {"report.json", "index.html"} <= {path.name for path in out.iterdir()}
    is_the_same(do(jobs, out=out), account)


@pytest.mark.parametrize("content", [b"", b"# a remark\n", b"half of a na", b"two\nnames\n"])
def test_a_name_that_is_not_whole_stops_the_batch(
    do: Doer, jobs: list[dict[str, Any]], account: Account, tmp_path: Path, content: bytes
) -> None:
    """Without it nobody can say what was paid for already."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / NAME_FILE).write_bytes(content)
    with pytest.raises(errors.ConfigurationError, match="nothing was sent"):
        do(jobs)
    assert account.submitted == 0


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names here")
def test_what_is_no_file_stops_the_batch(
    do: Doer, jobs: list[dict[str, Any]], account: Account, tmp_path: Path
) -> None:
    """A pipe isn't waited for, and a link isn't followed."""
    (tmp_path / "out").mkdir()
    path = tmp_path / "out" / NAME_FILE
    os.mkfifo(path)
    with pytest.raises(errors.ConfigurationError, match=r"a pipe .* nothing was sent"):
        do(jobs)
    path.unlink()
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(errors.ConfigurationError, match=r"a symbolic link .* nothing was sent"):
        do(jobs)
    assert account.submitted == 0


def test_many_that_begin_a_batch_at_the_same_moment_agree_on_its_name(tmp_path: Path) -> None:
    """Whoever is first names it, whole and for all, by whichever path."""
    for number in range(20):
        out = tmp_path / str(number)
        out.mkdir()
        (tmp_path / f"link-{number}").symlink_to(out)
        start, found = threading.Barrier(8), list[bytes]()

        def begin(folder: Path, start: threading.Barrier, found: list[bytes]) -> None:
            start.wait()
            # Each would choose another name of its own.
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


def test_a_ceiling_holds_for_one_process_at_a_time(
    do: Doer, jobs: list[dict[str, Any]], account: Account
) -> None:
    """Two that do the same batch under a ceiling would each spend up to it."""
    refused: list[errors.WanflowError] = []

    def again(_: object) -> None:
        try:
            do(jobs, max_credits=100)
        except errors.WanflowError as error:
            refused.append(error)

    stop = threading.Event()

    def once(outcome: object) -> None:
        if not stop.is_set():
            stop.set()
            thread = threading.Thread(target=again, args=(outcome,))
            thread.start()
            thread.join()

    assert do(jobs, max_credits=100, on_result=once).complete
    (error,) = refused
    assert "with a credit limit" in str(error)
    assert account.submitted == 3
