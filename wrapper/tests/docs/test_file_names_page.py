"""The examples of docs/file-names.md are correct."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from click.testing import CliRunner

from wanflow import Client
from wanflow._core.file_names import BATCH_FIELDS
from wanflow.cli import main
from wanflow.mock import MockServer

if TYPE_CHECKING:
    import pytest

TEXT = (Path(__file__).parents[3] / "docs/file-names.md").read_text()
BLOCKS = dict(re.findall(r"^```(\w+)\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE))


def test_the_example_and_its_commands_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The files have the names that the page shows."""
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(compile(BLOCKS["python"], "file-names.md", "exec"), names)
    with MockServer(polls=1) as mock:
        with Client(mock.api_key, mock.base_url) as client:
            names["lakes"](client)
        assert capsys.readouterr().out.strip() in BLOCKS["python"]

        run, batch = map(shlex.split, BLOCKS["sh"].splitlines())
        Path("jobs.csv").write_text(f"key,model,prompt\nfox,{run[2]},A fox\n")
        runner = CliRunner(
            env={
                "WANFLOW_API_KEY": mock.api_key,
                "WANFLOW_BASE_URL": mock.base_url,
                "WANFLOW_LEDGER": "jobs.db",
            }
        )
        for command in (run, batch):
            assert runner.invoke(main, command[1:]).exit_code == 0
    assert Path("out", f"{run[2]}-1.png").exists()
    assert Path("posters", "fox-1.png").exists()


def test_the_table_has_every_field() -> None:
    """And no other one."""
    assert set(re.findall(r"^\| `\{(\w+)\}`", TEXT, re.MULTILINE)) == set(BATCH_FIELDS)
