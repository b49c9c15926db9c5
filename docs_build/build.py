"""Collects the pages, has Zensical render them, and adds the Markdown copies and llms.txt."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from docs_build.collect import collect
from docs_build.markdown_copies import write_copies
from docs_build.reference import write_reference

HERE = Path(__file__).parent
_REMOTE_SHIM = "https://unpkg.com/iframe-worker/shim"
_OWN_SHIM = "assets/search-from-files.js"
_FOLDER_ABOVE = 'href="./.."'  # what the theme links as home
_REMOTE_SCRIPTS = re.compile(rb"https://(?:unpkg\.com|cdn\.jsdelivr\.net|api\.github\.com)/")
_TERMINAL_STYLES = re.compile(r"\x1b\[[0-9;]*m")


class BuildFailed(Exception):
    """The site can't be built; the message is what the tool printed."""


def build(root: Path, target: Path) -> Path:
    """Build the site of a checkout, and put it in place of the target."""
    with tempfile.TemporaryDirectory() as name:
        project = Path(name)
        pages = project / "pages"
        collect(root, pages)
        write_reference(root, pages)
        (project / "zensical.toml").write_text(complete_settings(pages), "utf-8")
        _render(project)
        site = project / "site"
        (site / "404.html").unlink()  # it would need to know the address of the site
        _load_nothing_from_elsewhere(site)
        shutil.copy(HERE / "search_from_files.js", site / _OWN_SHIM)
        write_copies(pages, site, project / "zensical.toml")
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(site, target)
    return target


def complete_settings(pages: Path) -> str:
    """Return the settings, with a place in the navigation for the pages that they don't name."""
    text = (HERE / "zensical.toml").read_text("utf-8")
    for folder in ("errors/", ""):
        names = sorted(f"{folder}{path.name}" for path in (pages / folder).glob("*.md"))
        listed = ", ".join(f'"{name}"' for name in names if f'"{name}"' not in text)
        text = text.replace(f'"{folder}*.md",', f"{listed}," if listed else "")
    return text


def _render(project: Path) -> None:
    command = [sys.executable, "-m", "zensical", "build", "--strict", "--clean"]
    done = subprocess.run(  # noqa: S603 - a constant command
        command, cwd=project, capture_output=True, text=True, check=False
    )
    if done.returncode:
        shown = _TERMINAL_STYLES.sub("", done.stdout + done.stderr)
        raise BuildFailed(shown.partition("Traceback")[0])


def _load_nothing_from_elsewhere(site: Path) -> None:
    """Use our own script in place of a remote one, and make optional ones of the theme local.

    The theme would fetch them for diagrams and the like, which no page has.
    """
    for page in site.rglob("*.html"):
        text = page.read_text("utf-8")
        depth = re.search(r'"base":"([^"]*)"', text)
        base = depth[1] if depth else "."
        text = text.replace(_REMOTE_SHIM, f"{base}/{_OWN_SHIM}")
        page.write_text(text.replace(_FOLDER_ABOVE, 'href="../index.html"'), "utf-8")
    for script in site.rglob("*.js"):
        if script.name != "search.js":
            script.write_bytes(_REMOTE_SCRIPTS.sub(b"about:blank#", script.read_bytes()))
