"""Type checkers know each model's parameters, and reject those of other models."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.generated.calls import right_calls, wrong_calls
from tests.spec.family import document, request, source
from wanflow import AsyncClient, Client
from wanflow.catalog.catalog import Catalog, packaged_catalog
from wanflow.spec.build import build_from
from wanflow.spec.generate.generate import generate, settings_of
from wanflow.spec.generate.call_signatures import ESTIMATE_OPTIONS, RUN_OPTIONS, SUBMIT_OPTIONS
from wanflow.spec.project import find_project

if TYPE_CHECKING:
    from wanflow.catalog.document import JsonObject
    from wanflow.spec.project import Checkout

pytestmark = pytest.mark.builds

CLASSES = """\
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from wanflow_client.models import Wan25TextToVideoRequest
from wanflow_client.parameters import EstimateCost, ModelName, Run, Submit


class Task: ...


class Result: ...


class Client:
    submit: Submit[Task]
    estimate: EstimateCost[float]
    run: Run[Result, Callable[[int], object]]


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
cost: float = client.estimate(model="wan2.5-text-to-image", prompt="x", n=2, validate=False)
cost = client.estimate({"model": "wan2.5-text-to-image", "prompt": "x"}, extra={"new": 1})
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
client.submit(prompt="x", duration=5)
client.submit("wan2.5-text-to-video", prompt="x")
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
client.estimate(model="wan2.5-text-to-image", prompt="x", promt="y")
client.estimate(model="wan2.5-text-to-video", prompt="x", duration=15)
client.estimate(model="wan2.5-text-to-image", prompt="x", max_credits=5)
name: ModelName = "wan2.5-text-to-movie"
"""


def lines_of_errors(command: list[str], file: Path, package: Path) -> dict[int, int]:
    """Check a file, and return how many lines a checker prints about each wrong line of it."""
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
    printed: dict[int, int] = {}
    number = 0
    for line in output.splitlines():
        _, of_file, rest = line.partition(f"{file.name}:")
        if of_file:
            number = int(rest.split(":")[0])
        elif not line[:1].isspace():
            number = 0
        if number:
            printed[number] = printed.get(number, 0) + 1
    assert done.returncode in {0, 1}, output
    assert (done.returncode == 0) == (not printed), output
    return printed


def lines_with_errors(command: list[str], file: Path, package: Path) -> set[int]:
    """Check a file, and return the numbers of the lines that a checker complains of."""
    return set(lines_of_errors(command, file, package))


CHECKERS = {
    "mypy": ["mypy", "--strict", "--no-incremental", "--cache-dir=/dev/null"],
    "pyright": ["pyright", "--pythonpath", sys.executable],
}


LONGEST = 3
"""How many lines a checker prints about a wrong call at most."""
MODULE = """\
from collections.abc import Callable

from wanflow_client.parameters import Run, Submit


def check(submit: Submit[int], run: Run[str, Callable[[int], object]]) -> None:
"""


def check_all_calls(checker: list[str], catalog: Catalog, package: Path, folder: Path) -> None:
    """Check right and wrong calls of every model, all of them in one file."""
    methods = ("submit", "run")
    right = [method + call for call in right_calls(catalog) for method in methods]
    mistakes = [call for calls in wrong_calls(catalog).values() for call in calls]
    wrong = [method + call for call in mistakes for method in methods]
    file = folder / "sample.py"
    file.write_text(MODULE + "".join(f"    {call}\n" for call in (*right, *wrong)))
    first = MODULE.count("\n") + 1
    found = lines_of_errors(checker, file, package)
    printed = [found.get(first + number, 0) for number in range(len(right) + len(wrong))]
    assert [call for call, count in zip(right, printed, strict=False) if count] == []
    printed = printed[len(right) :]
    assert [call for call, count in zip(wrong, printed, strict=True) if not count] == []
    assert [call for call, count in zip(wrong, printed, strict=True) if count > LONGEST] == []


@pytest.mark.slow  # a type checker takes 5 seconds for hundreds of calls
@pytest.mark.parametrize("checker", CHECKERS.values(), ids=CHECKERS)
def test_each_wrong_call_of_each_model_is_explained_in_three_lines(
    project: Checkout, tmp_path: Path, checker: list[str]
):
    """A wrong name, value or model and a missing parameter are errors; right calls are none."""
    check_all_calls(checker, packaged_catalog(), project.generated, tmp_path)


@pytest.mark.parametrize(
    "checker",
    [
        pytest.param(
            words,
            id=name,
            # `make check` checks a sample of right and wrong calls with it, too.
            marks=pytest.mark.slow if name == "pyright" else [],
        )
        for name, words in CHECKERS.items()
    ],
)
def test_each_model_has_its_own_parameters(project: Checkout, tmp_path: Path, checker: list[str]):
    """Valid calls pass the type checker, and each invalid line is a short error."""
    file = tmp_path / "sample.py"
    file.write_text(CLASSES + VALID + INVALID)
    first = (CLASSES + VALID).count("\n") + 1
    wrong = set(range(first, first + INVALID.count("\n")))
    found = lines_of_errors(checker, file, project.generated)
    assert found.keys() == wrong
    assert len(wrong) > 15
    calls = {number: count for number, count in found.items() if number != max(wrong)}
    assert max(calls.values()) <= LONGEST


@pytest.mark.parametrize("face", [Client, AsyncClient])
def test_the_generated_signatures_are_those_of_the_clients(face):
    """The options in the types are those of the methods."""
    for method, options in (
        (face.submit, SUBMIT_OPTIONS),
        (face.preview, SUBMIT_OPTIONS),
        (face.run, RUN_OPTIONS),
        (face.estimate, ESTIMATE_OPTIONS),
    ):
        taken = inspect.signature(method).parameters.values()
        named = [one.name for one in taken if one.kind is inspect.Parameter.KEYWORD_ONLY]
        assert named == ["model", *options]


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> tuple[JsonObject, Path]:
    """A spec whose parameters have unusual shapes and names, and the directory of its client."""
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
        "parameters": text,
        "timeout": {"type": "number"},
        "anything": {},
    }
    at = {"type": "object", "required": ["x"], "properties": {"x": {"type": "number"}}}
    pair = request("nova-1", "4k", required=("model", "camera"), **shapes)
    sizes = {
        "size": {"enum": ["1k", "2k"]},
        "sides": {"type": "array", "items": {"enum": [3, 4]}},
        "light": {"type": "object", "properties": {"kind": {"enum": ["day", "night"]}}},
        "tone": {"type": "string"},
        "mood": {"type": "string"},
    }
    other = request("vega", required=("model", "sides"), **sizes)
    sources = [
        source("2-of-them", document(pair, Submit=at)),
        source("vega", document(other, name="VegaRequest")),
    ]
    built = build_from(sources, [])
    folder = tmp_path_factory.mktemp("shapes")
    settings = settings_of(find_project(Path(__file__).parent))
    generate(built.document, built.text, settings, folder)
    return built.document, folder


def test_parameters_of_any_shape_have_types(shapes: tuple[JsonObject, Path], tmp_path: Path):
    """Nested, required, closed, nullable, alternative, invalid as names: each has a type."""
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
    assert lines_with_errors(CHECKERS["mypy"], file, shapes[1]) == {5, 6, 7, 8}


@pytest.mark.slow  # a type checker takes 5 seconds for hundreds of calls
@pytest.mark.parametrize("checker", CHECKERS.values(), ids=CHECKERS)
def test_wrong_calls_of_new_models_are_explained_as_briefly(
    shapes: tuple[JsonObject, Path], tmp_path: Path, checker: list[str]
):
    """Whatever shapes and names the parameters of a new document have."""
    document, package = shapes
    check_all_calls(checker, Catalog(document), package, tmp_path)
