"""The guide of the mock is correct and complete."""

from __future__ import annotations

import json
import pydoc
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from fastapi import FastAPI
from fastapi.testclient import TestClient

import wanflow.mock
from wanflow.cli.mock import mock as command
from wanflow.mock import MockTransport
from wanflow.mock.gateway.directives import parse_directives
from wanflow.mock.gateway.fault import FAULT_KINDS, parse_faults, parse_latency, syntax
from wanflow.mock.gateway.lifecycle import parse_progression

if TYPE_CHECKING:
    from wanflow.mock.admin.api import AdminApi

GUIDE = Path(wanflow.mock.__path__[0], "README.md").read_text()


def test_every_fault_is_in_it() -> None:
    """The table of faults is equal to the mock's own list."""
    table = dict(re.findall(r"^\| `([^`]+)` \| ([^|]+) \|$", GUIDE, re.MULTILINE))
    effects = {syntax(name): kind.effect for name, kind in FAULT_KINDS.items()}
    assert effects.items() <= table.items()


def test_every_directive_in_it_is_valid() -> None:
    """Each directive in brackets can be parsed."""
    words = re.findall(r"\[mock:[^\]]+\]", GUIDE)
    assert len(words) >= 6
    for word in words:
        assert parse_directives({"prompt": word}) != parse_directives({"prompt": "a cat"})


def test_its_progressions_are_valid() -> None:
    """The progressions in the text can be parsed."""
    named = re.findall(r"`(immediately|never|polls=5)`", GUIDE)
    assert set(named) >= {"immediately", "never"}
    assert all(parse_progression(text) for text in named)


def test_every_path_of_the_admin_api_is_in_it(mock) -> None:
    """No path of the admin API is missing."""
    admin: AdminApi = mock.app.admin
    paths = {path for _, path in admin._handlers}
    assert paths
    assert not [path for path in paths if path not in GUIDE]


def test_every_option_in_it_exists() -> None:
    """The guide names options of the command and of Python as they are, and all that need words."""
    known = {name for option in command.params for name in option.opts}
    named = set(re.findall(r"--[a-z][a-z-]+", GUIDE))
    assert named - known == {"--uploader", "--root-path"}  # of the client, and of uvicorn
    reach = {"--public-url", "--allow-host", "--cors", "--spec", "--latency", "--idempotency-keys"}
    assert reach | {"--idempotency-seconds", "--journal-entries"} <= named


def test_its_mount_is_reached_at_the_base_url_that_it_names() -> None:
    """The example of a mounted mock runs, and its comment is right."""
    (example,) = re.findall(r"^```python\n(app = FastAPI.*?)^```", GUIDE, re.DOTALL | re.MULTILINE)
    names: dict[str, Any] = {"FastAPI": FastAPI, "Mock": wanflow.mock.Mock}
    exec(example, names)
    (base_url,) = re.findall(r"base URL: (\S+)", example)
    with TestClient(names["app"], base_url="http://127.0.0.1:8000") as http:
        response = http.get(
            f"{base_url}/v1/tasks/task-unified-1-a", headers={"Authorization": "Bearer k"}
        )
        assert response.json()["error"]["param"] == "task_id"
        spec = http.get("http://127.0.0.1:8000/mock/_mock/openapi.json").json()
    assert spec["servers"] == [{"url": base_url}]


def test_its_latencies_and_ends_are_valid() -> None:
    """Each delay and each duration in the text can be parsed."""
    delays = re.findall(r"\b(?:lognormal|normal|uniform)=[0-9.]+,[0-9.]+", GUIDE)
    assert delays
    assert all(parse_latency(text).all for text in delays)
    ends = re.findall(r"status=503,for=[0-9]+", GUIDE)
    assert ends
    assert all(parse_faults(text).duration for text in ends)


def test_its_scenario_is_applied(tmp_path) -> None:
    """The example has every part, and each has its effect."""
    example = re.search(r"^```json\n(.*?)^```", GUIDE, re.DOTALL | re.MULTILINE)
    assert example is not None
    scenario = json.loads(example[1])
    assert scenario.keys() == {"progression", "faults", "limits"}
    file = tmp_path / "scenario.json"
    file.write_text(example[1])
    mock = MockTransport(scenario=file)
    assert [str(rule.faults) for rule in mock.faults] == [
        rule["fault"] for rule in scenario["faults"]
    ]
    assert mock.gateway.progression == parse_progression(scenario["progression"])
    assert mock.accounts.for_key("k").limits.credits == scenario["limits"]["credits"]


def test_the_command_prints_it() -> None:
    """The command prints the guide, and the faults with their values."""
    assert CliRunner().invoke(command, ["--guide"]).output == GUIDE
    listed = CliRunner().invoke(command, ["--faults"]).output
    for name, kind in FAULT_KINDS.items():
        line = next(line for line in listed.splitlines() if line.startswith(f"{syntax(name)} "))
        assert kind.effect in line
        assert kind.value_format is None or kind.value_format.description in line
    usage = CliRunner().invoke(command, ["--help"]).output
    assert all(word in usage for word in ("--guide", "--faults", "/_mock/", "[mock:fault=reset]"))


def test_help_shows_the_public_classes() -> None:
    """`help(wanflow.mock)` has the classes, although they are imported lazily."""
    text = pydoc.plain(pydoc.render_doc(wanflow.mock))
    for name in wanflow.mock.__all__:
        assert re.search(rf"class {name}\b", text), name


@pytest.mark.parametrize("name", FAULT_KINDS)
def test_an_invalid_value_of_a_fault_is_explained(name) -> None:
    """The message says what to write, without a regular expression."""
    takes = FAULT_KINDS[name].value_format
    wrong = f"{name}=#" if takes is None else name
    with pytest.raises(ValueError, match=f"write {syntax(name)}") as caught:
        parse_faults(wrong)
    assert "[0-9]" not in str(caught.value)
    if takes is not None:
        example = f"reset,{name}={takes.description.rpartition(' ')[2]}"
        assert str(parse_faults(example)) == example
