"""A project with its own source specs works with the wheel alone, in its own directory."""

from __future__ import annotations

import json
import re
import shutil
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.packaging.test_distribution import Installed
from tests.spec.family import document, request
from wanflow.spec.read.yaml import write_yaml

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from tests.packaging.conftest import Built

pytestmark = pytest.mark.builds

CHOSEN = "https://gateway.example.com/apiv1"
MODELS = ("nova-1.5-moon", "nova-2-sun")
KEY = "key-of-a-project"


def own_source_spec(model: str, **changes: Any) -> str:
    """A source spec of an invented model."""
    prompt = {"type": "string", "maxLength": 100, **changes}
    shown = {"model": model, "prompt": "a moon"}
    schema = request(model, required=("model", "prompt"), prompt=prompt)
    return write_yaml(document(schema, example=shown))


class Project:
    """An environment with the wheel, and a project directory."""

    def __init__(self, installed: Installed, folder: Path) -> None:
        self.installed, self.folder = installed, folder

    def spec(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the pipeline in the project."""
        done = self.installed.run("wanflow", "spec", "--root", str(self.folder), *words)
        assert "Traceback" not in done.stderr, done.stderr
        return done

    def run(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command with this project."""
        return self.installed.run("wanflow", *words, **{**self.environment, **environment})

    def python(self, code: str, **environment: str) -> str:
        """Run Python with this project; return the last line of its output."""
        done = self.installed.run("python", "-c", code, **{**self.environment, **environment})
        return (done.stdout + done.stderr).strip().splitlines()[-1]

    @property
    def environment(self) -> dict[str, str]:
        """The variables that choose the project and the key."""
        return {"WANFLOW_PROJECT": str(self.folder), "WANFLOW_API_KEY": KEY}


@pytest.fixture(scope="module")
def installed(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    installed = Installed(tmp_path_factory.mktemp("own"), built.wheel, "spec", "mock", "media")
    # It is a program, not a module, so it wasn't linked.
    (installed.bin / "ruff").symlink_to(Path(sys.executable).parent / "ruff")
    return installed


@pytest.fixture(scope="module")
def project(installed: Installed, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with two imported source specs and a generated client, without a server."""
    folder = tmp_path_factory.mktemp("project")
    done = installed.run("wanflow", "spec", "init", str(folder))
    assert done.returncode == 0, done.stderr
    received = tmp_path_factory.mktemp("received")
    for model in MODELS:
        (received / f"{model}.yaml").write_text(own_source_spec(model))
    project = Project(installed, folder)
    for words in (("import", str(received)), ("regenerate",)):
        done = project.spec(*words)
        assert done.returncode == 0, (words, done.stdout, done.stderr)
    return project


@pytest.mark.slow  # a second each; `regenerate` checks the sources, too
@pytest.mark.parametrize("command", ["check", "drift"])
def test_what_was_generated_passes_the_checks(project: Project, command: str) -> None:
    """The sources are valid, and the outputs are those that they give."""
    done = project.spec(command)
    assert done.returncode == 0, (done.stdout, done.stderr)


def test_init_creates_a_project_once(installed: Installed, tmp_path: Path) -> None:
    """Sources, overlays, settings, the generator's settings and CI; a second call is rejected."""
    words = ("wanflow", "spec", "init", str(tmp_path / "new"), "--server", CHOSEN)
    assert installed.run(*words).returncode == 0
    made = {p.relative_to(tmp_path / "new").as_posix() for p in (tmp_path / "new").rglob("*")}
    assert made >= {"specs/sources", "specs/overlays", "specs/settings.yaml", "generated"}
    assert CHOSEN in (tmp_path / "new/specs/settings.yaml").read_text()
    workflow = yaml.safe_load((tmp_path / "new/.github/workflows/specs.yml").read_text())
    assert workflow["env"]["WANFLOW"] == f"wanflow[spec]=={installed.metadata.version}"
    again = installed.run(*words)
    assert again.returncode == 3
    assert "already" in again.stderr
    wrong = installed.run("wanflow", "spec", "init", str(tmp_path / "b"), "--server", "ftp://x")
    assert wrong.returncode == 3
    assert not (tmp_path / "b").exists()


def test_the_models_are_those_of_the_project(project: Project) -> None:
    """The command line and the library have the project's models, and no others."""
    done = project.run("models", "--json")
    assert [json.loads(line)["model"] for line in done.stdout.splitlines()] == list(MODELS)
    done = project.run("check", MODELS[0], "--prompt", "x" * 101)
    assert done.returncode == 2
    assert "at most 100" in done.stderr
    code = "from wanflow.models import Nova2SunRequest as R; print(R('nova-2-sun', 'a'))"
    assert "Nova2SunRequest" in project.python(code)


def test_without_the_variable_the_models_are_those_of_the_package(project: Project) -> None:
    """The project has no effect on a process that doesn't choose it."""
    done = project.installed.run("wanflow", "models", "--json")
    assert done.returncode == 0
    assert not any(model in done.stdout for model in MODELS)


def test_the_key_is_not_sent_to_a_server_that_only_a_source_spec_names(
    project: Project, tmp_path: Path
) -> None:
    """There is no default server until the settings or a variable choose one."""
    assert "api.example.com" in (project.folder / "specs/openapi.yaml").read_text()
    code = "import wanflow; print(wanflow.Client().base_url)"
    assert "ConfigurationError: there is no base URL" in project.python(code)
    other = "https://other.example.com/x"
    assert project.python(code, WANFLOW_BASE_URL=other) == other
    chosen = Project(project.installed, tmp_path / "chosen")
    shutil.copytree(project.folder, chosen.folder)
    (chosen.folder / "specs/settings.yaml").write_text(f"default-server: {CHOSEN}\n")
    assert chosen.spec("regenerate").returncode == 0
    assert chosen.python(code) == CHOSEN


def test_a_project_without_a_client_is_reported(project: Project, tmp_path: Path) -> None:
    """One sentence names the variable, the directory, and what to do."""
    done = project.run("models", WANFLOW_PROJECT=str(tmp_path))
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert "WANFLOW_PROJECT" in done.stderr
    assert "wanflow spec regenerate" in done.stderr


def test_a_generated_client_that_was_imported_before_is_an_error(project: Project) -> None:
    """Classes of two generated clients are never mixed in one process."""
    code = "import wanflow_client, wanflow.models as m; m.Nova2SunRequest"
    assert "ConfigurationError" in project.python(code)


@pytest.fixture(scope="module")
def mock(project: Project) -> Iterator[dict[str, str]]:
    """`wanflow mock` of this project."""
    words = ("wanflow", "mock", "--port", "0", "--polls", "1", "--api-key", KEY)
    with project.installed.start(*words, **project.environment) as server:
        assert server.stdout is not None
        url = re.search(r"http://127\.0\.0\.1:\d+/\S+", server.stdout.readline())
        try:
            assert url, server.communicate(timeout=60)
            yield {"WANFLOW_BASE_URL": url[0]}
        finally:
            server.send_signal(signal.SIGINT)
            server.communicate(timeout=60)


@pytest.mark.parametrize("model", MODELS)
def test_a_model_of_the_project_runs(
    project: Project, mock: dict[str, str], tmp_path: Path, model: str
) -> None:
    """`wanflow run` against `wanflow mock`, both of the project, saves a file."""
    done = project.run(
        "run", model, "--prompt", "a moon", "--output-dir", str(tmp_path / "out"), **mock
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (file,) = (tmp_path / "out").iterdir()
    assert file.stat().st_size


def test_a_batch_runs(project: Project, mock: dict[str, str], tmp_path: Path) -> None:
    """`wanflow batch` accepts jobs for the project's models."""
    jobs = tmp_path / "jobs.jsonl"
    jobs.write_text("".join(json.dumps({"model": m, "prompt": "a"}) + "\n" for m in MODELS))
    done = project.run("batch", str(jobs), "--output-dir", str(tmp_path / "out"), **mock)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_newer_source_spec_is_reported_and_imported(project: Project, tmp_path: Path) -> None:
    """Import, diff of two files, regenerate: without Git, pyproject.toml and Makefile."""
    # Tests come in any order, so the project of the others stays as it is.
    shutil.copytree(project.folder, tmp_path / "project")
    project = Project(project.installed, tmp_path / "project")
    old = tmp_path / "old.yaml"
    old.write_text((project.folder / "specs/openapi.yaml").read_text())
    newer = tmp_path / f"{MODELS[0]}.yaml"
    newer.write_text(own_source_spec(MODELS[0], maxLength=99, deprecated=True))
    done = project.spec("import", str(newer))
    assert done.returncode == 0, done.stderr
    assert "WF114" in done.stdout
    assert project.spec("regenerate").returncode == 0
    done = project.spec("diff", str(old), str(project.folder / "specs/openapi.yaml"))
    assert done.returncode == 2
    assert "WF201" in done.stdout
    assert "WF114" in (project.folder / "CHANGELOG.md").read_text()
    code = (
        "import warnings; warnings.simplefilter('error')\n"
        "import wanflow; c = wanflow.Client('k', 'http://127.0.0.1:9')\n"
        f"c.submit(model='{MODELS[0]}', prompt='a')"
    )
    output = project.python(code)
    assert output.startswith("DeprecationWarning: the parameter prompt is deprecated")


def test_the_templates_are_the_settings_of_this_project(checkout: Path) -> None:
    """`init` writes the generator's settings that this project's client is generated with."""
    for name in ("config.yaml", "ruff.toml"):
        template = checkout / "wrapper/wanflow/spec/templates" / name
        assert template.read_bytes() == (checkout / "generated" / name).read_bytes()
