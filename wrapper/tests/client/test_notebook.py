"""A result shows its pictures and films in a notebook, and nothing of others' text as HTML."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wanflow import Client
from wanflow._notebook import MAX_EMBEDDED, result_html
from wanflow.catalog.catalog import packaged_catalog

if TYPE_CHECKING:
    from pathlib import Path

    from wanflow.mock import MockServer

MODELS = packaged_catalog().models.values()
KINDS = {
    kind: next(one for one in MODELS if one.kind == kind and "image_urls" not in one.required)
    for kind in ("image", "video")
}


@pytest.mark.parametrize(("kind", "element"), [("image", "img"), ("video", "video")])
def test_a_saved_file_is_part_of_the_notebook(
    mock: MockServer, api_key: str, tmp_path: Path, kind: str, element: str
) -> None:
    """As a picture or a film, in full, so that it is there when the link has expired."""
    with Client(api_key, mock.base_url) as client:
        result = client.run(KINDS[kind].example, output_dir=tmp_path)
        html = result._repr_html_()
        assert f"<{element} " in html
        (data,) = re.findall(r'src="data:[a-z]+/[a-z0-9]+;base64,([^"#]+)', html)
        assert base64.b64decode(data) == result.paths[0].read_bytes()
        assert result.urls[0] not in html
        again = client.task(result.task_id).wait()
        assert f'src="{again.urls[0]}' in again._repr_html_().replace("&amp;", "&")


def test_a_file_that_is_large_or_gone_is_named(tmp_path: Path) -> None:
    """A notebook of hundreds of megabytes can't be opened."""
    large = tmp_path / "large.mp4"
    large.write_bytes(b"\0" * (MAX_EMBEDDED + 1))
    html = result_html("task-1", [], [large, tmp_path / "gone.png"])
    assert "large.mp4" in html
    assert "gone.png" in html
    assert "<video" not in html
    assert "<img" not in html


SIGNS = st.text("<>\"'&/:.=[] scriptjavho", max_size=30)


@given(SIGNS, st.lists(st.tuples(st.sampled_from(["https://", "javascript:", "data:", ""]), SIGNS)))
def test_no_text_of_the_api_becomes_html(task_id: str, links: list[tuple[str, str]]) -> None:
    """Neither a task's id nor a link opens an element, ends an attribute or runs a script."""
    html = result_html(task_id, [scheme + rest for scheme, rest in links], [])
    tags = re.findall(r"<(/?[a-z]+)", html)
    assert set(tags) <= {
        *("figure", "/figure", "figcaption", "/figcaption", "p", "/p", "a", "/a"),
        *("img", "video", "/video", "audio", "/audio"),
    }
    assert html.count("<") == len(tags)
    for source in re.findall(r'(?:src|href)="([^"]*)"', html):
        assert source.startswith(("http://", "https://"))
