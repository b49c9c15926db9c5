"""Recording from a server: what is forwarded, what it may cost, and who gets the key."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from click.testing import CliRunner

from tests.plain_http import PLAIN
from tests.waiting import wait_until
from wanflow import Client
from wanflow.catalog.catalog import packaged_catalog
from wanflow.catalog.document import load_packaged
from wanflow.cli.mock import mock as command
from wanflow.cli.recording import Recording, _judge_of, _SuiteSpending
from wanflow.mock import MockServer
from wanflow.mock.recording.forwarder import Forwarder, no_judge
from wanflow.mock.recording.life import read_lives
from wanflow.mock.recording.recorder import FolderInUse, Recorder
from wanflow.mock.recording.vocabulary import vocabulary_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEY = "sk-the-clients-own-key"
HEADERS = {"Authorization": f"Bearer {KEY}"}
MODELS = packaged_catalog().models
MODEL = next(one for one in MODELS.values() if one.kind == "image")
BODY = dict(MODEL.example)
SPEC = vocabulary_of(load_packaged())


@contextmanager
def recording(upstream: str, folder: Path, limit: float = 1e6) -> Iterator[MockServer]:
    """Run a mock that records from a server, as the command does."""
    server = MockServer()
    with Recording(upstream, folder, limit).running(server), server:
        yield server


def submit(base: str, body: dict[str, Any] | None = None, **more: Any) -> httpx.Response:
    headers = {**HEADERS, **more.pop("headers", {})}
    return httpx.post(
        base + MODEL.path, json=body or BODY, headers=headers, trust_env=False, timeout=30, **more
    )


def poll(base: str, task_id: str, **more: Any) -> httpx.Response:
    return httpx.get(f"{base}/v1/tasks/{task_id}", headers=HEADERS, **PLAIN, **more)


def test_a_clients_run_is_recorded_as_a_life(tmp_path) -> None:
    """A submission, its polls and the heads of its files are one file, named by its number."""
    with MockServer(polls=2) as upstream, recording(upstream.base_url, tmp_path / "new") as mock:
        with Client(KEY, mock.base_url, ledger=None) as client:
            result = client.submit(dict(BODY)).wait()
        assert result.urls[0].startswith(upstream.url)
    [path] = (tmp_path / "new").glob("*.json")
    assert path.name == "life-000001.json"
    [life] = read_lives(tmp_path / "new")
    assert life.request["model"] == MODEL.name
    assert [one.body["status"] for one in life.polls] == ["processing", "completed"]
    assert life.links == [["http", "png"]] * len(result.urls)
    assert {(one.status, one.content_type) for one in life.downloads} == {(200, "image/png")}
    assert all(one.bytes for one in life.downloads)
    assert life.findings == []


def test_bytes_pass_unchanged(tmp_path) -> None:
    """Status, media type and body of a response are the server's own; so are those of an error."""
    with MockServer(seed=3) as upstream, recording(upstream.base_url, tmp_path) as mock:
        made = submit(mock.base_url)
        task = made.json()["id"]
        for here, there in (
            (poll(mock.base_url, "no-id"), poll(upstream.base_url, "no-id")),
            (submit(mock.base_url, {"model": 5}), submit(upstream.base_url, {"model": 5})),
            (
                submit(mock.base_url, headers={"Authorization": "no"}),
                submit(upstream.base_url, headers={"Authorization": "no"}),
            ),
        ):
            assert (here.status_code, here.content) == (there.status_code, there.content)
        assert task in {one.id for one in upstream.gateway.tasks}


def test_nothing_is_submitted_without_a_limit(tmp_path) -> None:
    """With 0 credits a submission is refused in one sentence, and polls are forwarded."""
    with MockServer() as upstream, recording(upstream.base_url, tmp_path, limit=0) as mock:
        refused = submit(mock.base_url)
        asked = poll(mock.base_url, "task-unified-1-a")
        invalid = submit(mock.base_url, {"model": "none"})
        operations = [one.operation for one in upstream.journal]
    assert (refused.status_code, invalid.status_code, asked.status_code) == (402, 402, 404)
    assert operations == ["getTaskDetail"]
    message = refused.json()["error"]["message"]
    assert re.fullmatch(
        r"the submission was not sent to \S+: this submission may cost \S+ credits; "
        r"0 of 0 are spent \(--spend-limit\)",
        message,
    )


def test_the_limit_is_never_passed(tmp_path) -> None:
    """Concurrent submissions together cost at most the limit, by the prices that are reported."""
    limit = 30.0
    with MockServer() as upstream, recording(upstream.base_url, tmp_path, limit) as mock:
        with ThreadPoolExecutor(8) as threads:
            done = list(threads.map(lambda _: submit(mock.base_url), range(24)))
        account = upstream.accounts.for_key(KEY)
        assert 0 < account.reserved <= limit
    assert {one.status_code for one in done} == {200, 402}


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_only_documented_submissions_may_cost_something(tmp_path, method) -> None:
    """Other requests that may change something are not forwarded, whatever the limit."""
    with MockServer() as upstream, recording(upstream.base_url, tmp_path) as mock:
        for path in ("/v1/tasks/task-unified-1-a", "/v1/other"):
            sent = httpx.request(method, mock.base_url + path, headers=HEADERS, **PLAIN)
            assert sent.status_code == 405
        assert not list(upstream.journal)


def test_a_get_of_any_path_is_forwarded(tmp_path) -> None:
    """It costs nothing, and clients ask for more than the spec has."""
    with MockServer() as upstream, recording(upstream.base_url, tmp_path) as mock:
        httpx.get(f"{mock.base_url}/v1/models?a=b", headers=HEADERS, **PLAIN)
        [entry] = upstream.journal
    assert entry.path.endswith("/v1/models")


@pytest.mark.parametrize("name", ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"])
def test_a_get_stays_a_get(tmp_path, name) -> None:
    """A header that some servers take for another method is not forwarded."""
    with Elsewhere() as upstream, recording(upstream.url, tmp_path) as mock:
        url = mock.base_url + MODEL.path
        httpx.get(url, headers={**HEADERS, name: "POST", "X-Kept": "a"}, **PLAIN)
    [(_, headers)] = upstream.seen
    sent = {one.lower() for one in headers}
    assert "x-kept" in sent
    assert name.lower() not in sent


class Elsewhere(ThreadingHTTPServer):
    """A server that notes all requests; `/from` redirects to `onward`."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Noting)
        self.seen: list[tuple[str, dict[str, str]]] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.onward = ""

    def __enter__(self) -> Elsewhere:
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class _Noting(BaseHTTPRequestHandler):
    server: Elsewhere

    def do_GET(self) -> None:
        self.server.seen.append((self.path, dict(self.headers)))
        redirects = self.path.startswith("/from")
        self.send_response(302 if redirects else 200)
        if redirects:
            self.send_header("Location", self.server.onward)
        self.send_header("Content-Type", "video/mp4")
        self.send_header("Content-Length", "0" if redirects else "7")
        self.end_headers()
        self.wfile.write(b"" if redirects else b"content")

    def log_message(self, *_: Any) -> None:
        """Stay silent."""


def test_the_key_goes_to_the_upstream_alone(tmp_path, monkeypatch) -> None:
    """Hosts of links, of redirects, and proxies of the environment get no key, and no cookie."""
    with Elsewhere() as first, Elsewhere() as second, MockServer(polls=1) as upstream:
        monkeypatch.setenv("HTTP_PROXY", second.url)
        monkeypatch.setattr(
            "wanflow.mock.gateway.tasks.Task.urls", lambda *_: [f"{first.url}/from?sig=s3cret"]
        )
        first.onward = f"{second.url}/to"
        with recording(upstream.base_url, tmp_path) as mock:
            made = submit(mock.base_url, headers={"Cookie": "sid=1"})
            poll(mock.base_url, made.json()["id"])
    [life] = read_lives(tmp_path)
    assert [(one.content_type, one.bytes) for one in life.downloads] == [("video/mp4", 7)]
    for server, path in ((first, "/from?sig=s3cret"), (second, "/to")):
        [(seen, headers)] = server.seen
        assert seen == path
        assert KEY not in str(headers)
        assert {"authorization", "cookie"}.isdisjoint(name.lower() for name in headers)


def test_a_redirect_of_the_upstream_is_not_followed(tmp_path) -> None:
    """The client sees it, as without the recorder."""
    with Elsewhere() as upstream, Elsewhere() as other:
        upstream.onward = other.url
        with recording(f"{upstream.url}/from", tmp_path) as mock:
            assert poll(mock.base_url, "task-unified-1-a").status_code == 302
        assert not other.seen


@pytest.mark.parametrize(
    "link",
    ["http://example.com/a.png", "https://127.0.0.1/a.png", "https://10.0.0.1/a", "gs://a/b"],
)
def test_links_lead_nowhere_internal(link) -> None:
    """The head of a link is read from public hosts over https only."""
    from wanflow.mock.recording.file_heads import FileHeads

    assert FileHeads(of_this_machine=False).read(link) is None


def test_no_half_written_life_is_ever_seen(tmp_path) -> None:
    """Each file is complete whenever it is read, while polls are added to it."""
    ended, read = threading.Event(), list[object]()

    def read_again_and_again() -> None:
        while not ended.wait(0.002):
            read.extend(json.loads(one.read_bytes()) for one in tmp_path.glob("life-*.json"))

    with (
        MockServer(polls=10) as upstream,
        recording(upstream.base_url, tmp_path) as mock,
        ThreadPoolExecutor(1) as thread,
    ):
        reading = thread.submit(read_again_and_again)
        task = submit(mock.base_url).json()["id"]
        for _ in range(10):
            poll(mock.base_url, task)
        wait_until(lambda: read)
        ended.set()
        reading.result()
    [life] = read_lives(tmp_path)
    assert sum(one.count for one in life.polls) == 10


def test_one_process_records_into_a_folder(tmp_path) -> None:
    """A second one is refused; a later one goes on with the numbers."""
    first = Recorder(tmp_path, SPEC)
    with pytest.raises(FolderInUse, match="another process records into"):
        Recorder(tmp_path, SPEC)
    first.close()
    for number in (1, 2):
        with MockServer() as upstream, recording(upstream.base_url, tmp_path) as mock:
            submit(mock.base_url)
        assert len(list(tmp_path.glob("life-*.json"))) == number


def test_a_full_disk_costs_no_response(tmp_path, capsys) -> None:
    """A submission that was paid for is answered, whether or not its life can be written."""
    with MockServer() as upstream, recording(upstream.base_url, tmp_path / "gone") as mock:
        (tmp_path / "gone" / ".lock").unlink()
        (tmp_path / "gone").rmdir()
        assert submit(mock.base_url).status_code == 200
        assert "can't be written" in capsys.readouterr().err
    summary = capsys.readouterr().err
    assert "0 tasks recorded" in summary
    assert "can't be written" in summary


def test_findings_of_the_suite_are_in_the_life(tmp_path) -> None:
    """What a response violates is named by check and field."""
    with MockServer() as upstream, recording(upstream.base_url, tmp_path) as mock:
        upstream.faults.add("missing=status")
        submit(mock.base_url)
    [life] = read_lives(tmp_path)
    assert life.findings
    assert {"check", "sentence", "pointer"} == set(life.findings[0])


def test_it_says_when_nothing_is_judged(monkeypatch, tmp_path, capsys) -> None:
    """Without the suite's packages lives are recorded, and the command says what is missing."""
    monkeypatch.setitem(sys.modules, "wanflow_contract.watch.observer", None)
    assert _judge_of("http://127.0.0.1") is no_judge
    Recording("http://127.0.0.1", tmp_path, 0).announce()
    assert "pip install 'wanflow[contract]'" in capsys.readouterr().out
    with MockServer() as upstream, recording(upstream.base_url, tmp_path) as mock:
        submit(mock.base_url)
    assert [one.findings for one in read_lives(tmp_path)] == [None]


def test_a_lost_response_counts_as_spent(tmp_path) -> None:
    """Who doesn't know whether a submission was accepted assumes that it was."""
    with MockServer() as upstream:
        upstream.faults.add("lost-response", count=1)
        spending = _SuiteSpending(1e6)
        recorder = Recorder(tmp_path, SPEC)
        mock = MockServer()
        forwarder = Forwarder(upstream.base_url, mock.gateway.api.base, recorder, spending)
        mock.app.instead = forwarder
        with mock:
            assert submit(mock.base_url).status_code == 502
        forwarder.close()
    assert spending.spent > 0
    assert forwarder.failures == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--record", "x"], "--record needs --upstream URL."),
        (["--spend-limit", "5"], "--spend-limit needs --upstream URL."),
        (["--upstream", "http://a.b"], "--upstream needs --record FOLDER."),
        (["--upstream", "a.b", "--record", "x"], "must be a URL that begins with http"),
        (["--upstream", "http://u:p@a.b", "--record", "x"], "without a user"),
        (["--upstream", "http://a.b", "--record", "x", "--polls", "2"], "--polls has no effect"),
        (["--upstream", "http://a.b", "--record", "x", "--replay", "x"], "--replay has no effect"),
        (["--replay-or-mock"], "--replay-or-mock needs --replay FOLDER."),
        (["--replay", "nowhere"], "there are no recorded lives (life-*.json) in nowhere"),
    ],
)
def test_wrong_usage_is_named(arguments, message, tmp_path, monkeypatch) -> None:
    """The message says which option is missing, or contradicts another one."""
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(command, ["--port", "0", *arguments])
    assert done.exit_code != 0
    assert message in done.output


@pytest.mark.processes
@pytest.mark.skipif(sys.platform == "win32", reason="it ends by a signal")
def test_the_command_records_and_says_what(tmp_path) -> None:
    """It names server, limit and folder at the start; lives, credits and refusals at the end."""
    with MockServer() as upstream:
        server = upstream.base_url
        arguments = ["--upstream", server, "--record", str(tmp_path)]
        with subprocess.Popen(
            [sys.executable, "-m", "wanflow", "mock", "--port", "0", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as running:
            assert running.stdout is not None
            first = running.stdout.readline()
            submit(first.split()[-1])
            running.send_signal(signal.SIGTERM)
            out, err = running.communicate(timeout=60)
    assert running.returncode == 0, err
    assert f"forwards:  to {server}, for at most 0 credits" in out
    assert f"records:   into {tmp_path}, without keys, texts and links" in out
    assert "judges:    each exchange" in out
    assert "0 of 0 credits spent; 1 submission not sent, because of the limit" in err
