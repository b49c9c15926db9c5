"""The same image with the extra `contract` tests a server: one container of it, and no Python."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.container.engine import HARDENED

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.container.engine import Engine

pytestmark = pytest.mark.slow  # an image is built

TAG = "localhost/wanflow-contract"
ONE_FILE = ("--", "--ignore-glob=/*/test_[!a]*", "-k", "key_in_the_query")


@pytest.fixture(scope="module")
def suite(engine: Engine) -> Iterator[Engine]:
    """An engine that has the image."""
    engine.build(TAG, "contract")
    yield engine
    engine.run("rmi", "--force", TAG)


def test_it_tests_the_bundled_mock_and_writes_the_report(suite: Engine, tmp_path: Path) -> None:
    """With no right but to write there; the exit code is that of the suite."""
    tmp_path.chmod(0o777)  # it runs as a user of its own
    words = ("--rm", *HARDENED, "--tmpfs=/tmp", f"--volume={tmp_path}:/report")
    said = suite.run("run", *words, TAG, "contract", "--report", "/report", "--seed=1", *ONE_FILE)
    assert " passed" in said
    report = json.loads((tmp_path / "report.json").read_text("utf-8"))
    assert {one["outcome"] for one in report["tests"]} == {"passed"}


def test_it_says_what_is_missing(suite: Engine) -> None:
    """A server without a key is not tested, and the reason is on stderr."""
    url = "http://127.0.0.1:9/apiv1"
    said = suite.run("run", "--rm", *HARDENED, "--tmpfs=/tmp", TAG, "contract", url, fails=True)
    assert "WANFLOW_API_KEY" in said
    assert "Traceback" not in said


def test_its_help_is_that_of_the_command(suite: Engine) -> None:
    """Options follow the word `contract`; without it, it is the mock."""
    assert "--spend-limit" in suite.run("run", "--rm", *HARDENED, TAG, "contract", "--help")
    assert "--polls" in suite.run("run", "--rm", *HARDENED, TAG, "--help")
