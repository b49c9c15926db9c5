"""What the suite's page says can be run, can be run: its commands and their options exist."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from wanflow_contract.command.main import contract

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "contract_tests/README.md").read_text()
MODULES = sorted(set(re.findall(r"python -m (self_tests[\w.]*\w)", PAGE)))
assert MODULES, "the page names no command of the suite's own tests"


def options_of(name: str) -> set[str]:
    """Return the options of a subcommand, or of the command itself without a name."""
    done = CliRunner().invoke(contract, [*([name] if name else []), "--help"])
    assert done.exit_code == 0, done.output
    return set(re.findall(r"--[a-z][a-z0-9-]+", done.output))


def commands() -> Iterator[tuple[str, set[str]]]:
    """Yield each command of the page in a block of code, with its options."""
    for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL):
        for line in re.findall(r"wanflow contract(?: .*)?", block):
            command = line.partition("#")[0]
            name = command.split()[2] if len(command.split()) > 2 else ""
            yield (
                command,
                set(re.findall(r"--[a-z][a-z0-9-]+", command))
                - options_of(name if name in {"explain", "replay", "proxy", "read"} else ""),
            )


@pytest.mark.parametrize("name", MODULES)
def test_each_command_of_the_suites_own_tests_says_what_it_does(name, capsys) -> None:
    """It can be imported, and prints its help."""
    is_package = (ROOT / "contract_tests" / name.replace(".", "/")).is_dir()
    with pytest.raises(SystemExit) as ended:
        import_module(f"{name}.__main__" if is_package else name).main(["--help"])
    assert ended.value.code == 0
    assert "usage:" in capsys.readouterr().out


def test_each_command_of_the_page_has_options_that_exist() -> None:
    """No example of the page is wrong usage."""
    found = list(commands())
    assert len(found) > 4
    assert [(command, more) for command, more in found if more] == []


def test_each_file_that_the_page_names_exists() -> None:
    """Modules that were moved or split are named as they are."""
    places = [ROOT, ROOT / "contract_tests", *(ROOT / "contract_tests").rglob("*/")]
    names = set(re.findall(r"`((?:[\w]+/)*[\w]+\.(?:py|json|md))`", PAGE))
    written = {"report.json", "report.md"}
    missing = [one for one in names - written if not any((at / one).exists() for at in places)]
    assert len(names) > 10
    assert missing == []
