"""The server under test, asked through the published API; every answer is held to the laws."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from attrs import define, field

from wanflow_contract.checks.check import Law, LawBroken
from wanflow_contract.checks.documented_responses import Promised, Promises, packaged_promises
from wanflow_contract.checks.expectation import Verdict, Word, packaged_judge
from wanflow_contract.checks.response_checks import judge_answer
from wanflow_contract.checks.run_state import (
    FOUND,
    GUARDED,
    LEAK,
    NEW,
    NO_FAULT,
    PARAM,
    PRIVATE,
    TAKES,
    UNKNOWN,
    Record,
)
from wanflow_contract.checks.task_history import Life, born
from wanflow_contract.support.coverage import sides

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wanflow.catalog.catalog import Model
    from wanflow_contract.support.budget import Purse
    from wanflow_contract.support.exchange import Exchange
    from wanflow_contract.support.http_client import Wire

__all__ = [
    "FOUND",
    "GUARDED",
    "LEAK",
    "NEW",
    "NO_FAULT",
    "PARAM",
    "PRIVATE",
    "UNKNOWN",
    "Target",
]

SETTLES = Law("settles", "A task comes to an end.")


@define(eq=False, repr=False)
class Target:
    """A server under test, and all tasks that were made on it in this run.

    `keys` are API keys by the name of their account, the first one the suite's own; `steered`
    tells that the server has the mock's controls, `any_key` that each key is an account to it,
    `idempotent` that it is known to honour idempotency keys, `calls_here` that it calls back to
    this machine; `pause` and `longest` are in seconds.
    """

    wire: Wire
    keys: Mapping[str, str] = field(repr=False)
    purse: Purse
    steered: bool = False
    any_key: bool = False
    idempotent: bool = False
    calls_here: bool = False
    pause: float = 0.0
    longest: float = 900.0
    promises: Promises = field(factory=packaged_promises)
    record: Record = field(init=False, repr=False)
    boundaries: Counter[str] = field(factory=Counter, repr=False)
    keywords: Counter[str] = field(factory=Counter, repr=False)

    def __attrs_post_init__(self) -> None:
        """Open the record of what is seen of the server."""
        self.record = Record(self.models, self.keys, self.steered, self.any_key, self._clock)

    def __repr__(self) -> str:
        """Return a short text: what tries many requests shows it with each one that fails."""
        return f"<Target {self.base_url}>"

    @property
    def base_url(self) -> str:
        """The URL that the paths of the document are appended to."""
        return self.wire.base_url

    @property
    def account(self) -> str:
        """The name of the suite's own account."""
        return next(iter(self.keys))

    @property
    def models(self) -> Mapping[str, Model]:
        """The models of the document."""
        return self.promises.catalog.models

    @property
    def lives(self) -> dict[str, Life]:
        """All tasks of this run, by their ids."""
        return self.record.lives

    def authorization(self, account: str | None = None) -> dict[str, str]:
        """Return the header that shows an account's key."""
        return {"Authorization": f"Bearer {self.keys[account or self.account]}"}

    def post(
        self,
        model: Model,
        body: Any,
        account: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Exchange:
        """Send a body to where a model is submitted, with the key of an account; judge the answer.

        Raises:
            LawBroken: the answer breaks a law.
            PurseEmpty: the submission might cost more than may be spent.
        """
        content = json.dumps(body).encode()
        sent = {**self.authorization(account), "Content-Type": "application/json"}
        return self.exchange("POST", model.path, {**sent, **(headers or {})}, content)

    def submit(self, body: dict[str, Any], account: str | None = None, **headers: str) -> Life:
        """Submit a request that the documents allow, and return its task.

        Raises:
            LawBroken: it isn't taken, or the answer breaks a law.
        """
        model = self.models[body["model"]]
        exchange = self.post(model, body, account, headers)
        TAKES.holds(exchange.status == 200, f"answered with {exchange.status}", exchange)
        return self.lives[exchange.json()["id"]]

    def pass_time(self, seconds: float) -> None:
        """Let time pass: on the clock of a steered server, which costs none, else by waiting."""
        if not self.steered:
            time.sleep(seconds)
            return
        headers = {"Content-Type": "application/json"}
        content = json.dumps({"seconds": seconds}).encode()
        self.wire.send("POST", self.control("clock/advance"), headers, content)

    def _clock(self) -> float:
        """Return the time of a steered server, which may be ahead."""
        told = self.wire.send("GET", self.control("clock"))
        return float(told.json()["now"]) if told.status == 200 else time.time()

    def account_terms(self) -> dict[str, Any]:
        """Return what a steered server says of the suite's own account."""
        shown = self.wire.send("GET", self.control("account"), self.authorization())
        found = shown.json() if shown.status == 200 else {}
        return dict(found)

    def control(self, name: str) -> str:
        """Return the URL of one of the controls of a steered server."""
        return f"{self.base_url[: self.base_url.index('/', 8)]}/_mock/{name}"

    def adopt(
        self,
        asked: dict[str, Any],
        account: str,
        receipt: dict[str, Any],
        exchange: Exchange | None = None,
    ) -> Life:
        """Take in a task that was submitted otherwise, with one of the keys.

        Without the exchange of its submission it is looked at, to have one.

        Raises:
            LawBroken: its receipt, or what is seen of it, breaks a law.
        """
        headers = self.authorization(account)
        seen = exchange or self.wire.send("GET", self.address(receipt["id"]), headers)
        life = born(self.models[asked["model"]], asked, account, receipt, seen)
        self.lives[life.id] = life
        if exchange is None:
            life.see(judge_answer(self.promises.query, seen), seen)
        return life

    def own(self, life: Life, links: list[str], exchange: Exchange) -> None:
        """Hold links to be those of one task alone.

        Raises:
            LawBroken: another task had one of them.
        """
        self.record.own(life, links, exchange)

    def address(self, task_id: str) -> str:
        """Return the path of a task."""
        path = self.promises.query.operation.path
        return f"{path[: path.index('{')]}{task_id}{path[path.index('}') + 1 :]}"

    def look(self, life: Life) -> Life:
        """Look at a task with its own key.

        Raises:
            LawBroken: the answer breaks a law.
        """
        self.ask(life.id, life.key)
        return life

    def ask(self, task_id: str, account: str | None = None, **headers: str) -> Exchange:
        """Ask for a task by its id."""
        sent = {**self.authorization(account), **headers}
        return self.exchange("GET", self.address(task_id), sent)

    def wait(self, life: Life) -> Life:
        """Look at a task until it has ended.

        Raises:
            LawBroken: it doesn't end in time, or an answer breaks a law.
        """
        until, pause = time.monotonic() + self.longest, self.pause
        while not self.look(life).ended:
            SETTLES.holds(
                time.monotonic() < until,
                f"still {life.status} after {self.longest:.0f} s and {life.looks} looks",
                life.first,
                life.last,
            )
            if self.steered and life.looks > _PATIENT:
                self.pass_time(2)
            time.sleep(pause)
            pause = min(max(pause * 1.5, 0.02), 5.0)
        return life

    def exchange(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        content: bytes | None = None,
    ) -> Exchange:
        """Send a request as it is, and judge its answer by what the documents say of it.

        Raises:
            LawBroken: no answer came, or it breaks a law.
            PurseEmpty: it might cost more than may be spent.
        """
        verdict = self.verdict(method, path, headers, content)
        exchange = self._bought(verdict, method, path, headers, content)
        self.record.judge(self.promises.at(path), verdict, exchange)
        return exchange

    def buy(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        content: bytes | None = None,
    ) -> Exchange:
        """Send a request where it can be paid, and book what it cost; judge nothing."""
        verdict = self.verdict(method, path, headers, content)
        return self._bought(verdict, method, path, headers, content)

    def _bought(
        self,
        verdict: Verdict | None,
        method: str,
        path: str,
        headers: Mapping[str, str],
        content: bytes | None,
    ) -> Exchange:
        held = self.purse.permit(verdict, content)
        try:
            exchange = self.wire.send(method, path, headers, content)
        except LawBroken:  # no answer: it may have been taken
            self.purse.pay(held, held)
            raise
        promised = self.promises.at(path)
        if promised is not None:
            self.wire.statuses[promised.id, exchange.status] += 1
        self.purse.enter(exchange, verdict, held)
        self._note(verdict, exchange)
        return exchange

    def _note(self, verdict: Verdict | None, exchange: Exchange) -> None:
        body = exchange.asked() if verdict is not None else None
        model = self.models.get(str(body.get("model"))) if isinstance(body, dict) else None
        if model is not None and verdict is not None:
            self.keywords.update(sides(model, body, verdict))
        elif isinstance(body, dict) and "model" not in body:
            # Which model was meant isn't said; each of the path's was.
            meant = (one for one in self.models.values() if one.path == exchange.path)
            self.keywords.update(f"{one.name} model required broken" for one in meant)

    def verdict(
        self, method: str, path: str, headers: Mapping[str, str], content: bytes | None
    ) -> Verdict | None:
        """Judge what is about to be sent; None for what is no submission."""
        verdict = _verdict(self.promises.at(path), method, headers, content)
        if self.calls_here and content is not None and _THIS_MACHINE.search(content):
            return verdict and Verdict(Word.OPEN, "this mock calls back to this machine")
        return verdict


_THIS_MACHINE = re.compile(
    rb'"callback_url": ?"\w*:?(//)?(localhost|0x[0-9a-f]+|[0-9]+|127[0-9.]+|\[[0-9a-f:.]+\])[:/]'
)
# A mock that goes by the clock is hurried on, one that goes by looks has ended by now.
_PATIENT = 3


def _verdict(
    promised: Promised | None, method: str, headers: Mapping[str, str], content: bytes | None
) -> Verdict | None:
    """Judge what is about to be sent; None for what is no submission."""
    if promised is None or not promised.submits or method != "POST":
        return None
    try:
        body = json.loads(content or b"")
    except (ValueError, RecursionError):
        return Verdict(Word.REFUSED, "the body isn't JSON")
    verdict = packaged_judge().verdict(promised.id, body)
    kind = next((value for name, value in headers.items() if name.lower() == "content-type"), "")
    if verdict.word is Word.TAKEN and kind.partition(";")[0].strip().lower() != "application/json":
        return Verdict(Word.OPEN, f"the content type is {kind!r}")
    return verdict
