"""Pytest's options for the contract suite, and what every test of this repository shares."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from wanflow_contract.support.reporting import Reporting

settings.register_profile(
    "wanflow", deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
settings.load_profile("wanflow")

LAWS = Path(__file__).parent


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the contract suite."""
    group = parser.getgroup("contract", "the contract suite (contract_tests/wanflow_contract)")

    def add(name: str, **more: Any) -> None:
        group.addoption(name, **more)

    def add_given(name: str, **more: Any) -> None:
        variable = f"WANFLOW_CONTRACT_{name.strip('-').replace('-', '_').upper()}"
        default = os.environ.get(variable, "").strip() or None
        help_ = f"{more.pop('help')}; else by {variable}"
        add(name, default=default, help=help_, **more)

    add_given("--base-url", help="the server to test; the bundled mock by default")
    add_given("--api-key", help="its key")
    add_given("--api-key2", help="the key of another account, for who may see what")
    add_given(
        "--spend-limit", type=_credits, help="credits that may be spent; needed but for a mock"
    )
    add_given("--seed", type=int, help="what chance begins with; the same seed, the same requests")
    add("--rate", type=float, default=0, help="requests a second at most; 5 but for a mock")
    add("--dry-run", action="store_true", help="send to the mock, list what would be sent")
    add("--known-idempotent", action="store_true", help="the server honours idempotency keys")
    add("--callback-url", help="a public URL that leads to --callback-port on this machine")
    add("--callback-port", type=int, help="where callbacks come in on this machine")
    add("--contract-report", help="folder to write report.html and junit.xml into")
    add("--no-replay", action="store_true", help="don't repeat what failed to see if it does again")


def _credits(text: str) -> float:
    limit = float(text)
    if not 0 <= limit < float("inf"):
        raise ValueError
    return limit


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Keep the findings, and hand the seed on to Hypothesis."""
    folder = config.getoption("--contract-report")
    if folder and not config.option.xmlpath:
        config.option.xmlpath = str(Path(folder) / "junit.xml")
    plugin = Reporting(config, Path(folder) if folder else None)
    config.pluginmanager.register(plugin, "contract-reporting")
    seed = config.getoption("--seed")
    if seed is not None:
        config.option.hypothesis_seed = str(seed)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what tests this repository where another server is to be tested."""
    if not config.getoption("--base-url"):
        return
    others = [item for item in items if LAWS not in item.path.parents]
    config.hook.pytest_deselected(items=others)
    items[:] = [item for item in items if LAWS in item.path.parents]


@pytest.fixture(scope="session", autouse=True)
def _data_folder(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep the ledgers of commands that name none out of the user's own data folder."""
    folder = str(tmp_path_factory.mktemp("data"))
    os.environ.update(XDG_DATA_HOME=folder, LOCALAPPDATA=folder)
