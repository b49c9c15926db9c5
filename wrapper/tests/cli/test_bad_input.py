"""What the commands say when something is wrong: a sentence, a code, and no traceback."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from tests.cli.helpers import FROM_IMAGE, IMAGE, VIDEO
from wanflow.mock import MockServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.cli.helpers import Ended

PROMPT = ("--prompt", "A cat")
URL = ("--image-url", "https://host.example/a.png")


@pytest.fixture
def nobody() -> Iterator[str]:
    """A URL that nobody answers at: its port is bound, and not listened on."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}/apiv1"


# The words, the exit code, and what the sentence has to name.
SLIPS: list[tuple[tuple[str, ...], int, tuple[str, ...]]] = [
    (("rnu",), 2, ("'rnu'", "run, submit")),
    (("--frobnicate",), 2, ("--frobnicate",)),
    (("run",), 2, ("model", VIDEO, "--request")),
    (("run", "wan2.5-text-to-vidio", *PROMPT), 2, (f"did you mean {VIDEO}",)),
    (("models", "wan2.5-text-to-vidio"), 2, (f"did you mean {VIDEO}",)),
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
        ("image_urls[0]", "uri", "upload the file"),
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
    ("words", "code", "named"), SLIPS, ids=[" ".join(words) for words, _, _ in SLIPS]
)
def test_a_slip_gets_a_sentence(
    wanflow: Callable[..., Ended], words: tuple[str, ...], code: int, named: tuple[str, ...]
) -> None:
    """The last words on stderr name what was wrong and what is allowed; stdout stays empty."""
    done = wanflow(*words)
    assert done.code == code, done.err
    assert done.out == ""
    sentence = done.err[done.err.index("wanflow: ") :]
    assert [word for word in named if word not in sentence] == []
    first, *rest = sentence.splitlines()
    assert all(line.startswith("  - ") for line in rest)
    assert bool(rest) == first.endswith("rules are broken:")


@pytest.mark.parametrize("words", [words for words, _, _ in SLIPS if words[0] == "run"])
def test_a_slip_is_an_event_for_programs(
    wanflow: Callable[..., Ended], words: tuple[str, ...]
) -> None:
    """With --json the last event is the error, with its kind and the exit code."""
    done = wanflow(*words[:1], "--json", *words[1:])
    event = done.events[-1]
    assert event["event"] == "error"
    assert event["exit_code"] == done.code != 0
    assert event["kind"]
    assert event["message"]


def test_all_that_is_wrong_is_told(wanflow: Callable[..., Ended]) -> None:
    """Several broken rules are all listed, as lines and as violations."""
    words = ("--duration", "7", "--quality", "4k", "--aspect-ratio", "2:1")
    done = wanflow("run", VIDEO, *words, "--json")
    assert done.code == 2
    parameters = {"prompt", "duration", "quality", "aspect_ratio"}
    assert {line.split()[1] for line in done.err.splitlines()[1:]} == parameters
    (event,) = done.events
    assert {broken["pointer"] for broken in event["violations"]} == {f"/{p}" for p in parameters}


class TestSurroundings:
    """What is wrong outside the request."""

    def test_no_key(self, wanflow: Callable[..., Ended], server: object) -> None:
        """A missing key is told with both ways to give it."""
        done = wanflow("run", VIDEO, *PROMPT, given={})
        assert done.code == 3
        assert "WANFLOW_API_KEY" in done.err
        assert "--api-key-file" in done.err

    def test_key_file(self, wanflow: Callable[..., Ended], tmp_path: Path, api_key: str) -> None:
        """A key in a file does as well as one in the environment, and wins over it."""
        path = tmp_path / "key"
        path.write_text(f"{api_key}\n")
        assert wanflow("run", VIDEO, *PROMPT, "--api-key-file", str(path)).code == 0
        path.write_text("a key with spaces")
        done = wanflow("run", VIDEO, *PROMPT, "--api-key-file", str(path))
        assert done.code == 3
        assert "a key with" not in done.err

    @pytest.mark.parametrize("command", ["status", "wait"])
    def test_unreachable(self, wanflow: Callable[..., Ended], nobody: str, command: str) -> None:
        """A server that isn't there is told of at once, and how to go on."""
        done = wanflow(command, "task-unified-1-a", "--base-url", nobody)
        assert done.code == 9
        assert "refused" in done.err
        assert f"wanflow wait task-unified-1-a --base-url {nobody}" in done.err

    def test_folder_instead_of_file(self, wanflow: Callable[..., Ended], tmp_path: Path) -> None:
        """A file where a folder is wanted is told before anything is paid for."""
        (tmp_path / "taken").write_text("")
        done = wanflow("run", VIDEO, *PROMPT, "-o", str(tmp_path / "taken"))
        assert done.code == 2
        assert "not a directory" in done.err
        assert "task-" not in done.err

    @pytest.mark.parametrize("text", ["{", "[]", "3", '"x"', "\x00", "[" * 100_000])
    def test_request_that_is_none(self, wanflow: Callable[..., Ended], text: str) -> None:
        """A whole request has to be a JSON object."""
        done = wanflow("run", "--request", "-", stdin=text)
        assert done.code == 2
        assert "JSON" in done.err

    def test_stray_parameter_in_a_request(self, wanflow: Callable[..., Ended]) -> None:
        """A parameter that no model takes is told with the option that would pass it."""
        request = f'{{"model": "{VIDEO}", "prompt": "x", "promt": "y"}}'
        done = wanflow("run", "--request", "-", stdin=request)
        assert done.code == 2
        assert "did you mean prompt?" in done.err
        assert "--extra NAME=JSON" in done.err

    def test_request_for_another_model(self, wanflow: Callable[..., Ended]) -> None:
        """A request for one model isn't sent to another."""
        request = f'{{"model": "{VIDEO}", "prompt": "x"}}'
        done = wanflow("run", IMAGE, "--request", "-", stdin=request)
        assert done.code == 2
        assert VIDEO in done.err


@pytest.fixture(scope="module")
def slow() -> Iterator[dict[str, str]]:
    """What is exported for a mock whose tasks take many looks."""
    with MockServer(polls=99) as server:
        yield {"WANFLOW_BASE_URL": server.base_url, "WANFLOW_API_KEY": server.api_key}


class TestNotEndedYet:
    """A task that still runs is nobody's fault: the command says how to go on."""

    def test_run(self, wanflow: Callable[..., Ended], slow: dict[str, str]) -> None:
        """A wait whose time is up ends with the command that goes on waiting."""
        words = ("run", VIDEO, *PROMPT, "--timeout", "0", "-o", "my out", "--json")
        done = wanflow(*words, given=slow)
        assert done.code == 8
        assert "is still running (status: processing)" in done.err
        event = done.events[-1]
        assert event["resume"] == f"wanflow wait {event['task_id']} -o 'my out'"
        assert f"\n  {event['resume']}\n" in done.err

    def test_download(self, wanflow: Callable[..., Ended], slow: dict[str, str]) -> None:
        """`download` doesn't wait; it says how to."""
        task_id = wanflow("submit", VIDEO, *PROMPT, given=slow).out.strip()
        done = wanflow("download", task_id, "-o", "out", given=slow)
        assert done.code == 8
        assert f"wanflow wait {task_id} -o out" in done.err


@pytest.mark.parametrize("group", ["ledger", "spec"])
def test_a_group_alone_prints_its_help(group: str, wanflow: Callable[..., Ended]) -> None:
    """Line by line, as `wanflow` alone does, with the code of a command that is none."""
    done = wanflow(group)
    assert done.code == 2
    assert done.err.startswith(f"Usage: wanflow {group}")
    assert "\nCommands:\n" in done.err
