"""Signals, event loops and sockets that only some systems have."""

from __future__ import annotations

import ctypes
import errno
import importlib.util
import os
import signal
import socket
import threading
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from wanflow.cli import exit_codes
from wanflow.mcp_server.run import _watch_signals
from wanflow.mock import server
from wanflow_contract.command import interrupts
from wanflow_contract.command.run import _interrupt

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

needs_user_signals = pytest.mark.skipif(
    not hasattr(signal, "SIGUSR1"), reason="it stands for Ctrl-Break where there is none"
)


def loaded_again(name: str, path: str | None) -> ModuleType:
    """Return a second copy of a module, which reads what the system has."""
    assert path is not None
    spec = importlib.util.spec_from_file_location(f"{name}_again", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class TestSignals:
    """Ctrl-Break is on Windows what SIGTERM is elsewhere."""

    @needs_user_signals
    def test_ctrl_break_ends_a_command_as_sigterm_does(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What was paid for is recorded first, and the exit code is 143."""
        monkeypatch.setattr(signal, "SIGBREAK", signal.SIGUSR1, raising=False)
        windows: Any = loaded_again("exit_codes", exit_codes.__file__)
        with windows.raise_on_sigterm(), pytest.raises(windows.SigtermReceived) as ended:
            signal.raise_signal(signal.SIGUSR1)
        assert windows.exit_code_for(ended.value).code == 143
        assert signal.SIGUSR1 in windows.STOP_SIGNALS

    def test_a_system_without_sighup_needs_none(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Windows has no SIGHUP, and its SIGTERM comes from the process itself only."""
        monkeypatch.delattr(signal, "SIGHUP", raising=False)
        windows: Any = loaded_again("exit_codes", exit_codes.__file__)
        with windows.raise_on_sigterm(), pytest.raises(windows.SigtermReceived):
            signal.raise_signal(signal.SIGTERM)

    def test_the_server_for_agents_stops_where_the_event_loop_knows_no_signals(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """That of Windows refuses handlers; then Python's own are used."""

        def refuse(*_: object) -> None:
            raise NotImplementedError

        async def serve() -> None:
            stopped = anyio.Event()
            await _watch_signals(stopped)
            signal.raise_signal(signal.SIGTERM)
            await stopped.wait()

        before = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)}
        hangup = getattr(signal, "SIGHUP", None)
        before |= {} if hangup is None else {hangup: signal.getsignal(hangup)}
        monkeypatch.setattr(anyio, "open_signal_receiver", refuse)
        try:
            anyio.run(serve)
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @pytest.mark.parametrize(("system", "sent"), [("posix", [signal.SIGINT]), ("nt", [])])
    def test_an_interrupted_run_of_the_suite_ends_once(
        self, system: str, sent: list[signal.Signals]
    ) -> None:
        """On Windows, where no process can send SIGINT, the terminal sends it to both."""

        class Process:
            def __init__(self) -> None:
                self.received: list[int] = []

            def send_signal(self, number: int) -> None:
                self.received.append(number)

        process: Any = Process()
        _interrupt(process, system)
        assert process.received == sent


class Kernel:
    """The functions of Windows that wait for a process; each wait gives the next answer."""

    def __init__(self, handle: int | None, answers: list[int]) -> None:
        self.handle, self.answers, self.asked = handle, answers, list[tuple[Any, ...]]()
        self.released = threading.Event()
        self.OpenProcess, self.WaitForSingleObject = Call(self.open), self.wait

    def open(self, *given: Any) -> int | None:
        self.asked.append(given)
        return self.handle

    def wait(self, handle: ctypes.c_void_p, milliseconds: int) -> int:
        assert (handle.value, milliseconds) == (self.handle, 0)
        answer = self.answers.pop(0)
        if not self.answers:
            self.released.set()
            self.answers.append(answer)
        return answer


class Call:
    """A function that has attributes, as those of a library have."""

    def __init__(self, function: Any) -> None:
        self.function = function
        self.restype: Any = None

    def __call__(self, *given: Any) -> Any:
        assert self.restype is ctypes.c_void_p, "a handle has 64 bits"
        return self.function(*given)


RUNNING, ENDED = 258, 0


def wait_in_steps() -> None:
    """Wait ten seconds; one long wait would be interrupted at its end only."""
    for _ in range(1000):
        threading.Event().wait(0.01)


class TestStarterThatIsKilled:
    """The suite ends with the command that has started it, also where that isn't its parent.

    On Windows, the `python` of an environment starts another one.
    """

    @pytest.fixture
    def watched(self, monkeypatch: pytest.MonkeyPatch) -> Any:
        """A watch of Windows, by its answers."""

        def watch(handle: int | None, answers: list[int]) -> tuple[Kernel, Any]:
            kernel = Kernel(handle, answers)
            monkeypatch.setattr(ctypes, "WinDLL", lambda _: kernel, raising=False)
            monkeypatch.setattr(interrupts, "_INTERVAL", 0.001)
            return kernel, interrupts.ending_with(4711, "nt")

        return watch

    def test_it_ends_when_the_starter_has_ended(self, watched: Any) -> None:
        """The interrupt is one that Python handles, so the report is written."""
        kernel, watching = watched(1 << 40, [RUNNING, RUNNING, ENDED])
        with pytest.raises(KeyboardInterrupt), watching:
            wait_in_steps()
        assert kernel.asked == [(0x00100000, False, 4711)]

    @pytest.mark.parametrize(("handle", "answers"), [(7, [RUNNING, RUNNING]), (None, [ENDED])])
    def test_it_goes_on_otherwise(
        self, watched: Any, handle: int | None, answers: list[int]
    ) -> None:
        """Though another process is its parent, and where the starter can't be watched."""
        kernel, watching = watched(handle, answers)
        with watching:
            assert kernel.released.wait(10 if handle else 0.1) is bool(handle)


class TestSockets:
    """A port has one server."""

    def test_a_port_belongs_to_one_mock(self) -> None:
        """The second one is refused."""
        with server._bind("127.0.0.1", 0) as first:
            port = first.getsockname()[1]
            with pytest.raises(server.PortInUse, match=str(port)):
                server._bind("127.0.0.1", port)

    def test_windows_is_asked_for_a_port_of_its_own(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """There SO_REUSEADDR would let two servers have it."""
        # Another option that sockets have stands for it here.
        monkeypatch.setattr(socket, "SO_EXCLUSIVEADDRUSE", socket.SO_KEEPALIVE, raising=False)
        with server._bind("127.0.0.1", 0) as bound:
            assert bound.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            assert not bound.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR)


def test_locks_are_optional_where_the_system_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some network file systems have no locks: the caller decides what that means."""
    from wanflow import _regular_file

    def refuse(_: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(_regular_file, "_lock", refuse)
    with (tmp_path / "file").open("wb") as file:
        assert [_regular_file.try_lock(file, if_unsupported=u) for u in (True, False)] == [
            True,
            False,
        ]
