"""The sdist and the wheel work outside of the repository.

The wheel is installed with pip into an empty environment. The distributions that its metadata
requires, and no others, are linked into it from the environment of the tests. That needs no
network, and an import of an undeclared package fails as it would for a user.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tarfile
import venv
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import Distribution, distribution, distributions
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, NamedTuple
from zipfile import ZipFile

import click
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from wanflow.catalog.catalog import packaged_catalog
from wanflow.cli import main
from wanflow.cli.run import ModelGroup

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.packaging.conftest import Built

pytestmark = pytest.mark.builds

LIBRARY = ("wanflow", "wanflow_client")
OURS = (*LIBRARY, "wanflow_contract")
KEY = "key-of-the-installed-mock"


def applicable(lines: Iterable[str], extra: str = "") -> Iterator[Requirement]:
    """Yield the requirements that apply on this machine, with `extra` or without any."""
    for line in lines:
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
            yield requirement


def closure(first: Iterable[Requirement]) -> dict[str, Distribution]:
    """Return the transitive requirements of `first`, by name."""
    found: dict[str, Distribution] = {}
    remaining = list(first)
    while remaining:
        requirement = remaining.pop()
        name = canonicalize_name(requirement.name)
        if name in found:
            continue
        found[name] = here = distribution(name)
        for extra in ("", *requirement.extras):
            remaining.extend(applicable(here.requires or (), extra))
    return found


HELP = """
import json
from click.testing import CliRunner
from wanflow.cli import main
found = {{}}
for words in {commands}:
    done = CliRunner().invoke(main, [*words, "--help"], prog_name="wanflow")
    found[" ".join(words)] = done.exit_code, done.stdout, done.stderr
print(json.dumps(found))
"""
"""Prints the exit code and the output of `--help` of each command, from one process."""


class Installed:
    """An environment with the wheel, its requirements with some extras, and nothing else."""

    def __init__(self, folder: Path, wheel: Path, *extras: str) -> None:
        venv.create(folder, symlinks=True)
        self.folder = folder
        self.bin = folder / "bin"
        pip = [sys.executable, "-m", "pip", "--python", str(self.bin / "python"), "install"]
        plain = [
            "--quiet",
            "--no-compile",
            "--disable-pip-version-check",
            "--no-index",
            "--no-deps",
        ]
        subprocess.run([*pip, *plain, str(wheel)], check=True, cwd=folder)
        (self.site,) = folder.glob("lib/python*/site-packages")
        (self.metadata,) = distributions(path=[str(self.site)])
        self._link(
            closure(r for e in ("", *extras) for r in applicable(self._requires(), e)).values()
        )

    def _requires(self) -> list[str]:
        return self.metadata.requires or pytest.fail("the wheel has no requirements")

    def _link(self, dependencies: Iterable[Distribution]) -> None:
        for dependency in dependencies:
            tops = {file.parts[0] for file in dependency.files or ()}
            for top in tops - {"..", "__pycache__"}:
                if not (self.site / top).exists():  # two may share one, as `ruamel`
                    (self.site / top).symlink_to(Path(str(dependency.locate_file(top))))

    def start(self, *command: str, **environment: str) -> subprocess.Popen[str]:
        """Start one of the environment's commands outside the repository."""
        data = str(self.folder / "data")
        return subprocess.Popen(
            [str(self.bin / command[0]), *command[1:]],
            cwd=self.folder,
            env={"PATH": os.defpath, "LANG": "C.UTF-8", "XDG_DATA_HOME": data, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run one of the environment's commands to its end."""
        with self.start(*command, **environment) as run:
            out, err = run.communicate(timeout=60)
        return subprocess.CompletedProcess(command, run.returncode, out, err)

    def python(self, code: str) -> str:
        """Run `code` in isolated mode with warnings as errors; return its output."""
        done = self.run("python", "-I", "-W", "error", "-c", code)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


class Mock(NamedTuple):
    """An installed mock that is running."""

    home: Installed
    environment: dict[str, str]


def commands(
    group: click.Group = main, before: tuple[str, ...] = (), *, models: int = 1
) -> Iterator[tuple[str, ...]]:
    """Yield the words of each command; of those for a model, the first."""
    yield before
    is_models = isinstance(group, ModelGroup)
    for name in group.list_commands(click.Context(group))[: models if is_models else None]:
        command = group.get_command(click.Context(group), name)
        if isinstance(command, click.Group):
            yield from commands(command, (*before, name))
        else:
            yield (*before, name)


@pytest.fixture(scope="module")
def bare(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The result of `pip install wanflow`."""
    return Installed(tmp_path_factory.mktemp("bare"), built.wheel)


class TestWheel:
    """The wheel has the library, and nothing else."""

    def test_holds_the_packages(self, built: Built) -> None:
        """It has the library, the generated client, the contract suite and its metadata."""
        with ZipFile(built.wheel) as wheel:
            tops = {name.split("/")[0] for name in wheel.namelist()}
        info = {top for top in tops if top.endswith(".dist-info")}
        assert tops - info == set(OURS)
        assert len(info) == 1

    def test_holds_every_committed_module(self, built: Built, committed: list[str]) -> None:
        """The files of the wheel are the committed files of the packages."""
        roots = ("wrapper/", "generated/", "contract_tests/")
        ours = tuple(root + package for root in roots for package in OURS)
        expected = {p.partition("/")[2] for p in committed if p.startswith(ours)}
        assert expected
        with ZipFile(built.wheel) as wheel:
            assert {n for n in wheel.namelist() if ".dist-info/" not in n} == expected

    def test_carries_the_spec(self, built: Built) -> None:
        """The merged spec is in the wheel, with every operation."""
        with ZipFile(built.wheel) as wheel:
            spec = json.loads(wheel.read("wanflow_client/openapi.json"))
        assert len(spec["paths"]) >= 3

    def test_is_typed(self, built: Built) -> None:
        """Both packages of the library have the marker `py.typed`."""
        with ZipFile(built.wheel) as wheel:
            assert {f"{package}/py.typed" for package in LIBRARY} <= set(wheel.namelist())


class TestBareInstall:
    """`pip install wanflow`, without extras, is a working library."""

    def test_public_names(self, bare: Installed) -> None:
        """Every public name can be imported, and comes from the installed wheel."""
        names = "[getattr(wanflow, name) for name in wanflow.__all__]"
        code = f"import wanflow; print(len({names}), wanflow.__file__)"
        count, _, home = bare.python(code).partition(" ")
        assert int(count) > 10
        assert Path(home).is_relative_to(bare.site)

    def test_spec_is_found(self, bare: Installed) -> None:
        """The spec is found without the repository, and has its models."""
        code = "from wanflow.catalog.catalog import packaged_catalog as c; print(*c().models)"
        assert len(bare.python(code).split()) >= 5

    def test_generated_client_stands_alone(self, bare: Installed) -> None:
        """Importing the generated client imports nothing of `wanflow`."""
        code = "import sys, wanflow_client; print('wanflow' in sys.modules)"
        assert bare.python(code) == "False"

    def test_command_line(self, bare: Installed) -> None:
        """The command is installed, and shows its version."""
        done = bare.run("wanflow", "--version")
        assert done.returncode == 0, done.stderr
        assert bare.metadata.version in done.stdout

    @pytest.mark.parametrize(
        ("command", "extra", "code"),
        [
            (["mock"], "mock", 3),
            (["demo"], "mock", 3),
            (["listen", "--public-url", "https://a.example/"], "webhooks", 3),
            (["spec", "build"], "spec", 8),
            (["contract"], "contract", 2),
            (["contract", "explain", "json"], "contract", 2),
        ],
    )
    def test_absent_extra(self, bare: Installed, command: list[str], extra: str, code: int) -> None:
        """A command whose extra is missing says in one line how to install it."""
        given = {"WANFLOW_API_KEY": "k", "WANFLOW_BASE_URL": ""}
        done = bare.run("wanflow", *command, **(given if extra == "webhooks" else {}))
        assert done.returncode == code
        (line,) = done.stderr.splitlines()
        assert "Traceback" not in done.stderr
        assert re.search(rf"pip install '?\"?wanflow\[{extra}\]", line), done.stderr

    def test_help_needs_no_extra(self, bare: Installed) -> None:
        """Every command explains itself, and says what its exit codes are or where they are."""
        found = json.loads(bare.python(HELP.format(commands=list(commands()))))
        assert len(found) > 20
        for words, (code, out, err) in found.items():
            assert (code, err) == (0, ""), words
            assert "Usage: wanflow" in out, words
            assert "exit codes" in out.lower(), words


@pytest.fixture(scope="module")
def mock(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mock]:
    """`wanflow mock`, as `pip install 'wanflow[cli,mock,media]'` gives it, until Ctrl-C."""
    home = Installed(tmp_path_factory.mktemp("full"), built.wheel, "cli", "mock", "media")
    with home.start("wanflow", "mock", "--port", "0", "--polls", "1", "--api-key", KEY) as server:
        assert server.stdout is not None
        url = re.search(r"http://127\.0\.0\.1:\d+/\S+", server.stdout.readline())
        try:
            assert url, server.communicate(timeout=60)
            yield Mock(home, {"WANFLOW_BASE_URL": url[0], "WANFLOW_API_KEY": KEY})
        finally:
            server.send_signal(signal.SIGINT)
            _, complaints = server.communicate(timeout=60)
        assert complaints == ""


class TestInstalledCommands:
    """The wheel is enough to submit, wait and download, without the repository."""

    @pytest.mark.slow  # it draws a video of each model, as the tests of the demo do
    def test_demo(self, mock: Mock, tmp_path: Path) -> None:
        """`wanflow demo` runs every model against a mock of its own, and saves real files."""
        done = mock.home.run("wanflow", "demo", "-o", str(tmp_path))
        assert done.returncode == 0, done.stdout + done.stderr
        assert len(list(tmp_path.iterdir())) >= len(packaged_catalog().models)
        assert all(name in done.stdout for name in packaged_catalog().models)

    @pytest.mark.parametrize(("kind", "magic"), [("image", b"\x89PNG"), ("video", b"ftyp")])
    def test_run(self, mock: Mock, tmp_path: Path, kind: str, magic: bytes) -> None:
        """`wanflow run` against `wanflow mock` saves a real image or video."""
        models = packaged_catalog().models.values()
        model = next(m for m in models if m.kind == kind and m.required == ("prompt",))
        command = ["run", model.name, "--prompt", "a lake", "--output-dir", str(tmp_path)]
        done = mock.home.run("wanflow", *command, **mock.environment)
        assert done.returncode == 0, done.stdout + done.stderr
        (file,) = tmp_path.iterdir()
        assert magic in file.read_bytes()[:16]

    def test_wrong_key(self, mock: Mock) -> None:
        """An unknown key is reported in one sentence, with an exit code."""
        unknown = {**mock.environment, "WANFLOW_API_KEY": "wrong-key"}
        done = mock.home.run("wanflow", "status", "task-unified-1-abc", **unknown)
        assert done.returncode != 0
        assert "Traceback" not in done.stderr
        assert "wrong-key" not in done.stdout + done.stderr


class _Open(BaseHTTPRequestHandler):
    """Answers any request with a success."""

    def do_GET(self) -> None:
        """Respond; there are no controls of a mock."""
        self.send_response(404 if "_mock" in self.path else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@contextmanager
def open_server() -> Iterator[str]:
    """Serve on a free port; yield the URL."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Open) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/apiv1"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def contract(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The result of `pip install 'wanflow[contract]'`."""
    return Installed(tmp_path_factory.mktemp("contract"), built.wheel, "contract")


class TestInstalledSuite:
    """`wanflow contract` needs the wheel alone: no checkout, no configuration, no conftest."""

    def test_tests_the_bundled_mock(self, contract: Installed) -> None:
        """Without URL it tests the bundled mock, writes the report, and nothing else here."""
        before = set(contract.folder.iterdir())
        one_file = ["--ignore-glob=/*/test_[!a]*"]  # collecting all takes seconds
        chosen = ["--report", "out", "--seed", "1", "--", *one_file, "-k", "key_in_the_query"]
        done = contract.run("wanflow", "contract", *chosen)
        assert done.returncode == 0, done.stdout + done.stderr
        assert " passed" in done.stdout
        assert "arning" not in done.stdout + done.stderr
        report = json.loads((contract.folder / "out/report.json").read_text())
        assert {one["outcome"] for one in report["tests"]} == {"passed"}
        created = set(contract.folder.iterdir()) - before
        assert {one.name for one in created} <= {"out", "data"}

    @pytest.mark.slow
    def test_all_tests_of_the_suite_are_collected(self, contract: Installed) -> None:
        """The wheel has every test, and each can be imported."""
        done = contract.run("wanflow", "contract", "--", "--collect-only", "-q", "-q")
        files = dict(re.findall(r"(test_\w+)\.py: (\d+)", done.stdout))
        assert len(files) >= 12, done.stdout + done.stderr
        assert sum(map(int, files.values())) > 1000

    @pytest.mark.slow  # a run, a replay and an emitted test, each in its own process
    def test_a_finding_is_explained_sent_again_and_written_as_a_test(
        self, contract: Installed
    ) -> None:
        """The server accepts requests without a key: everything about it needs the wheel alone."""
        one_file = ["--ignore-glob=/*/test_[!a]*", "-k", "key_in_the_query and getTaskDetail"]
        with open_server() as url:
            keys = {"WANFLOW_API_KEY": "some-key-of-a-test"}
            chosen = ["--report", "faults", "--emit-tests", "emitted", "--", *one_file]
            done = contract.run("wanflow", "contract", url, *chosen, **keys)
            assert done.returncode == 1, done.stdout + done.stderr
            report = json.loads((contract.folder / "faults/report.json").read_text())
            found = next(o["id"] for o in report["findings"] if o["check"] == "key-required")
            again = contract.run(
                "wanflow", "contract", "replay", found, "--report", "faults", **keys
            )
            assert again.returncode == 1, again.stdout + again.stderr
            emitted = contract.run("python", "-m", "pytest", "-q", "emitted", **keys)
            assert emitted.returncode == 1, emitted.stdout + emitted.stderr
        explained = contract.run("wanflow", "contract", "explain", found, "--report", "faults")
        assert explained.returncode == 0, explained.stderr
        assert found in explained.stdout

    @pytest.mark.parametrize("command", [["explain", "json"], ["--help"]])
    def test_other_commands(self, contract: Installed, command: list[str]) -> None:
        """Explanations and the help text need nothing else either."""
        done = contract.run("wanflow", "contract", *command)
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""


class TestSdist:
    """The sdist has the committed files, and nothing else."""

    def test_holds_what_is_committed(self, built: Built, committed: list[str]) -> None:
        """The workflows are left out, and its metadata is added."""
        with tarfile.open(built.sdist) as sdist:
            inside = {name.partition("/")[2] for name in sdist.getnames()}
        ours = {path for path in committed if not path.startswith(".github/")}
        assert inside - ours == {"PKG-INFO"}
        assert ours - inside == set()
