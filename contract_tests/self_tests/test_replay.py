"""`wanflow contract replay`: sends the requests of a finding again, and judges the responses."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from attrs import evolve
from click.testing import CliRunner

from self_tests import test_emitted_faults as faults
from self_tests.reference_server.faults import AnyAccountSees, NotValidated
from self_tests.reference_server.header_faults import WrongAllow
from self_tests.reference_server.server import TASK_SECONDS, Server
from self_tests.test_contract_command import KEYS, at, contract
from tests.plain_http import PLAIN
from wanflow_contract.checks.boundaries import cheapest
from wanflow_contract.checks.check import REGISTRY, CheckFailed
from wanflow_contract.checks.documented_responses import packaged_contract
from wanflow_contract.command.main import contract as contract_command
from wanflow_contract.findings.finding import make_finding, redacted
from wanflow_contract.plan.budget import SpendBudget
from wanflow_contract.report.counters import Counters
from wanflow_contract.report.result import RunResult, write_result
from wanflow_contract.support.exchange import Exchange
from wanflow_contract.triage.replay import VARIABLES, NotReplayed, Replay
from wanflow_contract.triage.report_file import ReportUnusable, find_finding
from wanflow_contract.watch.observer import Observer

if TYPE_CHECKING:
    from pathlib import Path

    from wanflow_contract.findings.finding import Finding

MODELS = packaged_contract().catalog.models.values()
MODEL = next(one for one in MODELS if one.kind == "image")


def run_with(folder: Path, server: Server, chosen: str) -> str:
    """Run the suite against a faulty server, and return the id of its first finding."""
    options = [at(server), "--spend-limit", "100000", "--report", "out"]
    done = contract(folder, *options, "--", "-m", "fast", "-x", "-k", chosen)
    assert done.returncode == 1, done.stdout + done.stderr
    return str(json.loads((folder / "out/report.json").read_text())["findings"][0]["id"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "chosen"),
    [(AnyAccountSees, "visible_to_its_own_account"), (NotValidated, "test_semantics")],
)
def test_a_replay_says_whether_the_failure_occurs_again(tmp_path, fault, chosen) -> None:
    """1 on the faulty server, 0 on a right one; without a key, or at a cost, nothing is sent."""
    report = ("--report", "out")
    with fault(*KEYS) as server:
        name = run_with(tmp_path, server, chosen)
        submissions = len(server.tasks)
        refused = contract(tmp_path, "replay", name, *report)
        assert refused.returncode == 2
        assert "may cost" in refused.stderr
        without = contract(tmp_path, "replay", name, *report, "--yes", keys=())
        assert without.returncode == 4
        assert "WANFLOW_CONTRACT_API_KEY" in without.stderr
        assert len(server.tasks) == submissions
        again = contract(tmp_path, "replay", name, *report, "--spend-limit", "999")
        assert again.returncode == 1, again.stdout + again.stderr
        assert "the same failure occurs" in again.stdout
    with Server(*KEYS) as server:
        aimed = [*report, "--yes", "--base-url", at(server)]
        right = contract(tmp_path, "replay", name, *aimed)
    assert right.returncode == 0, right.stdout + right.stderr
    gone = contract(tmp_path, "replay", name, *report, "--yes")
    assert gone.returncode == 4
    assert "doesn't respond" in gone.stderr
    outputs = [one.stdout + one.stderr for one in (refused, without, again, right, gone)]
    assert not any(key in text for key in KEYS for text in outputs)
    explained = contract(tmp_path, "explain", name, *report)
    assert explained.returncode == 0
    assert f"{name}, found" in explained.stdout


def finding_of(server: Server, *bodies: dict[str, Any]) -> Finding:
    """Return a finding whose requests are submissions."""
    headers = (("authorization", f"Bearer {KEYS[0]}"), ("content-type", "application/json"))
    exchanges = tuple(
        Exchange(
            "POST",
            at(server) + MODEL.path,
            MODEL.path,
            headers,
            json.dumps(body).encode(),
            200,
            (),
            b"{}",
            secrets=KEYS,
        )
        for body in bodies
    )
    return make_finding("test", CheckFailed(REGISTRY["results"], "it is 5", exchanges, ""))


def replay_of(server: Server, budget: SpendBudget) -> Replay:
    """Return the replay of a finding with two equal submissions."""
    finding = finding_of(server, cheapest(MODEL), cheapest(MODEL))
    return Replay(finding, at(server), dict(zip(VARIABLES, KEYS, strict=True)), budget)


INVALID = {**cheapest(MODEL), "model": "no-such-model"}
SHOWN, SHORTER, OTHER = f"Bearer {KEYS[0]}", f"Bearer {KEYS[0][:-1]}", "Bearer of-nobody"


def recorded(
    method: str, path: str, shown: str, body: object, status: int, kind: str = "application/json"
) -> Exchange:
    """Return an exchange of a report; a body that isn't bytes is written as JSON."""
    headers = [("content-type", kind), *([("Authorization", shown)] if shown else [])]
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    url = f"http://api.example{path}"
    return Exchange(method, url, path, tuple(headers), sent, status, (), b"{}", secrets=KEYS)


PATH, TASK, NO_PATH = MODEL.path, "/v1/tasks/task-unified-1", "/v1/audios/generations"
VALID = cheapest(MODEL)
FREE = {
    "a poll": ("GET", TASK, SHOWN, b"", 200),
    "a poll without a key": ("GET", TASK, "", b"", 401),
    "the headers of a task": ("HEAD", TASK, SHOWN, b"", 200),
    "an invalid request": ("POST", PATH, SHOWN, INVALID, 400),
    "an invalid request that made the server fail": ("POST", PATH, SHOWN, INVALID, 500),
    "no JSON": ("POST", PATH, SHOWN, b'{"model"', 400),
    "a valid request without a key": ("POST", PATH, "", VALID, 401),
    "with an empty key": ("POST", PATH, "Bearer", VALID, 401),
    "with a shorter key": ("POST", PATH, SHORTER, VALID, 401),
    "with a key of nobody": ("POST", PATH, OTHER, VALID, 403),
    "with a key that made the server fail": ("POST", PATH, OTHER, VALID, 500),
    "another method": ("PUT", PATH, SHOWN, VALID, 405),
    "another method at a task": ("DELETE", TASK, SHOWN, b"", 405),
    "another path": ("POST", NO_PATH, SHOWN, VALID, 404),
}
CHARGED = {
    "a valid request": ("POST", PATH, SHOWN, VALID, 200),
    "a valid request that was refused": ("POST", PATH, SHOWN, VALID, 400),
    "a valid request that made the server fail": ("POST", PATH, SHOWN, VALID, 503),
    "a valid request of the second account": ("POST", PATH, f"Bearer {KEYS[1]}", VALID, 200),
    "a valid request with another type": ("POST", PATH, SHOWN, VALID, 415, "text/json"),
    "an open encoding": ("POST", PATH, SHOWN, b"\xff" + json.dumps(VALID).encode(), 400),
    "an invalid request that was accepted": ("POST", PATH, SHOWN, INVALID, 200),
    "a request that was accepted without a key": ("POST", PATH, "", VALID, 200),
    "a request that was accepted with another key": ("POST", PATH, OTHER, VALID, 201),
    "another method that submitted": ("PUT", PATH, SHOWN, VALID, 200),
    "another path that submitted": ("POST", NO_PATH, SHOWN, VALID, 202),
}


@pytest.mark.parametrize("name", [*FREE, *CHARGED])
def test_a_replay_asks_for_a_limit_only_if_it_may_cost_something(name) -> None:
    """What must be refused, and was, is free, whatever it is; all else may be charged."""
    case: Any = FREE.get(name) or CHARGED[name]
    failed = CheckFailed(REGISTRY["results"], "it is 5", (recorded(*case),), "")
    for keys in ({}, dict(zip(VARIABLES, KEYS, strict=True))):
        replay = Replay(make_finding("test", failed), "http://api.example", keys, SpendBudget(0))
        assert (replay.may_cost() > 0) == (name in CHARGED)


def test_a_replay_without_a_key_spends_nothing() -> None:
    """A valid request that was refused without a key is sent again without a limit."""
    refused = recorded("POST", PATH, "", VALID, 401)
    finding = make_finding("test", CheckFailed(REGISTRY["results"], "it is 5", (refused,), ""))
    with Server(*KEYS) as server:
        replay = Replay(finding, at(server), {}, SpendBudget(0))
        assert replay.run().status == 401
        assert not server.tasks
    assert replay.budget.spent_here == 0


@pytest.mark.parametrize(
    ("check", "shape", "path", "shown", "sentence"),
    [
        ("key-required", "200 with a key in the query", TASK, "", "the same check fails"),
        ("found", "of a test", TASK, SHOWN, "the same status and form"),
    ],
)
def test_a_failure_that_only_its_test_can_show_is_not_called_corrected(
    check, shape, path, shown, sentence
) -> None:
    """A test asks for more than every response must be: then the response itself is compared."""

    class Open(Server):
        def account(self, header: str | None) -> str:
            return KEYS[0] if header is None else super().account(header)

    with Open(*KEYS) as server:
        keys = dict(zip(VARIABLES, KEYS, strict=True))
        headers = {"Authorization": shown} if shown else {}
        submitted = httpx.post(
            at(server) + PATH, json=VALID, headers={"Authorization": SHOWN}, **PLAIN
        ).json()
        # The task ends before both requests: while it runs, its responses have another form.
        server.tasks[submitted["id"]]["at"] -= TASK_SECONDS
        path = path.replace("task-unified-1", submitted["id"])
        content = httpx.get(at(server) + path, headers=headers, **PLAIN).content
        before = evolve(recorded("GET", path, shown, b"", 200), content=content)
        failed = CheckFailed(REGISTRY[check], "a detail", (before,), "", "", shape)
        replay = Replay(make_finding("test", failed), at(server), keys, SpendBudget(0))
        occurs, said = replay.verdict(replay.run())
    assert occurs, said
    assert sentence in said


class Falling(Server):
    """Progress falls before the task ends."""

    polls = 0

    def poll(self, key: str, task_id: str) -> dict[str, Any]:
        made, self.polls = super().poll(key, task_id), self.polls + 1
        progress = {1: 20, 2: 50, 3: 50, 4: 30}.get(self.polls)
        kept = {name: made[name] for name in ("created", "id", "model", "object")}
        return {**kept, "status": "processing", "progress": progress} if progress else made


@pytest.mark.parametrize(("server", "occurs"), [(Falling, True), (Server, False)])
def test_a_replay_of_a_task_goes_on_until_its_end(server, occurs) -> None:
    """A watch saw two polls; between them there were minutes."""
    watched = Observer("http://api.example")
    receipt = {"id": "task-unified-1-1", "model": MODEL.name, "created": int(time.time())}
    sent = json.dumps(VALID).encode()
    bearer = (("Authorization", f"Bearer {KEYS[0]}"), ("Content-Type", "application/json"))
    for path, body, answer in (
        (MODEL.path, sent, {**receipt, "status": "pending", "progress": 0}),
        (TASK + "-1", b"", {**receipt, "status": "processing", "progress": 50}),
        (TASK + "-1", b"", {**receipt, "status": "processing", "progress": 20}),
    ):
        method, content = "POST" if body else "GET", json.dumps(answer).encode()
        url, kind = "http://api.example" + path, (("content-type", "application/json"),)
        watched.observe(Exchange(method, url, path, bearer, body, 200, kind, content))
    (found,) = [one for one in watched.result().findings if one.check == "progress"]
    with server(*KEYS) as opened:
        keys = dict(zip(VARIABLES, KEYS, strict=True))
        replay = Replay(found, at(opened), keys, SpendBudget())
        again, said = replay.verdict(replay.run())
        assert len(opened.tasks) == 1
    assert again == occurs, said


def test_a_replay_spends_no_more_than_its_limit() -> None:
    """A price above the documented one counts as it is reported, before the next request."""

    class Expensive(Server):
        def usage(self, kind: str, body: dict[str, Any]) -> dict[str, Any]:
            return {**super().usage(kind, body), "credits_reserved": 15.0}

    with Expensive(*KEYS) as server:
        limited = replay_of(server, SpendBudget(20.0))
        assert limited.may_cost() <= 20
        with pytest.raises(NotReplayed, match="not sent: this submission may cost 15 credits"):
            limited.run()
        assert len(server.tasks) == 1
        assert limited.budget.spent_here == 15
        free = replay_of(server, SpendBudget())
        free.run()
        assert len(server.tasks) == 3


def test_a_replay_without_a_response_says_so() -> None:
    """The failure of a server that closes the connection occurs again."""

    class Silent(Server):
        def account(self, header: str | None) -> str:
            raise ConnectionAbortedError  # the connection is closed

    with Silent(*KEYS) as server:
        replay = replay_of(server, SpendBudget())
        last = replay.run()
    assert last.status == 0
    assert "responds" in {one.check for one in replay.recorder.findings.values()}


@pytest.mark.processes
@pytest.mark.parametrize(("right", "code"), [(False, 1), (True, 0)])
def test_a_replay_on_a_server_that_was_mended_says_so(tmp_path, monkeypatch, right, code) -> None:
    """And ends with 0; on the server with the fault it ends with 1."""
    with WrongAllow(KEYS[0]) as server:
        found = faults.finding_of("allow", server, KEYS[0])
    write_result(RunResult(Counters(), [found]), tmp_path / "report.json")
    monkeypatch.setenv("WANFLOW_CONTRACT_API_KEY", KEYS[0])
    with (Server if right else WrongAllow)(KEYS[0]) as server:
        options = ["--report", str(tmp_path), "--base-url", at(server)]
        done = CliRunner().invoke(contract_command, ["replay", found.id, *options])
    assert done.exit_code == code, done.output
    said = "the check passes: the failure doesn't occur" if right else "the same failure occurs"
    assert f"{found.id}: {said}" in done.output


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "can't be read: No such file or directory"),
        (b"", "is not the report.json of a run: it isn't JSON"),
        (b"\xff\xfe", "is not the report.json of a run: it isn't UTF-8 text"),
        (b"[" * 100_000, "is not the report.json of a run: it isn't JSON"),
        (b"[]", "is not the report.json of a run: it has no `version`"),
        (b'{"tests": 5, "passed": 5}', "is not the report.json of a run: it has no `version`"),
        (b'{"version": "2.1.0", "runs": []}', "version '2.1.0' can't be read; it must be 1"),
        (b'{"version": 0}', "version 0 can't be read; it must be 1"),
        (b'{"version": 1, "deviations": []}', "its field 'counters' is absent"),
        (b'{"version": 1, "counters": 5}', "a field of it is of another kind"),
    ],
)
@pytest.mark.parametrize("command", [("explain", "json-0123abcd"), ("replay", "json-0123abcd")])
def test_a_report_that_is_none_is_wrong_usage_in_one_sentence(
    tmp_path, content, said, command
) -> None:
    """Whichever command reads it, and whatever wrote it."""
    path = tmp_path / "some.json"
    if content is not None:
        path.write_bytes(content)
    done = CliRunner().invoke(contract_command, [*command, "--report", str(path)])
    assert done.exit_code == 2, done.output
    (line,) = [one for one in done.output.splitlines() if one.startswith("Error: ")]
    assert line.startswith(f"Error: {path} ")
    assert said in line
    assert "Traceback" not in done.output


def test_a_finding_that_is_not_in_the_report_that_was_named_is_wrong_usage(tmp_path) -> None:
    """Its check is explained only if no report was named."""
    write_result(RunResult(Counters()), tmp_path / "report.json")
    options = ["--report", str(tmp_path)]
    done = CliRunner().invoke(contract_command, ["explain", "json-0123abcd", *options])
    assert (done.exit_code, "the report has no findings" in done.output) == (2, True)
    assert CliRunner().invoke(contract_command, ["explain", "json", *options]).exit_code == 0


@pytest.mark.processes
def test_every_check_can_be_explained() -> None:
    """By its name, and by the id of any finding of it; and all are listed."""
    code = (
        "from pathlib import Path\n"
        "from wanflow_contract.triage.explain import explain_name, list_checks, load_checks\n"
        "checks, listed = load_checks(), list_checks()\n"
        "for name, one in checks.items():\n"
        "    assert one.sentence in explain_name(name, Path('absent'))\n"
        "    assert one.sentence in explain_name(name + '-0123abcd', Path('absent'))\n"
        "    assert f'\\n{name} ' in '\\n' + listed and one.sentence in listed\n"
        "print(len(checks))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) > 50


@pytest.mark.parametrize(
    ("keys", "sent", "shown"),
    [
        (("the-first-key", ""), "Bearer the-first-key", "Bearer ${API_KEY}"),
        (("", "a-second-key"), "Bearer a-second-key", "Bearer ${API_KEY2}"),
        (("some-key", "some-key-2"), "Bearer some-key-2", "Bearer ${API_KEY2}"),
        (("some-key-2", "some-key"), "Bearer some-key-2", "Bearer ${API_KEY}"),
        (("some-key", "some-key2"), "Bearer some-key", "Bearer ${API_KEY}"),
        (("some-key2", "some-key"), "some-key", "${API_KEY2}"),
        (("short", "short2"), "Bearer short2", "Bearer ${API_KEY2}"),
        (("", ""), "Bearer ${API_KEY}", "Bearer ${API_KEY}"),
    ],
)
def test_a_header_names_one_key_however_the_keys_resemble_each_other(keys, sent, shown) -> None:
    """A key that is absent, or is a part of the other one, causes no second name."""
    exchange = Exchange("GET", "http://a.example", "/", (), b"", 200, (), b"", secrets=keys)
    assert exchange.redacted(sent) == shown
    assert not any(key in redacted(sent, keys) for key in keys if len(key) > len("short2"))


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ((), "no id of a finding begins with 'a-'; the report has no findings"),
        (("b-1",), "no id of a finding begins with 'a-'; there are b-1"),
        (("a-1", "a-2", "b-1"), "several ids of findings begin with 'a-'; there are a-1, a-2"),
    ],
)
def test_an_id_that_names_no_finding_is_answered_with_those_there_are(ids, message) -> None:
    """Or with those that it may mean."""
    result: Any = SimpleNamespace(findings=[SimpleNamespace(id=one) for one in ids])
    with pytest.raises(ReportUnusable) as raised:
        find_finding(result, "a-")
    assert str(raised.value) == message
