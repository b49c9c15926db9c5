"""`wanflow drift`: which of the spec, the mock and a server is alone, and what that costs."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import TYPE_CHECKING, Any, NoReturn

import jsonschema_rs
import pytest
from click.testing import CliRunner

from self_tests.drift_trials import CHANGES, KEY, Change, blamed, one_of_each_kind
from self_tests.reference_server.faults import KeysNotChecked, NotValidated
from self_tests.reference_server.server import Handler, Server
from self_tests.test_contract_command import at
from wanflow.catalog.catalog import packaged_catalog
from wanflow.catalog.document import load_packaged
from wanflow.cli.json_output import json_schema
from wanflow_contract.checks.check import CheckFailed
from wanflow_contract.checks.definitions.responses import SCHEMA
from wanflow_contract.drift.command import drift
from wanflow_contract.drift.difference import Alone, differences
from wanflow_contract.drift.requests import PlannedRequest
from wanflow_contract.drift.target import JudgedResponse, Place
from wanflow_contract.support.exchange import Exchange

if TYPE_CHECKING:
    from pathlib import Path

MODEL = one_of_each_kind()[0]


def run(server: Server, *options: str, model: str = MODEL, key: str = KEY) -> Any:
    """Run the command."""
    arguments = [at(server), "--model", model, *options]
    return CliRunner().invoke(drift, arguments, env={"WANFLOW_API_KEY": key})


@pytest.mark.slow  # each change is a run of the command, of some seconds
@pytest.mark.parametrize("change", CHANGES, ids=lambda one: f"{one.side}-{one.name}")
def test_the_one_that_was_changed_is_blamed(change: Change) -> None:
    """Thirty changes: ten of the spec, ten of the mock, ten of a server."""
    assert list(blamed(change, one_of_each_kind())) == [change.side]


def test_there_are_ten_changes_of_each() -> None:
    """None of them is the same as another one."""
    assert len(CHANGES) == len({(one.side, one.name) for one in CHANGES}) == 30
    assert {one.side: sum(one.side == other.side for other in CHANGES) for one in CHANGES} == {
        "spec": 10,
        "mock": 10,
        "server": 10,
    }


def _response(*failures: tuple[str, str]) -> JudgedResponse:
    exchange = Exchange("GET", "http://a/b", "/b", (), b"", 200, (), b"{}")
    found = {
        Place("getTask", SCHEMA.name, pointer, shape): CheckFailed(
            SCHEMA, f"it {shape}", (exchange,), "", pointer, shape
        )
        for pointer, shape in failures
    }
    return JudgedResponse(exchange, found)


@pytest.mark.parametrize(
    ("mock", "server", "alone"),
    [
        ((), ("is a text",), [Alone.SERVER]),
        (("is a text",), (), [Alone.MOCK]),
        (("is a text",), ("is a text",), [Alone.SPEC]),
        (("is a text",), ("is absent",), [Alone.NOBODY, Alone.NOBODY]),
        ((), (), []),
        (("is a text",), None, [Alone.UNKNOWN]),
    ],
)
def test_who_is_alone_follows_from_who_deviates(
    mock: tuple[str, ...], server: tuple[str, ...] | None, alone: list[Alone]
) -> None:
    """Both in the same way: the spec; one of them: that one; in two ways: nobody is alone."""
    sides = [
        None if shapes is None else [_response(*((("response /a"), one) for one in shapes))]
        for shapes in (mock, server)
    ]
    request: Any = PlannedRequest("a request", None, "/b")  # type: ignore[arg-type]
    found = differences(request, sides[0] or [], sides[1])
    assert [one.alone for one in found.values()] == alone


def test_a_correct_server_that_differs_from_the_mock_has_no_difference() -> None:
    """What the spec leaves open isn't a difference; nothing is submitted without a limit."""
    with Server(KEY) as server:
        done = run(server)
        assert not server.tasks
    assert done.exit_code == 0, done.output
    assert done.output.startswith("no difference between the spec, the mock and the server\n")
    assert "0 of 0 credits spent" in done.output
    assert "1 request not sent, because of a cost above what is left" in done.output


def test_the_table_has_three_values_for_each_place() -> None:
    """What the spec, the mock and the server have there, and who is alone."""
    with KeysNotChecked(KEY) as server:
        done = run(server)
    assert done.exit_code == 1
    first, spec, mock, said = done.output.splitlines()[:4]
    assert first.startswith("1. createImageGeneration request header Authorization (key-required;")
    assert [one.split()[0] for one in (spec, mock, said)] == ["spec", "mock", "server"]
    assert mock.split()[1:] == ["status", "401"]
    assert said.endswith("200 without a valid key  <- alone")


@pytest.mark.slow  # it runs tasks on two servers
def test_a_limit_pays_for_a_task_of_each_kind_and_is_not_passed() -> None:
    """Each kind has one task; a server that accepts invalid requests is sent one at most."""
    kinds = {one.kind for one in packaged_catalog().models.values()}
    for kind, most in ((Server, len(kinds)), (NotValidated, 1 + len(kinds))):
        with kind(KEY) as server:
            server.handle_error = lambda *_: None  # type: ignore[method-assign]
            done = run(server, "--spend-limit", "100", "--json", model=MODEL)
            assert len(server.tasks) <= most
        assert json.loads(done.stdout)["credits"] <= 100
        assert json.loads(done.stdout)["tasks"] == [MODEL]


def test_nothing_that_may_cost_is_sent_without_a_limit(tmp_path: Path) -> None:
    """Where the mock and the spec disagree about a request, nothing is sent to the server."""
    document = deepcopy(load_packaged())
    for schema in document["components"]["schemas"].values():
        prompt = schema.get("properties", {}).get("prompt", {})
        prompt.update({"maxLength": 4000} if prompt else {})
    path = tmp_path / "spec.json"
    path.write_text(json.dumps(document))
    with Server(KEY) as server:
        done = run(server, "--spec", str(path), "--json")
        assert not server.tasks
    found = json.loads(done.stdout)
    assert done.exit_code == 1
    assert {one["alone"] for one in found["differences"]} == {"spec or mock"}
    assert {one["server"] for one in found["differences"]} == {
        "not sent: it may cost credits (--spend-limit)"
    }
    assert found["not_sent"]
    jsonschema_rs.validator_for(json.loads(json_schema())).validate(found)
    assert found["event"] == "drift"
    assert KEY not in done.output


class Repeating(Server):
    """Names the key in what it says of an error."""

    def handler(self) -> type[Handler]:
        class Named(Handler):
            def reply(self, status: int, kind: str, content: bytes) -> None:
                kind = f"{KEY}/json" if status == 404 else kind
                super().reply(status, kind, content.replace(b"_error", KEY.encode()))

        return Named


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_the_key_is_in_no_result(options: tuple[str, ...]) -> None:
    """Even if the server repeats it where a difference shows what it said."""
    with Repeating(KEY) as server:
        done = run(server, *options)
    assert done.exit_code == 1
    assert "${API_KEY}" in done.output
    assert KEY not in done.output


@pytest.mark.parametrize(
    ("arguments", "key", "code", "message"),
    [
        (["ftp://a.b"], KEY, 2, "it must begin with http:// or https:// and a host"),
        (["http://a.b", "--model", "none"], KEY, 2, "--model: 'none' is none of"),
        (["http://a.b", "--spec", "nowhere"], KEY, 2, "nowhere: No such file or directory"),
        (["http://a.b"], "", 4, "there is no API key; set WANFLOW_API_KEY"),
        (["http://127.0.0.1:9/x"], KEY, 4, "http://127.0.0.1:9/x doesn't respond: ConnectError"),
    ],
)
def test_wrong_usage_and_an_unreachable_server_have_codes_of_their_own(
    arguments: list[str],
    key: str,
    code: int,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """2 is the usage, 4 the server or the key; 1 is only for differences."""
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(drift, arguments, env={"WANFLOW_API_KEY": key})
    assert (done.exit_code, message in done.output) == (code, True), done.output


def test_a_key_that_is_not_accepted_ends_it() -> None:
    """Otherwise each response would be a difference."""
    with Server(KEY) as server:
        done = run(server, key="another-key")
    assert (done.exit_code, "doesn't accept the API key" in done.output) == (4, True)


class _Refusing(Handler):
    """Asks each client to wait for a day."""

    def do_GET(self) -> None:  # noqa: N802 - the name is of http.server
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(429)
        self.send_header("Retry-After", "86400")
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_POST = do_GET  # noqa: N815


def test_a_server_that_asks_to_wait_for_too_long_ends_it() -> None:
    """That is no difference, and no error of the command."""

    class Limited(Server):
        def handler(self) -> type[Handler]:
            return _Refusing

    with Limited(KEY) as server:
        done = run(server)
    assert (done.exit_code, "asks to wait for 86400 s" in done.output) == (4, True), done.output


def test_an_error_of_its_own_is_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has the code 3, and says what happened."""

    def broken(*_: object) -> NoReturn:
        raise KeyError("x")

    monkeypatch.setattr("wanflow_contract.drift.compare.planned_requests", broken)
    with Server(KEY) as server:
        done = run(server)
    assert (done.exit_code, "unexpected KeyError" in done.output) == (3, True)
