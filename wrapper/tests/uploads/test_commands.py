"""`--uploader` of run, submit, batch and check, and WANFLOW_UPLOADER."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.conftest import process, wanflow
from tests.uploads.conftest import image, image_bytes, use_s3
from tests.uploads.test_file_parameters import PARAMETERS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.helpers import CommandResult
    from tests.uploads.recording_server import RecordingServer
    from wanflow.mock import MockServer

__all__ = ["process", "wanflow"]

MODEL, NAME = PARAMETERS[0]
FLAG = f"--{NAME.replace('_', '-')}"
REQUEST = (MODEL.name, "--prompt", "a cat", FLAG, "./cat.png")


@pytest.fixture
def environment(server: MockServer, api_key: str, tmp_path: Path) -> dict[str, str]:
    """The environment variables of a user."""
    return {
        "WANFLOW_BASE_URL": server.base_url,
        "WANFLOW_API_KEY": api_key,
        "WANFLOW_LEDGER": str(tmp_path / "ledger.db"),
    }


@pytest.mark.parametrize("command", ["run", "submit"])
@pytest.mark.parametrize("way", ["option", "variable"])
def test_a_local_file_is_sent_in_one_command(
    command: str,
    way: str,
    wanflow: Callable[..., CommandResult],
    environment: dict[str, str],
    submissions: Callable[[], int],
    tmp_path: Path,
) -> None:
    """By the option, or by the variable."""
    image(tmp_path)
    option = ["--uploader", "mock"] if way == "option" else []
    given = environment | ({} if way == "option" else {"WANFLOW_UPLOADER": "mock"})
    output = ["-o", "out"] if command == "run" else []
    done = wanflow(command, *REQUEST, *option, *output, given=given)
    assert done.code == 0, done.err
    assert submissions() == 1


def test_an_option_is_stronger_than_the_variable(
    wanflow: Callable[..., CommandResult], environment: dict[str, str], tmp_path: Path
) -> None:
    """The variable isn't even checked."""
    image(tmp_path)
    given = environment | {"WANFLOW_UPLOADER": "nonsense"}
    assert wanflow("submit", *REQUEST, "--uploader", "mock", given=given).code == 0
    refused = wanflow("submit", *REQUEST, given=given)
    assert refused.code == 3
    assert "the uploader must be s3://BUCKET" in refused.err


def test_a_path_without_an_uploader_says_which_option_there_is(
    wanflow: Callable[..., CommandResult], submissions: Callable[[], int]
) -> None:
    """In the command line's own words."""
    refused = wanflow("run", *REQUEST)
    assert refused.code == 2
    assert "pass --uploader s3://BUCKET/PREFIX" in refused.err
    assert submissions() == 0


def test_a_dry_run_uploads_nothing(
    wanflow: Callable[..., CommandResult],
    recording: RecordingServer,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """It shows the path."""
    use_s3(monkeypatch, recording.url)
    image(tmp_path)
    done = wanflow("run", *REQUEST, "--uploader", "s3://inputs", "--dry-run")
    assert done.code == 0, done.err
    assert '"cat.png"' in done.out
    assert recording.requests == []


def test_a_failed_upload_is_one_line_and_exit_code_17(
    wanflow: Callable[..., CommandResult],
    submissions: Callable[[], int],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """Also as JSON; nothing was sent."""
    use_s3(monkeypatch, "http://127.0.0.1:1")
    image(tmp_path)
    done = wanflow("run", *REQUEST, "--uploader", "s3://inputs", "--json")
    assert done.code == 17
    (event,) = [one for one in done.events if one["event"] == "error"]
    assert event["kind"] == "upload_failed"
    assert "nothing was charged" in done.err.splitlines()[-1]
    assert submissions() == 0


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
@pytest.mark.parametrize("where", ["here", "elsewhere"])
def test_paths_in_a_job_file_are_relative_to_it(
    kind: str,
    where: str,
    wanflow: Callable[..., CommandResult],
    submissions: Callable[[], int],
    tmp_path: Path,
) -> None:
    """Wherever the command runs; a second run pays nothing, and neither does a copy elsewhere."""
    folder = tmp_path / "jobs"
    image(folder, "pictures/cat.png")
    lines = {
        "jsonl": json.dumps({"model": MODEL.name, "prompt": "x", NAME: ["pictures/cat.png"]}),
        "csv": f"model,prompt,{NAME}\n{MODEL.name},x,pictures/cat.png",
    }
    (folder / f"jobs.{kind}").write_text(lines[kind] + "\n")
    name = f"jobs/jobs.{kind}" if where == "here" else str(folder / f"jobs.{kind}")
    arguments = ("batch", name, "-o", "out", "--uploader", "mock")
    for _ in range(2):
        done = wanflow(*arguments)
        assert done.code == 0, done.err
    folder.rename(tmp_path / "moved")
    assert wanflow("batch", f"moved/jobs.{kind}", "-o", "out", "--uploader", "mock").code == 0
    assert submissions() == 1


def test_a_batch_names_the_lines_whose_files_are_invalid(
    wanflow: Callable[..., CommandResult], submissions: Callable[[], int], tmp_path: Path
) -> None:
    """Before anything is sent."""
    (tmp_path / "small.png").write_bytes(image_bytes(size=(9, 9)))
    image(tmp_path)
    jobs = [{"model": MODEL.name, "prompt": "x", NAME: [f"{n}.png"]} for n in ("cat", "small")]
    (tmp_path / "jobs.jsonl").write_text("\n".join(map(json.dumps, jobs)))
    done = wanflow("batch", "jobs.jsonl", "-o", "out", "--uploader", "mock")
    assert done.code == 2
    assert "line 2: " in done.err
    assert "must have sides" in done.err
    assert submissions() == 0


def test_jobs_whose_upload_fails_are_sent_by_the_next_run(
    wanflow: Callable[..., CommandResult],
    submissions: Callable[[], int],
    monkeypatch: pytest.MonkeyPatch,
    s3: Any,
    s3_url: str,
    tmp_path: Path,
) -> None:
    """They are not sent, and cost nothing, until then."""
    image(tmp_path)
    job = {"model": MODEL.name, "prompt": "x", NAME: ["cat.png"]}
    (tmp_path / "jobs.jsonl").write_text(json.dumps(job))
    arguments = ("batch", "jobs.jsonl", "-o", "out", "--uploader", "s3://inputs")
    use_s3(monkeypatch, "http://127.0.0.1:1")
    done = wanflow(*arguments)
    assert done.code == 15
    assert "1 not sent" in done.err
    assert submissions() == 0
    use_s3(monkeypatch, s3_url)
    assert wanflow(*arguments).code == 0
    assert submissions() == 1


def test_check_says_whether_the_uploader_can_be_used(
    wanflow: Callable[..., CommandResult], submissions: Callable[[], int], tmp_path: Path
) -> None:
    """It checks the file, and uploads nothing."""
    image(tmp_path)
    assert wanflow("check", *REQUEST, "--uploader", "mock").code == 0
    assert wanflow("check", *REQUEST, "--uploader", "nowhere").code == 3
    assert submissions() == 0


@pytest.mark.processes
@pytest.mark.parametrize("command", ["run", "check"])
def test_an_absent_extra_is_one_sentence(
    command: str, environment: dict[str, str], tmp_path: Path
) -> None:
    """With the command that installs it, and the exit code of configuration errors."""
    image(tmp_path)
    code = (
        "import sys; sys.modules['obstore'] = sys.modules['obstore.store'] = None\n"
        "from wanflow.cli import main; main(sys.argv[1:])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, command, *REQUEST, "--uploader", "s3://inputs"],
        cwd=tmp_path,
        env={"PATH": "/bin", "HOME": str(tmp_path), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3
    assert done.stderr.splitlines()[-1].endswith("run: pip install 'wanflow[uploads]'")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.processes
def test_commands_without_local_files_need_no_extra(
    environment: dict[str, str], tmp_path: Path
) -> None:
    """A variable that names a storage costs nothing where no file is uploaded."""
    code = (
        "import sys; sys.modules['obstore'] = None\n"
        "from wanflow.cli import main; main(sys.argv[1:])"
    )
    request = (MODEL.name, "--prompt", "x", FLAG, "https://a.example/cat.png", "--dry-run")
    done = subprocess.run(
        [sys.executable, "-c", code, "run", *request],
        cwd=tmp_path,
        env={
            "PATH": "/bin",
            "HOME": str(tmp_path),
            "WANFLOW_UPLOADER": "s3://bucket",
            **environment,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
