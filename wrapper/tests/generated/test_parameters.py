"""Type checkers know each model's parameters, and reject those of other models."""

from __future__ import annotations

import inspect
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from tests.spec.family import document, request, source

from wanflow import AsyncClient, Client
from wanflow.spec.build import build_from
from wanflow.spec.generate.generate import generate, settings_of
from wanflow.spec.generate.typed_parameters import RUN_OPTIONS, SUBMIT_OPTIONS

if TYPE_CHECKING:
    from pathlib import Path

    from wanflow.spec.project import Checkout

CLASSES = """\
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from wanflow_client.models import Wan25TextToVideoRequest
from wanflow_client.parameters import ModelName, Run, Submit


class Task: ...


class Result: ...


class Client:
    submit: Submit[Task]
    run: Run[Result, Callable[[int], object] | None]


class AsyncClient:
    submit: Submit[Coroutine[Any, Any, Task]]


client = Client()
later = AsyncClient()
"""
VALID = """\
several = [Path("a.png")]
task: Task = client.submit(model="wan2.6-image-to-video", prompt="x", image_urls=several)
task = client.submit(model="wan2.6-image-to-video", prompt="x", image_urls=["u", Path("a.png")])
task = client.submit(
    model="wan2.6-image-to-video", prompt="x", image_urls=("u",), audio_url=Path("a.mp3")
)
task = client.submit(model="wan2.5-text-to-video", prompt="x", duration=5, quality="480p")
task = client.submit(model="wan2.5-text-to-video", prompt="x", duration=None, extra={"new": 1})
task = client.submit(model="wan2.6-image-to-video", prompt="x", image_urls=["u"], duration=15)
task = client.submit(Wan25TextToVideoRequest(model="wan2.5-text-to-video", prompt="x"))
task = client.submit({"model": "wan2.5-text-to-video", "prompt": "x"}, validate=False)
result: Result = client.run(model="wan2.5-text-to-image", prompt="x", n=2, output_dir="out/", timeout=5)
client.run(model="wan2.5-text-to-image", prompt="x", on_update=lambda snapshot: None)
name: ModelName = "wan2.5-text-to-image"
client.submit(
    model="wan2.6-image-to-video", prompt="x", image_urls=[], model_params={"shot_type": "multi"}
)


async def work() -> Task:
    return await later.submit(model="wan2.5-text-to-video", prompt="x")
"""
INVALID = """\
client.submit(model="wan2.6-image-to-video", prompt="x", image_urls=Path("a.png"))
client.submit(model="wan2.6-image-to-video", prompt="x", image_urls=[3])
client.submit(model="wan2.6-image-to-video", prompt="x", image_urls=["u"], callback_url=Path("a"))
client.submit(model="wan2.5-text-to-video", prompt="x", duration=15)
client.submit(model="wan2.5-text-to-video", prompt="x", duration="5")
client.submit(model="wan2.5-text-to-video", prompt="x", image_urls=["u"])
client.submit(model="wan2.5-text-to-video", prompt="x", size="1280x1280")
client.submit(model="wan2.5-text-to-video", prompt="x", aspect_ratio="2:1")
client.submit(model="wan2.5-text-to-video")
client.submit(model="wan2.5-text-to-video", prompt=None)
client.submit(model="wan2.5-text-to-movie", prompt="x")
client.submit(model="wan2.6-image-to-video", prompt="x", image_urls=["u"], quality="480p")
client.submit(model="wan2.6-image-to-video", prompt="x")
client.submit(model="wan2.6-image-to-video", prompt="x", image_urls="u")
client.submit(model="wan2.5-text-to-image", prompt="x", n="2")
client.submit(model="wan2.5-text-to-image", prompt="x", output_dir="out/")
client.run(model="wan2.5-text-to-image", prompt="x", duration=5)
client.run(model="wan2.5-text-to-image", prompt="x", promt="y")
client.run(model="wan2.5-text-to-image", prompt="x", on_update=3)
later.submit(model="wan2.5-text-to-image", prompt="x", quality="720p")
name: ModelName = "wan2.5-text-to-movie"
"""


def lines_with_errors(command: list[str], file: Path, package: Path) -> set[int]:
    """Check a file and return the numbers of the lines that a checker complains of."""
    settings = file.parent / "pyproject.toml"
    settings.write_text(
        f"[tool.pyright]\nextraPaths = ['{package}']\ntypeCheckingMode = 'strict'\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", *command, file.name],
        cwd=file.parent,
        env={"MYPYPATH": str(package), "PATH": "/usr/bin:/bin", "HOME": str(file.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    output = done.stdout + done.stderr
    found = {
        int(line.partition(f"{file.name}:")[2].split(":")[0])
        for line in output.splitlines()
        if f"{file.name}:" in line and "error" in line
    }
    assert done.returncode in {0, 1}, output
    assert (done.returncode == 0) == (not found), output
    return found


CHECKERS = {
    "mypy": ["mypy", "--strict", "--no-incremental", "--cache-dir=/dev/null"],
    "pyright": ["pyright", "--pythonpath", sys.executable],
}


@pytest.mark.parametrize("checker", CHECKERS.values(), ids=CHECKERS)
def test_each_model_has_its_own_parameters(project: Checkout, tmp_path: Path, checker: list[str]):
    """Valid calls pass the type checker, and each invalid line is an error."""
    file = tmp_path / "sample.py"
    file.write_text(CLASSES + VALID + INVALID)
    first = (CLASSES + VALID).count("\n") + 1
    wrong = set(range(first, first + INVALID.count("\n")))
    found = lines_with_errors(checker, file, project.generated)
    assert found == wrong
    assert len(wrong) > 15


@pytest.mark.parametrize("face", [Client, AsyncClient])
def test_the_generated_signatures_are_those_of_the_clients(face):
    """The options of `submit` and `run` in the types are those of the methods."""
    for method, options in ((face.submit, SUBMIT_OPTIONS), (face.run, RUN_OPTIONS)):
        taken = inspect.signature(method).parameters.values()
        named = [one.name for one in taken if one.kind is inspect.Parameter.KEYWORD_ONLY]
        assert named == ["model", *options]


def test_parameters_of_any_shape_have_types(project: Checkout, tmp_path: Path):
    """Nested, required, closed, nullable, alternative, invalid as names: each has a type."""
    text = {"type": "string"}
    submit = {"$ref": "#/components/schemas/Submit"}
    shapes = {
        "camera": {
            "type": "object",
            "required": ["path"],
            "properties": {"path": {"type": "array", "items": submit}},
        },
        "seed": {"type": ["integer", "null"]},
        "style": {"oneOf": [{"type": "string", "enum": ["film"]}, {"type": "object"}]},
        "not a name": text,
        "class": text,
        "timeout": {"type": "number"},
        "anything": {},
    }
    at = {"type": "object", "required": ["x"], "properties": {"x": {"type": "number"}}}
    pair = request("nova-1", "4k", required=("model", "camera"), **shapes)
    built = build_from([source("2-of-them", document(pair, Submit=at))], [])
    generate(built.document, built.text, settings_of(project), tmp_path)
    file = tmp_path / "sample.py"
    file.write_text(
        "from wanflow_client.parameters import Submit\n"
        "submit: Submit[int]\n"
        "submit(model='4k', camera={'path': [{'x': 1.5}]}, seed=None, style='film')\n"
        "submit(model='nova-1', camera={'path': []}, style={}, extra={'timeout': 3})\n"
        "submit(model='nova-1', camera={'path': [{}]})\n"
        "submit(model='nova-1')\n"
        "submit(model='nova-1', camera={'path': []}, timeout=3)\n"
        "submit(model='nova-1', camera={'path': []}, style='play')\n"
    )
    assert lines_with_errors(CHECKERS["mypy"], file, tmp_path) == {5, 6, 7, 8}
