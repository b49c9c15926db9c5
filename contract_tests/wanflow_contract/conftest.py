"""Fixtures of the contract suite, the order of its tests, and why some are skipped."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest
from hypothesis.errors import Flaky

from wanflow.errors import (
    BadRequest,
    InsufficientCredits,
    PermissionDenied,
    ServerError,
    SubmitUncertain,
    WanflowError,
)
from wanflow_contract.checks.check import LAST_FAILURE, NotJudged
from wanflow_contract.checks.definitions.ends import CLIENT
from wanflow_contract.checks.refusals import names_cause
from wanflow_contract.findings.finding import find_failures
from wanflow_contract.plan.budget import BudgetExceeded
from wanflow_contract.support.distributed import BUDGET, shared_file
from wanflow_contract.support.inputs import parse_inputs
from wanflow_contract.support.interruptions import NotAvailable
from wanflow_contract.support.pace import RateLimited
from wanflow_contract.support.target_options import TargetOptions
from wanflow_contract.support.unavailable import TargetUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wanflow_contract.support.api_under_test import ApiUnderTest


# Tests that find the most in the least time come first; those with clients, slow to open, last.
_BY_TIME = (
    *("auth", "errors", "billing", "idempotency", "semantics", "http", "json_forms", "refusals"),
    *(
        "texts",
        "beside_faults",
        "task_ids",
        "wire",
        "bodies",
        "broken_http",
        "lifecycle",
        "files",
        "callbacks",
    ),
)

_NOT_SENT = (BudgetExceeded, RateLimited, NotAvailable)
# The direct requests have shown whether the server is right to refuse.
_OF_THE_ACCOUNT = (InsufficientCredits, PermissionDenied)
_OF_A_MOMENT = (ServerError, SubmitUncertain)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the contract tests by time, and mark those that need only the published API."""
    here = Path(__file__).parent
    ours = [item for item in items if item.path.parent == here]
    rest = iter(sorted(ours, key=_position))
    items[:] = [next(rest) if item.path.parent == here else item for item in items]
    for item in ours:
        if _uses_published_api(item):
            item.add_marker(pytest.mark.published_api)


def _position(item: pytest.Item) -> int:
    name = item.path.stem.removeprefix("test_")
    uses_client = "client_kind" in getattr(item, "fixturenames", ())
    return _BY_TIME.index(name) if name in _BY_TIME and not uses_client else len(_BY_TIME)


def _uses_published_api(item: pytest.Item) -> bool:
    """Return whether a test uses the server under test through its published API only."""
    asks = {"target", "callback_target"} & set(getattr(item, "fixturenames", ()))
    return bool(asks) and item.get_closest_marker("mock_controls") is None


@pytest.fixture(scope="session")
def target_options(pytestconfig: pytest.Config) -> TargetOptions:
    """The options that select the target; with -n they include the shared budget."""
    option = pytestconfig.getoption
    worker = getattr(pytestconfig, "workerinput", None)
    return TargetOptions(
        base_url=option("--base-url"),
        api_key=option("--api-key"),
        api_key2=option("--api-key2"),
        spend_limit=option("--spend-limit"),
        rate=option("--rate"),
        request_timeout=option("--request-timeout"),
        dry_run=option("--dry-run"),
        idempotent=option("--known-idempotent"),
        inputs=frozenset(parse_inputs(option("--input"))),
        shared_budget=shared_file(pytestconfig, BUDGET) if worker else None,
        processes=worker["workercount"] if worker else 1,
    )


@pytest.fixture(scope="session")
def target(target_options: TargetOptions, pytestconfig: pytest.Config) -> Iterator[ApiUnderTest]:
    """The server under test."""
    reporting: Any = pytestconfig.pluginmanager.get_plugin("contract-reporting")
    try:
        with target_options.target() as found:
            reporting.target = found
            yield found
            reporting.collect()
    except TargetUnavailable as error:
        reporting.not_tested = True
        pytest.exit(str(error), returncode=4)


@pytest.fixture(scope="session")
def callback_target(target_options: TargetOptions, target: ApiUnderTest) -> Iterator[ApiUnderTest]:
    """The server under test, or a second bundled mock that may send callbacks to this machine."""
    if not target_options.bundled:
        yield target
        return
    with target_options.target(loopback_callbacks=True) as found:
        yield found


@pytest.fixture(autouse=True)
def _controls(request: pytest.FixtureRequest) -> None:
    """Skip a test that needs a mock's controls if the server has none."""
    needed = request.node.get_closest_marker("mock_controls") is not None
    if needed and not request.getfixturevalue("target").has_mock_controls:
        pytest.skip("an ordinary client can't cause this; it needs the mock's controls")


@contextmanager
def _skipping_what_is_not_sent() -> Iterator[None]:
    """Skip a test, or what is left of it, where a request isn't paid for, sent or answered now."""
    try:
        yield
    except _NOT_SENT as error:
        _skip(error)
    except ExceptionGroup as group:
        if group.split(_NOT_SENT)[1] is not None:
            raise
        _skip(group.exceptions[0])


def _skip(error: Exception) -> NoReturn:
    pytest.skip(f"{'not judged' if isinstance(error, NotAvailable) else 'not sent'}: {error}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup() -> Iterator[None]:
    """Skip a test whose fixtures would exceed the budget."""
    with _skipping_what_is_not_sent():
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown() -> Iterator[None]:
    """Skip what fixtures would still send beyond the budget."""
    with _skipping_what_is_not_sent():
        return (yield)


def _fail_client(error: BaseException, target: ApiUnderTest | None) -> NoReturn:
    """Fail the check of the client, which may have failed too often to be raised again.

    A state of the account, or of a moment, is none of the client's.
    """
    if isinstance(error, _OF_THE_ACCOUNT) and target and not target.has_mock_controls:
        pytest.skip(f"the account may not submit this: {error}")
    param = str(error.param) if isinstance(error, BadRequest) else ""
    if target and names_cause(param, target.run_state.refused_files):
        pytest.skip(f"the server may be unable to fetch the file: {error}")
    if isinstance(error, _OF_A_MOMENT) and target and target.client.interruptions.gone:
        pytest.skip(f"not judged: the server is not available now and then: {error}")
    try:
        CLIENT.fail(f"{type(error).__name__}: {error}")
    except NotJudged as repeated:
        pytest.skip(str(repeated))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Skip a test that would exceed the budget, and report a failure that Hypothesis lost.

    What a client raises, doesn't raise, or does otherwise, is a finding about the server.
    """
    LAST_FAILURE.clear()
    uses_client = "client_kind" in getattr(item, "fixturenames", ())
    if uses_client:
        CLIENT.evaluated()
    reporting: Any = item.config.pluginmanager.get_plugin("contract-reporting")
    target = reporting.target
    not_sent = target.budget.not_sent if target else 0
    try:
        with _skipping_what_is_not_sent():
            return (yield)
    except Flaky as error:
        if LAST_FAILURE and not find_failures(error):
            raise LAST_FAILURE[-1] from error
        if target and target.budget.not_sent > not_sent and not find_failures(error):
            pytest.skip("not sent: the spend limit is reached")
        raise
    except (AssertionError, WanflowError, pytest.fail.Exception) as error:
        if find_failures(error) or not uses_client:
            raise
        _fail_client(error, target)
