"""What is true of every page: its commands and its links exist, and its Python compiles."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import click
import pytest
from docs_build.collect import ELSEWHERE

from tests.any_model import model_name
from tests.docs.pages import DOCS, ROOT, blocks, commands, parse, words
from wanflow.cli.main import COMMANDS

PAGES = sorted(
    [path.relative_to(ROOT).as_posix() for path in DOCS.rglob("*.md")]
    + [name for name in ELSEWHERE if name != "CHANGELOG.md"]
)
LINES = [(name, line) for name in PAGES for line in commands((ROOT / name).read_text("utf-8"))]
OF_ONE_TOOL = re.compile(r'^ *(?::::|!!!|\?\?\?|=== ")|\{: ', re.MULTILINE)
# What an example writes in place of something of the reader's.
PLACEHOLDERS = {
    "task-unified-…": "task-unified-1757156493-imcg5zqt",
    "…": "",
    "nova-2-sun": model_name("image"),
    "new-openapi.json": str(ROOT / "specs/openapi.yaml"),
}


@pytest.mark.parametrize(("name", "line"), LINES)
def test_every_command_exists(
    name: str, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With each of its options, and each value that is one of a few."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WANFLOW_QUEUE", "postgresql://db.example.com/wanflow")
    for placeholder, value in PLACEHOLDERS.items():
        line = line.replace(f"task-unified-{placeholder}", value).replace(placeholder, value)
    command, *arguments = words(line)
    for one in arguments:
        if re.fullmatch(r"[\w./-]+\.(yaml|json|jsonl|csv|toml|har|txt|png|md)", one):
            Path(one).parent.mkdir(parents=True, exist_ok=True)
            Path(one).touch()
    if "lives" in arguments:
        Path("lives").mkdir()
    if not command.startswith("-"):
        parse(COMMANDS[command].load(), command, arguments)


@pytest.mark.parametrize("line", ["batch --nothing", "run no-such-model", "spec nothing"])
def test_a_wrong_command_would_be_noticed(line: str) -> None:
    """The test above can fail."""
    command, *arguments = words(f"wanflow {line}")
    with pytest.raises(click.ClickException):
        parse(COMMANDS[command].load(), command, arguments)


STARTS_MOCK = re.compile(r"^wanflow mock\b", re.MULTILINE)
PAYS = re.compile(r"^wanflow (run|submit|batch|worker)\b", re.MULTILINE)


@pytest.mark.parametrize("name", PAGES)
def test_a_block_that_starts_the_mock_sends_its_paid_commands_there(name: str) -> None:
    """It exports the mock's address and a key between the two, so nothing is paid elsewhere."""
    for code in blocks((ROOT / name).read_text("utf-8"), "sh"):
        started = STARTS_MOCK.search(code)
        paid = started and PAYS.search(code, started.end())
        if started and paid:
            between = code[started.end() : paid.start()]
            port = re.match(r".* --port (\d+)", code[started.start() :])
            there = f"http://127.0.0.1:{port[1] if port else 8700}/apiv1"
            assert f"export WANFLOW_BASE_URL={there} " in between
            assert " WANFLOW_API_KEY=" in between


@pytest.mark.parametrize("name", PAGES)
def test_every_python_block_can_be_compiled(name: str) -> None:
    """So it can be pasted."""
    for code in blocks((ROOT / name).read_text("utf-8"), "python"):
        ast.parse(code.replace(", …", ""))


@pytest.mark.parametrize("name", PAGES)
def test_every_page_is_plain_markdown(name: str) -> None:
    """Another tool could build the site: no block, attribute or tab of one tool."""
    assert OF_ONE_TOOL.findall((ROOT / name).read_text("utf-8")) == []


@pytest.mark.parametrize("text", ["::: wanflow", "!!! note", "# A {: #a }", '    === "Linux"'])
def test_what_is_no_plain_markdown(text: str) -> None:
    """The test above can fail."""
    assert OF_ONE_TOOL.search(f"text\n{text}\n")


@pytest.mark.parametrize("name", PAGES)
def test_every_link_to_a_file_leads_to_one(name: str) -> None:
    """Where the repository is shown, too; those to generated pages exist on the site only."""
    text = re.sub(r"^( *)```.*?^\1```$", "", (ROOT / name).read_text("utf-8"), flags=re.S | re.M)
    for link in re.findall(r"\]\((?!https?:|mailto:|#)([^)#\s]+)", text):
        target = (ROOT / name).parent / link
        generated = "reference/" in link or link.endswith("errors/index.md")
        assert target.exists() or generated, link
