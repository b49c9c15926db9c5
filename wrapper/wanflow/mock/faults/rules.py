"""Rules for faults: by operation, account, call number, probability, count and time."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

from attrs import define, field
from attrs.validators import and_, ge, instance_of, le, optional

from wanflow.mock.clock import Clock, RealClock
from wanflow.mock.gateway.fault import NO_FAULTS, FaultSet, parse_faults

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from wanflow.mock.gateway.accounts import Account

FILES = "files"
"""The name for downloads of results, used like an operation id."""


@define(eq=False)
class FaultRule:
    """Faults for the calls of an operation and an account (None: all).

    It applies from the `nth` matching call on, with a probability, at most `count` times, and
    before the time `ends` of the mock's clock.
    """

    id: int
    faults: FaultSet
    operation: str | None = field(default=None, validator=optional(instance_of(str)))
    probability: float = field(default=1.0, validator=[instance_of((int, float)), ge(0), le(1)])
    nth: int = field(default=1, validator=[instance_of(int), ge(1)])
    count: int | None = field(default=None, validator=optional(and_(instance_of(int), ge(1))))
    account: Account | None = field(default=None, repr=False)
    calls: int = 0
    hits: int = 0
    ends: float | None = None

    def matches(self, operation: str, account: Account | None, random: Random) -> bool:
        """Count a call if it matches, and return whether the faults apply to it."""
        if self.operation not in {None, operation} or self.account not in {None, account}:
            return False
        self.calls += 1
        if self.calls < self.nth or (self.count is not None and self.hits >= self.count):
            return False
        if self.probability < 1 and random.random() >= self.probability:
            return False
        self.hits += 1
        return True


@define(eq=False)
class FaultRules:
    """The active rules; the first match applies. `operations` are the valid names.

    `latency` delays every response, whichever rule matches. `random` is the generator of all
    random choices.
    """

    operations: tuple[str, ...] = ()
    _rules: tuple[FaultRule, ...] = ()
    _last_id: int = 0
    _random: Random = field(factory=lambda: Random(0), repr=False, alias="random")  # noqa: S311 - play, not secrets
    clock: Clock = field(factory=RealClock, repr=False, kw_only=True)
    latency: FaultSet = field(default=NO_FAULTS, kw_only=True)

    def add(
        self,
        fault: str,
        *,
        operation: str | None = None,
        probability: float = 1.0,
        nth: int = 1,
        count: int | None = None,
        account: Account | None = None,
    ) -> FaultRule:
        """Add a rule for one or more faults, separated by commas; `for=S` among them ends it.

        Raises:
            ValueError: the fault, the operation or a number is invalid.
        """
        if operation is not None and operation not in self.operations:
            known = ", ".join(self.operations)
            raise ValueError(f"unknown operation {operation!r}; operations are {known}")
        try:
            rule = FaultRule(
                self._last_id + 1, parse_faults(fault), operation, probability, nth, count, account
            )
        except TypeError as error:
            _, attribute, _, value = error.args  # the arguments of attrs' exception
            raise ValueError(f"{attribute.name} can't be {value!r:.100}") from error
        if rule.faults.duration is not None:
            rule.ends = self.clock.now() + rule.faults.duration
        self._last_id += 1
        self._rules = (*self, rule)
        return rule

    def from_json(self, raw: Mapping[str, Any], account: Account | None = None) -> FaultRule:
        """Add a rule from a JSON object.

        Raises:
            ValueError: a field is unknown, missing or invalid.
        """
        fields = dict(raw)
        faults = fields.pop("fault", None)
        if isinstance(faults, str) and "for" in fields:
            faults = f"{faults},for={fields.pop('for')}"
        unknown = fields.keys() - {"operation", "probability", "nth", "count"}
        if not isinstance(faults, str) or unknown:
            raise ValueError(
                "a rule needs fault, and allows operation, probability, nth, count and for"
                + (f"; unknown: {', '.join(sorted(unknown))}" if unknown else "")
            )
        return self.add(faults, **fields, account=account)

    def remove(self, rule_id: int) -> bool:
        """Remove a rule; return False if there is none with this id."""
        self._remove_ended()
        rules = tuple(rule for rule in self._rules if rule.id != rule_id)
        found = len(rules) < len(self._rules)
        self._rules = rules
        return found

    def clear(self) -> None:
        """Remove all rules."""
        self._rules = ()

    def pick(self, operation: str, account: Account | None) -> FaultSet:
        """Return the faults of the first rule that applies to a call."""
        if self._rules:
            self._remove_ended()
        for rule in self._rules:
            if rule.matches(operation, account, self._random):
                return rule.faults
        return NO_FAULTS

    def delay(self, faults: FaultSet) -> float:
        """Return the seconds of delay, from the same random generator as the rules."""
        return faults.delay(self._random)

    def __iter__(self) -> Iterator[FaultRule]:
        self._remove_ended()
        return iter(self._rules)

    def _remove_ended(self) -> None:
        now = self.clock.now()
        if any(rule.ends is not None and rule.ends <= now for rule in self._rules):
            self._rules = tuple(
                rule for rule in self._rules if rule.ends is None or rule.ends > now
            )
