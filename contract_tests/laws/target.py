"""The server under test, asked through the published API; every answer is held to the laws."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from attrs import define, field
from contract_tests.laws.answers import judge_answer
from contract_tests.laws.coverage import sides
from contract_tests.laws.exchange import SHORTEST
from contract_tests.laws.law import Law, LawBroken
from contract_tests.laws.life import SAME, Life, born
from contract_tests.laws.promises import Promised, Promises, packaged_promises
from contract_tests.laws.verdict import Verdict, Word, packaged_judge

if TYPE_CHECKING:
    from collections.abc import Mapping

    from contract_tests.laws.exchange import Exchange
    from contract_tests.laws.purse import Purse
    from contract_tests.laws.wire import Wire

    from wanflow.spec.catalog import Model

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
    lives: dict[str, Life] = field(factory=dict, repr=False)
    _prices: dict[tuple[str, bytes], tuple[Any, Exchange]] = field(factory=dict, repr=False)
    _links: dict[str, Life] = field(factory=dict, repr=False)
    _rules: dict[tuple[str, str], tuple[Any, Exchange]] = field(factory=dict, repr=False)
    boundaries: Counter[str] = field(factory=Counter, repr=False)
    keywords: Counter[str] = field(factory=Counter, repr=False)

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
        self.judge(self.promises.at(path), verdict, exchange)
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
            if self.steered:
                told = self.wire.send("GET", self.control("clock"))
                now = float(told.json()["now"]) if told.status == 200 else now
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


_THIS_MACHINE = re.compile(
    rb'"callback_url": ?"\w*:?(//)?(localhost|0x[0-9a-f]+|[0-9]+|127[0-9.]+|\[[0-9a-f:.]+\])[:/]'
)
_HOUR = 3600
_AGE = re.compile(r"(?:max-age|s-maxage)=([0-9]+)", re.IGNORECASE)
_SOON = 60
_LARGE = 65536
# A mock that goes by the clock is hurried on, one that goes by looks has ended by now.
_PATIENT = 3
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]{1,512}=*")


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
