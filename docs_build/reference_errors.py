"""A page for each error: what it means, from its docstring; what to do, written by hand.

The hand-written part is `docs/errors/NAME.md`. The facts of the class are put under its title.
"""

from __future__ import annotations

import inspect
import re
from importlib import import_module
from typing import TYPE_CHECKING

from wanflow import errors
from wanflow.cli.exit_codes import exit_code_for
from wanflow.errors import WanflowError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_ATTRIBUTE = re.compile(r"^ {4}(\w+): ((?:.+\n?(?: {8}.+\n?)*))", re.MULTILINE)


class AdviceMissing(LookupError):
    """An error has no page in docs/errors, or a page has no error."""


def public_errors(modules: list[str]) -> list[type[Exception]]:
    """Return every exception and warning of the public modules."""
    found: dict[type[Exception], None] = {}
    for name in modules:
        module = import_module(name)
        for public in getattr(module, "__all__", vars(module)):
            value = getattr(module, public)
            if isinstance(value, type) and issubclass(value, Exception) and _is_ours(value):
                found[value] = None
    return list(found)


def _is_ours(error: type) -> bool:
    return error.__module__.partition(".")[0] == "wanflow"


def write_error_pages(folder: Path, modules: list[str]) -> None:
    """Complete the page of each error, and write the list of all.

    Raises:
        AdviceMissing: the pages aren't those of the errors.
    """
    known = {one.__name__: one for one in public_errors(modules)}
    written = {path.stem: path for path in folder.glob("*.md")}
    if known.keys() != written.keys():
        differing = sorted(known.keys() ^ written.keys())
        raise AdviceMissing(f"docs/errors: errors and pages differ in {', '.join(differing)}")
    for name, path in written.items():
        title, _, advice = path.read_text("utf-8").partition("\n")
        if title != f"# {name}" or not advice.strip():
            raise AdviceMissing(f"docs/errors/{name}.md: the title, or what to do, is missing")
        path.write_text(_page(known[name], advice), "utf-8")
    (folder / "index.md").write_text(_list(known), "utf-8")


def _page(error: type[Exception], advice: str) -> str:
    """Return a page: what the error means, what to do, and how it is used in code."""
    meaning, _, attributes = inspect.cleandoc(error.__doc__ or "").partition("Attributes:\n")
    return (
        f"# {error.__name__}\n\n{meaning.strip()}\n\n{advice.strip()}\n\n## In code\n\n"
        f"{_facts(error, attributes)}"
    )


def _facts(error: type[Exception], attributes: str) -> str:
    bases = [_base(one) for one in error.__mro__[1:-2]]
    rows = [("Caught as", ", ".join(bases)), ("Exit code", _exit_code(error))]
    rows += [(f"`.{name}`", text) for name, text in _attributes(attributes)]
    table = "".join(f"| {name} | {text} |\n" for name, text in rows if text)
    imported = f"```python\nfrom {_public_module(error)} import {error.__name__}\n```"
    return f"{imported}\n\n| | |\n|---|---|\n{table}"


def _public_module(error: type[Exception]) -> str:
    """Return the module that users import it from: the shortest that has it."""
    parts = error.__module__.split(".")
    names = (".".join(parts[:end]) for end in range(1, len(parts) + 1))
    return next(name for name in names if hasattr(import_module(name), error.__name__))


def _exit_code(error: type[Exception]) -> str:
    if not issubclass(error, WanflowError):
        return ""
    code = exit_code_for(error(""))
    return f"[{code.code}](../reference/exit-codes.md) (`{code.kind}`)"


def _base(one: type) -> str:
    return f"[{one.__name__}]({one.__name__}.md)" if _is_ours(one) else f"`{one.__name__}`"


def _attributes(text: str) -> Iterator[tuple[str, str]]:
    for match in _ATTRIBUTE.finditer(text):
        yield match[1], " ".join(match[2].split()).replace("|", "\\|")


def _list(known: dict[str, type[Exception]]) -> str:
    rows = []
    for name, error in known.items():
        first = inspect.cleandoc(error.__doc__ or "").partition("\n\n")[0]
        rows.append(f"| [{name}]({name}.md) | {' '.join(first.split())} | {_exit_code(error)} |\n")
    tree = inspect.cleandoc(errors.__doc__ or "").partition("\n\n")[2].rpartition("\n\n")[0]
    return (
        "# Errors\n\nEach error has a page: what it means, and what to do.\n\n"
        "| error | meaning | exit code |\n|---|---|---|\n"
        + "".join(rows)
        + f"\nWho can do something about it:\n\n```text\n{tree}\n```\n"
    )
