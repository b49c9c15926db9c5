"""The pages as Markdown beside their HTML, and `llms.txt`, for programs that read them."""

from __future__ import annotations

import re
import shutil
import tomllib
from typing import TYPE_CHECKING, Any

from docs_build.html_as_markdown import article_as_markdown

if TYPE_CHECKING:
    from pathlib import Path

# A line that the renderer replaces by the docstrings of a module or class.
DIRECTIVE = re.compile(r"^:::", re.MULTILINE)
_TITLE = re.compile(r"^# +(.+)$", re.MULTILINE)


def write_copies(pages: Path, site: Path, settings: Path) -> None:
    """Write each page's Markdown into the site, and list them by the sections of the site."""
    for page in pages.rglob("*.md"):
        copy = site / page.relative_to(pages)
        if DIRECTIVE.search(page.read_text("utf-8")):
            html = copy.with_suffix(".html").read_text("utf-8")
            copy.write_text(article_as_markdown(html), "utf-8")
        else:
            shutil.copy(page, copy)
    project = tomllib.loads(settings.read_text("utf-8"))["project"]
    lines = [f"# {project['site_name']}", "", f"> {project['site_description']}"]
    lines += listed(project["nav"], pages)
    (site / "llms.txt").write_text("\n".join(lines) + "\n", "utf-8")


def listed(nav: list[Any], pages: Path, within: str = "") -> list[str]:
    """Return the pages of a section, then its inner ones: llms.txt has headings of one level."""
    lines: list[str] = []
    inner: list[str] = []
    for entry in nav:
        if isinstance(entry, str):
            lines.append(_entry(entry, pages))
            continue
        for title, inside in entry.items():
            if isinstance(inside, str):
                lines.append(_entry(inside, pages, title))
            else:
                inner += listed(inside, pages, f"{within}: {title}" if within else title)
    heading = ["", f"## {within}", ""] if within and lines else []
    return heading + lines + inner


def _entry(name: str, pages: Path, title: str = "") -> str:
    text = (pages / name).read_text("utf-8")
    found = _TITLE.search(text)
    shown = title or (found[1] if found else name)
    return f"- [{shown}]({name})"
