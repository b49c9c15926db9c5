"""The function of docs/object-storage.md runs, with a real S3 server and the mock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.docs.pages import blocks, page
from tests.uploads.conftest import BUCKET, object_names
from wanflow import Client

if TYPE_CHECKING:
    from wanflow.mock import MockServer


def test_the_function_saves_its_picture_where_the_page_says(
    quick: MockServer, api_key: str, s3: Any
) -> None:
    """What it returns is the URL of the one object that is in the bucket."""
    (code,) = blocks(page("object-storage.md"), "python")
    names: dict[str, Any] = {}
    exec(code.replace("my-bucket", BUCKET), names)
    with Client(api_key=api_key, base_url=quick.base_url) as client:
        url = names["lake"](client)
    assert [f"s3://{BUCKET}/{name}" for name in object_names(s3)] == [url]
    assert url.startswith(f"s3://{BUCKET}/run1/task-unified-")
    assert url.endswith(".png")
