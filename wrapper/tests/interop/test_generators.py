"""Other people's generators take the merged spec, and what they make works against the mock.

Node, Java and a network that reaches the registries are needed; what isn't there is named.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from wanflow import Client
from wanflow.catalog.catalog import packaged_catalog
from wanflow.catalog.document import load_packaged
from wanflow.mock import MockServer
from wanflow.spec.read.yaml import write_yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
KEY = "key-of-other-tools"
MODEL = next(
    model
    for model in packaged_catalog().models.values()
    if model.kind == "video" and model.required == ("prompt",)
)
BODY = json.dumps({"model": MODEL.name, "prompt": "a moon"})

pytestmark = [pytest.mark.slow]
node = pytest.mark.skipif(
    not (shutil.which("node") and shutil.which("npm")),
    reason="NOT CHECKED: openapi-typescript, orval: there is no Node (apt-get install nodejs npm)",
)
java = pytest.mark.skipif(
    not shutil.which("java"),
    reason="NOT CHECKED: openapi-generator: there is no Java (apt-get install "
    "default-jre-headless)",
)


def do(*command: object, where: Path, **environment: str) -> str:
    """Run a tool; return what it prints."""
    done = subprocess.run(
        [str(word) for word in command],
        cwd=where,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, f"{command[0]}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done.stdout


def with_spec(folder: Path) -> Path:
    (folder / "openapi.yaml").write_text(write_yaml(load_packaged()), "utf-8")
    return folder


@pytest.fixture(scope="module")
def server() -> Iterator[MockServer]:
    with MockServer(polls=2, api_key=KEY) as running:
        yield running


@pytest.fixture(scope="module")
def typescript(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what both TypeScript generators make, compiled by tsc in its strict mode."""
    folder = with_spec(tmp_path_factory.mktemp("typescript"))
    for name in ("package.json", "tsconfig.json", "play_fetch.ts", "play_orval.ts"):
        shutil.copy(HERE / name, folder)
    do("npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", where=folder)
    tools = folder / "node_modules" / ".bin"
    do(tools / "openapi-typescript", "openapi.yaml", "-o", "schema.ts", where=folder)
    made = ("--input", "./openapi.yaml", "--output", "./orval.ts", "--client", "fetch")
    do(tools / "orval", *made, where=folder)
    do(tools / "tsc", "-p", ".", where=folder)
    # Node asks for a file's whole name, which TypeScript leaves out.
    for path in (folder / "built").glob("play_*.js"):
        path.write_text(path.read_text().replace('"./orval"', '"./orval.js"'))
    return folder


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an environment for the generators that come as Python packages."""
    folder = with_spec(tmp_path_factory.mktemp("python"))
    uv = Path(sys.executable).parent / "uv"
    do(uv, "venv", "--quiet", "--python", sys.executable, "env", where=folder)
    asked = ("pip", "install", "--quiet", "--python", "env/bin/python", "-r")
    do(uv, *asked, HERE / "requirements.txt", where=folder)
    return folder


@node
@pytest.mark.parametrize("play", ["play_fetch.js", "play_orval.js"])
def test_a_typescript_client_submits_polls_and_meets_errors(
    typescript: Path, server: MockServer, play: str
) -> None:
    """With openapi-fetch over openapi-typescript's types, and with orval's functions."""
    said = do("node", Path("built") / play, server.base_url, KEY, BODY, where=typescript)
    report = json.loads(said.splitlines()[-1])
    assert report["status"] == "completed"
    assert report["results"] >= 1
    assert report["lost"] == 404
    assert report["message"]
    assert report["refused"] == 400


@node
@pytest.mark.parametrize("file", ["schema.ts", "orval.ts"])
def test_the_unions_of_requests_are_named(typescript: Path, file: str) -> None:
    """A user of the generated code names what an operation takes."""
    text = (typescript / file).read_text()
    assert "VideoGenerationRequest" in text
    assert "ImageGenerationRequest" in text


@pytest.fixture(scope="module")
def models(python: Path) -> Path:
    """The module that datamodel-code-generator makes."""
    kind = ("--input-file-type", "openapi", "--output-model-type", "pydantic_v2.BaseModel")
    command = ("--input", "openapi.yaml", "--output", "models.py", "--target-python-version")
    target = f"3.{sys.version_info.minor}"
    typed = ("--use-annotated", "--set-default-enum-member")
    do(Path("env/bin/datamodel-codegen"), *command, target, *kind, *typed, where=python)
    return python / "models.py"


def test_datamodels_are_typed_and_take_what_is_sent_and_answered(
    python: Path, models: Path, server: MockServer
) -> None:
    """mypy finds no fault in them; requests, receipts and tasks of the mock are valid."""
    do("env/bin/python", "-m", "mypy", "--strict", "models.py", where=python)
    with Client(KEY, server.base_url) as client:
        task = client.submit(model=MODEL.name, prompt="a moon")
        receipt: Any = task.snapshot.raw
        result: Any = task.wait(timeout=60).raw
    code = (
        "import json, sys, models\n"
        "request, receipt, task = map(json.loads, sys.argv[1:])\n"
        "print(type(models.VideoGenerationRequest.model_validate(request).root).__name__)\n"
        "models.VideoGenerationResponse.model_validate(receipt)\n"
        "print(models.TaskDetailResponse.model_validate(task).status.value)\n"
    )
    words = (BODY, json.dumps(receipt), json.dumps(result))
    said = do("env/bin/python", "-c", code, *words, where=python).split()
    assert said == [MODEL.schema_name, "completed"]


@java
def test_a_client_of_openapi_generator_submits_polls_and_meets_errors(
    python: Path, server: MockServer
) -> None:
    """The spec passes its validation, and the Python client that it makes works."""
    named = ("--additional-properties", "packageName=other_client")
    generate = ("generate", "-g", "python", "-i", "openapi.yaml", "-o", "other", *named)
    do("env/bin/openapi-generator-cli", *generate, where=python)
    do("env/bin/python", "-m", "compileall", "-q", "other/other_client", where=python)
    # It imports what is generated, so it is no module of this project.
    shutil.copy(HERE / "play_generator.txt", python / "play_generator.py")
    words = ("play_generator.py", server.base_url, KEY, BODY)
    said = do("env/bin/python", *words, where=python, PYTHONPATH="other")
    report = json.loads(said.splitlines()[-1])
    assert report["results"] >= 1
    assert (report["status"], report["lost"], report["refused"]) == ("completed", 404, 401)


def test_the_versions_are_pinned() -> None:
    """What is generated with is what was tried."""
    tools = json.loads((HERE / "package.json").read_text())["dependencies"]
    assert tools
    assert all(text[0].isdigit() for text in tools.values())
    lines = (HERE / "requirements.txt").read_text().splitlines()
    assert all("==" in line for line in lines if not line.startswith("#"))
