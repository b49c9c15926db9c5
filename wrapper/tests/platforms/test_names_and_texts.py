"""Names of files, paths in URIs, and terminals, as other systems have them."""

from __future__ import annotations

import io
import os
import sys
from pathlib import PurePosixPath, PureWindowsPath
from urllib.parse import unquote_to_bytes, urlsplit

import click
import pytest
from click.testing import CliRunner

from tests.any_model import model_name
from wanflow._core.file_names import file_stem, parse_template, task_values
from wanflow._paths import WINDOWS_DEVICES
from wanflow.cli import main
from wanflow.cli.streams import tolerant_streams
from wanflow.errors import InvalidRequest
from wanflow.ledger.rows import _uri, _windows_path, path_from_text, path_to_text
from wanflow.spec.errors import InvalidDocument
from wanflow.spec.intake.loader import load_bytes

NAMES = sorted(
    {form for name in WINDOWS_DEVICES for form in (name, name.upper(), f"{name}.png", f"{name} .x")}
    | {"a.", "a ", "a. .", "...", " a", "a:b", "a\\b", "a/b", "a<b>", 'a"b', "a|b", "a?b*", "a\x00"}
)
ENCODINGS = ("cp1252", "cp437", "cp932", "ascii", "latin-1", "utf-16", "utf-8")
WRITTEN = {"ascii": "utf-8"}
"""What click writes in place of ASCII, which it takes for a system without a locale."""
PROMPT = "画 é 🎬 \u202e"
FORBIDDEN = set('<>:"/\\|?*') | {chr(code) for code in range(32)}


def is_a_name(text: str) -> bool:
    """Return whether Windows, macOS and Linux can have a file of this name."""
    device = text.partition(".")[0].rstrip(" ").lower()
    return not (device in WINDOWS_DEVICES or text[-1] in " ." or FORBIDDEN & set(text))


class TestNames:
    """No name of a file is a device, ends with a dot or space, or has a forbidden character."""

    @pytest.mark.parametrize("template", ["{key}", "{task_id}", "{model}", "{key}.{index}"])
    def test_whatever_a_user_names(self, template: str) -> None:
        """A key, a model or a task of such a name gets a file of another one."""
        parsed = parse_template(template, ("key", "task_id", "model", "index"))
        for name in NAMES:
            values = task_values(name, name, 0.0)
            for stem in parsed.bind(key=name).stems(values, 0, 1):
                assert is_a_name(stem), (name, stem)
                assert is_a_name(f"{stem}.png"), (name, stem)

    def test_whatever_a_server_names(self) -> None:
        """A task of such an id gets a file of another name."""
        for name in NAMES:
            for stem in (file_stem(name, 0, 1), file_stem(name, 1, 3)):
                assert is_a_name(stem), (name, stem)
                assert is_a_name(f"{stem}.png"), (name, stem)

    def test_a_template_or_a_document_of_such_a_name_is_refused(self) -> None:
        """A user can choose another; the repository could not be checked out on Windows."""
        for name in (one for one in NAMES if one.lower() in WINDOWS_DEVICES):
            with pytest.raises(InvalidRequest):
                parse_template(name)
            with pytest.raises(InvalidDocument, match=r"device|can't be a document's name"):
                load_bytes(f"{name}.yaml", b"openapi: 3.1.0\n")


class TestPaths:
    """A path that isn't valid Unicode is stored as a URI, and read back as the same path."""

    @pytest.mark.parametrize(
        "path", ["C:/a b/é", "c:/x\udc80", "//server/share/x\udc80/y", "D:/50% #1?/~"]
    )
    def test_windows_paths(self, path: str) -> None:
        """With a drive letter, or of a network."""
        parts = urlsplit(_uri(PureWindowsPath(path)))
        text = os.fsdecode(unquote_to_bytes(parts.path))
        assert PureWindowsPath(_windows_path(parts.netloc, text)) == PureWindowsPath(path)

    @pytest.mark.skipif(os.name == "nt", reason="the other test has the paths of Windows")
    @pytest.mark.parametrize("path", ["/a b/é", "/x\udc80", "/50% #1?/~\udcff", "/C:/x\udc80"])
    def test_posix_paths(self, path: str) -> None:
        """Of any bytes."""
        assert path_from_text(path_to_text(PurePosixPath(path))) == PurePosixPath(path)


class TestTerminals:
    """A terminal that can't show a character shows its number, and nothing fails."""

    @pytest.mark.processes
    @pytest.mark.parametrize("encoding", ENCODINGS)
    @pytest.mark.parametrize("words", [["check", "", "--prompt", PROMPT], ["models"], ["-h"]])
    def test_of_any_encoding(
        self, monkeypatch: pytest.MonkeyPatch, encoding: str, words: list[str]
    ) -> None:
        """As Windows has them outside of its own console, and Linux with LANG=C."""
        streams = [io.TextIOWrapper(io.BytesIO(), encoding, errors="strict") for _ in range(2)]
        monkeypatch.setattr(sys, "stdout", streams[0])
        monkeypatch.setattr(sys, "stderr", streams[1])
        given = [word or model_name("image", "prompt") for word in words]
        with pytest.raises(SystemExit) as ended:
            main(given, prog_name="wanflow")
        assert ended.value.code in {0, None}
        shown = [one.buffer.getvalue().decode(WRITTEN.get(encoding, encoding)) for one in streams]
        assert "Traceback" not in shown[1]
        assert shown[0].strip(), "every one of these commands says something"

    @pytest.mark.parametrize("encoding", ENCODINGS)
    def test_what_it_cannot_show_is_shown_by_its_number(
        self, monkeypatch: pytest.MonkeyPatch, encoding: str
    ) -> None:
        """Here of a prompt."""
        stream = io.TextIOWrapper(io.BytesIO(), encoding, errors="strict")
        monkeypatch.setattr(sys, "stdout", stream)
        with tolerant_streams():
            click.echo(f"prompt: {PROMPT}")
        written = WRITTEN.get(encoding, encoding)
        shown = stream.buffer.getvalue().decode(written).strip()
        assert shown == "prompt: " + PROMPT.encode(written, "backslashreplace").decode(written)
        assert ("\\U0001f3ac" in shown) == (not written.startswith("utf"))

    def test_a_name_that_cannot_be_shown_is_reported_in_one_sentence(self) -> None:
        """The error has the character's number."""
        done = CliRunner(charset="ascii").invoke(main, ["check", "画"])
        assert done.exit_code == 2
        assert "Traceback" not in done.output
