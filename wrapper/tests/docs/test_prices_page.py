"""The examples of docs/prices.md are correct."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from click.testing import CliRunner

from wanflow.cli import main

if TYPE_CHECKING:
    import pytest

    from wanflow.mock import MockServer

TEXT = (Path(__file__).parents[3] / "docs/prices.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)


def test_the_example_and_its_commands_run(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    mock: MockServer,
    api_key: str,
) -> None:
    """The price is unknown, then known, then guessed; the commands agree."""
    monkeypatch.chdir(tmp_path)
    (code,) = blocks("python")
    exec(compile(code, "prices.md", "exec"), {})
    unknown, refused, known, guess = capsys.readouterr().out.splitlines()
    assert unknown.startswith("unknown")
    assert "max_credits" in refused
    price, *basis = known.split()
    assert basis == ["same", "settings", "1"]
    assert guess.startswith(f"about {2 * float(price):g} credits, a guess")

    (commands,) = blocks("sh")
    estimate, run = commands.splitlines()
    env = {"WANFLOW_LEDGER": "j.db", "WANFLOW_API_KEY": api_key, "WANFLOW_BASE_URL": mock.base_url}
    runner = CliRunner(env=env)
    submit = shlex.split(estimate.replace("estimate", "submit", 1))[1:]
    assert runner.invoke(main, submit).exit_code == 0
    shown = runner.invoke(main, shlex.split(estimate)[1:])
    assert f"price: {float(price):g} credits" in shown.stdout
    assert runner.invoke(main, shlex.split(run)[1:]).exit_code == 0
