"""`wanflow batch` as its users see it: files in, files out, and Ctrl-C once or twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from wanflow.batch.models import BatchProgress
from wanflow.cli.batch_progress import LineProgress, Throughput, duration
from wanflow.mock import MockServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_PATIENCE = 60.0


class Shell:
    """Runs `wanflow batch …` in a folder of its own."""

    def __init__(self, server: MockServer, api_key: str, folder: Path) -> None:
        self.folder = folder
        self._environment = {
            **os.environ,
            "WANFLOW_API_KEY": api_key,
            "WANFLOW_BASE_URL": server.base_url,
            "WANFLOW_LEDGER": str(folder / "ledger.db"),
        }

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Begin a batch."""
        pipe = subprocess.PIPE
        return subprocess.Popen(
            [sys.executable, "-m", "wanflow", "batch", *words],
            cwd=self.folder,
            env=self._environment,
            stdout=pipe,
            stderr=pipe,
            text=True,
        )

    def __call__(self, *words: str, code: int = 0) -> tuple[str, str]:
        """Do a batch, and return what it printed."""
        with self.start(*words) as process:
            out, err = process.communicate(timeout=_PATIENCE)
        assert process.returncode == code, err
        return out, err


@pytest.fixture(scope="module")
def slow() -> Iterator[MockServer]:
    """A mock whose tasks take an hour."""
    with MockServer(seconds=3600) as mock:
        yield mock


@pytest.fixture
def shell(server: MockServer, api_key: str, tmp_path: Path) -> Shell:
    return Shell(server, api_key, tmp_path)


def write(folder: Path, model: str, *prompts: str) -> None:
    lines = [json.dumps({"model": model, "prompt": prompt}) for prompt in prompts]
    (folder / "jobs.jsonl").write_text("\n".join(lines))


def test_a_file_of_jobs_becomes_files(shell: Shell, model: str) -> None:
    """Each path is printed on a line of its own, as it was given; all else is told beside it."""
    write(shell.folder, model, "a", "b")
    out, err = shell("jobs.jsonl", "-o", "out")
    assert all(line.startswith("out/") for line in out.split())
    assert "out/report.json" in err
    paths = [shell.folder / line for line in out.split()]
    assert len(paths) == 2
    assert all(path.exists() for path in paths)
    assert "2 saved" in err
    assert {"report.json", "index.html"} <= {path.name for path in (shell.folder / "out").iterdir()}


def test_a_table_with_templates_becomes_files(shell: Shell, model: str) -> None:
    """CSV and templates make as good jobs as JSON does; events are JSON where asked for."""
    (shell.folder / "jobs.csv").write_text("animal,key\nfox,a\nowl,b\n")
    words = ("jobs.csv", "-o", "out", "--model", model, "--set", "prompt=a {animal}", "--json")
    events = [json.loads(line) for line in shell(*words)[0].splitlines()]
    jobs = {event["key"]: event for event in events if event["event"] == "job"}
    assert jobs["a"]["request"]["prompt"] == "a fox"
    assert events[-1]["event"] == "report"
    assert events[-1]["complete"]


def test_wrong_lines_are_all_told_and_nothing_is_sent(shell: Shell, model: str) -> None:
    """The exit code says that the input is wrong, and each fault has its line."""
    stray = json.dumps({"model": model, "prompt": "x", "shade": "red"})
    (shell.folder / "jobs.jsonl").write_text(f'{{"model": "none"}}\nnot json\n{stray}\n')
    _, err = shell("jobs.jsonl", "-o", "out", code=2)
    assert "line 1:" in err
    assert "line 2:" in err
    assert "line 3: shade is no parameter" in err
    assert "extra" not in err, "a line has no place for it"
    assert not (shell.folder / "out").exists()


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", None])
def test_a_file_that_is_no_batch_gets_a_sentence(shell: Shell, content: bytes | None) -> None:
    """An empty file, one that isn't text and one that isn't there end with a sentence."""
    if content is not None:
        (shell.folder / "jobs.jsonl").write_bytes(content)
    _, err = shell("jobs.jsonl", "-o", "out", code=2)
    assert err.startswith("wanflow: jobs.jsonl ")
    assert len(err.splitlines()) == 1


def test_what_is_not_done_is_told_with_an_exit_code_and_how_to_go_on(
    shell: Shell, model: str
) -> None:
    """Another code than for all done, a table of what failed, and a command where it helps."""
    write(shell.folder, model, "a", "[mock:fail=invalid_parameters]")
    _, err = shell("jobs.jsonl", "-o", "out", code=15)
    assert "line     2  failed" in err
    assert "takes up" not in err
    write(shell.folder, model, "b", "c")
    _, err = shell("jobs.jsonl", "-o", "out", "--max-credits", "0", code=15)
    assert "with a higher limit:\n  wanflow batch jobs.jsonl -o out --max-credits MORE" in err


def test_a_failure_that_another_try_may_mend_gets_the_command_for_it(
    shell: Shell, model: str
) -> None:
    """The printed command has the retries that submit the task again, once more each time."""
    write(shell.folder, model, "[mock:fail=quota_exceeded]")
    _, err = shell("jobs.jsonl", "-o", "out", code=15)
    assert "wanflow batch jobs.jsonl -o out --retries 1\n" in err
    _, err = shell("jobs.jsonl", "-o", "out", "--retries", "1", code=15)
    assert "wanflow batch jobs.jsonl -o out --retries 2\n" in err
    (job,) = json.loads((shell.folder / "out" / "report.json").read_text())["jobs"]
    assert (job["attempts"], job["code"]) == (2, "quota_exceeded")


def test_a_folder_that_cannot_be_written_is_told_before_anything_is_sent(
    shell: Shell, model: str, server: MockServer, api_key: str
) -> None:
    """Nothing is paid for where no file could be saved."""
    write(shell.folder, model, "a", "b")
    (shell.folder / "loop").symlink_to("loop")
    out, err = shell("jobs.jsonl", "-o", "loop/out", code=3)
    assert out == ""
    assert "can't be written" in err
    assert "nothing was sent" in err
    assert server.accounts.for_key(api_key).submitted == 0


def test_a_report_that_cannot_be_written_hides_no_outcome(shell: Shell, model: str) -> None:
    """Where the disk refuses the pages, what became of the jobs is told all the same, and why."""
    (shell.folder / "out" / "report.json").mkdir(parents=True)
    write(shell.folder, model, "a")
    out, err = shell("jobs.jsonl", "-o", "out", code=15)
    assert len(out.split()) == 1
    assert "1 saved" in err
    assert "report.json can't be written" in err


def test_one_ctrl_c_begins_nothing_more_and_says_how_to_go_on(
    slow: MockServer, api_key: str, model: str, tmp_path: Path
) -> None:
    """What runs is recorded, the command to resume is printed, and the report is written."""
    shell = Shell(slow, api_key, tmp_path)
    write(tmp_path, model, *(str(number) for number in range(40)))
    with shell.start("jobs.jsonl", "-o", "out", "--max-concurrency", "3") as process:
        while "3 running" not in (line := process.stderr.readline()):
            assert line, "it ended too early"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=_PATIENCE)
    assert process.returncode == 130
    assert "wanflow batch jobs.jsonl -o out --max-concurrency 3" in err
    facts = json.loads((tmp_path / "out" / "report.json").read_text())
    assert (facts["counts"]["resumable"], facts["counts"]["not_sent"]) == (3, 37)
    assert slow.accounts.for_key(api_key).submitted == 3


def test_two_ctrl_c_leave_at_once(
    slow: MockServer, api_key: str, model: str, tmp_path: Path
) -> None:
    """The second one doesn't wait for what is being sent."""
    shell = Shell(slow, api_key, tmp_path)
    write(tmp_path, model, "a")
    rule = slow.faults.add("latency=30", account=slow.accounts.for_key(api_key))
    try:
        with shell.start("jobs.jsonl", "-o", "out") as process:
            while "1 submitting" not in (line := process.stderr.readline()):
                assert line, "it ended too early"
            process.send_signal(signal.SIGINT)
            while "stopping" not in (line := process.stderr.readline()):
                assert line, "it ended too early"
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=15)
    finally:
        slow.faults.remove(rule.id)
    assert process.returncode == 130
    assert "wanflow batch jobs.jsonl -o out" in err


def test_progress_in_lines_is_told_now_and_then() -> None:
    """A line comes every few seconds, the last state always, and no line twice."""
    said: list[str] = []
    moment = [0.0]
    with LineProgress(said.append, lambda: moment[0]) as lines:
        for done in range(11):
            moment[0] = float(done)
            lines.show(BatchProgress(total=10, saved=done, credits=done))
    assert [line.split()[0] for line in said] == ["0/10", "5/10", "10/10"]
    assert "left" in said[1]
    assert "left" not in said[2]


def test_the_time_left_is_that_of_the_last_minute() -> None:
    """What was long ago doesn't count, and with nothing done nothing is promised."""
    moment = [0.0]
    speed = Throughput(lambda: moment[0])
    assert speed.time_for(5) is None
    for second, done in ((0, 0), (100, 1), (110, 2), (120, 3), (130, 4), (150, 14)):
        moment[0] = second
        speed.record(done)
    assert speed.time_for(10) == pytest.approx(10 / ((14 - 1) / 50))
    assert [duration(x) for x in (5, 65, 3700)] == ["5 s", "1 min 05 s", "1 h 01 min"]
