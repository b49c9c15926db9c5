"""What docs/editors.md says of editors is so."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import jedi
import pytest

from tests.client.language_server import LanguageServer

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "docs/editors.md").read_text()
ROWS = re.findall(r"^\| `(.+?)` \| `(.+?)` \| (yes|no) \| (yes|no) \|$", TEXT, re.MULTILINE)
BEFORE = "from wanflow import Client\n\nclient = Client()\n"


def check(complete: Callable[[str], list[str]], expected: dict[str, tuple[str, str]]) -> None:
    said = {typed: is_offered for typed, (_, is_offered) in expected.items()}
    found = {
        typed: "yes" if offered in complete(BEFORE + typed) else "no"
        for typed, (offered, _) in expected.items()
    }
    assert found == said
    assert set(said.values()) >= {"yes"}


@pytest.mark.slow  # the server reads the whole library
def test_pyright_completes_names_and_values(tmp_path: Path):
    search = [ROOT / "wrapper", ROOT / "generated"]
    with LanguageServer(tmp_path, search) as server:
        check(server.complete, {typed: (offered, one) for typed, offered, one, _ in ROWS})


@pytest.mark.slow  # jedi reads the whole library
def test_jedi_completes_names():
    def complete(text: str) -> list[str]:
        return [one.name_with_symbols for one in jedi.Script(text).complete()]

    check(complete, {typed: (offered, one) for typed, offered, _, one in ROWS})


@pytest.mark.slow  # jedi reads the whole library
def test_jedi_shows_the_values_in_the_signature():
    shown = jedi.Script(f"{BEFORE}client.run(").get_signatures()
    assert any("quality: Literal[" in one.to_string() for one in shown)


def test_the_example_runs(capsys: pytest.CaptureFixture[str]):
    (code,) = re.findall(r"^```python\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)
    exec(compile(code, "editors.md", "exec"), {})
    printed = capsys.readouterr().out
    assert "quality (optional, Literal['480p', '720p', '1080p'], default '720p')" in printed
    assert "http://" in printed.splitlines()[-1]
