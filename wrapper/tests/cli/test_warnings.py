"""A warning is a line of the program's own, the same in each command."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.cli.helpers import FROM_IMAGE

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cli.helpers import CommandResult

LINK = "http://localhost:8000/a.png"
WORDS = (FROM_IMAGE, "--prompt", "x", "--image-urls", LINK)
BODY = json.dumps({"model": FROM_IMAGE, "prompt": "x", "image_urls": [LINK]})


@pytest.mark.parametrize("as_json", [(), ("--json",)])
@pytest.mark.parametrize(
    "words",
    [
        ("run", *WORDS, "-o", "out"),
        ("submit", *WORDS),
        ("check", *WORDS),
        ("run", *WORDS, "--dry-run"),
        ("batch", "-", "-o", "out"),
    ],
    ids=["run", "submit", "check", "dry run", "batch"],
)
def test_each_command_warns_in_the_same_line(
    wanflow: Callable[..., CommandResult], words: tuple[str, ...], as_json: tuple[str, ...]
) -> None:
    """It names no file and no class of Python; a batch adds the number of the line."""
    done = wanflow(*words, *as_json, stdin=BODY)
    assert done.code == 0, done.err
    (line,) = [line for line in done.err.splitlines() if "warning" in line.lower()]
    assert line.removesuffix(" (line 1)") == (
        "wanflow: warning: image_urls[0] is fetched by the API's own servers, and must not name "
        f"the internal host 'localhost' (got {LINK!r})"
    )


def test_a_key_over_plain_http_is_warned_of_in_the_same_way(
    wanflow: Callable[..., CommandResult], environment: dict[str, str]
) -> None:
    """The warning of a client is a line, too."""
    environment["WANFLOW_BASE_URL"] = "http://192.0.2.1:1/apiv1"
    done = wanflow("run", *WORDS, "--dry-run")
    assert "wanflow: warning: the API key goes to 192.0.2.1 over plain http" in done.err
    assert ".py" not in done.err
