"""`wanflow check`: all violations, before anything is sent."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click
import pytest

from tests.cli.test_commands import VIDEO
from wanflow.catalog.catalog import packaged_catalog
from wanflow.cli.main import COMMANDS
from wanflow.cli.model_options import parameters_of
from wanflow.cli.run import ModelGroup

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.helpers import CommandResult

NO_SERVER = {"WANFLOW_BASE_URL": "http://127.0.0.1:9/"}
"""No key, and a URL without a server: nothing can be sent."""
WITH_IMAGES = [m.name for m in packaged_catalog().models.values() if "image_urls" in m.required]


def rules(done: CommandResult) -> list[tuple[str, str]]:
    """Return the violations as pointer and rule."""
    (event,) = done.events
    assert (event["event"], event["kind"]) == ("error", "invalid_request")
    return [(broken["pointer"], broken["rule"]) for broken in event["violations"]]


def test_a_valid_request_passes(wanflow: Callable[..., CommandResult]) -> None:
    """The output is the model, as text or as one event."""
    words = ("check", VIDEO, "--prompt", "A cat", "--duration", "5")
    done = wanflow(*words, given=NO_SERVER)
    assert (done.code, done.out) == (0, f"{VIDEO}: valid\n")
    (event,) = wanflow(*words, "--json", given=NO_SERVER).events
    version = {"schema": "wanflow/1", "event": "checked"}
    assert event == {**version, "model": VIDEO, "warnings": []}


def test_every_violation_is_listed(wanflow: Callable[..., CommandResult]) -> None:
    """All violations are listed, with the exit code of an invalid request."""
    words = ("check", VIDEO, "--duration", "7", "--quality", "fine")
    done = wanflow(*words, given=NO_SERVER)
    assert done.code == 2
    assert all(name in done.err for name in ("prompt", "duration", "quality"))
    assert len(rules(wanflow(*words, "--json", given=NO_SERVER))) == 3


@pytest.mark.parametrize("model", WITH_IMAGES)
def test_local_files_are_checked_with_the_rest(
    model: str, wanflow: Callable[..., CommandResult], tmp_path: Path
) -> None:
    """A path is replaced by its file: invalid images and missing files are violations."""
    (tmp_path / "notes.txt").write_text("no image")
    files = ("--image-urls", json.dumps(["notes.txt"]))
    found = rules(wanflow("check", model, *files, "--json", given=NO_SERVER))
    assert ("/image_urls", "x-wanflow-image-file/formats") in found
    assert any("prompt" in str(one) or one[1] == "required" for one in found)
    gone = ("--prompt", "A cat", "--image-urls", json.dumps(["gone.png"]))
    assert rules(wanflow("check", model, *gone, "--json", given=NO_SERVER)) == [
        ("/image_urls", "file")
    ]


def test_a_whole_request_is_checked(wanflow: Callable[..., CommandResult]) -> None:
    """A request from a file or a pipe is read as by `wanflow run`."""
    body: dict[str, Any] = {"model": VIDEO, "prompt": "A cat", "no_such_thing": 1}
    done = wanflow("check", "--request", "-", stdin=json.dumps(body), given=NO_SERVER)
    assert done.code == 2
    assert "no_such_thing" in done.err
    assert wanflow("check", "no-such-model", given=NO_SERVER).code == 2


def test_it_has_every_parameter_of_every_model() -> None:
    """Its options are those of `wanflow run`, but for what only a submission needs."""
    catalog, group = packaged_catalog(), COMMANDS["check"].load()
    assert isinstance(group, ModelGroup)
    for name, model in catalog.models.items():
        command = group.get_command(click.Context(group), name)
        assert command is not None
        flags = {flag for option in command.params for flag in option.opts}
        assert {one.flag for one in parameters_of(catalog.document, model)} <= flags
