"""A PostgreSQL server that the tests start themselves, and a database of its own for each test.

It has a temporary folder and a Unix socket there, no port. It runs as another user where the tests
run as root, which PostgreSQL refuses. Tests that use it are marked `postgres`.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    import pwd
    from collections.abc import Generator, Iterator

SUPERUSER = "wanflow"
GUARDED = "guarded"
"""A user who needs a password, once a test has created it."""
_NEEDED = ("initdb", "pg_ctl", "postgres")
_UNPRIVILEGED = ("postgres", "nobody")
_SETTINGS = {
    "listen_addresses": "",
    "fsync": "on",
    "synchronous_commit": "on",
    "max_connections": "100",
    "shared_buffers": "32MB",
    "autovacuum": "off",
    "log_min_messages": "fatal",
}
_EMPTY = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid();
    DROP SCHEMA IF EXISTS wanflow CASCADE;
    DROP SCHEMA IF EXISTS public CASCADE;
    CREATE SCHEMA public;
"""
# Ends the server if the process of the tests is killed: its end of the pipe is closed then.
_WATCH = """
read _
kill -QUIT "$1"
for _ in $(seq 50); do kill -0 "$1" 2>/dev/null || break; sleep 0.1; done
rm -rf "$2"
"""


def find_programs() -> Path | None:
    """Return the directory of PostgreSQL's programs: on the PATH, or where Debian puts them."""
    found = shutil.which("initdb")
    folders = [] if found is None else [Path(found).resolve().parent]
    folders += sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda one: float(one.parent.name)
    )[::-1]
    for folder in folders:
        if all((folder / program).exists() for program in _NEEDED):
            return folder
    return None


class PostgresServer:
    """A server in a temporary folder; its user needs no password on its Unix socket."""

    def __init__(self, programs: Path) -> None:
        self._programs = programs
        self.account = _other_user()
        """The user that runs it; None for the user of the tests."""
        self._databases = count(1)
        self._shared: str | None = None
        self._watcher: subprocess.Popen[bytes] | None = None
        # pytest's own folder isn't open to other users, and the path of a socket is short.
        self.folder = Path(tempfile.mkdtemp(prefix="wanflow-postgres-", dir="/tmp"))
        if self.account is not None:
            os.chown(self.folder, self.account.pw_uid, self.account.pw_gid)
        self.data = self.folder / "data"
        trusting = ("--auth=trust", f"--username={SUPERUSER}", "--encoding=UTF8", "--locale=C")
        self._run("initdb", f"--pgdata={self.data}", *trusting, "--no-sync", "--no-instructions")
        rules = self.data / "pg_hba.conf"
        rules.write_text(f"local all {GUARDED} scram-sha-256\n{rules.read_text()}")
        settings = {**_SETTINGS, "unix_socket_directories": str(self.folder)}
        with (self.data / "postgresql.conf").open("a") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in settings.items())

    def url(self, database: str = "postgres", **more: str) -> str:
        """Return the URL of a database."""
        given = {"host": str(self.folder), "user": SUPERUSER, **more}
        return f"postgresql:///{database}?" + "&".join(f"{key}={given[key]}" for key in given)

    def start(self) -> None:
        """Start the server, and wait until it accepts connections."""
        log = self.folder / "log"
        self._run("pg_ctl", "start", "--wait", "--timeout=120", f"--pgdata={self.data}", f"-l{log}")
        pid = (self.data / "postmaster.pid").read_text().split()[0]
        self._watcher = subprocess.Popen(
            ["sh", "-c", _WATCH, "sh", pid, str(self.folder)],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )

    def stop(self, mode: str = "fast") -> None:
        """Stop the server: `fast`, or `immediate`, as if it had been killed."""
        if self._watcher is not None:
            self._watcher.kill()
            self._watcher.communicate()
            self._watcher = None
        self._run("pg_ctl", "stop", "--wait", "--timeout=120", f"--pgdata={self.data}", f"-m{mode}")

    def back_up(self, folder: Path) -> None:
        """Make a base backup while the server runs: what is committed later isn't in it."""
        where = (f"--pgdata={folder}", f"--host={self.folder}", f"--username={SUPERUSER}")
        self._run("pg_basebackup", *where, "--checkpoint=fast", "--no-sync")

    @contextmanager
    def silent(self) -> Generator[None]:
        """Stop all processes of the server in the middle of what they do, and let them go on."""
        first = int((self.data / "postmaster.pid").read_text().split()[0])
        processes = [first]
        try:
            # Stopped first, it neither starts another process nor waits for one that ended.
            os.kill(first, signal.SIGSTOP)
            found = subprocess.run(["pgrep", "-P", str(first)], capture_output=True, check=True)
            processes += map(int, found.stdout.split())
            for process in processes[1:]:
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGSTOP)
            yield
        finally:
            for process in processes:
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGCONT)

    def create_database(self) -> str:
        """Create an empty database, and return its URL."""
        name = f"test_{next(self._databases)}"
        self.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def empty_database(self) -> str:
        """Empty a database that tests use one after another, and return its URL.

        That takes a tenth of the time of a new one. Connections that a test left open are ended.
        """
        if self._shared is None:
            self._shared = f"test_{next(self._databases)}"
            self.execute(f"CREATE DATABASE {self._shared}")
        self.execute(_EMPTY, self._shared)
        return self.url(self._shared)

    def execute(self, query: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Execute a query as the superuser, and return its rows."""
        import psycopg

        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(query.encode())
            return cursor.fetchall() if cursor.description else []

    def remove(self) -> None:
        """Stop the server, and remove its folder."""
        if (self.data / "postmaster.pid").exists():
            self.stop("immediate")
        shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self, program: str, *arguments: str) -> None:
        user = self.account
        more: dict[str, Any] = {}
        if user is not None:
            more = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        # Its output goes to a file: a server that was started keeps it open.
        with (self.folder / "output").open("ab") as output:
            subprocess.run(
                [str(self._programs / program), *arguments],
                check=True,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd="/",
                env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"},
                **more,
            )


def _other_user() -> pwd.struct_passwd | None:
    """Return the user that runs the server; None for the user of the tests."""
    if sys.platform == "win32" or os.geteuid() != 0:
        return None
    import pwd

    for name in _UNPRIVILEGED:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise AssertionError("PostgreSQL doesn't run as root, and there is no user for it")


@contextmanager
def running_server() -> Generator[PostgresServer]:
    """Start a server, and remove it."""
    programs = find_programs()
    if programs is None:
        pytest.skip("POSTGRESQL IS NOT INSTALLED (.ci/postgres installs it)")
    server = PostgresServer(programs)
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """The server that the tests of this process share; none of them stops it."""
    with running_server() as server:
        yield server


@pytest.fixture
def own_postgres_server() -> Iterator[PostgresServer]:
    """A server that only this test uses, so that it may stop it."""
    with running_server() as server:
        yield server


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> str:
    """The URL of an empty database that only this test uses."""
    return postgres_server.empty_database()


def mark_tests(items: list[pytest.Item]) -> None:
    """Mark the tests that need PostgreSQL."""
    needed = {"postgres_server", "own_postgres_server"}
    for item in items:
        if not needed.isdisjoint(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.postgres)
