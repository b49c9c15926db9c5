"""Files are named by a template of the user's, and no file of another task is replaced."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.any_model import model_name
from tests.examples import examples
from wanflow import errors
from wanflow._storage.placing import place
from wanflow.ledger import Ledger
from wanflow.mock import MockServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MODEL = model_name("image", "n")


@pytest.fixture(scope="module")
def server() -> Iterator[MockServer]:
    """A mock whose tasks end at their first poll."""
    with MockServer(polls=1) as running:
        yield running


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(tmp_path / "ledger.db") as opened:
        yield opened


@pytest.fixture
def recording(runner: Any, server: MockServer, api_key: str, ledger: Ledger) -> Any:
    """A client with a ledger."""
    return runner.client(api_key=api_key, base_url=server.base_url, ledger=ledger)


@pytest.fixture
def client(runner: Any, server: MockServer, api_key: str) -> Any:
    """A client without a ledger."""
    return runner.client(api_key=api_key, base_url=server.base_url)


@pytest.fixture
def submitted(server: MockServer, api_key: str) -> Any:
    """The number of tasks that the test's account has submitted."""
    return lambda: server.accounts.for_key(api_key).submitted


def test_two_tasks_with_one_name_have_two_files(runner: Any, client: Any, tmp_path: Path) -> None:
    """The second file's name ends with a digest; saved again, each task replaces its own."""
    results = [
        runner.do(client.run, model=MODEL, prompt="a", output_dir=tmp_path, name="cat")
        for _ in range(3)
    ]
    paths = [path for one in results for path in one.paths]
    assert paths[0].name == "cat.png"
    assert len(set(paths)) == 3
    contents = [path.read_bytes() for path in paths]
    assert len(set(contents)) == 3
    again = [path for one in results for path in runner.do(one.download, tmp_path, name="cat")]
    assert again == paths
    assert [path.read_bytes() for path in paths] == contents


def test_a_file_of_the_users_is_never_replaced(runner: Any, client: Any, tmp_path: Path) -> None:
    """Nor is a symbolic link followed, a broken one included, or a directory entered."""
    (tmp_path / "cat-1.png").write_text("mine")
    (tmp_path / "cat-2.png").symlink_to(tmp_path / "elsewhere.png")
    (tmp_path / "cat-3.png").mkdir()
    result = runner.do(client.run, model=MODEL, prompt="a", n=3, output_dir=tmp_path, name="cat")
    assert all(path.name.startswith(f"cat-{n}~") for n, path in enumerate(result.paths, 1))
    assert (tmp_path / "cat-1.png").read_text() == "mine"
    assert not (tmp_path / "elsewhere.png").exists()
    assert not [*(tmp_path / "cat-3.png").iterdir()]


def test_the_fields_are_those_of_the_task(runner: Any, client: Any, tmp_path: Path) -> None:
    """Two images are numbered."""
    result = runner.do(client.run, model=MODEL, prompt="a", n=2)
    paths = runner.do(result.download, tmp_path, name="{model}_{task_id} {index:02}")
    assert [path.name for path in paths] == [f"{MODEL}_{result.task_id} {n:02}.png" for n in (1, 2)]


def test_a_resumed_job_uses_the_name_that_it_was_started_with(
    runner: Any, recording: Any, ledger: Ledger, tmp_path: Path
) -> None:
    """Whatever name the resumption gives to the others."""
    runner.do(recording.submit, model=MODEL, prompt="a", name="{model}-first")
    assert ledger.jobs()[0].name_template == f"{MODEL}-first"
    runner.do(recording.submit, model=MODEL, prompt="b")
    runner.do(recording.resume_all, tmp_path / "out", name="other")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        f"{MODEL}-first.png",
        "other.png",
    }


def test_a_download_without_a_name_uses_the_recorded_one(
    runner: Any, recording: Any, tmp_path: Path
) -> None:
    """As the process does that continues after a crash; another name replaces it."""
    task = runner.do(recording.submit, model=MODEL, prompt="a", name="cat")
    result = runner.do(recording.task(task.id).wait)
    assert [one.name for one in runner.do(result.download, tmp_path)] == ["cat.png"]
    assert [one.name for one in runner.do(result.download, tmp_path, name="dog")] == ["dog.png"]
    assert [one.name for one in runner.do(result.download, tmp_path)] == ["dog.png"]


@pytest.mark.parametrize("name", ["a/b", "{prompt}", "", "con", "{key}"])
def test_an_invalid_name_is_refused_before_anything_is_sent(
    runner: Any, client: Any, recording: Any, submitted: Any, tmp_path: Path, name: str
) -> None:
    """In each call that takes one."""
    request = {"model": MODEL, "prompt": "a"}
    calls: list[tuple[Any, tuple[Any, ...], dict[str, Any]]] = [
        (client.preview, (), request),
        (recording.submit, (), request),
        (client.run, (), {**request, "output_dir": tmp_path}),
        (recording.resume_all, (tmp_path,), {}),
    ]
    if name != "{key}":
        calls.append((recording.batch, ([request], tmp_path), {}))
    for method, args, options in calls:
        with pytest.raises(errors.InvalidRequest, match="can't be used"):
            runner.do(method, *args, **options, name=name)
    assert submitted() == 0


def test_a_name_that_would_be_forgotten_is_refused(
    runner: Any, client: Any, submitted: Any
) -> None:
    """Without a ledger and without a directory, nobody would know it when the files are saved."""
    for method in (client.submit, client.run):
        with pytest.raises(errors.ConfigurationError, match="ledger"):
            runner.do(method, model=MODEL, prompt="a", name="cat")
    assert submitted() == 0


def test_the_files_of_a_batch_are_named_by_key_and_index(
    runner: Any, recording: Any, tmp_path: Path
) -> None:
    """Keys are cleaned; one that a person chose can't lead out of the directory."""
    jobs = [
        {"key": "fox", "model": MODEL, "prompt": "a", "n": 2},
        {"key": "../../fox", "model": MODEL, "prompt": "b"},
    ]
    report = runner.do(recording.batch, jobs, tmp_path / "out", name="{key}-{index}")
    names = [[file.path.name for file in one.files] for one in report.results]
    assert names == [["fox-1.png", "fox-2.png"], ["_.._fox-1.png"]]


@pytest.mark.parametrize(
    ("keys", "name", "reason"),
    [
        (["a", "b"], "{model}", r"put \{key\} or \{task_id\} into the name"),
        (["a/b", "a:b"], "{key}", r"put \{task_id\} into the name"),
        (["Fox", "fOX"], "{key}", "as that of line 1"),
        (["caf\u00e9", "cafe\u0301"], "{key}-{index}", "as that of line 1"),
        (["a", None], "{key}", "needs a key, which is missing"),
    ],
)
def test_a_batch_whose_files_would_have_one_name_costs_nothing(
    runner: Any,
    recording: Any,
    submitted: Any,
    tmp_path: Path,
    keys: list[str | None],
    name: str,
    reason: str,
) -> None:
    """The line is named, and what to put into the name."""
    jobs = [
        {"model": MODEL, "prompt": str(n), **({} if key is None else {"key": key})}
        for n, key in enumerate(keys)
    ]
    with pytest.raises(errors.InvalidRequest, match=reason):
        runner.do(recording.batch, jobs, tmp_path / "out", name=name)
    assert submitted() == 0


def test_a_batch_that_is_run_again_keeps_its_files(
    runner: Any, recording: Any, submitted: Any, tmp_path: Path
) -> None:
    """Saved files keep their names, whatever name the second run gives."""
    jobs = [{"key": "fox", "model": MODEL, "prompt": "a"}]
    first = runner.do(recording.batch, jobs, tmp_path / "out", name="{key}")
    again = runner.do(recording.batch, jobs, tmp_path / "out", name="{key}-{index}")
    assert again.results[0].files == first.results[0].files
    assert submitted() == 1


CONTENTS = st.sampled_from([b"", b"a", b"b", b"x" * 70_000])


def place_closed(part: Path, paths: list[Path]) -> Path:
    with part.open("r+b") as file:
        return place(file, part, paths)


@pytest.mark.parametrize("hard_links", [True, False])
@settings(max_examples=examples(60))
@given(st.lists(CONTENTS, min_size=1, max_size=5))
def test_no_content_is_ever_lost(
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    hard_links: bool,
    contents: list[bytes],
) -> None:
    """Each file is at the path that was returned for it, on file systems without hard links too."""
    folder = tmp_path_factory.mktemp("placed")
    if not hard_links:
        monkeypatch.setattr(os, "link", _refuse)
    placed = []
    for number, content in enumerate(contents):
        part = folder / f".{number}.part"
        part.write_bytes(content)
        placed.append(place_closed(part, [folder / "cat.png", folder / f"cat~{number}.png"]))
        assert not part.exists()
    assert [path.read_bytes() for path in placed] == contents


def _refuse(*_: object) -> None:
    raise OSError(errno.EOPNOTSUPP, "no hard links")


def test_a_failure_leaves_no_empty_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the file can't be renamed, the content stays in its part file."""
    part = tmp_path / ".1.part"
    part.write_bytes(b"a")
    monkeypatch.setattr(os, "link", _refuse)
    monkeypatch.setattr(type(part), "replace", _refuse)
    with pytest.raises(OSError, match="no hard links"):
        place_closed(part, [tmp_path / "cat.png", tmp_path / "cat~1.png"])
    assert [path.name for path in tmp_path.iterdir()] == [".1.part"]
