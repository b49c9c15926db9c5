"""`wanflow contract`: its exit codes, its options, and what it does and doesn't write."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from self_tests.reference_server.faults import AnyAccountSees, FreeSeconds, KeysNotChecked
from self_tests.reference_server.server import Server
from self_tests.reference_server.variants import Replaying
from wanflow_contract.command import run as run_module

if TYPE_CHECKING:
    from collections.abc import Sequence

KEYS = ("the-key-that-pays-0001", "the-key-of-another-0002")
COMMAND = (sys.executable, "-m", "wanflow", "contract")
BREAKING = """
def pytest_runtest_call(item):
    raise RuntimeError("inside the suite")
"""


def environment(*keys: str) -> dict[str, str]:
    names = ("WANFLOW_API_KEY", "WANFLOW_CONTRACT_API_KEY2")
    clean = {name: one for name, one in os.environ.items() if not name.startswith("WANFLOW")}
    return {**clean, **dict(zip(names, keys, strict=False))}


def contract(
    folder: Path, *options: str, keys: Sequence[str] = KEYS, **more: str
) -> subprocess.CompletedProcess[str]:
    """Run `wanflow contract` in a folder of its own."""
    return subprocess.run(
        [*COMMAND, *options],
        cwd=folder,
        env={**environment(*keys), **more},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def at(server: Server) -> str:
    return server.origin + server.base


def only_file(name: str) -> list[str]:
    """Collect one file of the suite, by its first two letters: collecting all takes seconds."""
    others = (f"[!{name[0]}]", f"{name[0]}[!{name[1]}]")
    return ["--", *(f"--ignore-glob=/*/test_{one}*" for one in others)]


ONE_LAW = ("--", "-k", "visible_to_its_own_account")
GIVEN = {
    "--spend-limit": "50",
    "--seed": "5",
    "--baseline": "known.toml",
    "--accepted-by": "ada",
    "--accepted-why": "ticket",
    "--accepted-until": "2027-01-31",
    "--emit-tests": "found",
    "--only": "size",
    "--jobs": "2",
}
FLAGS = ("--dry-run", "--baseline-update", "--strict", "--require-complete")


def test_each_option_reaches_pytest(monkeypatch) -> None:
    """With its value; the flags have the names that the plugin gives them."""
    seen = list[str]()
    monkeypatch.setattr(run_module, "_run", lambda command, *_, **__: seen.extend(command) or 0)
    options = [part for one in GIVEN.items() for part in one]
    done = CliRunner().invoke(run_module.run, [*options, *FLAGS, "--", "-k", "some"])
    assert done.exit_code == 0, done.output
    names = {"--jobs=2": "-n2", "--strict": "--strict-notes"}
    wanted = [*(f"{name}={value}" for name, value in GIVEN.items()), *FLAGS]
    assert {names.get(one, one) for one in wanted} <= set(seen)
    assert seen[-2:] == ["-k", "some"]


@pytest.mark.slow
@pytest.mark.parametrize(("fault", "code"), [(Server, 0), (AnyAccountSees, 1)])
def test_a_run_ends_with_0_or_with_1_for_findings(tmp_path, fault, code) -> None:
    """A correct server has no findings, and the report has those of a faulty one."""
    with fault(*KEYS) as server:
        options = ["--spend-limit", "500", "--report", "out"]
        done = contract(tmp_path, at(server), *options, *ONE_LAW)
    assert done.returncode == code, done.stdout + done.stderr
    report = json.loads((tmp_path / "out/report.json").read_text())
    assert (report["exit_code"], bool(report["findings"])) == (code, bool(code))
    assert {one.name for one in tmp_path.iterdir()} == {"out"}
    assert not any(key in done.stdout + done.stderr for key in KEYS)


WRONG = [
    (["ftp://x"], "must begin with http"),
    (["--no-such-option"], "--no-such-option"),
    (["--spend-limit", "much"], "'--spend-limit': it is 'much'; it must be a number of credits"),
    (["--seed", "one"], "'--seed': it is 'one'; it must be a whole number"),
    (["--accepted-until", "soon"], "it must be a day such as 2027-01-31"),
    (["--jobs", "65"], "65 is not in the range 1<=x<=64"),
    (["--accepted-until", "2020-01-01"], "it must be a day from today on"),
    (["ftp://x"], "see wanflow contract --help"),
    (["replay", "json-12345678"], "contract-report can't be read"),
    (["--baseline", "absent.toml"], "absent.toml can't be read"),
    (["--", "--no-such-option"], "--no-such-option"),
]
WRONG_TOO = [
    (["--", "--spend-limit", "-1"], "it must be a number of credits"),
    (["--", "--rate", "-1"], "it must be a number of requests per second"),
    (["--", "--request-timeout", "0"], "it must be a number of seconds above 0"),
    (["--baseline-update"], "needs --baseline"),
    (["--accepted-by", "me"], "--accepted-by needs --baseline-update"),
    (["--report", "file/out"], "file/out, can't be created"),
    (["--emit-tests", "file/out"], "the folder of the tests, file/out, can't be created"),
    ([*only_file("auth"), "-k", "no_test_has_this_name"], "deselected"),
    (["--only", "retry-aftre"], "did you mean retry-after"),
    (["explain", "no-such-check"], "no check or finding"),
]
# Each of these starts the suite, as the last two of `WRONG` do: 1.5 s of CPU time.
SLOW = [pytest.param(*case, marks=pytest.mark.slow) for case in WRONG_TOO]


@pytest.mark.processes
@pytest.mark.parametrize(("options", "said"), [*WRONG, *SLOW])
def test_wrong_usage_ends_with_2(tmp_path, options, said) -> None:
    """The message names the option or the file; nothing is sent."""
    (tmp_path / "file").write_text("")
    done = contract(tmp_path, *options)
    assert done.returncode == 2, done.stdout + done.stderr
    assert said in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.processes
@pytest.mark.parametrize("name", ["report.html", "junit.xml"])
def test_a_report_that_cannot_be_written_is_named_after_the_findings(tmp_path, name) -> None:
    """A full disk loses the file, and not the output; which of them writes it doesn't matter."""
    (tmp_path / "out" / name).mkdir(parents=True)
    with KeysNotChecked(*KEYS) as server:
        chosen = [*only_file("auth"), "-k", "key_in_the_query"]
        done = contract(tmp_path, at(server), "--report", "out", *chosen)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "ERROR: the report can't be written to out: Is a directory" in done.stdout
    assert "[key-required]" in done.stdout
    assert "contract report:" not in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.slow
def test_an_error_inside_the_suite_ends_with_3(tmp_path) -> None:
    """It is no finding."""
    (tmp_path / "breaking_plugin.py").write_text(BREAKING)
    options = [*ONE_LAW, "-p", "breaking_plugin"]
    done = contract(tmp_path, "--report", "out", *options, PYTHONPATH=str(tmp_path))
    assert done.returncode == 3, done.stdout + done.stderr
    report = json.loads((tmp_path / "out/report.json").read_text())
    assert not report["findings"]
    assert "inside the suite" in report["errors"][0]["text"]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is full")
def test_an_output_that_cannot_be_written_is_no_finding(tmp_path) -> None:
    """It ends with 3, and not with Python's 1, which means findings."""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*COMMAND, *only_file("auth")],
            cwd=tmp_path,
            env=environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 3, done.stderr
    assert "No space left" in done.stderr


@pytest.mark.processes
@pytest.mark.parametrize(
    ("keys", "said"), [((), "an API key is needed: set WANFLOW_API_KEY"), (KEYS, "doesn't respond")]
)
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_server_that_cannot_be_tested_ends_with_4(tmp_path, keys, said, jobs) -> None:
    """There is no key, or nothing listens there."""
    done = contract(tmp_path, "http://127.0.0.1:9", "--jobs", jobs, keys=keys)
    assert done.returncode == 4, done.stdout + done.stderr
    assert said in done.stderr


@pytest.mark.processes
@pytest.mark.parametrize(
    ("keys", "said"),
    [
        (("wrong",), "refuses the API key of WANFLOW_API_KEY with 401"),
        ((KEYS[0], "wrong"), "refuses the API key of WANFLOW_CONTRACT_API_KEY2 with 401"),
        ((KEYS[0], KEYS[0]), "the same key as the first"),
        ((KEYS[0] + "\n",), "a character that no key has"),
    ],
)
def test_keys_that_are_wrong_end_with_4_and_no_finding(tmp_path, keys, said) -> None:
    """One sentence says which; the keys are not in it."""
    with Server(*KEYS) as server:
        done = contract(tmp_path, at(server), keys=keys)
    assert done.returncode == 4, done.stdout + done.stderr
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not any(key in done.stderr for key in KEYS)


@pytest.mark.slow
@pytest.mark.parametrize("jobs", ["1", "2"])
@pytest.mark.parametrize(
    ("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)]
)
def test_an_interrupted_run_writes_what_it_found(tmp_path, sent, code, jobs) -> None:
    """The report has the tests that ended before, of all processes, and says what is missing.

    Also if the command itself is killed: the processes of the tests don't go on without it.
    """
    with AnyAccountSees(*KEYS) as server:
        options = ["--spend-limit", "9999", "--report", "out", "--jobs", jobs]
        chosen = ["-m", "fast", "-k", "test_auth or test_semantics"]
        command = [*COMMAND, at(server), *options, "--", *chosen]
        with subprocess.Popen(
            command, cwd=tmp_path, env=environment(*KEYS), stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            while (shown := process.stdout.read(1)) not in {"F", ""}:
                pass
            while shown.count(".") < 100:
                shown += process.stdout.read(1)
            process.send_signal(sent)
            shown += process.stdout.read()
    assert process.returncode == code
    report = json.loads((tmp_path / "out/report.json").read_text())
    assert report["tests"]
    assert {one["check"] for one in report["findings"]} == {"private"}
    assert any("key-required" in one["checks"] for one in report["tests"])
    assert report["counters"]["requests"] > 0 < report["counters"]["tasks"]
    assert report["missing"] > 0
    assert f"interrupted, the results of {report['missing']} tests are missing" in shown


class Slow(Server):
    """Each submission takes a while, and is counted with its time and its price."""

    def __init__(self, *keys: str) -> None:
        super().__init__(*keys)
        self.charged: list[tuple[float, float]] = []

    def submit(self, path: str, key: str, body: dict[str, Any]) -> dict[str, Any]:
        """Respond after a moment."""
        made = super().submit(path, key, body)
        self.charged.append((time.monotonic(), made["usage"]["credits_reserved"]))
        time.sleep(0.1)
        return made


@pytest.mark.slow
@pytest.mark.parametrize(("jobs", "signals"), [(1, 1), (3, 1), (1, 2), (3, 2)])
def test_an_interrupted_run_submits_nothing_more_and_says_what_it_has_spent(
    tmp_path, jobs, signals
) -> None:
    """Not the tests that have ended alone are counted: a submission is, whose test goes on.

    Who is impatient, and sends a second signal, gets the report all the same.
    """
    with Slow(*KEYS) as server:
        options = ["--spend-limit", "9999", "--jobs", str(jobs)]
        with subprocess.Popen(
            [*COMMAND, at(server), *options, "--", "-m", "fast", "-k", "many_valid or forward"],
            cwd=tmp_path,
            env=environment(*KEYS),
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            while len(server.charged) < 10 and process.poll() is None:
                time.sleep(0.01)
            for _ in range(signals):
                process.send_signal(signal.SIGTERM)
                sent = time.monotonic()
                time.sleep(1)
            shown, _ = process.communicate(timeout=60)
            ended = time.monotonic()
    assert process.returncode == 143, shown
    assert ended - sent < 20
    assert sum(at > sent + 1 for at, _ in server.charged) <= jobs, "what was in flight"
    said = re.search(r"([0-9]+) tasks?, ([0-9.]+) credits spent", shown)
    assert said, shown
    assert int(said[1]) == len(server.charged)
    spent = sum(price for _, price in server.charged)
    assert spent <= float(said[2]) + 0.01 <= spent + 10 * jobs + 1, (
        "what was in flight counts the most"
    )


@pytest.mark.processes
@pytest.mark.parametrize(
    ("options", "code"),
    # Many others end with 0 without testing every rule.
    [pytest.param((), 0, marks=pytest.mark.slow), (("--require-complete",), 5)],
)
def test_a_run_that_must_be_complete_ends_with_5(tmp_path, options, code) -> None:
    """One test alone doesn't test every rule; without the option that is no failure."""
    with Server(*KEYS) as server:
        chosen = [*only_file("auth"), "-k", "key_in_the_query"]
        done = contract(tmp_path, at(server), *options, *chosen)
    assert done.returncode == code, done.stdout + done.stderr
    assert "0 of 91 rules tested on both sides" in done.stdout


@pytest.mark.processes
@pytest.mark.parametrize(("options", "code"), [((), 0), (("--strict",), 1)])
def test_a_note_is_a_failure_with_strict_only(tmp_path, options, code) -> None:
    """A server that replays the first task for any body deviates from a note."""
    with Replaying(*KEYS) as server:
        aimed = [at(server), "--spend-limit", "500", *options]
        done = contract(tmp_path, *aimed, *only_file("idempotency"), "-k", "reused_key")
    assert done.returncode == code, done.stdout + done.stderr
    assert "key-reused" in done.stdout


@pytest.mark.slow
def test_the_keys_on_the_command_line_are_used_and_warned_about(tmp_path) -> None:
    """The options win over the environment; neither they nor the output show the keys."""
    with Server(*KEYS) as server:
        keys = ["--api-key", KEYS[0], "--api-key2", KEYS[1]]
        limit = ["--spend-limit", "500"]
        done = contract(tmp_path, at(server), *keys, *limit, *ONE_LAW, keys=("wrong", "wrong2"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr.count("process list") == 2
    assert not any(key in done.stdout + done.stderr for key in KEYS)


@pytest.mark.processes
def test_a_dry_run_needs_no_key_and_sends_nothing(tmp_path) -> None:
    """All goes to the bundled mock, and the report lists it."""
    options = ["http://127.0.0.1:9", "--dry-run", "--spend-limit", "50", "--report", "out"]
    done = contract(tmp_path, *options, *ONE_LAW, keys=())
    assert done.returncode == 0, done.stdout + done.stderr
    assert "POST" in (tmp_path / "out/would-be-sent.txt").read_text()


@pytest.mark.processes
def test_the_same_seed_sends_the_same_requests(tmp_path) -> None:
    """Of the command: two runs with a seed are equal, and one with another is not."""
    generated = ("--", "-k", "every_response_is_documented")
    sent = []
    for number, seed in enumerate(("5", "5", "6")):
        options = ["http://127.0.0.1:9", "--dry-run", "--spend-limit", "9999999", "--seed", seed]
        done = contract(tmp_path, *options, "--report", f"out{number}", *generated, keys=())
        assert done.returncode == 0, done.stdout + done.stderr
        sent.append((tmp_path / f"out{number}/would-be-sent.txt").read_text())
    assert len(sent[0].splitlines()) > 100
    assert sent[0] == sent[1] != sent[2]


@pytest.mark.processes
@pytest.mark.parametrize(
    ("form", "field"),
    [("json", "tests"), pytest.param("sarif", "runs", marks=pytest.mark.slow)],
)
def test_the_result_can_be_printed_in_another_format(tmp_path, form, field) -> None:
    """Then stdout has nothing else."""
    done = contract(tmp_path, "--format", form, "--report", "out", *ONE_LAW)
    assert json.loads(done.stdout)[field], done.stderr
    assert json.loads((tmp_path / f"out/report.{form}").read_text())[field]


@pytest.mark.slow
def test_pytests_own_options_work(tmp_path) -> None:
    """-k selects, --jobs distributes, --lf runs only what failed, and -x stops at the first."""
    with FreeSeconds(*KEYS) as server:
        options = [at(server), "--spend-limit", "9999"]
        chosen = "larger_request_costs or equal_requests"
        temporary = {"TMPDIR": str(tmp_path)}
        done = contract(tmp_path, *options, "--jobs", "2", "--", "-k", chosen, **temporary)
        assert done.returncode == 1, done.stdout + done.stderr
        assert re.search(r"\b3 failed", done.stdout), "each video model"
        again = contract(tmp_path, *options, "--", "--lf", "-x", "-k", chosen, **temporary)
    assert again.returncode == 1
    assert re.search(r"\b1 failed", again.stdout), again.stdout
    assert "passed" not in again.stdout.splitlines()[-1]


@pytest.mark.slow
def test_a_run_of_one_check_reports_its_findings_only(tmp_path) -> None:
    """Tests that don't evaluate the check aren't run, and other failures aren't reported."""
    with AnyAccountSees(*KEYS) as server:
        options = [at(server), "--spend-limit", "500", "--report", "out"]
        codes = [
            contract(tmp_path, *options, "--only", law, "--", "-k", "test_auth").returncode
            for law in ("private", "key-required")
        ]
    assert codes == [1, 0]
    assert not json.loads((tmp_path / "out/report.json").read_text())["findings"]


@pytest.mark.processes
@pytest.mark.parametrize("name", ["known.toml", pytest.param("known.json", marks=pytest.mark.slow)])
def test_a_known_deviation_does_not_fail_until_it_expires(tmp_path, name) -> None:
    """An update writes the baseline; with it the same run is green, until the last day."""
    path = tmp_path / name
    with AnyAccountSees(*KEYS) as server:
        aimed = [at(server), "--spend-limit", "500", "--baseline", name]
        why = ["--accepted-by", "ada", "--accepted-why", "ticket 5"]
        until = ["--accepted-until", "2999-01-31"]
        made = contract(tmp_path, *aimed, "--baseline-update", *why, *until, *ONE_LAW)
        assert made.returncode == 0, made.stdout + made.stderr
        assert all(word in path.read_text() for word in ("ada", "ticket 5", "2999-01-31"))
        green = contract(tmp_path, *aimed, "--report", "out", *ONE_LAW)
        assert green.returncode == 0, green.stdout + green.stderr
        kinds = {
            one["kind"]
            for one in json.loads((tmp_path / "out/report.json").read_text())["findings"]
        }
        assert kinds - {"note"} == {"known"}
        path.write_text(path.read_text().replace("2999-01-31", "2020-01-31"))
        red = contract(tmp_path, *aimed, *ONE_LAW)
        assert red.returncode == 1
        assert "expired on 2020-01-31" in red.stdout
    with Server(*KEYS) as server:
        right = contract(tmp_path, at(server), *aimed[1:], *ONE_LAW)
    assert right.returncode == 0
    assert "no longer occurs" in right.stdout
