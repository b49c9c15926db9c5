"""Collects the pages of a checkout, with links as the site needs them.

The pages in `docs/` are plain Markdown, whose links work where the repository is shown. On the
site, pages that are elsewhere in the repository have another place, and other files are copied.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Pages outside of docs/, and where they are on the site.
ELSEWHERE = {
    "benchmarks/RESULTS.md": "results.md",
    "README.md": "readme.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "contract_tests/README.md": "contract-suite.md",
    "specs/README.md": "spec-pipeline.md",
    "wrapper/wanflow/mock/README.md": "mock.md",
}
_FENCE = re.compile(r"^\s*(```+|~~~+)")
_LINK = re.compile(r"\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)")
_OTHER_SCHEME = re.compile(r"[a-z]+:")


def collect(root: Path, pages: Path) -> None:
    """Write every page of a checkout, and the files that they link, to a folder."""
    places = dict(_places(root))
    for source, place in places.items():
        path = pages / place
        path.parent.mkdir(parents=True, exist_ok=True)
        text = (root / source).read_text("utf-8")
        if source.endswith(".ipynb"):
            shutil.copy(root / source, pages / Path(source).name)
            text = notebook_as_markdown(text)
        path.write_text(_with_links(text, _rewriter(root, source, places, pages)), "utf-8")


def _places(root: Path) -> Iterator[tuple[str, str]]:
    docs = root / "docs"
    for path in sorted((*docs.rglob("*.md"), *docs.rglob("*.ipynb"))):
        place = path.relative_to(docs).with_suffix(".md")
        yield path.relative_to(root).as_posix(), place.as_posix()
    yield from ELSEWHERE.items()


def _with_links(text: str, rewrite: Callable[[str], str]) -> str:
    """Rewrite each link outside of code blocks."""
    return "".join(
        line if in_code else _LINK.sub(lambda link: _link(link, rewrite), line)
        for line, in_code in lines_of(text)
    )


def lines_of(text: str) -> Iterator[tuple[str, bool]]:
    """Return each line of a page, and whether it is in a code block or begins one."""
    fence = ""
    for line in text.splitlines(keepends=True):
        if (mark := _FENCE.match(line)) and (not fence or mark[1].startswith(fence)):
            fence = "" if fence else mark[1]
        yield line, bool(fence)


def _link(link: re.Match[str], rewrite: Callable[[str], str]) -> str:
    """Return a link with the place of its target; of one to a folder, its text."""
    target = rewrite(link[2])
    return f"[{link[1]}]({target})" if target else link[1]


def _rewriter(root: Path, source: str, places: dict[str, str], pages: Path) -> Callable[[str], str]:
    folder = PurePosixPath(source).parent
    here = PurePosixPath(places[source]).parent

    def rewrite(link: str) -> str:
        if link.startswith("#") or _OTHER_SCHEME.match(link):
            return link
        name, _, anchor = link.partition("#")
        target = os.path.normpath(folder / name)
        if target == source and source.endswith(".ipynb"):
            return link  # the page of a notebook offers its file
        place = places.get(target) or _copied(root, target, pages)
        if place is None:  # the renderer reports what isn't there
            return "" if (root / target).is_dir() else link
        return os.path.relpath(place, here) + (f"#{anchor}" if anchor else "")

    return rewrite


def _copied(root: Path, target: str, pages: Path) -> str | None:
    """Copy a file that a page links, and return its place; None if there is no such file."""
    if not (root / target).is_file():
        return None
    place = f"files/{target.lstrip('./')}"
    (pages / place).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(root / target, pages / place)
    return place


def notebook_as_markdown(text: str) -> str:
    """Return the cells of a notebook as a page."""
    parts: list[str] = []
    for cell in json.loads(text)["cells"]:
        source = "".join(cell["source"])
        parts.append(source if cell["cell_type"] == "markdown" else f"```python\n{source}\n```")
    return "\n\n".join(parts) + "\n"
