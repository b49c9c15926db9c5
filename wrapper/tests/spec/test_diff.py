"""The difference of two specs: what changed, and whether it is breaking."""

from __future__ import annotations

import copy
import json
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from wanflow.catalog.document import resolve_ref
from wanflow.cli.spec import spec
from wanflow.spec.diff.change_kinds import Severity
from wanflow.spec.diff.diff import compare
from wanflow.spec.read.yaml import write_yaml

if TYPE_CHECKING:
    from pathlib import Path

    from wanflow.spec.build import BuildResult
    from wanflow.spec.project import Checkout

Json = dict[str, Any]
Change = "Callable[[Json], object]"

VIDEOS = "/v1/videos/generations"
T2V, W26 = "Wan25TextToVideoRequest", "Wan26ImageToVideoRequest"


def post(d: Json) -> Json:
    return d["paths"][VIDEOS]["post"]


def request(d: Json) -> Json:
    return resolve_ref(d, post(d)["requestBody"]["content"]["application/json"]["schema"])


def schema(d: Json, name: str) -> Json:
    return d["components"]["schemas"][name]


def rule(d: Json, name: str, parameter: str) -> Json:
    return schema(d, name)["properties"][parameter]


def drop_model(d: Json, name: str) -> None:
    mapping = request(d)["discriminator"]["mapping"]
    reference = mapping.pop(name)
    request(d)["oneOf"].remove({"$ref": reference})


BREAKING: dict[str, tuple[Any, str]] = {
    "a model gone": (lambda d: drop_model(d, "wan2.6-image-to-video"), "a model that is gone"),
    "a request closed": (
        lambda d: schema(d, T2V).update(additionalProperties=False),
        "a body that used to pass is refused",
    ),
    "a bound moved in": (lambda d: rule(d, T2V, "prompt").update(maxLength=1999), "is refused"),
    "an enum's value gone": (lambda d: rule(d, W26, "duration")["enum"].remove(15), "is refused"),
    "a new requirement": (lambda d: schema(d, T2V)["required"].append("duration"), "is refused"),
    "a new parameter that is required": (
        lambda d: (
            schema(d, T2V)["properties"].update(seed={"type": "integer"}),
            schema(d, T2V)["required"].append("seed"),
        ),
        "is refused",
    ),
    "a parameter gone": (
        lambda d: schema(d, T2V)["properties"].pop("duration"),
        "a parameter that is gone, /duration",
    ),
    "a parameter gone from a closed list": (
        lambda d: (
            schema(d, T2V)["properties"].pop("duration"),
            schema(d, T2V).update(additionalProperties=False),
        ),
        "is refused",
    ),
    "a pattern added": (lambda d: rule(d, T2V, "prompt").update(pattern="^[A-Z]"), "is refused"),
    "a rule of ours tightened": (
        lambda d: rule(d, "Wan25TextToImageRequest", "size")["x-wanflow-pixel-size"].update(
            maximumPixels=1_000_000
        ),
        "x-wanflow-pixel-size is",
    ),
    "another default": (lambda d: rule(d, T2V, "quality").update(default="1080p"), "default is"),
    "an answer's bound dropped": (
        lambda d: rule(d, "TaskDetailResponse", "progress").pop("maximum"),
        "an answer may come that couldn't before",
    ),
    "an answer's enum widened": (
        lambda d: rule(d, "TaskDetailResponse", "status")["enum"].append("cancelled"),
        "an answer may come",
    ),
    "an answer's property gone": (
        lambda d: schema(d, "TaskDetailResponse")["properties"].pop("results"),
        "an answer may come",
    ),
    "an operation gone": (lambda d: d["paths"].pop(VIDEOS), "an operation that is gone"),
    "another operationId": (
        lambda d: post(d).update(operationId="make"),
        "its operationId is make",
    ),
    "a success undocumented": (
        lambda d: post(d)["responses"].update({"202": post(d)["responses"].pop("200")}),
        "the status 200 isn't documented any more",
    ),
    "a media type gone": (
        lambda d: post(d)["responses"]["200"]["content"].update(
            {"text/json": post(d)["responses"]["200"]["content"].pop("application/json")}
        ),
        "application/json isn't answered any more",
    ),
    "another server": (lambda d: d["servers"][0].update(url="https://x.example.com"), "is gone"),
    "another scheme": (
        lambda d: d["components"]["securitySchemes"]["bearerAuth"].update(scheme="basic"),
        "other security is asked for",
    ),
    "a class renamed": (
        lambda d: (
            d["components"]["schemas"].update(Cost=d["components"]["schemas"].pop("Usage"))
            or rule(d, "VideoGenerationResponse", "usage").update(
                {"$ref": "#/components/schemas/Cost"}
            )
            or rule(d, "ImageGenerationResponse", "usage").update(
                {"$ref": "#/components/schemas/Cost"}
            )
        ),
        "a generated class that is gone",
    ),
    "an enum of one becomes a constant": (
        lambda d: rule(d, T2V, "model").update(const=rule(d, T2V, "model").pop("enum")[0]),
        "a generated class that is gone",
    ),
    "a required parameter": (
        lambda d: post(d).update(
            parameters=[{"name": "k", "in": "header", "required": True, "schema": {}}]
        ),
        "a new header parameter k that is required",
    ),
}
ADDITIVE: dict[str, tuple[Any, str]] = {
    "a new parameter": (
        lambda d: schema(d, T2V)["properties"].update(seed={"type": "integer", "minimum": 0}),
        "a new parameter, /seed",
    ),
    "a new part of a parameter": (
        lambda d: rule(d, W26, "model_params")["properties"].update(mood={"type": "string"}),
        "a new parameter, /model_params/mood",
    ),
    "an enum widened": (
        lambda d: rule(d, T2V, "duration")["enum"].append(15),
        "a body passes that used to be refused",
    ),
    "a looser bound": (lambda d: rule(d, T2V, "prompt").update(maxLength=2001), "a body passes"),
    "an answer's new property": (
        lambda d: schema(d, "Usage")["properties"].update(cost={"type": "number"}),
        "an answer doesn't come any more",
    ),
    "a status": (lambda d: post(d)["responses"].update({"402": {"description": "x"}}), "402 is"),
    "an error undocumented": (lambda d: post(d)["responses"].pop("502"), "502 isn't"),
    "a server": (
        lambda d: d["servers"].append({"url": "https://two.example.com"}),
        "another server, https://two.example.com",
    ),
    "an operation": (
        lambda d: d["paths"].update({"/v1/x": {"get": {"operationId": "x", "responses": {}}}}),
        "an operation that is new",
    ),
    "a class": (
        lambda d: d["components"]["schemas"].update(New={"type": "object"}),
        "a generated class that is new",
    ),
    "no security": (lambda d: post(d).update(security=[]), "other security"),
    "an optional header": (
        lambda d: post(d).update(parameters=[{"name": "k", "in": "header", "schema": {}}]),
        "a new header parameter k",
    ),
}
NONE: dict[str, Any] = {
    "other texts": lambda d: rule(d, T2V, "prompt").update(description="Other", example="Other"),
    "variants in another order": lambda d: request(d)["oneOf"].reverse(),
    "an enum in another order": lambda d: rule(d, T2V, "aspect_ratio")["enum"].reverse(),
    "a list of one type": lambda d: rule(d, T2V, "prompt").update(type=["string"]),
    "anyOf for variants that share nothing": lambda d: request(d).update(
        anyOf=request(d).pop("oneOf")
    ),
    "security at the top": lambda d: d.update(
        security=[{"bearerAuth": []}],
        paths={
            path: {m: {k: v for k, v in n.items() if k != "security"} for m, n in item.items()}
            for path, item in d["paths"].items()
        },
    ),
}


def changed(built: BuildResult, change: Any) -> Json:
    document = copy.deepcopy(built.document)
    change(document)
    return document


@pytest.mark.parametrize(("change", "what"), BREAKING.values(), ids=BREAKING)
def test_incompatible_changes_are_breaking(built: BuildResult, change, what):
    """A client that works with the old spec may fail with the new one."""
    difference = compare(built.document, changed(built, change))
    assert difference.severity is Severity.BREAKING
    worst = [str(one) for one in difference.changes if one.severity is Severity.BREAKING]
    assert any(what in line for line in worst), worst


@pytest.mark.parametrize(("change", "what"), ADDITIVE.values(), ids=ADDITIVE)
def test_compatible_additions_are_additive(built: BuildResult, change, what):
    """A client that works with the old spec works with the new one."""
    difference = compare(built.document, changed(built, change))
    assert difference.severity is Severity.ADDITIVE, difference.to_text()
    assert any(what in str(one) for one in difference.changes), difference.to_text()


@pytest.mark.parametrize("change", NONE.values(), ids=NONE)
def test_equivalent_schemas_are_no_difference(built: BuildResult, change):
    """A different notation of the same schema is only information."""
    difference = compare(built.document, changed(built, change))
    assert difference.severity <= Severity.INFO, difference.to_text()


def test_a_spec_does_not_differ_from_itself(built: BuildResult):
    """The difference is empty."""
    assert compare(built.document, built.document).changes == ()


def test_the_reverse_difference_has_as_many_changes(built: BuildResult):
    """A change that is breaking in one direction is additive in the other."""
    narrower = changed(built, lambda d: rule(d, T2V, "prompt").update(maxLength=1999))
    assert compare(built.document, narrower).severity is Severity.BREAKING
    assert compare(narrower, built.document).severity is Severity.ADDITIVE


def test_a_breaking_change_shows_a_body_that_used_to_be_accepted(built: BuildResult):
    """The body is valid with the old spec, and not with the new one."""
    new = changed(built, lambda d: schema(d, T2V).update(additionalProperties=False))
    (worst,) = [
        one for one in compare(built.document, new).changes if one.severity is Severity.BREAKING
    ]
    assert worst.body["model"] == "wan2.5-text-to-video"
    assert set(worst.body) - set(schema(built.document, T2V)["properties"])


def run(*arguments: str, root: Path) -> tuple[int, str]:
    done = CliRunner().invoke(spec, ["--root", str(root), "diff", *arguments])
    return done.exit_code, done.output


def test_the_exit_code_is_that_of_the_severity(
    built: BuildResult, project: Checkout, tmp_path: Path
):
    """0 for none, 1 for additive, 2 for breaking; `--format json` has the same level."""
    files = []
    for name, change in (
        ("same", lambda _: None),
        ("more", lambda d: rule(d, T2V, "prompt").update(maxLength=2001)),
        ("less", lambda d: rule(d, T2V, "prompt").update(maxLength=1999)),
    ):
        files.append(tmp_path / f"{name}.yaml")
        files[-1].write_text(write_yaml(changed(built, change)))
    old = str(files[0])
    assert run(old, old, root=project.root)[0] == 0
    assert run(old, str(files[1]), root=project.root)[0] == 1
    code, output = run(old, str(files[2]), root=project.root)
    assert code == 2
    assert "breaking" in output
    report = json.loads(run(old, str(files[2]), "--format", "json", root=project.root)[1])
    assert report["level"] == "breaking"
    assert report["changes"][0]["body"]["model"] == "wan2.5-text-to-video"


@pytest.mark.processes
def test_a_git_revision_can_be_compared(project: Checkout, built: BuildResult, tmp_path: Path):
    """By default, the committed spec is compared with the one in the checkout."""
    (tmp_path / "specs" / "sources").mkdir(parents=True)
    shutil.copy(project.spec, tmp_path / "specs")

    def git(*words: str) -> None:
        author = ["-c", "user.name=a", "-c", "user.email=a@example.com"]
        subprocess.run(["git", *author, *words], cwd=tmp_path, check=True, capture_output=True)

    git("init", "-q")
    git("add", "specs")
    git("commit", "-q", "-m", "x")
    assert run(root=tmp_path)[0] == 0
    document = changed(built, lambda d: drop_model(d, "wan2.6-image-to-video"))
    (tmp_path / "specs" / "openapi.yaml").write_text(write_yaml(document))
    assert run(root=tmp_path)[0] == 2
    assert run("HEAD", "HEAD", root=tmp_path)[0] == 0
    code, output = run("no-such-revision", root=tmp_path)
    assert code == 3
    assert "neither a file nor a git revision" in output
    assert run("--output=x", "HEAD", root=tmp_path)[0] not in {0, 1}
