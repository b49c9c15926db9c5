"""`make demo` leaves what it asked for: the files are opened, and looked at."""

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
from wanflow.mock import MockServer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from wanflow.demo.requests import DemoRequest

KIND_OF = {name: model.kind for name, model in packaged_catalog().models.items()}
# What the mock makes of a request whose model has no size to ask for.
MOCKS_OWN_SIZE = "1280x1280"
WISHES = demo_requests(packaged_catalog().models.values())


@frozen
class Demo:
    """What a run of the demo left: its exit code, what it wrote, and its folder."""

    code: int
    out: str
    err: str
    folder: Path

    @property
    def files(self) -> dict[str, list[Path]]:
        """The files of each model, as the table has them."""
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


def play(folder: Path, *words: str, given: Mapping[str, str], **settings: int) -> Demo:
    done = subprocess.run(
        command(*words),
        cwd=folder,
        env=environment(given),
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
        **({"stdin": subprocess.DEVNULL} | settings),
    )
    assert "Traceback" not in done.stderr, done.stderr
    return Demo(done.returncode, done.stdout, done.stderr, folder)


def begin(
    folder: Path, *words: str, until: str, given: Mapping[str, str], stdin: int = subprocess.DEVNULL
) -> str:
    """Start the demo, and return its stderr up to a line with some words; it ends there."""
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
def typing(text: str) -> Iterator[int]:
    """A terminal on which somebody has typed."""
    ours, theirs = pty.openpty()
    try:
        os.write(ours, text.encode())
        yield theirs
    finally:
        os.close(ours)
        os.close(theirs)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """The demo, run once, behind a proxy that isn't there."""
    nowhere = "http://127.0.0.1:9"
    folder = tmp_path_factory.mktemp("demo")
    done = play(folder, given={"HTTP_PROXY": nowhere, "ALL_PROXY": nowhere, "NO_PROXY": ""})
    assert done.code == 0, done.err
    return done


class TestFiles:
    """The files are there, and are what was asked for."""

    def test_every_model_has_its_files(self, demo: Demo) -> None:
        """Each model has a file, each image model as many as were asked for; no file is left."""
        assert set(demo.files) == set(KIND_OF)
        counts = {wish.model: wish.asked.get("n", 1) for wish in WISHES}
        assert {model: len(paths) for model, paths in demo.files.items()} == counts
        listed = {path for paths in demo.files.values() for path in paths}
        assert listed == set((demo.folder / "out").iterdir())

    @pytest.mark.parametrize("wish", [w for w in WISHES if KIND_OF[w.model] == "image"])
    def test_pictures(self, demo: Demo, wish: DemoRequest) -> None:
        """Each picture is a whole PNG of the size that was asked for."""
        for path in demo.files[wish.model]:
            with Image.open(path) as picture:
                picture.load()
                assert picture.format == "PNG"
                size = wish.asked.get("size", MOCKS_OWN_SIZE)
                assert "x".join(map(str, picture.size)) == size

    @pytest.mark.parametrize("wish", [w for w in WISHES if KIND_OF[w.model] == "video"])
    def test_clips(self, demo: Demo, wish: DemoRequest) -> None:
        """Each clip plays from end to end, as long, as sharp and as wide as was asked for."""
        (path,) = demo.files[wish.model]
        with av.open(path) as clip:
            stream = clip.streams.video[0]
            times = [frame.time for frame in clip.decode(stream) if frame.time is not None]
            assert stream.average_rate
            one = float(1 / stream.average_rate)
            assert len(times) * one == pytest.approx(wish.asked["duration"], abs=one)
            assert times[-1] + one == pytest.approx(wish.asked["duration"], abs=one)
            sides = (stream.width, stream.height)
        assert f"{min(sides)}p" == wish.asked["quality"]
        across, down = map(int, wish.asked.get("aspect_ratio", "16:9").split(":"))
        assert Fraction(*sides) == pytest.approx(Fraction(across, down), rel=0.01)


class TestWords:
    """What it says while it works and at the end."""

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
            views = {wish.model: client.submit(wish.body).snapshot for wish in WISHES}
        assert shown == {model: view.usage["credits_reserved"] for model, view in views.items()}
        assert len(set(shown.values())) > 1

    def test_the_table_fits_a_terminal_of_100_columns(self, demo: Demo) -> None:
        """No row of it wraps there; a file's path is as long as its folder's."""
        rows = [line for line in demo.out.splitlines() if line.split()[:1] and "out/" not in line]
        assert rows
        assert max(map(len, rows)) <= 100

    def test_both_clients_work(self, demo: Demo) -> None:
        """Half of the tasks are done by each client."""
        kinds = re.findall(r"  asked for .*, on the (sync|async) client", demo.out)
        assert len(kinds) == len(KIND_OF)
        assert abs(kinds.count("sync") - kinds.count("async")) <= 1

    def test_progress(self, demo: Demo) -> None:
        """Without a terminal, each task's way from pending to completed is there in lines."""
        assert "\x1b" not in demo.out + demo.err
        for model in KIND_OF:
            words = re.findall(rf"^{re.escape(model)} \(a?sync\) (\w+)", demo.err, re.MULTILINE)
            assert list(dict.fromkeys(words)) == ["pending", "processing", "completed"]

    def test_live(self, tmp_path: Path) -> None:
        """On a terminal there is a bar for every task, all of them at once, redrawn in place."""
        ours, theirs = pty.openpty()
        with subprocess.Popen(
            command(), cwd=tmp_path, env=environment({}), stderr=theirs, stdout=subprocess.DEVNULL
        ) as process:
            os.close(theirs)
            frame = frame_with(ours, {f"{model} (" for model in KIND_OF} | {" processing "})
            process.kill()
        os.close(ours)
        assert sum("\u2501" in line for line in frame.splitlines()) == len(KIND_OF)


def frame_with(terminal: int, words: set[str]) -> str:
    """Read a terminal until one frame of it, between two redraws, has all of some words."""
    text = ""
    while chunk := os.read(terminal, 65536):
        text += chunk.decode()
        for frame in re.split(r"(?:\x1b\[1A\x1b\[2K)+", text)[:-1]:
            if all(word in frame for word in words):
                return frame
    raise AssertionError(text)


class TestCredits:
    """Nobody's credits are spent without their word."""

    def given(self, server: MockServer) -> dict[str, str]:
        return {"WANFLOW_BASE_URL": server.base_url, "WANFLOW_API_KEY": server.api_key}

    def test_without_a_terminal_it_refuses(self, tmp_path: Path) -> None:
        """With both variables set and nobody to ask, it says what it would do, and stops."""
        with MockServer(polls=1) as server:
            done = play(tmp_path, given=self.given(server))
            port = server.port
        assert done.code == 1
        assert "real credits" in done.err
        assert f"127.0.0.1:{port}" in done.err
        assert "--yes" in done.err
        assert list(tmp_path.iterdir()) == []

    def test_yes_on_the_command_line(self, tmp_path: Path) -> None:
        """--yes goes on, there and nowhere else."""
        with MockServer(polls=1) as server:
            begun = begin(tmp_path, "--yes", until=" pending ", given=self.given(server))
        assert "real credits" in begun
        assert "bundled mock" not in begun

    @pytest.mark.parametrize("answer", ["no\n", "y\n", "\n", "yes please\n", "\x04"])
    def test_anything_but_yes_is_no(self, tmp_path: Path, answer: str) -> None:
        """On a terminal it asks, and submits nothing at any other word."""
        with MockServer(polls=1) as server, typing(answer) as terminal:
            done = play(tmp_path, given=self.given(server), stdin=terminal)
        assert done.code == 1
        assert "real credits" in done.err
        assert "Nothing was submitted" in done.err
        assert list(tmp_path.iterdir()) == []

    def test_yes_is_yes(self, tmp_path: Path) -> None:
        """On a terminal, yes goes on."""
        with MockServer(polls=1) as server, typing("yes\n") as terminal:
            given = self.given(server)
            begun = begin(tmp_path, until=" pending ", given=given, stdin=terminal)
        assert "Type yes to continue" in begun

    @pytest.mark.parametrize(
        ("given", "missing"),
        [
            ({"WANFLOW_API_KEY": "sk-mine"}, "WANFLOW_BASE_URL"),
            ({"WANFLOW_BASE_URL": "https://host.example"}, "WANFLOW_API_KEY"),
        ],
    )
    def test_half_a_gateway_is_the_mock(
        self, tmp_path: Path, given: dict[str, str], missing: str
    ) -> None:
        """With one of the two set, it says which is missing, and takes the mock."""
        begun = begin(tmp_path, until="bundled mock is at", given=given)
        assert f"{missing} is not set" in begun
        assert "sk-mine" not in begun

    def test_a_malformed_gateway(self, tmp_path: Path) -> None:
        """A base URL that can't be one is one sentence."""
        given = {"WANFLOW_BASE_URL": "host", "WANFLOW_API_KEY": "sk-mine"}
        done = play(tmp_path, given=given)
        assert done.code == 3
        assert done.err.startswith("wanflow: base URL 'host'")


class TestWishes:
    """What is asked for comes of the documents, and can be seen."""

    def test_every_wish_is_valid(self) -> None:
        """No request breaks a rule."""
        assert WISHES
        for wish in WISHES:
            model = packaged_catalog().models[wish.model]
            assert packaged_validator().violations(model, wish.body) == []

    def test_what_can_be_seen_is_asked_for(self) -> None:
        """Size, number, duration, quality and ratio are asked for where a model has them."""
        visible = {"size", "n", "duration", "quality", "aspect_ratio"}
        for wish in WISHES:
            parameters = packaged_catalog().models[wish.model].parameters
            assert visible & parameters.keys() <= wish.asked.keys()

    def test_no_two_of_a_kind_ask_for_the_same(self) -> None:
        """The files of one kind can be told apart by what they are."""
        for kind in set(KIND_OF.values()):
            asked = [repr(wish.asked) for wish in WISHES if KIND_OF[wish.model] == kind]
            assert len(set(asked)) == len(asked)


class TestTrouble:
    """What goes wrong is in the table, or told at once."""

    def test_a_refused_key(self, tmp_path: Path) -> None:
        """Each task that failed has its error in the table, and the demo doesn't end well."""
        with MockServer(api_key="sk-right") as server:
            given = {"WANFLOW_BASE_URL": server.base_url, "WANFLOW_API_KEY": "sk-mistaken"}
            done = play(tmp_path, "--yes", given=given)
        assert done.code == 1
        rows = done.out.splitlines()
        assert len([row for row in rows if "not submitted" in row]) == len(KIND_OF)
        assert len([row for row in rows if row.startswith("  the API answered 401")]) == len(
            KIND_OF
        )
        assert "sk-mistaken" not in done.out + done.err

    def test_interrupted_at_a_gateway(self, tmp_path: Path) -> None:
        """Ctrl-C names each task that was charged, and how to get what it makes."""
        with MockServer(polls=99) as server:
            given = {"WANFLOW_BASE_URL": server.base_url, "WANFLOW_API_KEY": server.api_key}
            err = interrupted(tmp_path, "--yes", given=given)
        assert len(re.findall(r"^  wanflow wait task-unified-\S+ -o out$", err, re.M)) == len(
            KIND_OF
        )

    def test_interrupted_at_the_mock(self, tmp_path: Path) -> None:
        """With the mock, nothing is left to be taken up."""
        err = interrupted(tmp_path, given={})
        assert err.splitlines()[-1] == "interrupted"


def interrupted(folder: Path, *words: str, given: Mapping[str, str]) -> str:
    """Press Ctrl-C when every task is under way, and return the demo's stderr."""
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
