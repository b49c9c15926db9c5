"""The commands without errors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.helpers import FROM_IMAGE, IMAGE, VIDEO
from wanflow.catalog.catalog import packaged_catalog

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cli.helpers import CommandResult


class TestRun:
    """`wanflow run` submits, waits and downloads."""

    def test_files(self, wanflow: Callable[..., CommandResult], tmp_path: Path) -> None:
        """stdout has only the paths of the files, one per line."""
        out = tmp_path / "new" / "folder"
        done = wanflow("run", IMAGE, "--prompt", "A lake", "--n", "2", "-o", str(out))
        assert done.code == 0, done.err
        paths = [Path(line) for line in done.out.splitlines()]
        assert len(paths) == 2
        assert set(paths) == set(out.iterdir())
        assert {path.read_bytes()[:4] for path in paths} == {b"\x89PNG"}

    def test_paths_are_printed_unchanged(
        self, wanflow: Callable[..., CommandResult], tmp_path: Path
    ) -> None:
        """A path on stdout is the path of the file, with any directory name."""
        out = tmp_path / "zwei  Räume\u00a0\u200b\u3000"
        done = wanflow("run", IMAGE, "--prompt", "A lake", "-o", str(out))
        assert Path(done.out.removesuffix("\n")).exists()

    def test_progress_is_on_stderr(self, wanflow: Callable[..., CommandResult]) -> None:
        """Progress is on stderr, with the task's id from the start."""
        lines = wanflow("run", VIDEO, "--prompt", "A cat").err.splitlines()
        task_id = lines[0].rpartition(" ")[2]
        assert task_id.startswith("task-unified-")
        assert f"{task_id} pending 0 %" in [" ".join(line.split()) for line in lines]

    def test_links(self, wanflow: Callable[..., CommandResult]) -> None:
        """Without a directory the URLs are printed, with a note on how long they work."""
        done = wanflow("run", VIDEO, "--prompt", "A cat")
        assert done.out.startswith("http://127.0.0.1:")
        assert "24 hours" in done.err

    def test_json(self, wanflow: Callable[..., CommandResult], tmp_path: Path) -> None:
        """With --json each event is a line: submitted, update, completed, saved."""
        done = wanflow("run", VIDEO, "--prompt", "A cat", "--json", "-o", str(tmp_path / "out"))
        events = done.events
        assert [event["event"] for event in events][:1] == ["submitted"]
        assert [event["event"] for event in events][-2:] == ["completed", "saved"]
        assert len({event["task_id"] for event in events}) == 1
        assert events[0]["usage"]["credits_reserved"] > 0
        assert events[-2]["urls"]
        assert Path(events[-1]["path"]).exists()

    @pytest.mark.parametrize("source", ["file", "stdin"])
    def test_whole_request(
        self, wanflow: Callable[..., CommandResult], tmp_path: Path, source: str
    ) -> None:
        """A whole request comes from a file or from stdin, and needs no model beside it."""
        text = json.dumps({"model": IMAGE, "prompt": "A lake"})
        (tmp_path / "request.json").write_text(text)
        name = "-" if source == "stdin" else str(tmp_path / "request.json")
        done = wanflow("run", "--request", name, stdin=text if source == "stdin" else None)
        assert done.code == 0, done.err
        assert done.out.endswith(".png\n")

    def test_every_model(self, wanflow: Callable[..., CommandResult]) -> None:
        """The documents' own example of each model runs."""
        catalog = packaged_catalog()
        assert len(catalog.models) >= 5
        for model in catalog.models.values():
            done = wanflow("run", "--request", "-", stdin=json.dumps(model.example))
            assert done.code == 0, (model.name, done.err)
            assert done.out

    def test_options_before_the_model(self, wanflow: Callable[..., CommandResult]) -> None:
        """Options that every model has may come before its name; those after it win."""
        done = wanflow("run", "--json", "--timeout", "nonsense", VIDEO)
        assert done.code == 2
        done = wanflow("run", "--json", VIDEO, "--prompt", "A cat")
        assert done.events[0]["event"] == "submitted"


class TestTaskById:
    """A task is resumed by its id, from any process."""

    def submitted(self, wanflow: Callable[..., CommandResult]) -> str:
        done = wanflow("submit", VIDEO, "--prompt", "A cat")
        assert done.code == 0, done.err
        (line,) = done.out.splitlines()
        return line

    def test_submit_prints_the_id(self, wanflow: Callable[..., CommandResult]) -> None:
        """`submit` prints only the id on stdout."""
        assert self.submitted(wanflow).startswith("task-unified-")

    def test_submit_json(self, wanflow: Callable[..., CommandResult]) -> None:
        """With --json it is one event, with what was reserved."""
        (event,) = wanflow("submit", VIDEO, "--prompt", "A cat", "--json").events
        assert event["event"] == "submitted"
        assert event["task_id"].startswith("task-unified-")
        assert event["usage"]["credits_reserved"] > 0

    def test_status(self, wanflow: Callable[..., CommandResult]) -> None:
        """`status` prints the status, and the URLs of a completed task."""
        task_id = self.submitted(wanflow)
        first, link = wanflow("status", task_id).out.splitlines()
        assert first == f"{task_id}  completed"
        assert link.endswith(".mp4")

    def test_wait(self, wanflow: Callable[..., CommandResult], tmp_path: Path) -> None:
        """`wait` saves the files."""
        task_id = self.submitted(wanflow)
        done = wanflow("wait", task_id, "-o", str(tmp_path / "out"))
        assert done.code == 0, done.err
        assert done.out == f"{tmp_path}/out/{task_id}.mp4\n"

    def test_wait_json(self, wanflow: Callable[..., CommandResult], tmp_path: Path) -> None:
        """With --json the events have the end and the files, also of a task that ended before."""
        task_id = self.submitted(wanflow)
        for _ in range(2):
            events = wanflow("wait", task_id, "--json", "-o", str(tmp_path)).events
            assert [event["event"] for event in events][-2:] == ["completed", "saved"]
        (completed,) = wanflow("wait", task_id, "--json").events
        assert completed["urls"]

    def test_download(self, wanflow: Callable[..., CommandResult], tmp_path: Path) -> None:
        """`download` saves the files of a task that has ended."""
        task_id = self.submitted(wanflow)
        done = wanflow("download", task_id, "-o", str(tmp_path / "out"))
        assert done.code == 0, done.err
        assert Path(done.out.strip()).stat().st_size > 0

    def test_json_status(self, wanflow: Callable[..., CommandResult]) -> None:
        """With --json `status` prints one event."""
        (event,) = wanflow("status", self.submitted(wanflow), "--json").events
        assert (event["event"], event["status"]) == ("status", "completed")


class TestDryRun:
    """A dry run shows what would be sent, and sends nothing."""

    def test_shows_the_request(self, wanflow: Callable[..., CommandResult], tmp_path: Path) -> None:
        """The output has method, URL, headers and body, but not the key."""
        key = "sk-very-secret"
        given = {"WANFLOW_BASE_URL": "https://host.example/base", "WANFLOW_API_KEY": key}
        done = wanflow("run", VIDEO, "--prompt", "Ein Büffel 🐃", "--dry-run", given=given)
        head, _, body = done.out.partition("\n\n")
        assert head.splitlines()[0] == "POST https://host.example/base/v1/videos/generations"
        assert "idempotency-key: " in head
        assert json.loads(body) == {"model": VIDEO, "prompt": "Ein Büffel 🐃"}
        assert key not in done.out + done.err

    def test_needs_no_key(self, wanflow: Callable[..., CommandResult]) -> None:
        """It needs no key, and with --json prints one object."""
        words = ("submit", VIDEO, "--prompt", "A cat", "--dry-run", "--json")
        (event,) = wanflow(*words, given={}).events
        assert event["event"] == "dry_run"
        assert event["body"]["prompt"] == "A cat"

    def test_checks_the_rules(self, wanflow: Callable[..., CommandResult]) -> None:
        """It validates the request like a submission."""
        assert wanflow("run", VIDEO, "--prompt", "A cat", "--duration", "7", "--dry-run").code == 2

    def body(self, wanflow: Callable[..., CommandResult], *words: str) -> dict[str, Any]:
        (event,) = wanflow("submit", *words, "--dry-run", "--json").events
        body: dict[str, Any] = event["body"]
        return body

    def test_types(self, wanflow: Callable[..., CommandResult]) -> None:
        """Arguments become JSON as the schema requires: lists, objects, numbers and booleans."""
        words = ("--prompt", "5", "--image-url", "https://h.example/a.png", "--duration", "15")
        more = ("--prompt-extend", "false", "--model-params.shot-type", "multi")
        assert self.body(wanflow, FROM_IMAGE, *words, *more) == {
            "model": FROM_IMAGE,
            "prompt": "5",
            "image_urls": ["https://h.example/a.png"],
            "duration": 15,
            "prompt_extend": False,
            "model_params": {"shot_type": "multi"},
        }

    def test_flag(self, wanflow: Callable[..., CommandResult]) -> None:
        """A boolean option without a value means true."""
        assert self.body(wanflow, VIDEO, "--prompt-extend", "--prompt", "x")["prompt_extend"]

    def test_json_words(self, wanflow: Callable[..., CommandResult]) -> None:
        """Lists and objects may come as JSON, and single fields are added to an object."""
        words = ("--prompt", "x", "--image-urls", '["https://h.example/a.png"]')
        more = ("--model-params", '{"a": [1]}', "--model-params.shot-type", "single")
        body = self.body(wanflow, FROM_IMAGE, *words, *more, "--no-validate")
        assert body["image_urls"] == ["https://h.example/a.png"]
        assert body["model_params"] == {"a": [1], "shot_type": "single"}

    def test_extra(self, wanflow: Callable[..., CommandResult]) -> None:
        """--extra passes fields that the spec doesn't have, as JSON."""
        words = (VIDEO, "--prompt", "x", "--extra", "seed=7", "--extra", 'style={"a":"b"}')
        body = self.body(wanflow, *words)
        assert (body["seed"], body["style"]) == (7, {"a": "b"})

    def test_no_validate(self, wanflow: Callable[..., CommandResult]) -> None:
        """--no-validate sends an invalid value unchanged."""
        body = self.body(wanflow, VIDEO, "--prompt", "x", "--duration", "7", "--no-validate")
        assert body["duration"] == 7

    def test_options_take_precedence_over_the_file(
        self, wanflow: Callable[..., CommandResult], tmp_path: Path
    ) -> None:
        """Options replace the values of the request file."""
        path = tmp_path / "request.json"
        path.write_text(json.dumps({"prompt": "old", "duration": 10}))
        body = self.body(wanflow, VIDEO, "--request", str(path), "--prompt", "new")
        assert body == {"model": VIDEO, "prompt": "new", "duration": 10}


class TestModels:
    """`wanflow models` lists the models without a request."""

    def test_table(self, wanflow: Callable[..., CommandResult]) -> None:
        """Each model has a line with its kind and parameters, the optional ones in brackets."""
        lines = wanflow("models", given={}).out.splitlines()
        names = list(packaged_catalog().models)
        assert [line.split()[0] for line in lines] == names
        (video,) = [line for line in lines if line.startswith(VIDEO)]
        assert video.split()[1:3] == ["video", "prompt"]
        assert "[duration]" in video

    def test_json(self, wanflow: Callable[..., CommandResult]) -> None:
        """With --json each model is an object with the schemas of its parameters."""
        events = wanflow("models", "--json", given={}).events
        assert [event["model"] for event in events] == list(packaged_catalog().models)
        assert all(set(event["required"]) <= set(event["parameters"]) for event in events)

    def test_one_model(self, wanflow: Callable[..., CommandResult]) -> None:
        """One model comes with each parameter, and a command that runs its example."""
        text = wanflow("models", FROM_IMAGE, given={}).out
        model = packaged_catalog().models[FROM_IMAGE]
        assert all(f"{name} " in text for name in model.parameters)
        assert "model_params.shot_type [single|multi]" in text
        assert "wanflow run --request -" in text

    def test_limits_of_a_size(self, wanflow: Callable[..., CommandResult]) -> None:
        """The limits of a size are shown as in the spec."""
        sized = [
            (model.name, name, schema["x-wanflow-pixel-size"])
            for model in packaged_catalog().models.values()
            for name, schema in model.parameters.items()
            if "x-wanflow-pixel-size" in schema
        ]
        assert sized
        for model, name, bounds in sized:
            text = " ".join(wanflow("models", model, given={}).out.split())
            assert f"{name} TEXT" in text
            assert f"{bounds['minimumPixels']} to {bounds['maximumPixels']} pixels" in text
            assert f"from {bounds['minimumRatio']:g} to {bounds['maximumRatio']:g}" in text


class TestHelp:
    """The help is generated from the spec."""

    def test_options_of_a_model(self, wanflow: Callable[..., CommandResult]) -> None:
        """It lists the model's options with choices, ranges, defaults and what they mean."""
        text = " ".join(wanflow("run", VIDEO, "--help", given={}).out.split())
        assert "--duration [5|10]" in text
        assert "--quality [480p|720p|1080p]" in text
        assert "Video quality, defaults to 720p [default: 720p]" in text
        assert "required]" in text
        image = " ".join(wanflow("run", IMAGE, "--help", given={}).out.split())
        assert "--n INTEGER 1..4" in image

    def test_models_of_run(self, wanflow: Callable[..., CommandResult]) -> None:
        """`wanflow run --help` lists the models."""
        text = wanflow("run", "--help", given={}).out
        assert all(name in text for name in packaged_catalog().models)

    def test_alone(self, wanflow: Callable[..., CommandResult]) -> None:
        """`wanflow` alone lists the commands and the exit codes."""
        done = wanflow(given={})
        assert done.code == 0
        for word in ("run", "submit", "status", "wait", "download", "models", "mock", "spec"):
            assert f"\n  {word} " in done.out
        assert "\n  130  " in done.out

    @pytest.mark.parametrize("command", ["mock", "spec"])
    def test_mounted(self, wanflow: Callable[..., CommandResult], command: str) -> None:
        """The commands of the mock and the spec pipeline are included."""
        done = wanflow(command, "--help", given={})
        assert done.code == 0
        assert f"Usage: wanflow {command}" in done.out
