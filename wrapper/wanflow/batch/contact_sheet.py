"""The contact sheet: a page that shows the files of a batch, with prompts, costs and links."""

from __future__ import annotations

import os
from html import escape
from typing import TYPE_CHECKING
from urllib.parse import quote

from wanflow._core.media_html import IMAGE_SUFFIXES, media_html
from wanflow._paths import ObjectPath
from wanflow.batch.report import write_text

if TYPE_CHECKING:
    from pathlib import Path

    from wanflow.batch.models import JobResult
    from wanflow.batch.report import Report

# The page loads only the files beside it and runs no scripts, whatever a prompt contains.
_POLICY = (
    "default-src 'none'; img-src 'self' file:; media-src 'self' file:; style-src 'unsafe-inline'"
)
_STYLE = """
:root { color-scheme: light dark; font: 15px/1.45 system-ui, sans-serif }
body { margin: 2rem auto; max-width: 90rem; padding: 0 1rem }
main { display: grid; gap: 1.2rem; grid-template-columns: repeat(auto-fill, minmax(16rem, 1fr)) }
figure { margin: 0; border: 1px solid #8885; border-radius: .5rem; overflow: hidden }
img, video { display: block; width: 100%; aspect-ratio: 1; object-fit: contain; background: #8882 }
figcaption { padding: .6rem .8rem; overflow-wrap: anywhere }
figcaption small { opacity: .75 } .failed, .uncertain { color: #b3261e } p { margin: .3rem 0 }
.file { padding: 0 .8rem; overflow-wrap: anywhere }
@media (prefers-color-scheme: dark) { .failed, .uncertain { color: #f2b8b5 } }
"""


def write_sheet(report: Report) -> Path:
    """Write the sheet to `index.html` in the output directory, and return its path."""
    path = report.output_dir / "index.html"
    write_text(path, render_sheet(report))
    return path


def render_sheet(report: Report) -> str:
    """Return the page as HTML."""
    name = escape(report.output_dir.resolve().name or str(report.output_dir))
    figures = "\n".join(_figure(report, result) for result in report.results)
    return (
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width">\n'
        f"<title>{name}</title>\n<style>{_STYLE}</style>\n"
        f"<h1>{name}</h1>\n<p>{escape(report.summary)} in all</p>\n"
        f"<main>\n{figures}\n</main>\n</html>\n"
    )


def _figure(report: Report, result: JobResult) -> str:
    media = "".join(_media(report.output_dir, file.path) for file in result.files)
    prompt = str(result.job.body.get("prompt", ""))
    title = result.job.key or f"line {result.job.line}"
    facts = " · ".join(filter(None, (result.job.model, _cost(result), result.task_id)))
    reason = "" if not result.reason else f'<p class="{result.status}">{escape(result.reason)}</p>'
    return (
        f"<figure>{media}<figcaption><b>{escape(title)}</b> "
        f'<span class="{result.status}">{result.status.label}</span><p>{escape(prompt)}</p>{reason}'
        f"<small>{escape(facts)}</small></figcaption></figure>"
    )


def _cost(result: JobResult) -> str:
    if result.credits is None:
        return "" if result.task_id is None else "cost unknown"
    return f"{result.credits:g} credits"


def _media(output_dir: Path, path: Path) -> str:
    address = _address(output_dir, path)
    link = escape(address, quote=True)
    suffix, name = path.suffix.lower(), escape(path.name)
    element = media_html(address, path.name, suffix)
    if suffix in IMAGE_SUFFIXES:
        return f'<a href="{link}">{element}</a>'
    return f'{element}<p class="file"><a href="{link}">{name}</a></p>'


def _address(output_dir: Path, path: Path) -> str:
    """Return the address of a file for a page in a directory: a relative one where it can be."""
    if not isinstance(output_dir, ObjectPath) and not isinstance(path, ObjectPath):
        return quote(os.fsencode(os.path.relpath(path, output_dir).replace(os.sep, "/")))
    if path.parent == output_dir:
        return quote(path.name)
    return path.absolute().as_uri()
