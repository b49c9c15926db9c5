"""The command line shows prices, and sends nothing beyond `--max-credits`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cli.helpers import IMAGE
from wanflow.catalog.catalog import packaged_catalog
from wanflow.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.helpers import CommandResult

    Command = Callable[..., CommandResult]

WORDS = (IMAGE, "--prompt", "a fox")


@pytest.fixture
def ledger_path(tmp_path: Path, environment: dict[str, str]) -> Path:
    """The default path of the ledger, in this test's directory."""
    path = tmp_path / "ledger.db"
    environment["WANFLOW_LEDGER"] = str(path)
    return path


@pytest.fixture
def price(wanflow: Command, ledger_path: Path) -> float:
    """What the ledger's only job cost."""
    assert wanflow("submit", *WORDS).code == 0
    with Ledger(ledger_path) as ledger:
        (job,) = ledger.jobs()
    assert job.credits is not None
    return job.credits


def jobs(path: Path) -> int:
    with Ledger(path) as ledger:
        return len(ledger.jobs())


@pytest.mark.parametrize("command", ["run", "submit"])
@pytest.mark.parametrize("form", [(), ("--json",)])
def test_a_job_that_may_cost_more_is_not_sent(
    wanflow: Command, ledger_path: Path, price: float, command: str, form: tuple[str, ...]
) -> None:
    """The exit code is its own, and the message names the price and the limit."""
    done = wanflow(command, *WORDS, "--max-credits", f"{price - 0.5:g}", *form)
    assert done.code == 16
    assert f"{price:g} credits, as 1 earlier job with these settings cost" in done.err
    assert f"the {price - 0.5:g} credits of max_credits" in done.err
    assert jobs(ledger_path) == 1
    if form:
        assert done.events[-1]["kind"] == "over_limit"
    assert wanflow(command, *WORDS, "--max-credits", f"{price:g}").code == 0
    assert jobs(ledger_path) == 2


def test_a_job_of_unknown_price_is_not_sent(wanflow: Command, ledger_path: Path) -> None:
    """The message says why."""
    done = wanflow("run", *WORDS, "--max-credits", "1000")
    assert done.code == 16
    assert "unknown: the ledger has no comparable job" in done.err
    assert jobs(ledger_path) == 0


def test_without_a_ledger_a_limit_is_a_configuration_error(wanflow: Command) -> None:
    """Nothing is known of prices."""
    done = wanflow("run", *WORDS, "--max-credits", "1000", "--no-ledger")
    assert (done.code, "leave out --no-ledger" in done.err) == (3, True)


@pytest.mark.parametrize("words", [("-1",), ("nan",), ("x",)])
def test_a_limit_that_is_no_number_is_wrong_usage(
    wanflow: Command, ledger_path: Path, words: tuple[str]
) -> None:
    """So it is for `wanflow batch`."""
    for command in (("run", *WORDS), ("submit", *WORDS), ("batch", "jobs.jsonl", "-o", "out")):
        done = wanflow(*command, "--max-credits", *words)
        assert (done.code, "is not a number of credits" in done.err) == (2, True)
    assert not ledger_path.exists()


def test_estimate_check_and_dry_run_show_the_price(
    wanflow: Command, ledger_path: Path, price: float
) -> None:
    """As a line, and as a member of their JSON."""
    line = f"price: {price:g} credits, as 1 earlier job with these settings cost"
    assert wanflow("estimate", *WORDS).out.strip() == line
    assert line in wanflow("check", *WORDS).out
    dry = wanflow("run", *WORDS, "--dry-run")
    assert line in dry.err
    assert line not in dry.out
    for command in (("estimate", *WORDS), ("check", *WORDS), ("run", *WORDS, "--dry-run")):
        (event,) = wanflow(*command, "--json").events
        assert event["estimate"]["credits"] == price
        assert event["estimate"]["basis"] == "same settings"
    assert jobs(ledger_path) == 1


def test_check_without_a_ledger_shows_no_price_and_makes_none(
    wanflow: Command, ledger_path: Path
) -> None:
    """A check records nothing."""
    for command in (("check", *WORDS), ("run", *WORDS, "--dry-run")):
        done = wanflow(*command)
        assert (done.code, "price" in done.out + done.err) == (0, False)
    assert not ledger_path.exists()
    assert wanflow("estimate", *WORDS).code == 14


def test_an_estimate_needs_no_key_no_uploader_and_no_server(
    wanflow: Command, environment: dict[str, str], ledger_path: Path, price: float
) -> None:
    """It reads the ledger only; a local file counts as its URL."""
    del environment["WANFLOW_API_KEY"]
    assert f"{price:g} credits" in wanflow("estimate", *WORDS).out
    models = packaged_catalog().models.values()
    model = next(one.name for one in models if set(one.required) == {"prompt", "image_urls"})
    done = wanflow("estimate", model, "--prompt", "x", "--image-urls", str(ledger_path))
    assert (done.code, "unknown" in done.out) == (0, True)
