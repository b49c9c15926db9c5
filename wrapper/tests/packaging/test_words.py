"""`make lint` finds words that the project doesn't use, in prose and in identifiers."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.processes

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A git checkout with the list of words, and nothing else."""
    (tmp_path / ".ci").mkdir()
    for name in ("words", "words.toml"):
        shutil.copy(ROOT / ".ci" / name, tmp_path / ".ci" / name)
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    return tmp_path


def check(checkout: Path) -> subprocess.CompletedProcess[str]:
    """Run the check."""
    command = [sys.executable, str(checkout / ".ci/words")]
    return subprocess.run(command, check=False, capture_output=True, text=True)


@pytest.mark.parametrize(
    "text", ["what we told it", "told_snapshot = 1", "class ToldSnapshot: ..."]
)
def test_a_word_is_found_in_prose_and_in_identifiers(checkout: Path, text: str) -> None:
    """The line and the field's word are printed, and the exit code is 1."""
    (checkout / "a.py").write_text(f"x = 1\n# or:\n{text}\n")
    done = check(checkout)
    assert done.returncode == 1
    assert "a.py:3: 'told': say report, notify, record or pass" in done.stdout


def test_other_words_pass(checkout: Path) -> None:
    """Part of a longer word is another word."""
    (checkout / "a.py").write_text("untold = retold = 1\n")
    assert check(checkout).returncode == 0


def test_a_checkout_without_files_is_an_error(checkout: Path) -> None:
    """A check of nothing would always pass."""
    (checkout / ".ci/words.toml").write_text(
        (ROOT / ".ci/words.toml").read_text().replace('"*.toml", ', "")
    )
    done = check(checkout)
    assert done.returncode == 1
    assert "no file was found to read" in done.stderr
