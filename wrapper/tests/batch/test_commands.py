"""The command `wanflow batch`: its input, its output, and Ctrl-C once or twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from attrs import evolve

from wanflow.batch.models import BatchProgress
from wanflow.cli.batch_progress import LineProgress, Throughput, duration, progress_text
from wanflow.mock import MockServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.processes

_TIMEOUT = 60.0


class BatchCommand:
    """Runs `wanflow batch …` in its own directory."""

    def __init__(self, server: MockServer, api_key: str, folder: Path) -> None:
        self.folder = folder
        self._environment = {
            **os.environ,
            "WANFLOW_API_KEY": api_key,
            "WANFLOW_BASE_URL": server.base_url,
            "WANFLOW_LEDGER": str(folder / "ledger.db"),
        }

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start a batch."""
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
        """Run a batch, and return its output."""
        with self.start(*words) as process:
            out, err = process.communicate(timeout=_TIMEOUT)
        assert process.returncode == code, err
        return out, err


@pytest.fixture(scope="module")
def slow() -> Iterator[MockServer]:
    """A mock whose tasks take an hour."""
    with MockServer(seconds=3600) as mock:
        yield mock


@pytest.fixture
def command(server: MockServer, api_key: str, tmp_path: Path) -> BatchCommand:
    return BatchCommand(server, api_key, tmp_path)


def write(folder: Path, model: str, *prompts: str) -> None:
    lines = [json.dumps({"model": model, "prompt": prompt}) for prompt in prompts]
    (folder / "jobs.jsonl").write_text("\n".join(lines))


def test_a_file_of_jobs_becomes_files(command: BatchCommand, model: str) -> None:
    """Each path is printed on its own line to stdout; everything else goes to stderr."""
    write(command.folder, model, "a", "b")
    out, err = command("jobs.jsonl", "-o", "out")
    assert all(line.startswith("out/") for line in out.split())
    assert "out/report.json" in err
    paths = [command.folder / line for line in out.split()]
    assert len(paths) == 2
    assert all(path.exists() for path in paths)
    assert "2 saved" in err
    assert {"report.json", "index.html"} <= {
        path.name for path in (command.folder / "out").iterdir()
    }


def test_a_table_with_templates_becomes_files(command: BatchCommand, model: str) -> None:
    """CSV with templates works as well as JSON; with `--json` the events are JSON."""
    (command.folder / "jobs.csv").write_text("animal,key\nfox,a\nowl,b\n")
    words = ("jobs.csv", "-o", "out", "--model", model, "--set", "prompt=a {animal}", "--json")
    events = [json.loads(line) for line in command(*words)[0].splitlines()]
    jobs = {event["key"]: event for event in events if event["event"] == "job"}
    assert jobs["a"]["request"]["prompt"] == "a fox"
    assert events[-1]["event"] == "report"
    assert events[-1]["complete"]


def test_all_wrong_lines_are_reported_and_nothing_is_sent(
    command: BatchCommand, model: str
) -> None:
    """The exit code means wrong input, and each error has its line number."""
    stray = json.dumps({"model": model, "prompt": "x", "shade": "red"})
    (command.folder / "jobs.jsonl").write_text(f'{{"model": "none"}}\nnot json\n{stray}\n')
    _, err = command("jobs.jsonl", "-o", "out", code=2)
    assert "line 1:" in err
    assert "line 2:" in err
    assert "line 3: shade is no parameter" in err
    assert "extra" not in err, "the word doesn't apply to a line"
    assert "3 lines of the batch are invalid" in err
    assert not (command.folder / "out").exists()
    (command.folder / "jobs.jsonl").write_text("not json\n")
    _, err = command("jobs.jsonl", "-o", "out", code=2)
    assert "1 line of the batch is invalid" in err


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", None])
def test_a_file_without_jobs_is_an_error_message(
    command: BatchCommand, content: bytes | None
) -> None:
    """The file is empty, isn't text, or doesn't exist."""
    if content is not None:
        (command.folder / "jobs.jsonl").write_bytes(content)
    _, err = command("jobs.jsonl", "-o", "out", code=2)
    assert err.startswith("wanflow: jobs.jsonl ")
    assert len(err.splitlines()) == 1


def test_unfinished_jobs_are_reported_with_an_exit_code_and_a_command(
    command: BatchCommand, model: str
) -> None:
    """There is a table of failed jobs, and a command if that can help."""
    write(command.folder, model, "a", "[mock:fail=invalid_parameters]")
    _, err = command("jobs.jsonl", "-o", "out", code=15)
    assert "line     2  failed" in err
    assert "to resume" not in err
    write(command.folder, model, "b", "c")
    _, err = command("jobs.jsonl", "-o", "out", "--max-credits", "0", code=15)
    more = "with a higher limit, more than 0:\n  wanflow batch jobs.jsonl -o out --max-credits MORE"
    assert more in err


def test_the_command_for_a_retryable_failure_is_printed(command: BatchCommand, model: str) -> None:
    """It has a value of `--retries` that submits the task once more."""
    write(command.folder, model, "[mock:fail=quota_exceeded]")
    _, err = command("jobs.jsonl", "-o", "out", code=15)
    assert "wanflow batch jobs.jsonl -o out --retries 1\n" in err
    _, err = command("jobs.jsonl", "-o", "out", "--retries", "1", code=15)
    assert "wanflow batch jobs.jsonl -o out --retries 2\n" in err
    (job,) = json.loads((command.folder / "out" / "report.json").read_text())["jobs"]
    assert (job["attempts"], job["code"]) == (2, "quota_exceeded")


def test_an_unwritable_directory_is_an_error_before_anything_is_sent(
    command: BatchCommand, model: str, server: MockServer, api_key: str
) -> None:
    """Nothing is charged if no file could be saved."""
    write(command.folder, model, "a", "b")
    (command.folder / "loop").symlink_to("loop")
    out, err = command("jobs.jsonl", "-o", "loop/out", code=3)
    assert out == ""
    assert "can't be written" in err
    assert "nothing was sent" in err
    assert server.accounts.for_key(api_key).submitted == 0


def test_the_results_are_printed_if_the_report_cannot_be_written(
    command: BatchCommand, model: str
) -> None:
    """The results of the jobs are printed, with the error."""
    (command.folder / "out" / "report.json").mkdir(parents=True)
    write(command.folder, model, "a")
    out, err = command("jobs.jsonl", "-o", "out", code=15)
    assert len(out.split()) == 1
    assert "1 saved" in err
    assert "report.json can't be written" in err


def test_one_ctrl_c_starts_nothing_more_and_prints_the_command(
    slow: MockServer, api_key: str, model: str, tmp_path: Path
) -> None:
    """Running jobs are recorded, the command to resume is printed, and the report is written."""
    command = BatchCommand(slow, api_key, tmp_path)
    write(tmp_path, model, *(str(number) for number in range(40)))
    with command.start("jobs.jsonl", "-o", "out", "--max-concurrency", "3") as process:
        while "3 running" not in (line := process.stderr.readline()):
            assert line, "it ended too early"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=_TIMEOUT)
    assert process.returncode == 130
    assert "wanflow batch jobs.jsonl -o out --max-concurrency 3" in err
    facts = json.loads((tmp_path / "out" / "report.json").read_text())
    assert (facts["counts"]["resumable"], facts["counts"]["not_sent"]) == (3, 37)
    assert slow.accounts.for_key(api_key).submitted == 3


def test_two_ctrl_c_exit_immediately(
    slow: MockServer, api_key: str, model: str, tmp_path: Path
) -> None:
    """The second one doesn't wait for submissions in flight."""
    command = BatchCommand(slow, api_key, tmp_path)
    write(tmp_path, model, "a")
    rule = slow.faults.add("latency=30", account=slow.accounts.for_key(api_key))
    try:
        with command.start("jobs.jsonl", "-o", "out") as process:
            while "1 submitting" not in (line := process.stderr.readline()):
                assert line, "it ended too early"
            process.send_signal(signal.SIGINT)
            while "stopping" not in (line := process.stderr.readline()):
                assert line, "it ended too early"
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=60)
    finally:
        slow.faults.remove(rule.id)
    assert process.returncode == 130
    assert "wanflow batch jobs.jsonl -o out" in err


def test_progress_in_lines_is_printed_every_few_seconds() -> None:
    """The last state is always printed, and no line twice."""
    printed: list[str] = []
    now = [0.0]
    with LineProgress(printed.append, lambda: now[0]) as lines:
        for done in range(11):
            now[0] = float(done)
            lines.show(BatchProgress(total=10, saved=done, credits=done))
    assert [line.split()[0] for line in printed] == ["0/10", "5/10", "10/10"]
    assert "left" in printed[1]
    assert "left" not in printed[2]


def test_progress_says_which_jobs_cost_at_most_their_price() -> None:
    """While the batch runs, as in its summary: what was uncertain is perhaps not charged."""
    known = BatchProgress(total=3, saved=2, credits=4.0)
    perhaps = evolve(known, uncertain=1, credits=6.0, credits_at_most=True)
    settled = evolve(perhaps, uncertain=0, discarded=1)
    assert [progress_text(one, Throughput()) for one in (known, perhaps, settled)] == [
        "2/3 done, 4 credits, 0/min",
        "3/3 done, 1 uncertain, at most 6 credits, 0/min",
        "3/3 done, 1 discarded, at most 6 credits, 0/min",
    ]


def test_the_remaining_time_is_estimated_from_the_last_minute() -> None:
    """Older results don't count, and without results there is no estimate."""
    now = [0.0]
    speed = Throughput(lambda: now[0])
    assert speed.time_for(5) is None
    for second, done in ((0, 0), (100, 1), (110, 2), (120, 3), (130, 4), (150, 14)):
        now[0] = second
        speed.record(done)
    assert speed.time_for(10) == pytest.approx(10 / ((14 - 1) / 50))
    assert [duration(x) for x in (5, 65, 3700)] == ["5 s", "1 min 05 s", "1 h 01 min"]
