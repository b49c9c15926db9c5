"""A ledger in PostgreSQL: its tables, what it says about errors, and the command line."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import psycopg
import pytest
from click.testing import CliRunner

from tests.ledgers import execute
from wanflow import Client, errors
from wanflow._core.recorder import SubmissionIntent
from wanflow.cli import main
from wanflow.errors import LedgerError
from wanflow.ledger import Ledger
from wanflow.ledger.postgres.errors import translate
from wanflow.ledger.postgres.schema import MIGRATIONS, migrate

if TYPE_CHECKING:
    from pathlib import Path

    from tests.postgres import PostgresServer
    from wanflow.mock import MockServer

SERVER = "http://api.example/v1"
SECRET = "s3cret"


def intent(number: int) -> SubmissionIntent:
    return SubmissionIntent(SERVER, f"key-of-a-job-{number:06d}", "m", {"prompt": "x"}, b"{}")


def test_opening_it_again_changes_nothing(postgres_url: str) -> None:
    """The tables are created once, and a job stays."""
    for number in range(2):
        with Ledger(postgres_url) as ledger:
            assert len(ledger.jobs()) == number
            ledger.record_intent(intent(number))


def test_everything_is_in_one_schema(postgres_url: str, postgres_server: PostgresServer) -> None:
    """`DROP SCHEMA wanflow CASCADE` removes all of it, and it is created anew."""
    database = postgres_url.partition("?")[0].rpartition("/")[2]
    query = "SELECT count(*) FROM pg_class JOIN pg_namespace ON relnamespace = pg_namespace.oid "
    outside = f"{query} WHERE nspname NOT IN ('wanflow', 'pg_catalog', 'information_schema')"
    before = postgres_server.execute(outside, database)
    with Ledger(postgres_url) as ledger:
        ledger.record_intent(intent(1))
    toast = postgres_server.execute(f"{outside} AND nspname <> 'pg_toast'", database)
    assert toast[0][0] <= before[0][0]
    postgres_server.execute("DROP SCHEMA wanflow CASCADE", database)
    with Ledger(postgres_url) as ledger:
        assert ledger.jobs() == []


def test_a_newer_version_is_refused(postgres_url: str) -> None:
    """The error names both versions, and what to do; nothing is changed."""
    Ledger(postgres_url).close()
    newer = len(MIGRATIONS) + 1
    execute(postgres_url, "INSERT INTO wanflow_schema (version) VALUES (?)", [newer])
    with pytest.raises(LedgerError, match=f"has version {newer}.*up to {len(MIGRATIONS)}; use"):
        Ledger(postgres_url)
    assert execute(postgres_url, "SELECT * FROM wanflow_schema") == newer


def test_an_older_version_is_migrated(postgres_url: str) -> None:
    """Only the missing changes are made, and a change that fails leaves nothing."""
    with closing(psycopg.connect(postgres_url, autocommit=True)) as raw:
        raw.execute("SET search_path TO wanflow")
        migrate(raw, "the ledger")
        migrate(raw, "the ledger", (*MIGRATIONS, "CREATE TABLE more (x integer)"))
        failing = "CREATE TABLE most (x integer); SELECT 1 / 0"
        with pytest.raises(psycopg.Error):
            migrate(raw, "the ledger", (*MIGRATIONS, "", failing))
        assert raw.execute("SELECT to_regclass('more'), to_regclass('most')").fetchone() == (
            "more",
            None,
        )


def test_a_schema_of_an_administrator_is_enough(
    postgres_server: PostgresServer, postgres_url: str
) -> None:
    """A user who may create no schema uses one that was created for them, as the error says."""
    database = postgres_url.partition("?")[0].rpartition("/")[2]
    postgres_server.execute("DROP ROLE IF EXISTS plain; CREATE ROLE plain LOGIN")
    url = postgres_server.url(database, user="plain")
    with pytest.raises(LedgerError, match="CREATE SCHEMA wanflow AUTHORIZATION"):
        Ledger(url)
    postgres_server.execute("CREATE SCHEMA wanflow AUTHORIZATION plain", database)
    with Ledger(url) as ledger:
        assert ledger.record_intent(intent(1)) is None


def test_a_read_only_database_is_read_only(
    postgres_server: PostgresServer, postgres_url: str
) -> None:
    """Its jobs are listed, and nothing is submitted: the error names the primary."""
    with Ledger(postgres_url) as ledger:
        ledger.record_intent(intent(1))
    read_only = f"{postgres_url}&options=-cdefault_transaction_read_only%3Don"
    with Ledger(read_only) as ledger:
        assert len(ledger.jobs()) == 1
        with pytest.raises(LedgerError, match=r"read-only .*the URL of the primary"):
            ledger.record_intent(intent(2))


REFUSALS = {
    "wrong password": ("user=guarded&password=wrong-s3cret", "the password is wrong"),
    "no password": ("user=guarded", "a password is needed"),
    "no such user": ("user=nobody-at-all", "refuses this user"),
    "too many connections": ("user=limited", "too many connections"),
    "no server": ("user=wanflow&sslmode=require&host=127.0.0.1&port=9", "can't be reached"),
}


@pytest.mark.parametrize(("query", "expected"), REFUSALS.values(), ids=REFUSALS)
def test_a_refusal_says_what_to_do(
    postgres_server: PostgresServer, postgres_url: str, query: str, expected: str
) -> None:
    """In one sentence, which doesn't repeat the password."""
    postgres_server.execute(
        "DROP ROLE IF EXISTS guarded, limited; CREATE ROLE guarded LOGIN PASSWORD 'right'; "
        "CREATE ROLE limited LOGIN CONNECTION LIMIT 0"
    )
    given = dict(pair.split("=", 1) for pair in query.split("&"))
    database = postgres_url.partition("?")[0].rpartition("/")[2]
    with pytest.raises(LedgerError, match=expected) as caught:
        Ledger(postgres_server.url(database, **given))
    assert SECRET not in said_by(caught.value)


def test_a_missing_database_is_named(postgres_server: PostgresServer) -> None:
    """The error says that there is none."""
    with pytest.raises(LedgerError, match=r"no database of this name.*nowhere"):
        Ledger(postgres_server.url("nowhere"))


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://user:{SECRET}@host:port/db",
        f"postgresql://user:{SECRET}@host/db?unknown=1",
        f"postgresql://user:{SECRET}@host/db%zz",
        f"postgresql://user:{SECRET}@/db?host=/nowhere/at/all",
        f"postgresql:///db?host=/nowhere/at/all&password={SECRET}",
    ],
)
def test_no_error_contains_the_password(url: str, caplog: pytest.LogCaptureFixture) -> None:
    """Not in its text, its path, its cause or the log, even where the URL is malformed."""
    caplog.set_level(logging.DEBUG)
    with pytest.raises(LedgerError) as caught:
        Ledger(url)
    assert SECRET not in said_by(caught.value)
    assert SECRET not in caplog.text


def said_by(error: LedgerError) -> str:
    texts = [str(error), repr(error), str(error.path)]
    cause = error.__cause__ or error.__context__
    return " ".join([*texts, f"{cause} {cause!r}"])


STATES = {
    psycopg.errors.DiskFull: "disk is full; make room",
    psycopg.errors.TooManyConnections: "too many connections",
    psycopg.errors.ReadOnlySqlTransaction: "primary",
    psycopg.errors.InvalidPassword: "password is wrong",
    psycopg.errors.InvalidCatalogName: "no database",
    psycopg.errors.LockNotAvailable: "locked by another process",
    psycopg.errors.DeadlockDetected: "try again",
    psycopg.errors.CannotConnectNow: "starting, stopping or recovering",
    psycopg.errors.UndefinedTable: "tables were removed",
    psycopg.errors.DataCorrupted: "restore it from a backup",
    psycopg.errors.InsufficientPrivilege: "lacks a permission",
    psycopg.errors.NumericValueOutOfRange: "can't be stored",
}


@pytest.mark.parametrize(("kind", "expected"), STATES.items())
def test_each_error_of_the_server_says_what_to_do(kind: type[psycopg.Error], expected: str) -> None:
    """By its SQLSTATE, so in any language of the server."""
    found = translate(kind("Fehler"), "postgresql://host/db")
    assert isinstance(found, LedgerError)
    assert expected in str(found)
    assert found.path == "postgresql://host/db"


def with_password(url: str) -> str:
    return f"{url}&password={SECRET}"


def test_the_password_is_shown_nowhere(postgres_url: str) -> None:
    """Not by the ledger, nor by its parts."""
    with Ledger(with_password(postgres_url)) as ledger:
        shown = [repr(ledger), str(ledger.path), repr(ledger._store), repr(ledger._store._database)]
        assert SECRET not in " ".join(shown)
        assert repr(ledger).startswith("Ledger('postgresql:///")
        with ledger.reopen() as again:
            assert again.jobs() == []


def test_the_command_line_takes_a_url(
    postgres_url: str, mock: MockServer, api_key: str, model: str, tmp_path: Path
) -> None:
    """By --ledger and by WANFLOW_LEDGER; hints and `check` name the server without the password."""
    url = with_password(postgres_url)
    environment = {"WANFLOW_API_KEY": api_key, "WANFLOW_BASE_URL": mock.base_url}
    request = [model, "--prompt", "x"]
    done = CliRunner().invoke(main, ["submit", *request, "--ledger", url], env=environment)
    assert done.exit_code == 0, done.output
    environment["WANFLOW_LEDGER"] = url
    listed = CliRunner().invoke(main, ["ledger", "list", "--json"], env=environment)
    assert json.loads(listed.stdout)["state"] == "accepted"
    checked = CliRunner().invoke(main, ["check", *request], env=environment)
    assert f"ledger: {postgres_url}&password=***" in checked.stdout
    as_json = CliRunner().invoke(main, ["check", *request, "--json"], env=environment)
    assert json.loads(as_json.stdout)["ledger"] == f"{postgres_url}&password=***"
    words = ["ledger", "resume", "-o", str(tmp_path / "out"), "--ledger", url]
    resumed = CliRunner().invoke(main, words, env=environment)
    assert resumed.exit_code == 0, resumed.output
    assert len(list((tmp_path / "out").iterdir())) == 1
    for one in (done, listed, checked, as_json, resumed):
        assert SECRET not in one.output


def test_a_hint_shows_no_password(
    postgres_url: str, mock: MockServer, api_key: str, model: str
) -> None:
    """An uncertain job's ways out name the ledger."""
    url = with_password(postgres_url)
    rule = mock.faults.add("lost-response", count=1, account=mock.accounts.for_key(api_key))
    with (
        Ledger(url) as ledger,
        Client(api_key, mock.base_url, ledger=ledger) as client,
        pytest.raises(errors.SubmitUncertain),
    ):
        client.submit(model=model, prompt="x")
    mock.faults.remove(rule.id)
    listed = CliRunner().invoke(main, ["ledger", "list", "--ledger", url])
    assert "--ledger 'postgresql:///" in listed.stderr
    assert SECRET not in listed.output


def test_a_batch_is_run_on_it(
    postgres_url: str, mock: MockServer, api_key: str, model: str, tmp_path: Path
) -> None:
    """`wanflow batch` resumes it, and the command to resume shows no password."""
    url = with_password(postgres_url)
    (tmp_path / "jobs.jsonl").write_text(
        "".join(json.dumps({"model": model, "prompt": f"job {n}"}) + "\n" for n in range(3))
    )
    environment = {"WANFLOW_API_KEY": api_key, "WANFLOW_BASE_URL": mock.base_url}
    words = ["batch", str(tmp_path / "jobs.jsonl"), "--out", str(tmp_path / "out")]
    for _ in range(2):
        done = CliRunner().invoke(main, [*words, "--ledger", url], env=environment)
        assert done.exit_code == 0, done.output
        assert SECRET not in done.output
    with Ledger(url) as ledger:
        assert [str(job.state) for job in ledger.jobs()] == ["saved"] * 3


@pytest.mark.processes
def test_psycopg_is_imported_by_a_url_only(tmp_path: Path) -> None:
    """Neither a client nor a ledger in a file imports it."""
    script = (
        "import sys, wanflow.cli, wanflow; from wanflow.ledger import Ledger;"
        "wanflow.Client('k', ledger=Ledger(sys.argv[1])).close();"
        "sys.exit('psycopg' in sys.modules or 'pgqueuer' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "l.db")], check=True)
