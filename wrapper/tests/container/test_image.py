"""The image of the mock: small, quick, and content with few rights.

`make image-test` runs this. Most of its time is for the build. Where nothing runs containers, it is
skipped.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

import pytest

from tests.container.engine import TAG
from wanflow import Client
from wanflow.catalog.catalog import packaged_catalog

if TYPE_CHECKING:
    from tests.container.containers import Container, Containers

pytestmark = pytest.mark.slow  # an image is built

MODEL = next(m.name for m in packaged_catalog().models.values() if m.required == ("prompt",))
MEGABYTE = 1_000_000


def test_it_has_at_most_150_megabytes(containers: Containers) -> None:
    """All layers, uncompressed."""
    size = containers.engine.image_setting("Size")
    assert 30 * MEGABYTE < size <= 150 * MEGABYTE


def test_the_first_answer_comes_within_a_second(containers: Containers) -> None:
    """Counted from the start of the process; of three, the quickest, since others use the CPU."""

    def first_answer() -> float:
        with containers.start() as container:
            return container.answers()

    assert min(first_answer() for _ in range(3)) <= 1.0


def test_it_runs_as_a_user_without_rights(running: Container) -> None:
    """By number, which `runAsNonRoot` of Kubernetes asks for, and without a single capability."""
    assert running.engine.image_setting("User") == "10001:10001"
    code = "print(*[l.split()[1] for l in open('/proc/1/status') if l[:3] in ('Uid', 'Gid')])"
    assert running.python(code).split() == ["10001", "10001"]
    effective = "print(*[l.split()[1] for l in open('/proc/1/status') if l[:6] == 'CapEff'])"
    assert int(running.python(effective), 16) == 0


def test_it_needs_no_file_that_can_be_written(running: Container) -> None:
    """A task is made and completed, while nothing can be written in the image."""
    for place in ("/", "/data", "/opt/wanflow"):
        code = f"open('{place}/new', 'w')"
        assert "Read-only file system" in running.python(code, fails=True)
    with Client("key", running.base_url) as client:
        assert client.run(model=MODEL, prompt="A moon", timeout=60).urls


def test_it_can_write_its_own_data_only(containers: Containers) -> None:
    """Also where the file system may be written, the program can't be changed by itself."""
    with containers.start(options=()) as container:
        container.python("open('/data/new', 'w'), open('/tmp/new', 'w')")
        for place in ("/", "/opt", "/opt/wanflow", "/usr/bin", "/etc"):
            code = f"open('{place}/new', 'w')"
            assert "Permission denied" in container.python(code, fails=True)


def test_everything_is_compiled(running: Container) -> None:
    """A start compiles nothing, and could not keep it: the file system may be read-only."""
    code = (
        "import importlib.util as u, pathlib, sys\n"
        "files = [f for d in {*sys.path, '/opt'} for f in pathlib.Path(d).rglob('*.py')]\n"
        "bare = [f for f in files if not pathlib.Path(u.cache_from_source(f)).exists()]\n"
        "print(len(files), *bare)"
    )
    count, *bare = running.python(code).split()
    assert int(count) > 500
    # A program that is run by its path is compiled each time.
    assert set(bare) == {"/opt/start.py", "/opt/healthcheck.py"}


@pytest.mark.parametrize("program", ["sh", "bash", "pip", "apt", "curl"])
def test_there_is_no_other_program(running: Container, program: str) -> None:
    """Nothing for an intruder to use, or to keep up to date."""
    running.engine.run("exec", running.name, program, "--version", fails=True)


def test_the_health_check_answers_without_a_shell_or_curl(
    containers: Containers, running: Container
) -> None:
    """It ends with 0 where the mock answers, and with 1 and the reason where none does."""
    check = containers.engine.image_setting("Healthcheck")["Test"]
    assert check[0] == "CMD"
    running.engine.run("exec", running.name, *check[1:])
    entry = ("--rm", f"--entrypoint={check[1]}", TAG, *check[2:])
    said = containers.engine.run("run", *entry, fails=True)
    assert "the mock doesn't answer at port 8700" in said


@pytest.mark.parametrize("answered", [True, False], ids=["running", "starting"])
def test_it_stops_quickly_when_asked(containers: Containers, answered: bool) -> None:
    """Also during its start, when Python as process 1 would ignore SIGTERM."""
    with containers.start() as container:
        if answered:
            container.answers()
        begun = monotonic()
        containers.engine.run("stop", "--time=10", container.name)
        assert monotonic() - begun < 5
        assert container.state()["ExitCode"] == 0


def test_options_follow_the_name_of_the_image(containers: Containers) -> None:
    """They are those of `wanflow mock`; a wrong one is named, and ends the container."""
    said = containers.engine.run("run", "--rm", TAG, "--polls", "many", fails=True)
    assert "many" in said
    assert "--polls" in containers.engine.run("run", "--rm", TAG, "--help")


def test_a_volume_keeps_the_tasks(containers: Containers) -> None:
    """A named volume at /data belongs to the user of the image."""
    words = ("--volume=wanflow-test-state:/data",)
    arguments = ("--state", "/data/mock.db", "--polls", "1")
    try:
        with containers.start(*words, arguments=arguments) as first:
            first.answers()
            with Client("key", first.base_url) as client:
                task_id = client.submit(model=MODEL, prompt="A moon").id
            containers.engine.run("stop", first.name)
        with containers.start(*words, arguments=arguments) as second:
            second.answers()
            with Client("key", second.base_url) as client:
                assert client.task(task_id).wait(timeout=60).urls
    finally:
        containers.engine.run("volume", "rm", "wanflow-test-state")
