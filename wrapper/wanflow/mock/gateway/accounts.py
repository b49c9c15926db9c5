"""Accounts: one for each API key, identified by the digest of the key."""

from __future__ import annotations

import re
from collections import OrderedDict
from hashlib import sha256
from hmac import compare_digest
from typing import TYPE_CHECKING

from attrs import define, field

from wanflow.mock.clock import Clock, RealClock
from wanflow.mock.errors import HTTPError
from wanflow.mock.gateway.idempotency import IdempotencyCache, IdempotencyLimits
from wanflow.mock.gateway.limits import AccountLimits

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_KEY = rb"[A-Za-z0-9._~+/-]{1,512}=*"
_TOKEN = re.compile(rb"[Bb][Ee][Aa][Rr][Ee][Rr] +(" + _KEY + rb")")
_CHALLENGE = ((b"www-authenticate", b'Bearer realm="wanflow mock"'),)
DEFAULT_KEY = "mock-key"
"""The key to use if any key is accepted."""
FOUR_WEEKS = 28 * 24 * 3600.0


def is_key(text: str) -> bool:
    """Return whether a text can be sent as a key."""
    return re.fullmatch(_KEY, text.encode()) is not None


@define(eq=False)
class Account:
    """The account of one API key; `name` is a digest of the key.

    `reserved` are the credits of its unfinished tasks, `spent` those of its completed ones.
    """

    name: str
    limits: AccountLimits = field(factory=AccountLimits)
    reserved: float = 0.0
    spent: float = 0.0
    submitted: int = 0
    last_request_at: float = field(default=float("-inf"), repr=False)
    idempotency_cache: IdempotencyCache = field(factory=IdempotencyCache, repr=False)
    _window: float = field(default=float("-inf"), repr=False)
    _requests: int = field(default=0, repr=False)

    def remaining(self) -> float | None:
        """Return the credits that can still be reserved, None if unlimited."""
        limit = self.limits.credits
        return None if limit is None else round(limit - self.spent - self.reserved, 2)

    def count_request(self, now: float) -> None:
        """Count a request.

        Raises:
            HTTPError: 429 with Retry-After, the account's rate is exceeded.
        """
        rate = self.limits.rate
        if rate is None:
            return
        if now >= self._window + rate.seconds:
            self._window, self._requests = now, 0
        if self._requests >= rate.requests:
            wait = max(1, -int(-(self._window + rate.seconds - now) // 1))
            raise HTTPError(429, headers=((b"retry-after", b"%d" % wait),))
        self._requests += 1

    def check_model(self, model: str) -> None:
        """Check that the account may use a model.

        Raises:
            HTTPError: 403, the model is forbidden.
        """
        if model in self.limits.forbidden_models:
            raise HTTPError(403, model=model)

    def reserve(self, credits: float) -> None:  # noqa: A002 - the API's name
        """Reserve credits for a task.

        Raises:
            HTTPError: 402, there are too few.
        """
        remaining = self.remaining()
        if remaining is not None and credits > remaining:
            raise HTTPError(
                402, f"the task costs {credits:g} credits, but only {remaining:g} remain"
            )
        self.reserved = round(self.reserved + credits, 2)

    def settle(self, credits: float, *, billed: bool) -> None:  # noqa: A002 - the API's name
        """Bill a task's reserved credits, or release them."""
        self.reserved = round(self.reserved - credits, 2)
        if billed:
            self.spent = round(self.spent + credits, 2)


@define
class AccountStore:
    """The recently used accounts; `api_key` None accepts any key.

    `limits` and `idempotency` are for new accounts.

    An account without requests for `lifetime` seconds is removed; beyond `max_accounts` the least
    recently used is removed.
    """

    api_key: str | None = field(default=None, repr=False)
    limits: AccountLimits = field(factory=AccountLimits)
    clock: Clock = field(factory=RealClock, repr=False)
    max_accounts: int = 10_000
    lifetime: float = FOUR_WEEKS
    idempotency: IdempotencyLimits = field(factory=IdempotencyLimits)
    _accounts: OrderedDict[bytes, Account] = field(factory=OrderedDict[bytes, Account], repr=False)

    def authenticate(self, headers: Mapping[bytes, bytes]) -> Account:
        """Return the account of a request's bearer token.

        Raises:
            HTTPError: 401, the token is missing, malformed or wrong.
        """
        found = _TOKEN.fullmatch(headers.get(b"authorization", b""))
        if found is None:
            raise HTTPError(401, headers=_CHALLENGE)
        digest = sha256(found[1]).digest()
        account = self._accounts.get(digest)
        now = self.clock.now()
        if account is None or account.last_request_at + self.lifetime < now:
            account = self._create(digest, found[1], now)
        account.last_request_at = now
        self._accounts.move_to_end(digest)
        return account

    def for_key(self, api_key: str) -> Account:
        """Return the account of a key.

        Raises:
            ValueError: the key isn't accepted.
        """
        try:
            return self.authenticate(
                {b"authorization": b"Bearer " + api_key.encode("ascii", "replace")}
            )
        except HTTPError as error:
            raise ValueError("the mock doesn't accept this API key") from error

    def anonymous(self) -> Account:
        """Return the account for operations that need no key."""
        account = self._accounts.get(b"") or self._add(b"", "anyone")
        account.last_request_at = self.clock.now()
        self._accounts.move_to_end(b"")
        return account

    def digests(self) -> dict[Account, str]:
        """Return the digest of each account's key."""
        return {account: digest.hex() for digest, account in tuple(self._accounts.items())}

    def restore(self, digest: str, account: Account) -> None:
        """Add an account by the digest of its key."""
        account.idempotency_cache.limits = self.idempotency
        account.last_request_at = self.clock.now()
        self._accounts[bytes.fromhex(digest)] = account

    def __iter__(self) -> Iterator[Account]:
        return iter(tuple(self._accounts.values()))

    def _create(self, digest: bytes, key: bytes, now: float) -> Account:
        if self.api_key is not None and not compare_digest(key, self.api_key.encode()):
            raise HTTPError(401, headers=_CHALLENGE)
        while (
            self._accounts
            and next(iter(self._accounts.values())).last_request_at + self.lifetime < now
        ):
            self._accounts.popitem(last=False)
        if len(self._accounts) >= self.max_accounts:
            self._accounts.popitem(last=False)
        return self._add(digest, digest.hex()[:16])

    def _add(self, digest: bytes, name: str) -> Account:
        cache = IdempotencyCache(self.idempotency)
        account = self._accounts[digest] = Account(name, self.limits, idempotency_cache=cache)
        return account
