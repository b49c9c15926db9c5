"""Rules for faults: by operation, account, call number, probability and count."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

from attrs import define, field
from attrs.validators import and_, ge, instance_of, le, optional

from wanflow.mock.gateway.fault import NO_FAULTS, FaultSet, parse_faults

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wanflow.mock.gateway.accounts import Account

FILES = "files"
"""The name for downloads of results, used like an operation id."""


@define(eq=False)
class FaultRule:
    """Faults for the calls of an operation and an account (None: all).

    It applies from the `nth` matching call on, with a probability, at most `count` times.
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
    """The active rules; the first match applies. `operations` are the valid names."""

    operations: tuple[str, ...] = ()
    _rules: tuple[FaultRule, ...] = ()
    _last_id: int = 0
    _random: Random = field(factory=lambda: Random(0), repr=False)  # noqa: S311 - play, not secrets

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
        """Add a rule for one or more faults, separated by commas.

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
        self._last_id += 1
        self._rules = (*self._rules, rule)
        return rule

    def from_json(self, raw: Mapping[str, Any], account: Account | None = None) -> FaultRule:
        """Add a rule from a JSON object.

        Raises:
            ValueError: a field is unknown, missing or invalid.
        """
        fields = dict(raw)
        faults = fields.pop("fault", None)
        unknown = fields.keys() - {"operation", "probability", "nth", "count"}
        if not isinstance(faults, str) or unknown:
            raise ValueError(
                "a rule needs fault, and allows operation, probability, nth and count"
                + (f"; unknown: {', '.join(sorted(unknown))}" if unknown else "")
            )
        return self.add(faults, **fields, account=account)

    def remove(self, rule_id: int) -> bool:
        """Remove a rule; return False if there is none with this id."""
        rules = tuple(rule for rule in self._rules if rule.id != rule_id)
        found = len(rules) < len(self._rules)
        self._rules = rules
        return found

    def clear(self) -> None:
        """Remove all rules."""
        self._rules = ()

    def pick(self, operation: str, account: Account | None) -> FaultSet:
        """Return the faults of the first rule that applies to a call."""
        for rule in self._rules:
            if rule.matches(operation, account, self._random):
                return rule.faults
        return NO_FAULTS

    def jitter(self, most: float) -> float:
        """Return a random delay of up to `most` seconds, from the same generator as the rules."""
        return self._random.uniform(0, most)

    def __iter__(self) -> Any:
        return iter(self._rules)
