"""How a result is shown in a notebook: its pictures, films and sounds, in the page itself."""

from __future__ import annotations

import base64
from html import escape
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from wanflow._core.file_formats import media_type
from wanflow._core.media_html import media_html

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_EMBEDDED = 8 * 1024 * 1024
"""Bytes of a file that a notebook stores in itself; of a larger one it has the name only."""
_STYLE = "max-width: 100%; max-height: 24em"


def result_html(task_id: str, urls: Sequence[str], paths: Sequence[Path]) -> str:
    """Return the HTML of a result: its saved files, or else what its links lead to.

    Saved files are part of the notebook. Links are not: they expire.
    """
    shown = [_saved(path) for path in paths] or [_linked(url) for url in urls]
    return f"<figure>{''.join(shown)}<figcaption>{escape(task_id)}</figcaption></figure>"


def _saved(path: Path) -> str:
    try:
        small = path.stat().st_size <= MAX_EMBEDDED
        content = path.read_bytes() if small else b""
    except OSError:
        content = b""
    source = f"data:{media_type(path.name)};base64,{base64.b64encode(content).decode()}"
    element = media_html(source, path.name, path.suffix.lower(), _STYLE) if content else ""
    return f"{element}<p>{escape(str(path))}</p>"


def _linked(url: str) -> str:
    path = _path_of(url)
    if path is None:
        return f"<p>{escape(url)}</p>"
    name = PurePosixPath(path).name
    element = media_html(url, name, PurePosixPath(name).suffix.lower(), _STYLE)
    link = f'<a href="{escape(url, quote=True)}" rel="noreferrer">{escape(name or url)}</a>'
    return f"{element}<p>{link}</p>"


def _path_of(url: str) -> str | None:
    """Return the path of an http or https URL; None of anything else."""
    try:
        address = urlsplit(url)
    except ValueError:
        return None
    return address.path if address.scheme in {"http", "https"} else None
