"""A PgBouncer that the tests start themselves, in front of their PostgreSQL."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from contextlib import contextmanager
from threading import Event
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from tests.postgres import PostgresServer

_PORT = 6432
_SETTINGS = """
[databases]
* = host={folder} user={user}
[pgbouncer]
pool_mode = {mode}
auth_type = any
unix_socket_dir = {own}
listen_port = {port}
logfile = {own}/log
"""
# Ends it if the process of the tests is killed: its end of the pipe is closed then.
_RUN = '"$1" "$2" & read _; kill -INT $!; wait'


@contextmanager
def running_pgbouncer(server: PostgresServer, mode: str) -> Generator[Path]:
    """Start a PgBouncer with a pool mode, and yield the folder of its socket."""
    program = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        pytest.skip("PGBOUNCER IS NOT INSTALLED (.ci/postgres installs it)")
    own, account = server.folder / f"pooler-{mode}", server.account
    own.mkdir()
    more: dict[str, Any] = {}
    if account is not None:
        os.chown(own, account.pw_uid, account.pw_gid)
        more = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    settings = own / "pgbouncer.ini"
    settings.write_text(
        _SETTINGS.format(folder=server.folder, user="wanflow", mode=mode, own=own, port=_PORT)
    )
    process = subprocess.Popen(
        ["sh", "-c", _RUN, "sh", program, str(settings)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        **more,
    )
    try:
        while not _listens(own / f".s.PGSQL.{_PORT}"):
            assert process.poll() is None
            Event().wait(0.01)
        yield own
    finally:
        process.communicate()
        shutil.rmtree(own)


def _listens(path: Path) -> bool:
    """Return whether a socket takes connections: its file is there somewhat earlier."""
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


def pooled_url(url: str, folder: Path) -> str:
    """Return the URL of a database, by a PgBouncer in place of the server itself."""
    database = url.partition("?")[0]
    return f"{database}?host={folder}&port={_PORT}&user=wanflow&password=secret"
