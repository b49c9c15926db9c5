"""Result URLs that are none: a finding, and no error of the suite."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import wanflow_contract
from wanflow_contract.checks.check import CheckFailed
from wanflow_contract.checks.definitions.files import LINK as LINK_CHECK
from wanflow_contract.checks.documented_responses import packaged_contract
from wanflow_contract.support.exchange import Exchange
from wanflow_contract.test_files import fetch_files

LINK = "https://files.example/1.png"
NO_URLS = ("http://[::1/x", "//[", "http://a\u2100b.example/x")
PARSER = re.compile(r"^from urllib\.parse import .*\burl(split|join|defrag|parse)\b", re.MULTILINE)
OF_THE_USER = {"server_url.py", "raw_http.py"}
"""They read the base URL that was given."""


def fetch(links: list[str], location: str) -> list[bytes]:
    """Fetch the files of a task; each answer is a redirect."""

    def send(method: str, url: str, _headers: dict[str, str]) -> Exchange:
        if url in NO_URLS:
            raise ValueError(f"{url} is no URL")
        return Exchange(method, url, url, (), b"", 302, (("Location", location),), b"")

    model = next(iter(packaged_contract().catalog.models.values()))
    history: Any = SimpleNamespace(links=links, last=send("GET", LINK, {}), model=model)
    return fetch_files(SimpleNamespace(client=SimpleNamespace(send=send)), history)


@pytest.mark.parametrize("place", NO_URLS)
def test_a_redirect_to_no_url_fails_the_check_of_links(place: str) -> None:
    """A client can't follow it."""
    with pytest.raises(CheckFailed, match="which is no URL") as failure:
        fetch([LINK], place)
    assert failure.value.check is LINK_CHECK


def test_a_link_that_is_no_url_fails_the_check_of_links() -> None:
    """It begins as a URL of http; a link of another scheme isn't fetched."""
    with pytest.raises(CheckFailed) as failure:
        fetch([NO_URLS[0]], LINK)
    assert failure.value.check is LINK_CHECK
    assert fetch(["data:image/png;base64,", "ftp://files.example/1.png"], LINK) == []


def test_the_urls_of_servers_are_parsed_by_one_module() -> None:
    """Functions of `urllib.parse` raise ValueError for some texts."""
    files = list(Path(wanflow_contract.__file__).parent.rglob("*.py"))
    assert len(files) > 50
    found = {one.name for one in files if PARSER.search(one.read_text("utf-8"))}
    assert found == OF_THE_USER
