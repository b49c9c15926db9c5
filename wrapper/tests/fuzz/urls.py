"""Fuzz targets of URLs that others wrote: in an index, in redirects and in a recording."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from tests.fuzz.files import File
from wanflow._http_library import http_library
from wanflow.spec.errors import NotFetched
from wanflow.spec.intake.fetch import Fetcher
from wanflow.spec.intake.published import links_of
from wanflow_contract.checks.boundaries import cheapest
from wanflow_contract.checks.documented_responses import packaged_contract
from wanflow_contract.watch.har import judge_har, read_har
from wanflow_contract.watch.observer import Observer

if TYPE_CHECKING:
    from collections.abc import Sequence

    Pairs = Sequence[tuple[str, str]]


def judged_har(data: bytes) -> None:
    """A recording of a task's life: the texts of a URL, of a redirect and of a link are judged."""
    other, location, link = [*data.decode("utf-8", "replace").split("\n", 2), "", ""][:3]
    life = task_life(link)
    redirected = entry("GET", link, 302, [("Location", location)], "")
    listed = [*life, redirected, entry("GET", location, 200, [], "x"), entry("GET", other, 200)]
    text = json.dumps({"log": {"entries": listed}}).encode()
    observer = Observer()
    judge_har(read_har(File("recorded.har", text)), observer)
    assert not observer.errors, observer.errors[0].text


def task_life(link: str) -> list[Any]:
    """Return the entries of a task that ends with a file."""
    model = next(one for one in packaged_contract().catalog.models.values() if one.kind == "image")
    task = {"created": 1_790_000_000, "id": "task-unified-1-a", "model": model.name}
    task |= {"object": "image.generation.task", "type": "image"}
    base = "https://api.example/apiv1"
    pending = json.dumps({**task, "status": "pending", "progress": 0})
    done = json.dumps({**task, "status": "completed", "progress": 100, "results": [link]})
    sent = {"postData": {"mimeType": "application/json", "text": json.dumps(cheapest(model))}}
    return [
        entry("POST", base + model.path, 200, [], pending, **sent),
        entry("GET", f"{base}/v1/tasks/{task['id']}", 200, [], done),
    ]


def entry(
    method: str, url: str, status: int, headers: Pairs = (), text: str = "{}", **sent: Any
) -> Any:
    """Return an entry of a recording."""
    more = [("Authorization", "Bearer key-of-nobody"), ("Content-Type", "application/json")]
    asked, given = (
        [{"name": name, "value": value} for name, value in one] for one in (more, headers)
    )
    return {
        "startedDateTime": "2026-09-21T14:13:20.000Z",
        "request": {"method": method, "url": url, "headers": asked, **sent},
        "response": {"status": status, "headers": given, "content": {"text": text}},
    }


def index(data: bytes) -> None:
    """A page of links, by which new documents are found."""
    text, at = data.decode("utf-8", "replace"), "https://docs.example.com/en/llms.txt"
    found = links_of(at, text, anywhere=True)
    assert set(links_of(at, text)) <= set(found)
    assert all("://" in link and "#" not in link for link in found)


class Redirected(Fetcher):
    """Fetches nothing: each answer is a redirect, to the lines of an input."""

    def __init__(self, places: list[str]) -> None:
        super().__init__()
        object.__setattr__(self, "places", iter(places))

    def _ask(self, url: str, *_: object, **__: object) -> str:
        http = http_library()
        try:
            http.URL(url)
        except (http.InvalidURL, ValueError) as error:
            raise NotFetched(f"{url} can't be fetched: {error}") from error
        return next(self.places, "")


def redirects(data: bytes) -> None:
    """What a page redirects to, again and again; a proxy resolves the names."""
    places = data.decode("latin-1").split("\n")
    for begin in ("https://docs.example.com/a/b", "http://127.0.0.1/a"):
        with (
            patch.dict(os.environ, {"https_proxy": "http://127.0.0.1:9", "no_proxy": ""}),
            suppress(NotFetched),
        ):
            Redirected(places).fetch(begin)
