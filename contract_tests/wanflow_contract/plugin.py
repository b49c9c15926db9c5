"""Pytest options of the contract suite, and settings for every test of this repository."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

from wanflow_contract.plan.planner import Planner
from wanflow_contract.plan.selection import select_tests, validate_names
from wanflow_contract.report.formats import DEFAULT, FILES, JUNIT, parse_formats
from wanflow_contract.support.baseline_options import add_options as add_baseline_options
from wanflow_contract.support.distributed import Distributed
from wanflow_contract.support.inputs import use_inputs
from wanflow_contract.support.option_values import credit_limit, request_rate, seed, timeout
from wanflow_contract.support.reporting import Reporting

if TYPE_CHECKING:
    from collections.abc import Generator

# No setting depends on the speed of the machine.
settings.register_profile(
    "wanflow",
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.load_profile("wanflow")

SUITE = Path(__file__).parent
MARKS = (
    "fast: contract tests that take seconds; part of `make test`",
    "slow: tests that take minutes; not part of `make test`",
    "published_api: contract tests that need only the server's published API; they spend credits",
    "mock_controls: contract tests that need a mock's controls; skipped on other servers",
    "costs(tasks, stage): tasks that a contract test submits, and its place in a limited run",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the contract suite."""
    group = parser.getgroup("contract", "the contract suite (contract_tests/wanflow_contract)")

    def add(name: str, **more: Any) -> None:
        group.addoption(name, **more)

    def add_given(name: str, **more: Any) -> None:
        variable = f"WANFLOW_CONTRACT_{name.strip('-').replace('-', '_').upper()}"
        default = os.environ.get(variable, "").strip() or None
        help_ = f"{more.pop('help')}; default: {variable}"
        add(name, default=default, help=help_, **more)

    add_given("--base-url", help="base URL of the server to test; without it, the bundled mock")
    add_given("--api-key", help="API key of the server")
    add_given("--api-key2", help="API key of a second account, to test isolation of accounts")
    add_given(
        "--spend-limit",
        type=credit_limit,
        help="credits that may be spent; required unless the server is a mock",
    )
    add_given("--seed", type=seed, help="random seed; the same seed gives the same requests")
    add(
        "--rate",
        type=request_rate,
        default=0,
        help="maximum requests per second; 5 by default, unlimited for a mock",
    )
    add(
        "--request-timeout",
        type=timeout,
        default=0,
        metavar="SECONDS",
        help="how long a response may take; 30 by default, 10 for a server of this machine",
    )
    add(
        "--dry-run",
        action="store_true",
        help="send all requests to the mock, and list what would be sent",
    )
    add(
        "--known-idempotent",
        action="store_true",
        help="the server is known to honour idempotency keys",
    )
    add(
        "--require-complete",
        action="store_true",
        help="end with exit code 5 if a rule was not tested with valid and invalid values",
    )
    add(
        "--input",
        action="append",
        default=[],
        metavar="NAME=URL",
        help="a file that the server can fetch, for a parameter; may be repeated",
    )
    add("--callback-url", help="public URL that forwards to --callback-port on this machine")
    add("--callback-port", type=int, help="local port that receives callbacks")
    add("--contract-report", help="directory for the report's files")
    add(
        "--contract-formats",
        default=",".join(DEFAULT),
        help=f"the files, of {', '.join((*FILES, JUNIT))}; default: {','.join(DEFAULT)}",
    )
    add(
        "--strict-notes",
        action="store_true",
        help="also fail for checks that rest on no sentence of the documents (notes)",
    )
    add_baseline_options(add)
    add(
        "--only",
        action="append",
        default=[],
        metavar="CHECK",
        help="run only the tests that evaluate this check, and report only its findings",
    )
    add("--emit-tests", help="directory to write each finding into as a standalone pytest file")
    add("--no-replay", action="store_true", help="don't run a failed test a second time")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Register the marks and the reporting plugin, and pass the seed to Hypothesis."""
    for mark in MARKS:
        config.addinivalue_line("markers", mark)
    # Hypothesis warns of a long example when it prints a failure, which would be lost.
    config.addinivalue_line("filterwarnings", "ignore:Generating overly large repr")
    validate_names(config.getoption("--only"))  # before the collection, which takes seconds
    try:
        use_inputs(config.getoption("--input"))
    except ValueError as error:
        raise pytest.UsageError(str(error)) from error
    if config.getoption("--input"):  # the client warns of addresses that the user has chosen
        config.addinivalue_line("filterwarnings", "ignore::wanflow.errors.RequestWarning")
    folder = config.getoption("--contract-report")
    _create("report", folder)
    _create("tests", config.getoption("--emit-tests"))
    try:
        formats = parse_formats(config.getoption("--contract-formats"))
    except ValueError as error:
        raise pytest.UsageError(str(error)) from error
    if folder and JUNIT in formats and not config.option.xmlpath:
        config.option.xmlpath = str(Path(folder) / "junit.xml")
    plugin = Reporting(config, Path(folder) if folder else None)
    config.pluginmanager.register(plugin, "contract-reporting")
    config.pluginmanager.register(Planner(config, plugin), "contract-planner")
    passing = Distributed(config, plugin.recorder, plugin.counters, lambda: plugin.target)
    config.pluginmanager.register(passing, "contract-distributed")
    given = config.getoption("--seed")
    if given is not None:
        config.option.hypothesis_seed = str(given)


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> Generator[None]:
    """Keep the findings in the output when pytest's own report can't be written."""
    reporting: Any = session.config.pluginmanager.get_plugin("contract-reporting")
    with reporting.writing_report(session):
        yield


def _create(what: str, folder: str | None) -> None:
    """Create the folder of the report, or of the tests, before anything is spent.

    Raises:
        pytest.UsageError: it can't be created.
    """
    try:
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise pytest.UsageError(
            f"the folder of the {what}, {folder}, can't be created: {error.strerror}"
        ) from error


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect tests of other checks, and this repository's own if another server is tested."""
    if config.getoption("--only"):
        select_tests(config, items, config.getoption("--only"))
    if not config.getoption("--base-url"):
        return
    others = [item for item in items if SUITE not in item.path.parents]
    config.hook.pytest_deselected(items=others)
    items[:] = [item for item in items if SUITE in item.path.parents]


@pytest.fixture(scope="session", autouse=True)
def _data_folder(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep the default ledger out of the user's own data directory."""
    folder = str(tmp_path_factory.mktemp("data"))
    os.environ.update(XDG_DATA_HOME=folder, LOCALAPPDATA=folder)
