"""What `make release-check` refuses, each before anything is published; and what the tag runs."""

from __future__ import annotations

import importlib
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from ruamel.yaml import YAML

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

    from tests.packaging.conftest import Built

MODULES = ("address", "changelog", "distributions", "sbom", "environments")
TEXT = "# Changelog\n\n## 1.1.0 (2026-11-29)\n\nNew.\n\n## 1.0.0 (2026-10-01)\n\n- First.\n"


@pytest.fixture(scope="module")
def release(checkout: Path) -> Iterator[dict[str, ModuleType]]:
    """The modules of `.ci/release`, which are imported only by each other."""
    sys.path.insert(0, str(checkout / ".ci/release"))
    try:
        yield {name: importlib.import_module(name) for name in MODULES}
    finally:
        sys.path.remove(str(checkout / ".ci/release"))
        for name in MODULES:
            sys.modules.pop(name, None)


@pytest.fixture
def refused(release: dict[str, ModuleType]) -> type[Exception]:
    """The error of a release that would be wrong."""
    error: type[Exception] = release["changelog"].ReleaseError
    return error


class TestChangelog:
    """The version, the changelog's first section and the tag are one."""

    def test_this_changelog_and_this_version_agree(
        self, checkout: Path, release: dict[str, ModuleType]
    ) -> None:
        """The next release has notes, and each heading is a version with its day."""
        version = release["changelog"].version_of(checkout)
        text = (checkout / "CHANGELOG.md").read_text("utf-8")
        assert release["changelog"].notes(text, version)

    @pytest.mark.parametrize("tag", ["", "v1.1.0"])
    def test_the_notes_are_the_section_of_the_version(
        self, release: dict[str, ModuleType], tag: str
    ) -> None:
        """Up to the next heading, without it."""
        assert release["changelog"].notes(TEXT, "1.1.0", tag) == "New."

    def test_without_a_tag_the_next_version_need_not_have_its_day(
        self, release: dict[str, ModuleType]
    ) -> None:
        """While it is written its section is Unreleased; a tag asks for the version."""
        text = TEXT.replace("1.1.0 (2026-11-29)", "Unreleased")
        assert release["changelog"].notes(text, "1.1.0") == "New."

    @pytest.mark.parametrize(
        ("text", "tag", "said"),
        [
            (TEXT, "v1.2.0", "the tag is v1.2.0"),
            (TEXT, "1.1.0", "the tag is 1.1.0"),
            (TEXT.replace("1.1.0", "1.2.0"), "", "begins with 1.2.0"),
            (TEXT.replace("1.1.0 (2026-11-29)", "Unreleased"), "v1.1.0", "begins with Unreleased"),
            (TEXT.replace("New.", ""), "v1.1.0", "1.1.0 is empty"),
            (TEXT.replace("1.1.0 (2026-11-29)", "1.1.0"), "", "'1.1.0' is neither"),
            (TEXT.replace("1.1.0 (", "v1.1.0 ("), "", "is neither"),
            (TEXT.replace("1.0.0 (", "1.1.0 ("), "", "two sections for 1.1.0"),
            ("# Changelog\n", "", "begins with nothing"),
        ],
    )
    def test_what_disagrees_is_named(
        self,
        release: dict[str, ModuleType],
        refused: type[Exception],
        text: str,
        tag: str,
        said: str,
    ) -> None:
        """With what it has to be."""
        with pytest.raises(refused, match=said.replace("(", r"\(")):
            release["changelog"].notes(text, "1.1.0", tag)

    @pytest.mark.processes
    def test_each_tag_has_its_section(self, checkout: Path, release: dict[str, ModuleType]) -> None:
        """What was released is never taken out of the changelog."""
        if not (checkout / ".git").exists():
            pytest.skip("this is not a git checkout: it has no tags")
        command = ["git", "tag", "--list", "v[0-9]*"]
        tags = subprocess.run(command, cwd=checkout, check=True, capture_output=True, text=True)
        found = release["changelog"].sections((checkout / "CHANGELOG.md").read_text("utf-8"))
        assert {tag.removeprefix("v") for tag in tags.stdout.split()} <= set(found)


NAMING = {
    "pyproject.toml": '[project.urls]\nRepository = "https://github.com/OWNER/gear"\n',
    "docs/a.md": "uses: OWNER/gear@v1 in OWNER/gear\n",
    "docs/b.md": "OWNER, and picture.png\r\n",
}


@pytest.fixture
def named(tmp_path: Path) -> Path:
    """A checkout whose files name the repository by its placeholder."""
    for name, text in NAMING.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(text.encode())
    (tmp_path / "picture.png").write_bytes(b"\x89PNG \xff OWNER/gear")
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    return tmp_path


class TestAddress:
    """The repository's address has one place, and no release has a placeholder."""

    @pytest.mark.processes
    def test_a_tag_refuses_the_placeholder(
        self, named: Path, release: dict[str, ModuleType], refused: type[Exception]
    ) -> None:
        """It names the files that have it, and the command that sets it."""
        address = release["address"]
        assert address.check_address(named) == "OWNER/gear"
        with pytest.raises(refused, match=r"OWNER/gear, in docs/a.md, .*pyproject.toml: set"):
            address.check_address(named, "v1.1.0")

    @pytest.mark.processes
    def test_one_command_sets_it_everywhere(
        self, named: Path, release: dict[str, ModuleType]
    ) -> None:
        """Every byte that isn't the address stays."""
        address = release["address"]
        changed = address.set_address(named, "acme/wanflow-2")
        assert changed == ["docs/a.md", "picture.png", "pyproject.toml"]
        assert (named / "docs/a.md").read_text() == "uses: acme/wanflow-2@v1 in acme/wanflow-2\n"
        assert (named / "docs/b.md").read_bytes() == NAMING["docs/b.md"].encode()
        assert (named / "picture.png").read_bytes() == b"\x89PNG \xff acme/wanflow-2"
        assert address.check_address(named, "v1.1.0") == "acme/wanflow-2"

    @pytest.mark.processes
    @pytest.mark.parametrize("wrong", ["", "acme", "https://github.com/acme/x", "a b/c", "a/b/c"])
    def test_what_is_no_address_changes_nothing(
        self, named: Path, release: dict[str, ModuleType], refused: type[Exception], wrong: str
    ) -> None:
        """It is named."""
        with pytest.raises(refused, match="must be OWNER/REPOSITORY"):
            release["address"].set_address(named, wrong)
        assert (named / "docs/a.md").read_text() == NAMING["docs/a.md"]

    def test_each_file_names_the_declared_one(
        self, checkout: Path, release: dict[str, ModuleType]
    ) -> None:
        """A file with another owner would be left as it is."""
        address = release["address"].address_of(checkout)
        for path in ("SECURITY.md", "action.yml", "docs", ".github", "README.md", "pyproject.toml"):
            found = [checkout / path, *(checkout / path).rglob("*.*")]
            text = "".join(one.read_text("utf-8") for one in found if one.is_file())
            owners = re.findall(r"([\w-]+)/wanflow(?=@v|/security|/issues|/\.github|/blob)", text)
            assert set(owners) <= {address.partition("/")[0]}, path


FILES = [
    *("LICENSE", "pyproject.toml", "wrapper/wanflow/a.py", "generated/wanflow_client/b.py"),
    *("contract_tests/wanflow_contract/c.py", "wrapper/tests/d.py", ".github/workflows/ci.yml"),
]
INFO = [f"x.dist-info/{n}" for n in ("METADATA", "RECORD", "WHEEL", "entry_points.txt")]
WHEEL = [
    *("wanflow/a.py", "wanflow_client/b.py", "wanflow_contract/c.py"),
    *INFO,
    "x.dist-info/licenses/LICENSE",
]
SDIST = [f"wanflow-1/{name}" for name in (*FILES[:-1], "PKG-INFO")]


class TestContents:
    """The wheel has the packages and the licence; the sdist has what is committed."""

    def test_the_right_ones_are_accepted(self, release: dict[str, ModuleType]) -> None:
        """These tests can be passed."""
        release["distributions"].check_wheel(WHEEL, FILES)
        release["distributions"].check_sdist(SDIST, FILES)

    @pytest.mark.parametrize("missing", WHEEL)
    def test_a_wheel_that_lacks_a_file_is_refused(
        self, release: dict[str, ModuleType], refused: type[Exception], missing: str
    ) -> None:
        """A module, metadata or the licence."""
        with pytest.raises(refused, match=r"lacks"):
            release["distributions"].check_wheel([n for n in WHEEL if n != missing], FILES)

    @pytest.mark.parametrize(
        "more", ["tests/d.py", "wanflow/__pycache__/a.pyc", "wanflow/.env", "x.dist-info/direct"]
    )
    def test_a_wheel_with_more_is_refused(
        self, release: dict[str, ModuleType], refused: type[Exception], more: str
    ) -> None:
        """Tests, caches, and what isn't committed."""
        with pytest.raises(refused, match="should not have"):
            release["distributions"].check_wheel([*WHEEL, more], FILES)

    @pytest.mark.parametrize("inside", ["wanflow/tests/t.py", "wanflow/__pycache__/a.pyc"])
    def test_a_committed_test_or_cache_in_a_package_is_refused(
        self, release: dict[str, ModuleType], refused: type[Exception], inside: str
    ) -> None:
        """It would be in the wheel because it is committed."""
        with pytest.raises(refused, match="only this repository needs"):
            release["distributions"].check_wheel([*WHEEL, inside], [*FILES, f"wrapper/{inside}"])

    @pytest.mark.parametrize("names", [SDIST[1:], [*SDIST, "wanflow-1/.venv/x"]])
    def test_another_sdist_is_refused(
        self, release: dict[str, ModuleType], refused: type[Exception], names: list[str]
    ) -> None:
        """With less, or with more."""
        with pytest.raises(refused):
            release["distributions"].check_sdist(names, FILES)


def sbom(*names: str, version: str = "1.1.0") -> dict[str, Any]:
    parts = [{"name": name, "purl": f"pkg:pypi/{name}@1"} for name in names]
    return {"metadata": {"component": {"name": "wanflow", "version": version}}, "components": parts}


class TestSbom:
    """The SBOM is of this version, and lists what an installation has."""

    def test_the_right_one_is_accepted(self, release: dict[str, ModuleType]) -> None:
        """Names are compared as package indexes compare them."""
        release["sbom"].check_sbom(
            sbom("httpx", "Ruamel.YAML"), "1.1.0", {"httpx", "ruamel-yaml", "wanflow"}
        )

    @pytest.mark.parametrize(
        "wrong",
        [
            sbom("httpx"),
            sbom("httpx", "attrs", "left-pad"),
            sbom("httpx", "attrs", version="1.0.0"),
            {**sbom("httpx"), "components": [{"name": "httpx"}, {"name": "attrs"}]},
        ],
    )
    def test_another_is_refused(
        self, release: dict[str, ModuleType], refused: type[Exception], wrong: dict[str, Any]
    ) -> None:
        """One that lacks a package, has more, is of another version, or says no origin."""
        with pytest.raises(refused):
            release["sbom"].check_sbom(wrong, "1.1.0", {"httpx", "attrs", "wanflow"})


def test_the_constraints_are_the_whole_lock(checkout: Path, release: dict[str, ModuleType]) -> None:
    """Each package of the lock with its version, and the marker where it has one."""
    lock = (checkout / "requirements.lock").read_text("utf-8")
    pins = release["environments"].PIN.findall(lock)
    assert len(pins) == sum(line[0].isalnum() for line in lock.splitlines() if line)
    assert any(" ; " in pin for pin in pins)
    assert not any(pin.endswith(("\\", " ")) for pin in pins)


def test_the_wheel_is_tried_with_every_extra(
    checkout: Path, release: dict[str, ModuleType]
) -> None:
    """Of users; those of contributors are for the tests."""
    declared = tomllib.loads((checkout / "pyproject.toml").read_text("utf-8"))
    extras = set(declared["project"]["optional-dependencies"])
    assert set(release["environments"].USERS) == extras - {"dev", "test"}


def test_the_page_of_versions_names_what_is_public_and_supported(checkout: Path) -> None:
    """Each public module, and each Python that pyproject.toml names."""
    page = (checkout / "docs/versions.md").read_text("utf-8")
    modules = Path(__file__).with_name("public_modules.txt").read_text("utf-8").splitlines()
    public = {name for name in modules if name and not name.startswith("#")}
    assert set(re.findall(r"`(wanflow[a-z.]*)`", page)) - {"wanflow_client"} >= public
    (row,) = re.findall(r"^\| CPython (.*?) \| yes", page, re.MULTILINE)
    declared = (checkout / "pyproject.toml").read_text("utf-8")
    assert row.split(", ") == re.findall(r":: Python :: (3\.\d+)", declared)


def test_each_change_is_tested_with_every_supported_python(checkout: Path) -> None:
    """Those that pyproject.toml names."""
    changes = YAML(typ="safe").load(checkout / ".github/workflows/ci.yml")
    declared = (checkout / "pyproject.toml").read_text("utf-8")
    tested = changes["jobs"]["test"]["strategy"]["matrix"]["python"]
    assert tested == re.findall(r":: Python :: (3\.\d+)", declared)


def test_each_change_is_tested_on_every_system(checkout: Path) -> None:
    """The wheel of a change, with the oldest and the newest Python, by the release's command."""
    jobs = YAML(typ="safe").load(checkout / ".github/workflows/ci.yml")["jobs"]
    released = YAML(typ="safe").load(checkout / ".github/workflows/release.yml")["jobs"]["test"]
    matrix = jobs["systems"]["strategy"]["matrix"]
    others = {one for one in released["strategy"]["matrix"]["system"] if "ubuntu" not in one}
    assert set(matrix["system"]) == others
    supported = jobs["test"]["strategy"]["matrix"]["python"]
    assert matrix["python"] == [supported[0], supported[-1]]
    assert jobs["systems"]["needs"] == "release-check"
    assert jobs["systems"]["steps"][-1] == released["steps"][-1]


@pytest.fixture
def jobs(checkout: Path) -> dict[str, Any]:
    """The jobs of the workflow, which a tag starts, and nothing by hand."""
    loaded = YAML(typ="safe").load(checkout / ".github/workflows/release.yml")
    assert loaded["on"] == {"push": {"tags": ["v[0-9]*"]}}
    jobs: dict[str, Any] = loaded["jobs"]
    return jobs


class TestWorkflow:
    """A tag builds once, tests what it built on every system, and publishes exactly that."""

    def test_nothing_is_published_before_every_test_has_passed(self, jobs: dict[str, Any]) -> None:
        """The jobs wait for each other in this order."""
        needs = {name: job.get("needs") for name, job in jobs.items()}
        order = {"build": None, "test": "build", "publish": "test", "announce": "publish"}
        assert needs == order

    def test_only_one_job_builds(self, jobs: dict[str, Any]) -> None:
        """The others have its files, and those that publish run nothing of the repository."""
        building = [n for n, job in jobs.items() if "release-check" in str(job)]
        assert building == ["build"]
        for name in ("test", "publish", "announce"):
            assert "actions/download-artifact@" in str(jobs[name]["steps"]), name
        for name in ("publish", "announce"):
            assert "actions/checkout@" not in str(jobs[name]["steps"]), name

    def test_every_system_and_python_is_tested(self, jobs: dict[str, Any], checkout: Path) -> None:
        """Those that pyproject.toml names; none may fail."""
        matrix = jobs["test"]["strategy"]["matrix"]
        assert {s.partition("-")[0] for s in matrix["system"]} == {"ubuntu", "macos", "windows"}
        named = (checkout / "pyproject.toml").read_text("utf-8")
        supported = [p for p in matrix["python"] if f"Python :: {p}" in named]
        assert matrix["python"] == supported == ["3.11", "3.12", "3.13", "3.14", "3.15"]
        assert "continue-on-error" not in jobs["test"]

    def test_no_job_has_a_password(self, jobs: dict[str, Any]) -> None:
        """The index trusts the workflow itself, and each file is signed by it (PEP 740)."""
        assert "secrets." not in str(jobs)
        upload = jobs["publish"]["steps"][-1]
        assert upload["uses"].startswith("pypa/gh-action-pypi-publish@")
        assert upload["with"] == {"attestations": True}

    @pytest.mark.processes
    def test_the_commands_of_the_announcement_work(
        self, jobs: dict[str, Any], tmp_path: Path
    ) -> None:
        """With the files where the artifacts put them, and a `gh` that records its arguments."""
        for name in ("dist/w-1.whl", "dist/w-1.tar.gz", "release/notes.md", "release/w.cdx.json"):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).touch()
        (tmp_path / "gh").write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
        (tmp_path / "gh").chmod(0o700)
        step = jobs["announce"]["steps"][-1]
        done = subprocess.run(
            [str(shutil.which("bash")), "-e", "-c", step["run"]],
            cwd=tmp_path,
            env={"PATH": str(tmp_path), "TAG": "v1.1.0"},
            check=True,
            capture_output=True,
            text=True,
        )
        words = done.stdout.splitlines()
        assert words[:4] == ["release", "create", "v1.1.0", "--verify-tag"]
        assert words[words.index("--notes-file") + 1] == "release/notes.md"
        assert words[-3:] == ["dist/w-1.tar.gz", "dist/w-1.whl", "release/w.cdx.json"]


@pytest.mark.slow  # it builds twice, installs everything twice, and draws a video of each model
def test_the_dry_run_of_a_release_passes(checkout: Path) -> None:
    """Of these very files."""
    if not (checkout / ".git").exists():
        pytest.skip("this is not a git checkout: it has no time of its last commit")
    command = [sys.executable, ".ci/release", "check"]
    done = subprocess.run(command, cwd=checkout, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (checkout / "release/notes.md").read_text("utf-8").strip()


@pytest.mark.slow  # it builds, and installs the wheel with the extras of the tests
def test_tests_of_the_sdist_run_on_the_wheel(
    built: Built, release: dict[str, ModuleType], refused: type[Exception], tmp_path: Path
) -> None:
    """As on each system of a release; one that isn't there, or fails, ends it."""
    run = release["environments"].run_tests
    for name in ("good", "bad"):
        (tmp_path / name).mkdir()
    run(built.wheel, built.sdist, tmp_path / "good", ["wrapper/tests/core/test_waiting.py"])
    with pytest.raises(refused, match="ended with 4"):
        run(built.wheel, built.sdist, tmp_path / "bad", ["wrapper/tests/core/test_nothing.py"])
