"""A text made to exhaust its reader is rejected quickly, with one line."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from tests.spec.family import VIDEOS, document, request
from tests.waiting import TIME_LIMIT
from wanflow.spec.errors import InvalidDocument
from wanflow.spec.intake.loader import load_file
from wanflow.spec.read.yaml import read_yaml, write_yaml

if TYPE_CHECKING:
    from pathlib import Path

DEEP = 50_000
HEAD = "openapi: 3.1.0\ninfo: {title: a, version: '1'}\npaths: {}\n"
BOMB = "\n".join(
    ["a0: &a0 [x, x]"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30)]
)
TEXTS = {
    "brackets": ("yaml", "x: " + "[" * DEEP + "]" * DEEP),
    "open brackets": ("yaml", "x: " + "[" * DEEP),
    "braces": ("yaml", "x: " + "{a: " * DEEP + "1" + "}" * DEEP),
    "both": ("yaml", "x: " + "[{a: " * DEEP + "1" + "}]" * DEEP),
    "blocks": ("yaml", "\n".join(" " * n + "a:" for n in range(3000))),
    "dashes": ("yaml", "x:\n" + "- " * DEEP + "1"),
    "questions": ("yaml", "x:\n  " + "? " * DEEP + "1"),
    "a bomb": ("yaml", BOMB),
    "an anchor in itself": ("yaml", "x: &a [*a]"),
    "a million nodes": ("yaml", "x: [" + "1," * 1_000_000 + "1]"),
    "json brackets": ("json", '{"x": ' + "[" * DEEP + "]" * DEEP + "}"),
    "json braces": ("json", '{"x": ' + '{"a":' * DEEP + "1" + "}" * DEEP + "}"),
    "json that json takes": ("json", '{"x": ' + "[" * 900 + "]" * 900 + "}"),
    "a million nodes in json": ("json", '{"x": [' + "1," * 1_000_000 + "1]}"),
}


@pytest.mark.parametrize(("kind", "text"), TEXTS.values(), ids=TEXTS)
@pytest.mark.parametrize("form", ["file", "page"])
def test_a_text_beyond_the_limits_is_rejected_quickly(
    tmp_path: Path, kind: str, text: str, form: str
) -> None:
    """Nesting, aliases and size are limited before anything recursive reads them."""
    whole = HEAD + text if kind == "yaml" else text
    path = tmp_path / f"nova.{kind}"
    if form == "page":
        path = tmp_path / "nova.md"
        whole = f"````{kind} nova.json post {VIDEOS}\n{whole}\n````\n"
    path.write_text(whole)
    begun = time.monotonic()
    with pytest.raises(InvalidDocument) as caught:
        load_file(path)
    assert time.monotonic() - begun < TIME_LIMIT
    assert "\n" not in str(caught.value)


@pytest.mark.processes
def test_the_process_survives_deep_nesting(tmp_path: Path) -> None:
    """The command ends with its own exit code, not with a signal."""
    (tmp_path / "specs" / "sources").mkdir(parents=True)
    (tmp_path / "nova.yaml").write_text(HEAD + TEXTS["brackets"][1])
    command = [sys.executable, "-m", "wanflow", "spec", "--root", str(tmp_path), "import"]
    done = subprocess.run(
        [*command, str(tmp_path / "nova.yaml")], capture_output=True, text=True, check=False
    )
    assert done.returncode == InvalidDocument.exit_code
    assert done.stderr.startswith("wanflow spec: nova.yaml, line 4: has more nodes")


def test_an_endless_file_is_not_read_completely(tmp_path: Path) -> None:
    """A file larger than the limit is read only up to the limit."""
    path = tmp_path / "nova.yaml"
    with path.open("wb") as file:
        file.truncate(200_000_000_000)
    with pytest.raises(InvalidDocument, match="more than any document"):
        load_file(path)


def test_a_large_document_is_within_the_limits() -> None:
    """Two thousand properties, twenty levels deep, are read."""
    deep: dict[str, object] = {"type": "string"}
    for _ in range(20):
        deep = {"type": "array", "items": deep}
    many = {f"p{number}": {"type": "string"} for number in range(2000)}
    data = document(request("nova-1", deep=deep, **many))
    assert read_yaml(write_yaml(data), "x").data == data
