"""What the run knows of the server under test: each exchange is held against it, and adds to it."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING, Any

from attrs import define, field

from wanflow_contract.checks.check import Law
from wanflow_contract.checks.expectation import Verdict, Word
from wanflow_contract.checks.response_checks import judge_answer
from wanflow_contract.checks.task_history import SAME, Life, born
from wanflow_contract.support.exchange import SHORTEST

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from wanflow.catalog.catalog import Model
    from wanflow_contract.checks.documented_responses import Promised
    from wanflow_contract.support.exchange import Exchange

NO_FAULT = Law("no-fault", "No request makes the server fail.")
TAKES = Law("takes", "A request that keeps the documents' rules is taken.")
REFUSES = Law("refuses", "A request that breaks a rule of the documents is refused, with 400.")
PARAM = Law("param", "A refusal names the parameter at fault, where it names one.")
GUARDED = Law(
    "guarded", "Without a valid key nothing is answered but 401.", "security: bearerAuth on each"
)
UNKNOWN = Law("unknown-id", "An id that names no task of the account is answered with 400 or 404.")
FOUND = Law("found", "A task can be queried from its submission on.", "links: getTask")
PRIVATE = Law("private", "A task is seen by its own account only.")
CLOCK = Law(
    "created",
    "A task's time of creation is in seconds since 1970, and about now when it is created.",
    "created: integer, unix seconds",
)
LEAK = Law("leak", "No answer shows an API key.")
RULE = Law("one-rule", "A model is billed by one rule, and an account belongs to one group.")
NEW = Law("new-task", "Two submissions are two tasks.")
OWN_LINKS = Law("own-links", "What a task made is its own: no two tasks have a link in common.")
PRICE = Law("one-price", "Equal requests of an account cost the same, whenever they are sent.")
FRESH = Law(
    "fresh",
    "What is said of a running task isn't to be kept and told again much later.",
    "Ask again until `status` is `completed` or `failed`",
)

_HOUR = 3600
_AGE = re.compile(r"(?:max-age|s-maxage)=([0-9]+)", re.IGNORECASE)
_SOON = 60
_LARGE = 65536
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]{1,512}=*")


@define(eq=False, repr=False)
class Record:
    """The tasks of this run, with the prices, rules and links that were told.

    `keys` are API keys by the name of their account; `any_key` tells that each key is an account,
    `steered` that the server has the mock's controls, and `clock` asks it for its time.
    """

    models: Mapping[str, Model]
    keys: Mapping[str, str]
    steered: bool
    any_key: bool
    clock: Callable[[], float]
    lives: dict[str, Life] = field(factory=dict)
    _prices: dict[tuple[str, bytes], tuple[Any, Exchange]] = field(factory=dict)
    _links: dict[str, Life] = field(factory=dict)
    _rules: dict[tuple[str, str], tuple[Any, Exchange]] = field(factory=dict)

    def judge(self, promised: Promised | None, verdict: Verdict | None, exchange: Exchange) -> None:
        """Hold an exchange against every law that it could break.

        Raises:
            LawBroken: it breaks one.
        """
        asked_for = _asked_for(exchange) if self.steered else None
        if asked_for != exchange.status:
            NO_FAULT.holds(exchange.status < 500 or exchange.status == 501, "", exchange)
        shown = any(
            key.encode() in exchange.content for key in self.keys.values() if len(key) >= SHORTEST
        )
        LEAK.holds(not shown or exchange.status >= 500, "a key is in the answer", exchange)
        if promised is None or exchange.method != promised.operation.method.upper():
            return
        body = judge_answer(promised, exchange)
        if asked_for is not None and exchange.status >= 400:
            return
        account = self._account(exchange)
        if account is None:
            guarded = exchange.status == 401 or (
                400 <= exchange.status < 500 and not _plain(verdict)
            )
            GUARDED.holds(guarded, f"{exchange.status} without a valid key", exchange)
        elif verdict is not None:
            self._judge_submission(verdict, account, body, exchange)
        else:
            self._judge_look(account, body, exchange)

    def _judge_submission(
        self, verdict: Verdict, account: str, body: Any, exchange: Exchange
    ) -> None:
        if verdict.word is Word.TAKEN:
            detail = f"answered with {exchange.status}"
            TAKES.holds(exchange.status == 200, detail, exchange)
        if verdict.word is Word.REFUSED:
            _judge_refusal(verdict, body, exchange)
        if exchange.status == 200:
            asked = exchange.asked()
            life = born(self.models[asked["model"]], asked, account, body, exchange)
            self._judge_rules(life, exchange)
            self._judge_price(life, exchange)
            self._judge_clock(body["created"], exchange)
            known = self.lives.get(life.id)
            if known is None:
                self.lives[life.id] = life
            elif exchange.header("idempotency-replayed") != "true":
                NEW.broken(f"{life.id} was there before", known.first, exchange)
            else:
                was, now = _repeated(known.receipt), _repeated(body)
                SAME.holds(was == now, f"{was} is told again as {now}", known.first, exchange)

    def _judge_clock(self, created: Any, exchange: Exchange) -> None:
        """Compare with this machine's clock, or with that of a mock, which may be advanced."""
        now = time.time()
        if isinstance(created, int | float):
            if abs(created - now) < _HOUR:
                return
            now = self.clock() if self.steered else now
            CLOCK.holds(abs(created - now) < _HOUR, f"created {created}, now {now:.0f}", exchange)
        CLOCK.holds(isinstance(created, int | float), f"created {created!r}", exchange)

    def _judge_rules(self, life: Life, exchange: Exchange) -> None:
        usage = life.receipt.get("usage")
        for name, whose in (("billing_rule", life.model.name), ("user_group", life.key)):
            told = usage.get(name) if isinstance(usage, dict) else None
            if told is not None:
                was, first = self._rules.setdefault((name, whose), (told, exchange))
                RULE.holds(was == told, f"{name} was {was}, is {told}", first, exchange)

    def _judge_price(self, life: Life, exchange: Exchange) -> None:
        usage = life.receipt.get("usage")
        told = usage.get("credits_reserved") if isinstance(usage, dict) else None
        if told is not None:
            whose = (life.key, json.dumps(life.asked, sort_keys=True).encode())
            was, first = self._prices.setdefault(whose, (told, exchange))
            PRICE.holds(was == told, f"it was {was}, and is {told}", first, exchange)

    def own(self, life: Life, links: list[str], exchange: Exchange) -> None:
        """Hold links to be those of one task alone.

        Raises:
            LawBroken: another task had one of them.
        """
        for link in links:
            owner = self._links.setdefault(link, life)
            OWN_LINKS.holds(owner.id == life.id, link, owner.first, owner.last, exchange)

    def _judge_look(self, account: str, body: Any, exchange: Exchange) -> None:
        life = self.lives.get(exchange.path.rpartition("/")[2])
        if life is None:
            if exchange.status != 200:
                UNKNOWN.holds(exchange.status in {400, 404}, f"{exchange.status}", exchange)
            else:
                UNKNOWN.holds(body.get("id") in exchange.path, "another task", exchange)
            return
        if life.key != account:
            PRIVATE.holds(
                exchange.status in {403, 404},
                f"{exchange.status} for {account}",
                life.first,
                exchange,
            )
            return
        FOUND.holds(exchange.status == 200, f"{exchange.status}", life.first, exchange)
        life.see(body, exchange)
        kept = _AGE.search(exchange.header("cache-control") or "")
        stale = kept is not None and int(kept[1]) > _SOON and not life.ended
        FRESH.holds(not stale, f"{kept and kept[0]}", exchange)
        self.own(life, life.links, exchange)

    def _account(self, exchange: Exchange) -> str | None:
        shown = exchange.sent_header("authorization") or ""
        scheme, _, token = shown.partition(" ")
        if scheme.lower() != "bearer":
            return None
        token = token.strip()
        known = next((name for name, key in self.keys.items() if key == token), None)
        return token if known is None and self.any_key and _TOKEN.fullmatch(token) else known


def _judge_refusal(verdict: Verdict, body: Any, exchange: Exchange) -> None:
    right = {400}
    right |= {404} if verdict.unknown_model else set()
    right |= {413} if verdict.too_long or len(exchange.sent) > _LARGE else set()
    kind = exchange.sent_header("content-type") or ""
    right |= {415} if kind.lower() != "application/json" else set()
    detail = f"{exchange.status}, but {verdict.reason}"
    REFUSES.holds(exchange.status in right, detail, exchange, rests_on=verdict.sentence)
    error = body.get("error") if isinstance(body, dict) else None
    named = error.get("param") if isinstance(error, dict) else None
    if isinstance(named, str) and len(verdict.parameters) == 1 and exchange.status == 400:
        (fault,) = verdict.parameters
        right_name = not fault or fault in named or named == "model"
        PARAM.holds(right_name, f"param is {named!r}, the fault is in {fault!r}", exchange)


def _repeated(receipt: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a receipt says that has to be there when it is told again."""
    return {name: receipt.get(name) for name in ("created", "model")}


def _asked_for(exchange: Exchange) -> int | None:
    """Return the status that a steered server was asked to answer with, None for no wish."""
    preference = exchange.sent_header("prefer") or ""
    name, _, code = preference.partition("=")
    return int(code) if name == "code" and code.isdigit() else None


def _plain(verdict: Verdict | None) -> bool:
    return verdict is None or verdict.word is Word.TAKEN
