"""Other programs, folders, pipes and media types, as other systems have them."""

from __future__ import annotations

import codecs
import errno
import os
import sys
import tempfile
import time
from pathlib import Path
from traceback import TracebackException
from types import ModuleType
from typing import Any

import pytest

from wanflow import _regular_file
from wanflow._core.file_formats import FORMATS, media_type
from wanflow._core.media_html import AUDIO_SUFFIXES, IMAGE_SUFFIXES, VIDEO_SUFFIXES
from wanflow.cli import streams
from wanflow.cli.connection import Connection
from wanflow.errors import ConfigurationError
from wanflow.ledger.database import connect
from wanflow.spec.errors import ToolError
from wanflow.spec.generate.generate import end_lines_alike, run_tool
from wanflow.spec.project import swap_directories
from wanflow_contract.command.run import cache_folder
from wanflow_contract.findings.baseline_file import write_baseline

PACKAGE = Path(_regular_file.__file__).parent
REFUSED = "The process cannot access the file because it is being used by another process"


class BusyFiles:
    """Each first rename to a path fails, as where a virus scanner reads what was written."""

    def __init__(self) -> None:
        self.real, self.refused = os.replace, set[str]()

    def replace(self, source: Any, target: Any, **more: Any) -> None:
        if str(target) not in self.refused:
            self.refused.add(str(target))
            raise PermissionError(errno.EACCES, REFUSED, str(source))
        self.real(source, target, **more)


@pytest.fixture
def busy(monkeypatch: pytest.MonkeyPatch) -> BusyFiles:
    """Files that another program reads for a moment, on Windows."""
    files = BusyFiles()
    monkeypatch.setattr(os, "replace", files.replace)
    monkeypatch.setattr(os, "rename", files.replace)
    monkeypatch.setattr(_regular_file, "RENAMES_OPEN_FILES", False)
    monkeypatch.setattr(time, "sleep", lambda _: None)
    return files


class TestFilesInUse:
    """What other programs have open for a moment is replaced all the same."""

    @pytest.mark.parametrize("there", [True, False])
    def test_a_directory_is_swapped(self, tmp_path: Path, busy: BusyFiles, there: bool) -> None:
        """The generated client, with or without one before it."""
        made, kept = tmp_path / "made", tmp_path / "kept"
        made.mkdir()
        (made / "new").touch()
        if there:
            kept.mkdir()
            (kept / "old").touch()
        swap_directories(made, kept)
        assert [one.name for one in kept.iterdir()] == ["new"]
        assert made.exists() == there
        assert busy.refused

    def test_a_baseline_is_written(self, tmp_path: Path, busy: BusyFiles) -> None:
        """And nothing is left beside it."""
        path = tmp_path / "known.toml"
        write_baseline(path, [])
        assert [one.name for one in tmp_path.iterdir()] == ["known.toml"]
        assert busy.refused == {str(path)}


class TestDurability:
    """What a power cut must not lose is flushed through the memory of the drive on macOS."""

    @pytest.mark.parametrize(
        ("refused", "flushed"),
        [(None, ["full"]), (errno.ENOTSUP, ["full", "fsync"]), (AttributeError, ["fsync"])],
        ids=["macOS", "a share that can't", "another system"],
    )
    def test_a_file(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: Any, flushed: list[str]
    ) -> None:
        """Where the system or the file system has no such call, it is flushed as everywhere."""
        module, calls, real = ModuleType("fcntl"), list[str](), os.fsync

        def full(number: int, command: int) -> None:
            assert command == 51
            calls.append("full")
            if refused is not None:
                raise OSError(refused, os.strerror(refused))
            real(number)

        def fsync(number: int) -> None:
            calls.append("fsync")
            real(number)

        module.fcntl = full  # type: ignore[attr-defined]
        if refused is not AttributeError:
            module.F_FULLFSYNC = 51  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "fcntl", module)
        monkeypatch.setattr(os, "fsync", fsync)
        _regular_file.write_atomically(tmp_path / "outcome.json", b"{}")
        assert calls == flushed

    def test_a_ledger(self, tmp_path: Path) -> None:
        """SQLite does it where the system can."""
        connection = connect(tmp_path / "ledger.db")
        try:
            found = [
                connection.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("fullfsync", "checkpoint_fullfsync")
            ]
        finally:
            connection.close()
        assert found == [1, 1]


class TestTools:
    """The programs that generate a client are run and read in UTF-8, whatever a console has."""

    @pytest.mark.processes
    def test_an_output_of_any_bytes_is_shown(self, tmp_path: Path) -> None:
        """As a formatter of another language writes it."""
        code = r"import sys; sys.stderr.buffer.write(b'caf\xe9 \x81'); sys.exit(1)"
        with pytest.raises(ToolError, match="the tool failed: caf"):
            run_tool([sys.executable, "-c", code], tmp_path, "the tool")

    @pytest.mark.processes
    def test_a_tool_writes_any_character(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Also where the console's encoding hasn't got it."""
        monkeypatch.setenv("LC_ALL", "POSIX")
        code = "import sys; assert sys.flags.utf8_mode; print('\\u753b'); open('x', 'w').write('é')"
        run_tool([sys.executable, "-c", code], tmp_path, "the tool")
        assert (tmp_path / "x").read_text("utf-8") == "é"

    @pytest.mark.processes
    @pytest.mark.parametrize("name", ["APPDATA", "USERPROFILE"])
    def test_a_tool_finds_what_a_user_installed(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
    ) -> None:
        """Python searches it for packages on Windows."""
        monkeypatch.setenv(name, "here")
        run_tool(
            [sys.executable, "-c", f"import os; assert os.environ[{name!r}]"], tmp_path, "the tool"
        )

    def test_lines_end_alike(self, tmp_path: Path) -> None:
        """Else each file would differ from the committed one."""
        (tmp_path / "models").mkdir()
        written = {"a.py": b"a\r\nb\r\n", "models/b.py": b"a\n", "PROVENANCE": b"x\r\n"}
        for name, content in written.items():
            (tmp_path / name).write_bytes(content)
        end_lines_alike(tmp_path)
        found = {name: (tmp_path / name).read_bytes() for name in written}
        assert found == {"a.py": b"a\nb\n", "models/b.py": b"a\n", "PROVENANCE": b"x\n"}


class TestSecretFiles:
    """A key file is read as the editors and shells of each system write it."""

    @pytest.mark.parametrize("end", ["", "\n", "\r\n"])
    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be"])
    def test_in_each_encoding(self, tmp_path: Path, encoding: str, end: str) -> None:
        """PowerShell's `>` writes UTF-16, and Notepad may begin with a byte order mark."""
        mark = codecs.BOM_UTF16_BE if encoding == "utf-16-be" else b""
        path = tmp_path / "key.txt"
        path.write_bytes(mark + f"a-key-of-a-user{end}".encode(encoding))
        assert Connection(key_file=path).key() == "a-key-of-a-user"

    @pytest.mark.parametrize("content", [b"secret-1\xff", b"\xff\xfesecret-1\x00\xd8\x00"])
    def test_another_is_an_error_that_does_not_show_it(
        self, tmp_path: Path, content: bytes
    ) -> None:
        """Nor do the errors behind it, or the values of its traceback."""
        path = tmp_path / "key.txt"
        path.write_bytes(content)
        with pytest.raises(ConfigurationError, match="it isn't UTF-8 text") as caught:
            Connection(key_file=path).key()
        assert caught.value.__context__ is None
        shown = TracebackException.from_exception(caught.value, capture_locals=True)
        frames = [one for one in shown.stack if one.filename != __file__]
        assert frames
        assert "secret" not in "".join(str(one.locals) for one in frames)


@pytest.mark.skipif(not hasattr(os, "eventfd"), reason="the fake needs a descriptor of Linux")
class TestPipes:
    """A pipe whose reader is gone takes everything: Windows calls it an invalid argument."""

    def test_on_windows(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """What is written is discarded, and that is known."""
        with os.fdopen(os.eventfd(0), "wb", buffering=0) as refusing:  # less than 8 bytes: EINVAL
            monkeypatch.setattr(os, "name", "nt")
            pipe = streams.Pipe(refusing.fileno())
            written = pipe.write(b"text")
            monkeypatch.undo()
            assert (written, pipe.reader_is_gone) == (4, True)

    def test_elsewhere_it_is_an_error(self) -> None:
        """Of another kind, which isn't hidden."""
        with os.fdopen(os.eventfd(0), "wb", buffering=0) as refusing:
            pipe = streams.Pipe(refusing.fileno())
            with pytest.raises(OSError, match="Invalid argument"):
                pipe.write(b"text")


class TestMediaTypes:
    """A file is labelled by the project's own table; Python's reads what a system has."""

    def test_each_format_has_its_type(self) -> None:
        """By each end of a name, in any case."""
        for one in (one for one in FORMATS if one.types):
            for end in (one.extension, *one.suffixes):
                assert media_type(f"a.b{end.upper()}") == one.types[0]

    @pytest.mark.parametrize(
        ("kind", "suffixes"),
        [("image", IMAGE_SUFFIXES), ("video", VIDEO_SUFFIXES), ("audio", AUDIO_SUFFIXES)],
    )
    def test_what_a_browser_shows_is_labelled_so(self, kind: str, suffixes: frozenset[str]) -> None:
        """A video labelled as any bytes isn't played."""
        assert suffixes
        assert {media_type(f"a{end}").partition("/")[0] for end in suffixes} == {kind}

    def test_reports_and_the_unknown(self) -> None:
        """A page is one, and what isn't known is bytes."""
        found = [media_type(name) for name in ("index.html", "report.json", "a", "a.xyz", "png")]
        assert found == ["text/html", "application/json", *["application/octet-stream"] * 3]

    def test_the_table_of_the_system_is_not_used(self) -> None:
        """Some containers have none, and on Windows any program may change it."""
        using = [path for path in PACKAGE.rglob("*.py") if "import guess_type" in path.read_text()]
        assert using == []


def test_the_suite_keeps_its_cache_where_folders_have_no_owner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On Windows a mode says nothing, and the temporary directory is the user's own."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    kept = cache_folder(tmp_path / "scratch")
    assert kept.parent == tmp_path
    kept.chmod(0o777)
    if hasattr(os, "getuid"):
        assert cache_folder(tmp_path / "scratch") == tmp_path / "scratch/cache"
    monkeypatch.delattr(os, "getuid", raising=False)
    (tmp_path / "wanflow-contract-cache-0").mkdir(exist_ok=True)
    (tmp_path / "wanflow-contract-cache-0").chmod(0o777)
    assert cache_folder(tmp_path / "scratch") == tmp_path / "wanflow-contract-cache-0"
