"""Invalid input: a message, an exit code, and no traceback."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from tests.cli.helpers import FROM_IMAGE, IMAGE, VIDEO
from tests.transport.misbehaving_server import ID, MisbehavingServer, http, responds, task
from wanflow.mock import MockServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.cli.helpers import CommandResult

PROMPT = ("--prompt", "A cat")
URL = ("--image-url", "https://host.example/a.png")


@pytest.fixture
def unreachable_url() -> Iterator[str]:
    """A URL without a server: its port is bound, but not listened on."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}/apiv1"


MISSPELT = f"{VIDEO[:-2]}i{VIDEO[-1]}"
# The arguments, the exit code, and what the message has to name.
ERRORS: list[tuple[tuple[str, ...], int, tuple[str, ...]]] = [
    (("rnu",), 2, ("'rnu'", "run, submit")),
    (("--frobnicate",), 2, ("--frobnicate",)),
    (("run",), 2, ("model", VIDEO, "--request")),
    (("run", MISSPELT, *PROMPT), 2, (f"did you mean {VIDEO}",)),
    (("models", MISSPELT), 2, (f"did you mean {VIDEO}",)),
    (("run", VIDEO), 2, ("prompt is required",)),
    (("run", VIDEO, *PROMPT, "--duration", "x"), 2, ("duration must be one of 5, 10", '"x"')),
    (("run", VIDEO, *PROMPT, "--duration", "7"), 2, ("duration must be one of 5, 10", "7")),
    (("run", VIDEO, *PROMPT, "--size", "1x1"), 2, ("--size is not an option", VIDEO, IMAGE)),
    (("run", VIDEO, *PROMPT, "--durration", "5"), 2, ("--durration", "--duration")),
    (("run", VIDEO, *PROMPT, "5"), 2, ("unexpected extra argument", "5")),
    (("run", VIDEO, "--prompt"), 2, ("--prompt", "requires an argument")),
    (("run", IMAGE, *PROMPT, "--n", "5"), 2, ("n must be at most 4",)),
    (("run", IMAGE, *PROMPT, "--size", "9x9"), 2, ("size must have", "pixels")),
    (("run", VIDEO, *PROMPT, "--callback-url", "http://a.example"), 2, ("callback_url",)),
    (
        ("run", FROM_IMAGE, *PROMPT, "--image-url", "a.png"),
        2,
        ("image_urls[0]", "uri", "pass --uploader"),
    ),
    (
        ("run", FROM_IMAGE, *PROMPT, *URL, "--image-urls", f"{URL[1]},{URL[1]}"),
        2,
        ("once for each",),
    ),
    (("run", FROM_IMAGE, *PROMPT, "--model-params", "{"), 2, ("--model-params", "not valid JSON")),
    (("run", FROM_IMAGE, *PROMPT, *URL, "--model-params", "[1]"), 2, ("model_params", "object")),
    (("run", VIDEO, *PROMPT, "--extra", "seed"), 2, ("--extra", "NAME=JSON")),
    (("run", VIDEO, *PROMPT, "--extra", "seed=abc"), 2, ("--extra", "not valid JSON")),
    (("run", VIDEO, *PROMPT, "--timeout", "soon"), 2, ("--timeout", "'soon'", "seconds")),
    (("run", VIDEO, *PROMPT, "--timeout", "nan"), 2, ("--timeout", "seconds")),
    (("run", VIDEO, *PROMPT, "--timeout", "-1"), 2, ("--timeout", "seconds")),
    (("run", VIDEO, "--request", "absent.json"), 2, ("absent.json", "No such file")),
    (("run", VIDEO, *PROMPT, "-o", "/dev/null/x"), 2, ("--output-dir", "/dev/null")),
    (("status",), 2, ("ID",)),
    (("status", " "), 2, ("task id",)),
    (("download", "task-unified-1-a"), 2, ("--output-dir",)),
    (("wait", "task-unified-1-aaaaaaaa"), 12, ("404", "not found")),
    (("run", VIDEO, *PROMPT, "--base-url", "host/path"), 3, ("'host/path'", "https://")),
    (("run", VIDEO, *PROMPT, "--base-url", "ftp://host"), 3, ("ftp://host", "http")),
    (("run", VIDEO, *PROMPT, "--api-key-file", "absent"), 3, ("absent", "No such file")),
    (("run", VIDEO, *PROMPT, "--api-key-file", "/dev/null"), 3, ("/dev/null", "empty")),
    (("run", VIDEO, "--prompt", "[mock:code=400]"), 2, ("400",)),
    (("run", VIDEO, "--prompt", "[mock:code=401]"), 4, ("401",)),
    (("run", VIDEO, "--prompt", "[mock:code=403]"), 4, ("403",)),
    (("run", VIDEO, "--prompt", "[mock:code=404]"), 12, ("404",)),
    (("run", VIDEO, "--prompt", "[mock:fail=content_policy_violation]"), 7, ("content_policy",)),
]


@pytest.mark.parametrize(
    ("words", "code", "named"), ERRORS, ids=[" ".join(words) for words, _, _ in ERRORS]
)
def test_an_error_has_a_message(
    wanflow: Callable[..., CommandResult], words: tuple[str, ...], code: int, named: tuple[str, ...]
) -> None:
    """The message on stderr names what is wrong and what is allowed; stdout is empty."""
    done = wanflow(*words)
    assert done.code == code, done.err
    assert done.out == ""
    sentence = done.err[done.err.index("wanflow: ") :]
    assert [word for word in named if word not in sentence] == []
    first, *rest = sentence.splitlines()
    assert all(line.startswith("  - ") for line in rest)
    assert bool(rest) == first.endswith("rules are broken:")


@pytest.mark.parametrize("words", [words for words, _, _ in ERRORS if words[0] == "run"])
def test_an_error_is_an_event_with_json(
    wanflow: Callable[..., CommandResult], words: tuple[str, ...]
) -> None:
    """With --json the last event is the error, with its kind and the exit code."""
    done = wanflow(*words[:1], "--json", *words[1:])
    event = done.events[-1]
    assert event["event"] == "error"
    assert event["exit_code"] == done.code != 0
    assert event["kind"]
    assert event["message"]


def test_all_violations_are_listed(wanflow: Callable[..., CommandResult]) -> None:
    """Several violations are all listed, as lines and in the event."""
    words = ("--duration", "7", "--quality", "4k", "--aspect-ratio", "2:1")
    done = wanflow("run", VIDEO, *words, "--json")
    assert done.code == 2
    parameters = {"prompt", "duration", "quality", "aspect_ratio"}
    assert {line.split()[1] for line in done.err.splitlines()[1:]} == parameters
    (event,) = done.events
    assert {broken["pointer"] for broken in event["violations"]} == {f"/{p}" for p in parameters}


class TestEnvironment:
    """Errors outside the request."""

    def test_no_key(self, wanflow: Callable[..., CommandResult], server: object) -> None:
        """The error of a missing key names both ways to give it."""
        done = wanflow("run", VIDEO, *PROMPT, given={})
        assert done.code == 3
        assert "WANFLOW_API_KEY" in done.err
        assert "--api-key-file" in done.err

    def test_key_file(
        self, wanflow: Callable[..., CommandResult], tmp_path: Path, api_key: str
    ) -> None:
        """A key in a file takes precedence over one in the environment."""
        path = tmp_path / "key"
        path.write_text(f"{api_key}\n")
        assert wanflow("run", VIDEO, *PROMPT, "--api-key-file", str(path)).code == 0
        path.write_text("a key with spaces")
        done = wanflow("run", VIDEO, *PROMPT, "--api-key-file", str(path))
        assert done.code == 3
        assert "a key with" not in done.err
        assert f"it came from the file {path}" in done.err

    def test_an_invalid_key_of_the_environment(
        self, wanflow: Callable[..., CommandResult], server: MockServer
    ) -> None:
        """The error names the variable, which is where to correct it, and not the key."""
        given = {"WANFLOW_BASE_URL": server.base_url, "WANFLOW_API_KEY": "your key"}
        done = wanflow("run", VIDEO, *PROMPT, given=given)
        assert done.code == 3
        assert "it came from WANFLOW_API_KEY" in done.err
        assert "your key" not in done.err

    @pytest.mark.parametrize("command", ["status", "wait"])
    def test_unreachable(
        self, wanflow: Callable[..., CommandResult], unreachable_url: str, command: str
    ) -> None:
        """An unreachable server is an error that says how to resume."""
        done = wanflow(command, "task-unified-1-a", "--base-url", unreachable_url)
        assert done.code == 9
        assert "refused" in done.err
        assert f"wanflow wait task-unified-1-a --base-url {unreachable_url}" in done.err

    def test_folder_instead_of_file(
        self, wanflow: Callable[..., CommandResult], tmp_path: Path
    ) -> None:
        """A file instead of a directory is an error before anything is sent."""
        (tmp_path / "file").write_text("")
        done = wanflow("run", VIDEO, *PROMPT, "-o", str(tmp_path / "file"))
        assert done.code == 2
        assert "not a directory" in done.err
        assert "task-" not in done.err

    @pytest.mark.parametrize("text", ["{", "[]", "3", '"x"', "\x00", "[" * 100_000])
    def test_invalid_request(self, wanflow: Callable[..., CommandResult], text: str) -> None:
        """A whole request has to be a JSON object."""
        done = wanflow("run", "--request", "-", stdin=text)
        assert done.code == 2
        assert "JSON" in done.err

    def test_unknown_parameter_in_a_request(self, wanflow: Callable[..., CommandResult]) -> None:
        """The error of an unknown parameter names the option that would pass it."""
        request = f'{{"model": "{VIDEO}", "prompt": "x", "promt": "y"}}'
        done = wanflow("run", "--request", "-", stdin=request)
        assert done.code == 2
        assert "did you mean prompt?" in done.err
        assert "--extra NAME=JSON" in done.err

    def test_request_for_another_model(self, wanflow: Callable[..., CommandResult]) -> None:
        """A request for one model isn't sent to another."""
        request = f'{{"model": "{VIDEO}", "prompt": "x"}}'
        done = wanflow("run", IMAGE, "--request", "-", stdin=request)
        assert done.code == 2
        assert VIDEO in done.err


@pytest.fixture(scope="module")
def slow() -> Iterator[dict[str, str]]:
    """The environment variables for a mock whose tasks take many polls."""
    with MockServer(polls=99) as server:
        yield {"WANFLOW_BASE_URL": server.base_url, "WANFLOW_API_KEY": server.api_key}


class TestNotEndedYet:
    """If a task is still running, the command says how to resume."""

    def test_run(self, wanflow: Callable[..., CommandResult], slow: dict[str, str]) -> None:
        """A wait that times out prints the command that continues it."""
        words = ("run", VIDEO, *PROMPT, "--timeout", "0", "-o", "my out", "--json")
        done = wanflow(*words, given=slow)
        assert done.code == 8
        assert "is still running (status: processing)" in done.err
        event = done.events[-1]
        assert event["resume"] == f"wanflow wait {event['task_id']} -o 'my out'"
        assert f"\n  {event['resume']}\n" in done.err

    def test_download(self, wanflow: Callable[..., CommandResult], slow: dict[str, str]) -> None:
        """`download` doesn't wait; it prints the command that does."""
        task_id = wanflow("submit", VIDEO, *PROMPT, given=slow).out.strip()
        done = wanflow("download", task_id, "-o", "out", given=slow)
        assert done.code == 8
        assert f"wanflow wait {task_id} -o out" in done.err


@pytest.mark.parametrize("group", ["ledger", "spec"])
def test_a_group_alone_prints_its_help(group: str, wanflow: Callable[..., CommandResult]) -> None:
    """A group without a command prints its help, with the exit code of a usage error."""
    done = wanflow(group)
    assert done.code == 2
    assert done.err.startswith(f"Usage: wanflow {group}")
    assert "\nCommands:\n" in done.err


@pytest.mark.parametrize("words", [("wait",), ("status",), ("download", "-o", "out")])
@pytest.mark.parametrize("task_id", ["foo", "task_1", "🐈"])
def test_a_wrong_form_of_an_id_is_not_waited_for_again(
    wanflow: Callable[..., CommandResult], words: tuple[str, ...], task_id: str
) -> None:
    """The server has rejected the id, so no command with it is proposed."""
    command, *options = words
    refused = wanflow(command, task_id, *options)
    assert refused.code == 2
    assert "wanflow wait" not in refused.err
    assert "wanflow download" not in refused.err
    assert len(refused.err.strip().splitlines()) == 1
    failed = wanflow(command, task_id, *options, "--json")
    assert "resume" not in failed.events[-1]


def test_a_400_about_a_task_that_the_server_named_keeps_its_way_back(
    wanflow: Callable[..., CommandResult],
) -> None:
    """The task is paid for, so its id is right, whatever the server says of it."""
    rejects = responds(http(400, b'{"error": {"message": "no", "param": "task_id"}}'))
    with MisbehavingServer(post=[task("pending")], get=[rejects]) as server:
        given = {"WANFLOW_BASE_URL": server.url, "WANFLOW_API_KEY": "k"}
        failed = wanflow("run", IMAGE, "--prompt", "x", given=given)
    assert failed.code == 2
    assert f"wanflow wait {ID}" in failed.err
