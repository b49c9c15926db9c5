"""A test that starts a process needs a mark that says so."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

TESTS = """
    import os
    import subprocess
    import sys
    import pytest

    @pytest.fixture(scope="session")
    def ends_with_a_process():
        yield
        subprocess.run([sys.executable, "-c", ""], check=True)

    @pytest.fixture
    def begins_with_a_process():
        subprocess.run([])

    @pytest.mark.processes
    def test_marked(ends_with_a_process):
        with pytest.raises(IndexError):
            subprocess.run([])

    def test_unmarked():
        subprocess.run([])

    def test_fork():
        os.fork()

    def test_fixture(begins_with_a_process):
        pass

    def test_that_starts_none():
        pass
"""


@pytest.mark.processes
def test_only_a_marked_test_starts_processes(pytester: pytest.Pytester) -> None:
    """What a fixture of several tests does at its end isn't blamed on the last one of them."""
    pytester.makeconftest((Path(__file__).parents[3] / "conftest.py").read_text("utf-8"))
    pytester.makepyfile(TESTS)
    done = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    done.assert_outcomes(passed=2, failed=2, errors=1)
