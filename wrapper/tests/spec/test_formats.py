"""The output formats of `check` and `diff`: text, JSON, GitHub and SARIF."""

from __future__ import annotations

import copy
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result

from tests.spec.family import document, request
from wanflow.cli.spec import spec
from wanflow.spec.diff.change_kinds import KINDS
from wanflow.spec.diff.output_formats import Entry, as_github, as_sarif
from wanflow.spec.read.yaml import write_yaml

if TYPE_CHECKING:
    from wanflow.spec.project import Checkout

Json = dict[str, Any]

OLD: Json = document(request("nova-1", prompt={"type": "string", "maxLength": 9}))
NEW: Json = copy.deepcopy(OLD)
PROMPT = NEW["components"]["schemas"]["VideoGenerationRequest"]["properties"]["prompt"]
PROMPT.update(maxLength=8, description="Must be at most 7 words, 100%\nor so", deprecated=True)


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory outside any checkout, with two specs."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "old.yaml").write_text(write_yaml(OLD))
    (tmp_path / "new.json").write_text(json.dumps(NEW))
    return tmp_path


def run(*words: str) -> Result:
    return CliRunner().invoke(spec, list(words))


def test_two_plain_files_are_compared_anywhere(empty: Path):
    """They may be YAML or JSON, outside a checkout; the exit code is the level's."""
    assert run("diff", "old.yaml", "old.yaml").exit_code == 0
    done = run("diff", "old.yaml", "new.json")
    assert done.exit_code == 2
    assert "breaking  WF114  POST /v1/videos/generations" in done.output
    back = run("diff", "new.json", "old.yaml")
    assert back.exit_code == 1
    assert "WF311" in back.output


def test_the_exit_code_of_information_is_0(empty: Path):
    """A changed description is a line of the report, and doesn't fail a pipeline."""
    other = copy.deepcopy(OLD)
    other["info"]["title"] = "Another"
    Path("other.yaml").write_text(write_yaml(other))
    done = run("diff", "old.yaml", "other.yaml")
    assert done.exit_code == 0
    assert "WF404  #/info/title" in done.output


@pytest.mark.parametrize("name", ["no.yaml", "bad.json", "bytes.yaml"])
def test_an_unreadable_document_is_reported_in_one_sentence(empty: Path, name: str):
    """A missing file, invalid JSON or binary content: an exit code and no traceback."""
    Path("bad.json").write_text("{")
    Path("bytes.yaml").write_bytes(b"\xff\xfe")
    done = run("diff", "old.yaml", name)
    assert done.exit_code == 3
    assert done.output.startswith("wanflow spec: ")
    assert run("check", name).exit_code == 3


def test_one_plain_file_is_checked_anywhere(empty: Path):
    """A warning has its id and location; an invalid spec has its line, in the chosen format."""
    done = run("check", "new.json")
    assert done.exit_code == 0, done.output
    assert "WF210" in done.output
    assert done.output.endswith("\n1 warning in 1 document and the merged spec\n")
    (entry,) = json.loads(run("check", "new.json", "--format", "json").output)["findings"]
    assert entry["id"] == "WF210"
    assert entry["pointer"].endswith("/prompt/description")
    broken = copy.deepcopy(OLD)
    broken["paths"]["/v1/videos/generations"]["post"]["responses"] = 5
    Path("broken.yaml").write_text(write_yaml(broken))
    done = run("check", "broken.yaml", "--format", "json")
    assert done.exit_code == run("check", "broken.yaml").exit_code != 0
    assert json.loads(done.output)["findings"][0]["id"][2] in "56"


def test_a_merged_document_is_checked_as_one(empty: Path, project: Checkout):
    """The result of `build` has no findings outside its checkout."""
    done = run("check", str(project.spec))
    assert done.exit_code == 0, done.output
    assert "no warnings in 1 document" in done.output


def test_github_output_is_workflow_commands(empty: Path):
    """One command for each line, with file and level; special characters are escaped."""
    lines = run("diff", "old.yaml", "new.json", "--format", "github").output.splitlines()
    assert len(lines) >= 3
    assert all(line.startswith(("::error ", "::warning ", "::notice ")) for line in lines)
    assert all("file=new.json" in line for line in lines)
    output = as_github([Entry("WF201", "100%\nfoo", "a,b:c.yaml", 3)])
    assert output == "::warning file=a%2Cb%3Ac.yaml,line=3,title=WF201 warning::100%25%0Afoo"


def require_sarif(log: Json) -> None:
    """Assert that a log satisfies SARIF 2.1.0."""
    assert set(log) == {"$schema", "version", "runs"}
    assert log["version"] == "2.1.0"
    for run_ in log["runs"]:
        assert set(run_) <= {"tool", "columnKind", "results"}
        driver = run_["tool"]["driver"]
        assert driver["name"]
        ids = [rule["id"] for rule in driver["rules"]]
        assert len(set(ids)) == len(ids)
        for rule in driver["rules"]:
            assert rule["shortDescription"]["text"]
            assert rule["defaultConfiguration"]["level"] in {"none", "note", "warning", "error"}
        for result in run_["results"]:
            assert set(result) <= {"ruleId", "ruleIndex", "level", "message", "locations"}
            assert ids[result["ruleIndex"]] == result["ruleId"]
            assert result["level"] in {"none", "note", "warning", "error"}
            assert isinstance(result["message"]["text"], str)
            for location in result.get("locations", ()):
                require_location(location)


def require_location(location: Json) -> None:
    assert set(location) <= {"physicalLocation", "logicalLocations"}
    physical = location.get("physicalLocation", {})
    if physical:
        assert " " not in physical["artifactLocation"]["uri"]
        assert physical.get("region", {"startLine": 1})["startLine"] >= 1
    for logical in location.get("logicalLocations", ()):
        assert set(logical) == {"fullyQualifiedName"}


def test_sarif_has_its_published_form(empty: Path):
    """This holds for `diff`, `check`, no findings, and every kind of finding."""
    output = json.loads(run("diff", "old.yaml", "new.json", "--format", "sarif").output)
    assert output["runs"][0]["results"]
    require_sarif(output)
    require_sarif(json.loads(run("check", "new.json", "--format", "sarif").output))
    require_sarif(json.loads(run("diff", "old.yaml", "old.yaml", "--format", "sarif").output))
    every = [Entry(number, "a", "a b.yaml", 1, "/a") for number in KINDS]
    require_sarif(json.loads(as_sarif(every)))


REVIEWED = """\
- id: WF114
  place: POST /v1/videos/generations*
  reason: Nobody sends more than 8.
- id: WF201
  place: '*/prompt/deprecated'
  reason: We know.
"""


def test_silenced_changes_do_not_count(empty: Path):
    """Silenced changes are counted separately, and the exit code is that of the rest."""
    Path("reviewed.yaml").write_text(REVIEWED)
    done = run("diff", "old.yaml", "new.json", "--silenced", "reviewed.yaml")
    assert done.exit_code == 0, done.output
    assert "(2 silenced by a reviewed entry)" in done.output
    assert "WF114" not in done.output
    output = json.loads(
        run(
            "diff", "old.yaml", "new.json", "--silenced", "reviewed.yaml", "--format", "json"
        ).output
    )
    assert {one["id"] for one in output["silenced"]} == {"WF114", "WF201"}


def test_a_stale_silenced_change_is_reported(empty: Path):
    """An entry that no longer matches anything is a warning."""
    Path("reviewed.yaml").write_text(REVIEWED)
    done = run("diff", "old.yaml", "old.yaml", "--silenced", "reviewed.yaml")
    assert done.exit_code == 1
    assert done.output.count("WF209") == 2


@pytest.mark.parametrize(
    "text",
    [
        "- {id: WF114, place: x}",
        "- {id: WF999, place: x, reason: y}",
        "- {id: WF505, place: x, reason: y}",
        "- {id: WF114, place: x, reason: ' '}",
        "a: b",
        "- 5",
    ],
)
def test_a_silenced_change_needs_all_its_fields(empty: Path, text: str):
    """Without a reason, or with an id that can't be silenced, the file is rejected."""
    Path("reviewed.yaml").write_text(text + os.linesep)
    done = run("diff", "old.yaml", "old.yaml", "--silenced", "reviewed.yaml")
    assert done.exit_code == 3
    assert "reviewed.yaml" in done.output
