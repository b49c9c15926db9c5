"""`make demo` creates the requested files: they are opened and checked."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
from contextlib import contextmanager
from fractions import Fraction
from typing import TYPE_CHECKING

import av
import pytest
from attrs import frozen
from PIL import Image

from wanflow import Client
from wanflow.catalog.catalog import packaged_catalog
from wanflow.catalog.validator import packaged_validator
from wanflow.demo.requests import demo_requests
from wanflow.ledger import Ledger
from wanflow.mock import MockServer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from wanflow.demo.requests import DemoRequest

pytestmark = pytest.mark.processes

KIND_OF = {name: model.kind for name, model in packaged_catalog().models.items()}
# The size of the mock's images if the model has no parameter for it.
DEFAULT_SIZE = "1280x1280"
REQUESTS = demo_requests(packaged_catalog().models.values())


@frozen
class Demo:
    """The result of a run of the demo: its exit code, its output and its directory."""

    code: int
    out: str
    err: str
    folder: Path

    @property
    def files(self) -> dict[str, list[Path]]:
        """The files of each model, as listed in the table."""
        found: dict[str, list[Path]] = {}
        model = ""
        for line in self.out.splitlines():
            first = line.split()[:1]
            if first and first[0] in KIND_OF:
                model = first[0]
            elif model and line.startswith("  out/"):
                found.setdefault(model, []).append(self.folder / line.strip())
        return found


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "wanflow.demo", *words]


def environment(given: Mapping[str, str]) -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if not k.startswith("WANFLOW_")} | dict(given)


def run_demo(folder: Path, *words: str, given: Mapping[str, str], **settings: int) -> Demo:
    done = subprocess.run(
        command(*words),
        cwd=folder,
        env=environment(given),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        **({"stdin": subprocess.DEVNULL} | settings),
    )
    assert "Traceback" not in done.stderr, done.stderr
    return Demo(done.returncode, done.stdout, done.stderr, folder)


def start_until(
    folder: Path, *words: str, until: str, given: Mapping[str, str], stdin: int = subprocess.DEVNULL
) -> str:
    """Start the demo, kill it at a line with a given text, and return its stderr so far."""
    lines: list[str] = []
    with subprocess.Popen(
        command(*words),
        cwd=folder,
        env=environment(given),
        stdin=stdin,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            lines.append(line)
            if until in line:
                break
        process.kill()
    assert until in "".join(lines)
    return "".join(lines)


@contextmanager
def terminal_with(text: str) -> Iterator[int]:
    """Yield a pseudo-terminal with some input."""
    terminal, other_end = pty.openpty()
    try:
        os.write(terminal, text.encode())
        yield other_end
    finally:
        os.close(terminal)
        os.close(other_end)


@pytest.fixture(autouse=True)
def data_directory(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A data directory of this test: no demo writes to the user's ledger."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("data")))


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """The demo, run once, with a proxy that doesn't exist."""
    nowhere = "http://127.0.0.1:9"
    folder = tmp_path_factory.mktemp("demo")
    done = run_demo(folder, given={"HTTP_PROXY": nowhere, "ALL_PROXY": nowhere, "NO_PROXY": ""})
    assert done.code == 0, done.err
    return done


class TestFiles:
    """The files exist, and are what was requested."""

    def test_every_model_has_its_files(self, demo: Demo) -> None:
        """Each model has the requested number of files, and there is no other file."""
        assert set(demo.files) == set(KIND_OF)
        counts = {requested.model: requested.asked.get("n", 1) for requested in REQUESTS}
        assert {model: len(paths) for model, paths in demo.files.items()} == counts
        listed = {path for paths in demo.files.values() for path in paths}
        assert listed == set((demo.folder / "out").iterdir())

    @pytest.mark.parametrize("requested", [w for w in REQUESTS if KIND_OF[w.model] == "image"])
    def test_images(self, demo: Demo, requested: DemoRequest) -> None:
        """Each image is a complete PNG of the requested size."""
        for path in demo.files[requested.model]:
            with Image.open(path) as picture:
                picture.load()
                assert picture.format == "PNG"
                size = requested.asked.get("size", DEFAULT_SIZE)
                assert "x".join(map(str, picture.size)) == size

    @pytest.mark.parametrize("requested", [w for w in REQUESTS if KIND_OF[w.model] == "video"])
    def test_videos(self, demo: Demo, requested: DemoRequest) -> None:
        """Each video can be decoded, with the requested duration, quality and aspect ratio."""
        (path,) = demo.files[requested.model]
        with av.open(path) as clip:
            stream = clip.streams.video[0]
            times = [frame.time for frame in clip.decode(stream) if frame.time is not None]
            assert stream.average_rate
            one = float(1 / stream.average_rate)
            assert len(times) * one == pytest.approx(requested.asked["duration"], abs=one)
            assert times[-1] + one == pytest.approx(requested.asked["duration"], abs=one)
            sides = (stream.width, stream.height)
        assert f"{min(sides)}p" == requested.asked["quality"]
        across, down = map(int, requested.asked.get("aspect_ratio", "16:9").split(":"))
        assert Fraction(*sides) == pytest.approx(Fraction(across, down), rel=0.01)


class TestOutput:
    """What the demo prints while it runs and at the end."""

    def test_table(self, demo: Demo) -> None:
        """The table has model, task id, status, seconds and the credits reserved of every task."""
        rows = [
            line
            for line in demo.out.splitlines()
            if line.split()[:1][0:1] and line.split()[0] in KIND_OF
        ]
        pattern = r"(\S+)  +task-unified-\S+  +completed  +\d+\.\d  +(\d+(?:\.\d+)?)"
        matches = [re.fullmatch(pattern, row) for row in rows]
        assert all(matches)
        shown = {match[1]: float(match[2]) for match in matches if match}
        with MockServer() as mock, Client(mock.api_key, mock.base_url) as client:
            views = {
                requested.model: client.submit(requested.body).snapshot for requested in REQUESTS
            }
        assert shown == {model: view.usage["credits_reserved"] for model, view in views.items()}
        assert len(set(shown.values())) > 1

    def test_the_table_fits_a_terminal_of_100_columns(self, demo: Demo) -> None:
        """No row is wider, except those with the path of a file."""
        rows = [line for line in demo.out.splitlines() if line.split()[:1] and "out/" not in line]
        assert rows
        assert max(map(len, rows)) <= 100

    def test_both_clients_work(self, demo: Demo) -> None:
        """Each client runs half of the tasks."""
        kinds = re.findall(r"  asked for .*, on the (sync|async) client", demo.out)
        assert len(kinds) == len(KIND_OF)
        assert abs(kinds.count("sync") - kinds.count("async")) <= 1

    def test_progress(self, demo: Demo) -> None:
        """Without a terminal, each change of a task's status is a line."""
        assert "\x1b" not in demo.out + demo.err
        for model in KIND_OF:
            words = re.findall(rf"^{re.escape(model)} \(a?sync\) (\w+)", demo.err, re.MULTILINE)
            assert list(dict.fromkeys(words)) == ["pending", "processing", "completed"]

    def test_live(self, tmp_path: Path) -> None:
        """On a terminal there is a progress bar for every task, and all are updated in place."""
        terminal, other_end = pty.openpty()
        with subprocess.Popen(
            command(),
            cwd=tmp_path,
            env=environment({}),
            stderr=other_end,
            stdout=subprocess.DEVNULL,
        ) as process:
            os.close(other_end)
            frame = frame_with(terminal, {f"{model} (" for model in KIND_OF} | {" processing "})
            process.kill()
        os.close(terminal)
        assert sum("\u2501" in line for line in frame.splitlines()) == len(KIND_OF)


def frame_with(terminal: int, words: set[str]) -> str:
    """Read a terminal until one frame, between two redraws, contains all given words."""
    text = ""
    while chunk := os.read(terminal, 65536):
        text += chunk.decode()
        for frame in re.split(r"(?:\x1b\[1A\x1b\[2K)+", text)[:-1]:
            if all(word in frame for word in words):
                return frame
    raise AssertionError(text)


class TestCredits:
    """No credits are spent without a confirmation."""

    def given(self, server: MockServer) -> dict[str, str]:
        return {"WANFLOW_BASE_URL": server.base_url, "WANFLOW_API_KEY": server.api_key}

    def test_without_a_terminal_it_stops(self, tmp_path: Path) -> None:
        """With both variables set and no terminal, it prints what it would do, and stops."""
        with MockServer(polls=1) as server:
            done = run_demo(tmp_path, given=self.given(server))
            port = server.port
        assert done.code == 1
        assert "real credits" in done.err
        assert f"127.0.0.1:{port}" in done.err
        assert "--yes" in done.err
        assert list(tmp_path.iterdir()) == []

    def test_yes_on_the_command_line(self, tmp_path: Path) -> None:
        """With --yes it continues, with the configured gateway."""
        with MockServer(polls=1) as server:
            begun = start_until(tmp_path, "--yes", until=" pending ", given=self.given(server))
        assert "real credits" in begun
        assert "bundled mock" not in begun

    @pytest.mark.parametrize(
        "answer",  # each is a process of its own
        [
            "y\n",
            "\x04",
            *(pytest.param(one, marks=pytest.mark.slow) for one in ("no\n", "\n", "yes please\n")),
        ],
    )
    def test_anything_but_yes_is_no(self, tmp_path: Path, answer: str) -> None:
        """On a terminal it asks, and submits nothing after any other answer."""
        with MockServer(polls=1) as server, terminal_with(answer) as terminal:
            done = run_demo(tmp_path, given=self.given(server), stdin=terminal)
        assert done.code == 1
        assert "real credits" in done.err
        assert "Nothing was submitted" in done.err
        assert list(tmp_path.iterdir()) == []

    def test_what_it_may_have_paid_for_is_in_the_ledger(self, tmp_path: Path) -> None:
        """Nothing else would remember a task whose response was lost."""
        with MockServer(polls=1) as server:
            server.faults.add("lost-response")
            done = run_demo(tmp_path, "--yes", given=self.given(server))
            paid = len(server.gateway.tasks)
        with Ledger() as ledger:
            jobs = ledger.jobs()
        assert done.code == 1
        assert [job.uncertain for job in jobs] == [True] * paid
        assert {job.model for job in jobs} == set(KIND_OF)

    def test_a_directory_that_cannot_be_written_is_an_error_before_anything_is_paid(
        self, tmp_path: Path
    ) -> None:
        (tmp_path / "file").touch()
        with MockServer(polls=1) as server:
            done = run_demo(tmp_path, "--yes", "-o", "file/out", given=self.given(server))
            assert len(server.gateway.tasks) == 0
        assert done.code == 3
        assert "can't be written: Not a directory; nothing was sent" in done.err

    def test_yes_is_yes(self, tmp_path: Path) -> None:
        """On a terminal, it continues after yes."""
        with MockServer(polls=1) as server, terminal_with("yes\n") as terminal:
            given = self.given(server)
            begun = start_until(tmp_path, until=" pending ", given=given, stdin=terminal)
        assert "Type yes to continue" in begun

    @pytest.mark.parametrize(
        ("given", "missing"),
        [
            ({"WANFLOW_API_KEY": "sk-mine"}, "WANFLOW_BASE_URL"),
            ({"WANFLOW_BASE_URL": "https://host.example"}, "WANFLOW_API_KEY"),
        ],
    )
    def test_an_incomplete_gateway_means_the_mock(
        self, tmp_path: Path, given: dict[str, str], missing: str
    ) -> None:
        """With one of the two variables set, it names the missing one, and uses the mock."""
        begun = start_until(tmp_path, until="bundled mock is at", given=given)
        assert f"{missing} is not set" in begun
        assert "sk-mine" not in begun

    def test_a_malformed_gateway(self, tmp_path: Path) -> None:
        """An invalid base URL is an error message."""
        given = {"WANFLOW_BASE_URL": "host", "WANFLOW_API_KEY": "sk-mine"}
        done = run_demo(tmp_path, given=given)
        assert done.code == 3
        assert done.err.startswith("wanflow: base URL 'host'")


class TestRequests:
    """The requests come from the spec, and their effects are visible."""

    def test_every_request_is_valid(self) -> None:
        """No request violates a constraint."""
        assert REQUESTS
        for requested in REQUESTS:
            model = packaged_catalog().models[requested.model]
            assert packaged_validator().violations(model, requested.body) == []

    def test_visible_parameters_are_requested(self) -> None:
        """Size, number, duration, quality and ratio are set if a model has them."""
        visible = {"size", "n", "duration", "quality", "aspect_ratio"}
        for requested in REQUESTS:
            parameters = packaged_catalog().models[requested.model].parameters
            assert visible & parameters.keys() <= requested.asked.keys()

    def test_no_two_requests_of_a_kind_are_equal(self) -> None:
        """The files of one kind can be distinguished."""
        for kind in set(KIND_OF.values()):
            asked = [
                repr(requested.asked) for requested in REQUESTS if KIND_OF[requested.model] == kind
            ]
            assert len(set(asked)) == len(asked)


class TestErrors:
    """Errors are in the table, or are printed immediately."""

    def test_a_rejected_key(self, tmp_path: Path) -> None:
        """Each failed task has its error in the table, and the exit code isn't 0."""
        with MockServer(api_key="sk-right") as server:
            given = {"WANFLOW_BASE_URL": server.base_url, "WANFLOW_API_KEY": "sk-mistaken"}
            done = run_demo(tmp_path, "--yes", given=given)
        assert done.code == 1
        rows = done.out.splitlines()
        assert len([row for row in rows if "not submitted" in row]) == len(KIND_OF)
        assert len([row for row in rows if row.startswith("  the API answered 401")]) == len(
            KIND_OF
        )
        assert "sk-mistaken" not in done.out + done.err

    def test_interrupted_at_a_gateway(self, tmp_path: Path) -> None:
        """After Ctrl-C, each charged task is printed with the command to get its result."""
        with MockServer(polls=99) as server:
            given = {"WANFLOW_BASE_URL": server.base_url, "WANFLOW_API_KEY": server.api_key}
            err = interrupted(tmp_path, "--yes", given=given)
        assert len(re.findall(r"^  wanflow wait task-unified-\S+ -o out$", err, re.M)) == len(
            KIND_OF
        )

    def test_interrupted_at_the_mock(self, tmp_path: Path) -> None:
        """With the mock, there is nothing to resume."""
        err = interrupted(tmp_path, given={})
        assert err.splitlines()[-1] == "interrupted"


def interrupted(folder: Path, *words: str, given: Mapping[str, str]) -> str:
    """Press Ctrl-C when every task is running, and return the demo's stderr."""
    lines: list[str] = []
    with subprocess.Popen(
        command(*words), cwd=folder, env=environment(given), stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        while len({line.split()[0] for line in lines if " processing " in line}) < len(KIND_OF):
            lines.append(process.stderr.readline())
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
    assert process.returncode == 130, rest
    assert "Traceback" not in rest
    return "".join(lines) + rest
