"""The options of `wanflow mock` that record from a server, and play recorded lives."""

from __future__ import annotations

import math
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

import click
from attrs import define, field, frozen

from wanflow.cli.text import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from wanflow.mock import MockServer
    from wanflow.mock.recording.forwarder import Forwarder, Judge
    from wanflow.mock.recording.recorder import Forwarded

F = TypeVar("F", bound="Callable[..., object]")


def _finite(_context: click.Context, _option: click.Parameter, limit: float | None) -> float | None:
    if limit is not None and not math.isfinite(limit):
        raise click.BadParameter("it must be a finite number of credits.")
    return limit


_FOLDER = click.Path(path_type=Path, file_okay=False)
_OPTIONS = (
    click.option(
        "--upstream", metavar="URL", help="Forward requests to this server; needs --record."
    ),
    click.option(
        "--record", type=_FOLDER, metavar="FOLDER", help="Write what it answers here, no secrets."
    ),
    click.option(
        "--spend-limit",
        type=click.FloatRange(0),
        callback=_finite,
        metavar="CREDITS",
        help="What forwarded submissions may cost in all; by default 0, so none is sent.",
    ),
    click.option(
        "--replay", type=_FOLDER, metavar="FOLDER", help="Answer as the lives recorded here."
    ),
    click.option(
        "--replay-or-mock",
        is_flag=True,
        help="With --replay: let the mock answer what no recorded life matches.",
    ),
)
_OF_TASKS = ("polls", "seconds", "progression", "credits", "rate", "scenario", "state", "replay")


def recording_options(command: F) -> F:
    """Add the options."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@frozen
class Recording:
    """What `--upstream`, `--record` and `--spend-limit` ask for."""

    upstream: str
    folder: Path
    limit: float

    @contextmanager
    def running(self, server: MockServer) -> Generator[None]:
        """Let a server that hasn't started forward and record; say at the end what was recorded.

        Raises:
            ValueError: the URL isn't one of a server.
            click.UsageError: nothing can be written to the folder.
        """
        from wanflow.mock.recording.forwarder import Forwarder
        from wanflow.mock.recording.recorder import Recorder
        from wanflow.mock.recording.vocabulary import vocabulary_of

        api = server.gateway.api
        spending, judge = _SuiteSpending(self.limit), _judge_of(self.upstream)
        try:
            recorder = Recorder(self.folder, vocabulary_of(api.validator.catalog.document))
        except OSError as error:
            reason = error.strerror or error
            raise click.UsageError(f"--record: {self.folder} can't be used: {reason}.") from error
        try:
            forwarder = Forwarder(self.upstream, api.base, recorder, spending, judge)
        except ValueError:
            recorder.close()
            raise
        server.app.instead = forwarder
        try:
            yield
        finally:
            forwarder.close()
            click.echo(f"wanflow mock: {self._summary(forwarder, spending)}", err=True)

    def announce(self) -> None:
        """Print where requests go, and what is recorded."""
        from wanflow.mock.recording.forwarder import no_judge

        click.echo(f"  forwards:  to {self.upstream}, for at most {self.limit:g} credits")
        click.echo(f"  records:   into {self.folder}, without keys, texts and links")
        if _judge_of(self.upstream) is not no_judge:
            click.echo("  judges:    each exchange, by the checks of the contract suite")
        else:
            click.echo("  judges:    nothing; pip install 'wanflow[contract]' to have it judged")

    def _summary(self, forwarder: Forwarder, spending: _SuiteSpending) -> str:
        recorder = forwarder.recorder
        said = [f"{counted(recorder.lives, 'task')} recorded in {self.folder}"]
        said.append(f"{spending.spent:g} of {self.limit:g} credits spent")
        if forwarder.refused:
            said.append(
                f"{counted(forwarder.refused, 'submission')} not sent, because of the limit"
            )
        if recorder.skipped:
            said.append(
                f"{counted(recorder.skipped, 'poll')} not recorded: of tasks submitted elsewhere"
            )
        if forwarder.failures:
            said.append(f"{counted(forwarder.failures, 'request')} without a response")
        return "; ".join([*said, *filter(None, [recorder.problem])])


def recording_of(options: dict[str, Any]) -> Recording | None:
    """Take the options of a recording; None if nothing is to be recorded.

    Raises:
        click.UsageError: one is missing, or another one contradicts it.
    """
    upstream, folder, limit = (options.pop(name) for name in ("upstream", "record", "spend_limit"))
    if options["replay_or_mock"] and options["replay"] is None:
        raise click.UsageError("--replay-or-mock needs --replay FOLDER.")
    if upstream is None:
        for name, value in (("--record", folder), ("--spend-limit", limit)):
            if value is not None:
                raise click.UsageError(f"{name} needs --upstream URL.")
        return None
    if folder is None:
        raise click.UsageError("--upstream needs --record FOLDER.")
    for name in _OF_TASKS:
        if options[name] is not None:
            raise click.UsageError(
                f"--{name} has no effect with --upstream: the server decides; leave it out."
            )
    return Recording(upstream.strip().rstrip("/"), folder, limit or 0.0)


@define(eq=False)
class _SuiteSpending:
    """Spends by the rules of the contract suite: never more than the limit by one submission."""

    limit: float
    _budget: Any = field(init=False)
    _either: Any = field(init=False)
    _exceeded: type[Exception] = field(init=False)

    def __attrs_post_init__(self) -> None:
        """Import the rules."""
        budget = import_module("wanflow_contract.plan.budget")
        expectation = import_module("wanflow_contract.checks.expectation")
        self._budget, self._exceeded = budget.SpendBudget(self.limit), budget.BudgetExceeded
        self._either = expectation.Expectation(expectation.Expected.EITHER)

    @property
    def spent(self) -> float:
        """What was spent, in credits."""
        return float(self._budget.spent_here)

    def reserve(self, content: bytes, /) -> Any:
        """Reserve the most that a submission may cost.

        Raises:
            NotSent: that is more than what is left.
        """
        try:
            return self._budget.reserve(self._either, content)
        except self._exceeded as reason:
            from wanflow.mock.recording.forwarder import NotSent

            raise NotSent(f"{reason} (--spend-limit)") from reason

    def record(self, reservation: Any, exchange: Forwarded | None, /) -> None:
        """End a reservation with the price that a response reports; without one, with the most."""
        given = None if exchange is None else _exchange(exchange, "")
        accepted = given is not None and 200 <= given.status < 300  # noqa: PLR2004
        if given is None or (accepted and not _has_price(given)):
            self._budget.record_unknown(reservation)
        elif not accepted and _has_price(given):
            self._budget.record_cost(given.decoded(), reservation)  # it charges what it rejects
        else:
            self._budget.record(given, self._either, reservation)


def _has_price(exchange: Any) -> bool:
    prices = import_module("wanflow_contract.plan.prices")
    return prices.reported_price(exchange.decoded()) is not None


def _judge_of(upstream: str) -> Judge:
    """Return what judges exchanges; `no_judge` if the suite's packages aren't installed."""
    from wanflow.mock.recording.forwarder import no_judge

    try:
        observer = import_module("wanflow_contract.watch.observer").Observer(upstream)
    except ImportError:
        return no_judge

    lock = Lock()

    def judge(exchange: Forwarded, /) -> list[dict[str, str]]:
        found = observer.recorder.findings
        with lock:
            before = {one.id: one.count for one in found.values()}
            observer.observe(_exchange(exchange, upstream), exchange.started, exchange.ended)
            return [
                {"check": one.check, "sentence": one.sentence, "pointer": one.pointer}
                for one in found.values()
                if one.count > before.get(one.id, 0)
            ]

    return judge


def _exchange(exchange: Forwarded, upstream: str) -> Any:
    """Return an exchange as the suite's checks take it; its body is decoded."""
    query = f"?{exchange.query}" if exchange.query else ""
    coded = any(name == "content-encoding" for name, _ in exchange.headers)
    dropped = {"content-encoding", "content-length"} if coded else set[str]()
    return import_module("wanflow_contract.support.exchange").Exchange(
        exchange.method,
        f"{upstream}{exchange.path}{query}",
        exchange.path + query,
        tuple(exchange.sent_headers.items()),
        exchange.sent,
        exchange.status,
        tuple(one for one in exchange.headers if one[0] not in dropped),
        exchange.content,
        exchange.ended - exchange.started,
    )
